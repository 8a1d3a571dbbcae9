"""What a user installs: the size of it, and that checklists, prompts and data come along."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
#: of other packages; evalkit itself has 11 MB beside them. 0.1.0, with uvloop, had 85 MB and 5 MB.
LIMIT_MB = 80


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def closure():
    """Distributions that an installation without extras brings, by name, without evalkit's own."""
    found: dict[str, metadata.Distribution] = {}
    queue = project()["dependencies"]
    while queue:
        requirement = Requirement(queue.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = metadata.distribution(name)
            queue += found[name].requires or []
    return found


def test_the_base_installation_stays_small():
    sizes = {}
    for name, distribution in closure().items():
        paths = (distribution.locate_file(file) for file in distribution.files or [])
        sizes[name] = sum(Path(str(p)).stat().st_size for p in paths if Path(str(p)).is_file()) / 1e6
    total = sum(sizes.values())
    print(f"{total:.0f} MB: " + ", ".join(f"{n} {s:.1f}" for n, s in sorted(sizes.items(), key=lambda i: -i[1])[:8]))
    assert {"typer", "httpx2", "pydantic-core"} <= set(sizes)
    assert "uvloop" not in sizes
    assert total < LIMIT_MB


def test_the_guide_lists_each_extra_and_what_it_brings():
    extras = project()["optional-dependencies"]
    brought = {name: {Requirement(one).name for one in packages} for name, packages in extras.items() if name != "dev"}
    table = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    assert {name: set(packages.split(", ")) for name, packages in table} == brought


@pytest.mark.slow
def test_the_wheel_brings_checklists_prompts_and_data_and_no_tests(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("dlm_evalkit-*.whl"))).namelist()
    for part in (
        "evalkit/shipped/checklists/nemotron-labs-diffusion-8b.yaml",
        "evalkit/shipped/checklists/demo.yaml",
        "evalkit/shipped/prompts/quick.jsonl",
        "evalkit/data/report.schema.json",
        "evalkit/data/directory.schema.json",
        "evalkit/data/matrix.schema.json",
        "evalkit/py.typed",
    ):
        assert part in names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]

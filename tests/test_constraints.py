"""What the development environment is made of: every version pinned, every file under a hash, nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted((ROOT / "constraints").glob("*.txt"))
HASHED = [path for path in LOCKS if path.name != "dev.txt"]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement)[0]).lower()


def versions(path: Path) -> dict[str, str]:
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,-]+\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE)
    return {name_of(name): version for name, version in pinned}


@pytest.mark.parametrize("path", HASHED, ids=lambda p: p.name)
def test_every_requirement_is_pinned_and_hashed(path):
    entries = re.split(r"\n(?=\S)", "\n".join(x for x in path.read_text().splitlines() if not x.startswith("#")))
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_no_address_of_a_registry_is_written_down(path):
    assert "://" not in path.read_text()
    assert "--index" not in path.read_text()


def test_hashes_are_those_of_the_pinned_versions():
    pinned, hashed = versions(ROOT / "constraints" / "dev.txt"), versions(ROOT / "constraints" / "hashes.txt")
    assert pinned == {name: version for name, version in hashed.items() if name in pinned}
    # what is pinned for other platforms only
    assert set(hashed) - set(pinned) <= {"colorama", "httpx2-jsfetch"}


def test_whatever_the_project_asks_for_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = {name_of(one) for one in (*project["dependencies"], *extras["dev"], *extras["fast"])}
    assert asked <= set(versions(ROOT / "constraints" / "hashes.txt"))


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("base", []), ("fast", ["fast"]), ("sigstore", ["sigstore"]), ("ray", ["fast", "ray"]), ("tools", ["sigstore"])],
)
def test_a_lock_has_what_its_extras_bring_and_no_other_event_loop(lock, extras):
    """What measures installs from fast.txt or ray.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    of_extras = [one for name in extras for one in project["optional-dependencies"][name]]
    pinned = versions(ROOT / "constraints" / f"{lock}.txt")
    assert {name_of(one) for one in (*project["dependencies"], *of_extras)} <= set(pinned)
    assert ("uvloop" in pinned) is ("fast" in extras)


def test_fast_is_the_base_install_and_what_the_extra_brings():
    base, fast = (versions(ROOT / "constraints" / f"{name}.txt") for name in ("base", "fast"))
    assert {name: version for name, version in fast.items() if name != "uvloop"} == base


def test_the_container_measures_on_uvloop_and_the_action_installs_no_more_than_it_needs():
    assert "-r constraints/fast.txt" in (ROOT / "examples" / "docker" / "Dockerfile").read_text()
    assert "wanted=base" in (ROOT / "action.yml").read_text()


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0, "1 packages, 0 known"),
        ({"dependencies": [{"name": "a", "skip_reason": "?"}]}, 0, "WAS NOT DONE"),
        ({"dependencies": []}, 0, "WAS NOT DONE"),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                              {"name": "b", "skip_reason": "?"}]},
            1, "a 1: CVE-1, fixed in 2",
        ),
    ],
)  # fmt: skip
def test_an_audit_fails_on_a_known_vulnerability_and_says_when_it_was_not_done(report, code, said):
    script = f"import json, sys; from tools.audit import judge; sys.exit(judge(json.loads({json.dumps(report)!r})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout

"""What is shipped for other systems, held against the validators of those systems (`make tools`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = ROOT / "build" / "tools" / "bin"
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (BIN / "shellcheck").exists(), reason="build/tools is not set up: make tools"),
]


def passes(program, *arguments, cwd=ROOT, **environment):
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
        ("vendor.github-workflows", ".github/workflows/release.yml"),
        ("vendor.github-workflows", ".github/workflows/docs.yml"),
        ("vendor.github-actions", "action.yml"),
        ("vendor.compose-spec", "examples/docker/compose.yaml"),
    ],
)
def test_a_file_is_valid_by_the_schema_of_its_system(schema, path):
    passes("check-jsonschema", "--builtin-schema", schema, path)


def test_the_gitlab_job_of_the_guide_is_valid(tmp_path):
    job = tmp_path / "gitlab-ci.yml"
    job.write_text(re.search(r"```yaml\n(evaluation:.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    passes("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", job)


def test_the_container_file_is_clean():
    passes("hadolint", "examples/docker/Dockerfile")


def test_the_job_is_valid_for_kubernetes():
    assert "passed" in passes("kubernetes-validate", "--strict", "examples/kubernetes/job.yaml")


def test_shell_scripts_are_clean(tmp_path):
    scripts = [ROOT / ".ci" / "run", *(ROOT / "tests").glob("*/setup*.sh"), ROOT / "examples" / "slurm" / "run.sbatch"]
    for name, path in {"action": ROOT / "action.yml"}.items():
        for place, step in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))["runs"]["steps"]):
            if "run" in step:
                script = tmp_path / f"{name}-{place}.sh"
                script.write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{step['run']}", encoding="utf-8")
                scripts.append(script)
    passes("shellcheck", "--severity=warning", *scripts)


def test_the_docs_are_a_site_with_no_broken_link(tmp_path):
    site = ROOT / "build" / "site"
    passes("zensical", "build", "--strict", "--clean", "-f", "mkdocs.yml")
    assert (site / "timing" / "index.html").exists()
    assert list(site.rglob("search*.js*"))


def is_python(program, version):
    found = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return found.returncode == 0 and f"Python {version}." in found.stdout


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_wheel_works_in_a_clean_environment(tmp_path, python, dist):
    """Each version from the wheel alone, without the extra `fast`; one that is not on this machine is skipped by name."""
    known = [shutil.which(f"python{python}"), *Path.home().glob(f".pyenv/versions/{python}.*/bin/python")]
    program = next((one for one in known if one and is_python(one, python)), None)
    if program is None:
        pytest.skip(f"Python {python} is not on this machine")
    (wheel,) = dist.glob("*.whl")
    subprocess.run([program, "-m", "venv", tmp_path / "venv"], check=True)
    pip = [tmp_path / "venv" / "bin" / "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "constraints" / "base.txt"], check=True)
    subprocess.run([*pip, "--no-deps", wheel], check=True)
    evalkit = tmp_path / "venv" / "bin" / "evalkit"
    told = subprocess.run(
        [evalkit, "validate", "demo", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert json.loads(told.stdout)["valid"], told.stderr
    pack = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
    told = subprocess.run([evalkit, "report", pack], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "GO" in told.stdout, told.stderr
    told = subprocess.run(
        [evalkit, "doctor", "--json", "--concurrency", "1"],
        cwd=tmp_path, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = json.loads(told.stdout)
    assert [(row["loop"], row["events"] > 0) for row in found["timing"]] == [("asyncio", True)], told.stderr
    assert [one["id"] for one in found["advice"]] == ["loop"]


@pytest.fixture(scope="module")
def dist():
    """sdist, wheel and bill of materials, as a release builds them."""
    subprocess.run(["make", "dist"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "dist"


def test_the_bill_of_materials_names_every_pinned_package(dist):
    bill = json.loads((dist / "sbom.cdx.json").read_text(encoding="utf-8"))
    named = {one["name"].lower() for one in bill["components"]}
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints" / "fast.txt").read_text(), re.MULTILINE)
    assert {name.lower() for name in pinned} <= named


SIGNED = ROOT / "tests" / "fixtures" / "sigstore" / "provenance.sigstore.json"
SIGNER = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)


def gated(attestation, identity):
    root = SIGNED.with_name("trusted_root.json")
    pack = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
    asked = [
        "gate",
        pack,
        "--attestation",
        attestation,
        "--identity",
        identity,
        "--trust-root",
        root,
        "--max-age",
        "900w",
    ]
    return subprocess.run([BIN / "evalkit", *asked], capture_output=True, text=True, check=False)


def test_a_signature_of_someone_else_is_not_trusted():
    done = gated(SIGNED, "https://github.com/someone/else/.github/workflows/x.yml@refs/heads/main")
    assert done.returncode == 3
    assert "not shown to be" in done.stdout


def test_a_signature_that_holds_vouches_only_for_what_it_signs():
    """The recorded bundle is signed by whom it says, and is no statement of evalkit's."""
    done = gated(SIGNED, SIGNER)
    assert done.returncode == 2
    assert "not an in-toto statement of an evalkit verdict" in done.stderr


@pytest.mark.parametrize("part", ["payload", "sig"])
def test_a_changed_bundle_is_not_trusted(tmp_path, part):
    bundle = json.loads(SIGNED.read_text(encoding="utf-8"))
    envelope = bundle["dsseEnvelope"]
    if part == "payload":
        envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    else:
        envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"][::-1]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(bundle), encoding="utf-8")
    assert gated(changed, SIGNER).returncode in (2, 3)


def test_what_is_no_bundle_says_so(tmp_path):
    bare = tmp_path / "bare.json"
    bare.write_text("{}", encoding="utf-8")
    done = gated(bare, SIGNER)
    assert done.returncode == 2
    assert "Sigstore bundle" in done.stderr

"""What CI runs elsewhere is run here: the action's steps, the GitLab script, the page's commands, the workflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from evalkit.stored.pack import Pack
from tests.support.stored_run import write_run

ROOT = Path(__file__).parents[2]
PACK = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}


def bare(candidates):
    """Without the texts that a run folder keeps beside its journal: a pack has none."""
    kept = ("texts", "license_texts")
    return tuple(
        one.model_copy(
            update={name: tuple(t.model_copy(update={"path": None}) for t in getattr(one, name)) for name in kept}
        )
        for one in candidates
    )


@pytest.fixture
def repository(tmp_path):
    """A team's repository: a run of today in runs/, and its checklist."""
    stored = Pack.open(PACK)
    facts, checklist = stored.facts(), stored.checklist().checklist
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changed = {"end": facts.end.model_copy(update={"finished_at": now}), "candidates": bare(facts.candidates)}
    (tmp_path / "runs").mkdir()
    write_run(tmp_path / "runs" / "2026-11-24", checklist, facts.model_copy(update=changed))
    (tmp_path / "evaluation").mkdir()
    written = checklist.model_dump(mode="json", exclude_unset=True)
    (tmp_path / "evaluation" / "checklist.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    return tmp_path


def shell(folder, script, **variables):
    """As a runner would: bash that stops at the first failure, with the venv's evalkit in its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=100, check=False)  # fmt: skip


def page_commands():
    return [line.strip() for line in PAGE.splitlines() if line.startswith("    evalkit ")]


def inputs(**given):
    return {name: str(given.get(name, spec.get("default", ""))) for name, spec in ACTION["inputs"].items()}


def step(folder, name, **given):
    """One step of the action, its expressions filled in as GitHub does."""
    found = STEPS[name]
    values = inputs(**given)
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: values[match[1]], text)
        for key, text in found["env"].items()
    }
    out = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "output")}
    return shell(folder, found["run"], **variables, **out)


@pytest.mark.slow
def test_the_pages_commands_and_the_gitlab_script_run_as_they_are_written(repository):
    pack, gate, *live = page_commands()
    assert all("--live" in command for command in live)
    assert shell(repository, pack).returncode == 0
    done = shell(repository, gate)
    assert (done.returncode, "GO still holds" in done.stdout) == (0, True), done.stdout + done.stderr
    (job,) = yaml.safe_load(re.search(r"```yaml\n(evaluation:.*?)```", PAGE, re.DOTALL)[1]).values()
    install, *script = job["script"]
    assert install == "pip install dlm-evalkit"
    done = shell(repository, "\n".join(script))
    assert done.returncode == 0, done.stderr
    report = repository / job["artifacts"]["reports"]["junit"]
    assert ET.parse(report).getroot().findall(".//testcase")
    assert job["allow_failure"] == {"exit_codes": [3]}


@pytest.mark.slow
def test_the_actions_steps_write_the_summary_and_pass_a_go(repository):
    given = {"run": "runs/2026-11-24", "checklist": "evaluation/checklist.yaml"}
    done = step(repository, "Summary", **given)
    assert done.returncode == 0, done.stderr
    assert "GO" in (repository / "summary.md").read_text(encoding="utf-8").splitlines()[0]
    done = step(repository, "Gate", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / "output").read_text() == "exit-code=0\n"


@pytest.mark.slow
def test_the_actions_gate_fails_on_what_cannot_be_trusted_unless_it_only_reports(repository):
    given = {"run": "runs/2026-11-24", "revision": "f" * 40}
    assert step(repository, "Gate", **given).returncode == 3
    assert step(repository, "Gate", **given, **{"report-only": "true"}).returncode == 0
    assert (repository / "output").read_text() == "exit-code=3\nexit-code=3\n"


def test_hostile_inputs_of_the_action_stay_words(repository):
    done = step(repository, "Gate", run="nowhere; touch owned $(touch owned)", checklist='"; touch owned; "')
    assert done.returncode == 2
    assert not (repository / "owned").exists()


def test_no_expression_stands_inside_a_script():
    assert [name for name, found in STEPS.items() if "${{" in found["run"]] == []
    for found in STEPS.values():
        assert subprocess.run(["bash", "-n", "-c", found["run"]], check=False).returncode == 0


def test_the_action_installs_into_an_environment_of_its_own():
    script = STEPS["Install evalkit"]["run"]
    assert "-m venv" in script
    assert "GITHUB_PATH" in script


def test_the_pages_use_of_the_action_names_its_inputs():
    (used,) = yaml.safe_load(re.search(r"```yaml\n(- uses.*?)```", PAGE, re.DOTALL)[1])
    assert set(used["with"]) <= set(ACTION["inputs"])
    assert {name for name, spec in ACTION["inputs"].items() if spec.get("required")} <= set(used["with"])


def test_the_workflow_runs_what_ci_runs_with_least_permissions():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [one for job in workflow["jobs"].values() for one in job["steps"]]
    runs = {one["run"] for one in steps if "run" in one}
    assert runs == {"make test", "make check", "make real"}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {command.split()[1] for command in runs} <= targets
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", one["uses"]) for one in steps if "uses" in one)
    checkouts = [one for one in steps if one.get("uses", "").startswith("actions/checkout")]
    assert all(one["with"]["persist-credentials"] is False for one in checkouts)
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def git(folder, *arguments):
    command = [
        "git",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "-c",
        "init.defaultBranch=main",
        *arguments,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("on_base", [True, False], ids=["base-checklist", "pull request's own"])
def test_the_action_judges_a_pull_request_by_the_base_branchs_checklist(repository, tmp_path_factory, on_base):
    """The pull request asks for less, in words that a runner would obey."""
    path = repository / "evaluation" / "checklist.yaml"
    git(repository, "init")
    git(repository, "add", "evaluation")
    git(repository, "commit", "-m", "base")
    clone = tmp_path_factory.mktemp("clone") / "work"
    git(repository, "clone", "--no-local", str(repository), str(clone))
    asked = yaml.safe_load(path.read_text())
    asked["name"] = "changed"
    (clone / "evaluation" / "checklist.yaml").write_text(yaml.safe_dump(asked) + "# x\n# y\n\n  # ::error::obeyed\n")
    variables = {"run": str(repository / "runs" / "2026-11-24"), "checklist": "evaluation/checklist.yaml"}
    variables["base-checklist"] = str(on_base).lower()
    os.environ["GITHUB_BASE_REF"] = "main"
    try:
        done = step(clone, "Gate", **variables)
        missing = step(clone, "Gate", **variables | {"checklist": "evaluation/other.yaml"})
    finally:
        del os.environ["GITHUB_BASE_REF"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("of the base branch" in done.stdout) == on_base
    assert ("| +name: changed" in done.stdout) == on_base
    assert not [line for line in done.stdout.splitlines() if line.lstrip().startswith("::")]
    assert missing.returncode == (3 if on_base else 2)

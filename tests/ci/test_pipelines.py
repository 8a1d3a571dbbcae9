"""What CI runs elsewhere is run here: the action's steps, the GitLab script, the page's commands, the workflow."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from evalkit.checklist.files import sha256_of
from evalkit.stored.pack import Pack, pack
from tests.support.stored_run import write_run

ROOT = Path(__file__).parents[2]
PACK = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}


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
    """A team's repository: a run of today in runs/, and its checklist with prompts and tasks beside it."""
    stored = Pack.open(PACK)
    facts, checklist = stored.facts(), stored.checklist().checklist
    now = datetime.now(UTC).isoformat(timespec="seconds")
    folder = tmp_path / "evaluation"
    folder.mkdir()
    written = checklist.model_dump(mode="json", exclude_unset=True)
    (folder / "checklist.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    (folder / checklist.prompts[0]).write_text('{"id": "p0", "prompt": "Name a river."}\n', encoding="utf-8")
    case = "cases:\n  - {id: a, prompt: Capital of France?, expect: [{contains: {any: [Paris]}}]}\n"
    (folder / checklist.tasks[0]).write_text(f"suite: {{name: own, kind: chat}}\n{case}", encoding="utf-8")
    snapshot = folder / checklist.candidate.model
    snapshot.write_text("as it was read", encoding="utf-8")
    digests = {path.name: sha256_of(path.read_bytes()) for path in folder.iterdir()}
    read = [one.model_copy(update={"revision": f"sha256:{digests[snapshot.name]}"}) for one in bare(facts.candidates)]
    changed = {"end": facts.end.model_copy(update={"finished_at": now}), "candidates": tuple(read)}
    for name, paths in (("prompts", checklist.prompts), ("suites", checklist.tasks)):
        (fact,) = getattr(facts, name)
        changed[name] = (fact.model_copy(update={"sha256": digests[paths[0]]}),)
    (tmp_path / "runs").mkdir()
    write_run(tmp_path / "runs" / "2026-11-24", checklist, facts.model_copy(update=changed))
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
    (folder / "temp").mkdir(exist_ok=True)
    out = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "output")}
    out["RUNNER_TEMP"] = str(folder / "temp")
    return shell(folder, found["run"], **variables, **out)


@pytest.mark.slow
def test_the_pages_commands_and_the_gitlab_script_run_as_they_are_written(repository):
    pack, gate, *_ = page_commands()
    assert shell(repository, pack).returncode == 0
    done = shell(repository, gate)
    assert (done.returncode, "GO still holds" in done.stdout) == (0, True), done.stdout + done.stderr
    (job,) = yaml.safe_load(re.search(r"```yaml\n(evaluation:.*?)```", PAGE, re.DOTALL)[1]).values()
    install, *script = job["script"]
    assert "wheel" in install
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
    assert runs == {"make test", "make check", "make tools", "make real"}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {command.split()[1] for command in runs} <= targets
    checkouts = [one for one in steps if one.get("uses", "").startswith("actions/checkout")]
    assert all(one["with"]["persist-credentials"] is False for one in checkouts)
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_every_action_that_is_used_is_pinned_by_commit_with_its_version_beside_it():
    lines = [
        line.strip()
        for path in (ROOT / "action.yml", *(ROOT / ".github" / "workflows").glob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]
    assert lines
    assert [x for x in lines if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)*$", x)] == []


def test_several_live_servers_are_each_asked(repository):
    """Nothing listens there: both are named."""
    done = step(repository, "Gate", run="runs/2026-11-24", live="http://127.0.0.1:9\n\n  diffusion=http://127.0.0.1:10")
    assert done.returncode == 3, done.stderr
    assert "http://127.0.0.1:9" in done.stdout
    assert "http://127.0.0.1:10" in done.stdout


@pytest.mark.parametrize("what", ["folder", "pack"])
def test_the_evidence_is_a_redacted_pack_and_a_page(repository, what):
    run = repository / "runs" / "2026-11-24"
    done = step(repository, "Evidence", run=str(run if what == "folder" else PACK))
    assert done.returncode == 0, done.stderr
    made = repository / "temp" / "evalkit-evidence"
    kept = Pack.open(made / "run.pack")
    assert kept.redacted, "docs/ci.md says that it is"
    assert kept.facts().timed is not None
    assert (made / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_redacted_pack_is_uploaded_as_it_is(repository):
    """Its attestation names its bytes."""
    kept = repository / "kept.pack"
    kept.write_bytes(pack(Pack.open(PACK), redact=True))
    assert step(repository, "Evidence", run=str(kept)).returncode == 0
    assert (repository / "temp/evalkit-evidence/run.pack").read_bytes() == kept.read_bytes()


def test_a_link_to_another_file_uploads_nothing_of_it(repository):
    """A pull request names what is uploaded, and anybody may read the artifact."""
    (repository / "config").write_text("extraheader = AUTHORIZATION: basic canary")
    (repository / "evaluation/run.pack").symlink_to("../config")
    assert step(repository, "Evidence", run="evaluation/run.pack").returncode != 0
    left = repository / "temp/evalkit-evidence"
    assert not [one for one in left.rglob("*") if "canary" in one.read_text(errors="replace")]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq stands in for that of gh")
@pytest.mark.parametrize("me", ["", "writer"], ids=["token of a bot", "token of a user"])
def test_a_comment_of_somebody_else_is_left_alone(repository, me):
    """Its author could write another verdict into it."""
    tool = repository / "bin" / "gh"
    tool.parent.mkdir()
    tool.write_text(
        "#!/usr/bin/env bash\n"
        'if [ "$2" = user ]; then [ -z "$ME" ] || echo "$ME"; [ -n "$ME" ] || { echo "{}"; exit 1; }; exit; fi\n'
        f'case "$*" in *--paginate*) jq -r "${{@: -1}}" {repository}/comments;; *) echo "$*" >> {repository}/asked;; esac\n'
    )
    tool.chmod(0o755)
    (repository / "temp").mkdir()
    (repository / "temp" / "evalkit-gate.txt").write_text("gate: cannot be trusted\n")
    marker = f"<!-- evalkit {hashlib.sha256(b'a.pack').hexdigest()[:16]} -->"
    comments = [
        {"id": 7, "body": f"{marker}\nGO", "user": {"login": "author", "type": "User"}},
        {"id": 8, "body": f"{marker}\nold", "user": {"login": me or "x[bot]", "type": "User" if me else "Bot"}},
    ]
    environment = {
        **os.environ, "RUN": "a.pack", "REPOSITORY": "o/r", "NUMBER": "5", "ME": me,
        "RUNNER_TEMP": str(repository / "temp"), "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    for known in (comments[:1], comments):
        (repository / "comments").write_text(json.dumps(known))
        argv = ["bash", "-eo", "pipefail", "-c", STEPS["Comment"]["run"]]
        assert subprocess.run(argv, env=environment, check=False).returncode == 0
    first, second = (repository / "asked").read_text().splitlines()
    assert "--method POST" in first
    assert "--method PATCH repos/o/r/issues/comments/8" in second


def test_the_comment_is_written_once_and_then_updated(repository):
    """`gh` is a stand-in here that keeps what it is asked and knows one comment from the second call on."""
    tool = repository / "bin" / "gh"
    tool.parent.mkdir()
    tool.write_text(
        f"#!/usr/bin/env bash\nprintf '%s\\n' \"$*\" >> {repository}/asked\n"
        f'case "$*" in *--jq*) [ ! -e {repository}/known ] || echo 7;; esac\n'
    )
    tool.chmod(0o755)
    (repository / "temp").mkdir()
    (repository / "temp" / "evalkit-gate.txt").write_text("gate: GO stands\n`::error::x`\n")
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    script = STEPS["Comment"]["run"]
    given = {"RUN": "a.pack", "REPOSITORY": "o/r", "NUMBER": "5", "RUNNER_TEMP": str(repository / "temp")}
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], env={**os.environ, **given, "PATH": path}, check=False
        )
        assert done.returncode == 0
        (repository / "known").touch()
    asked = (repository / "asked").read_text().splitlines()
    assert [line.split()[3] for line in asked if "--method" in line] == ["POST", "PATCH"]
    body = (repository / "temp" / "evalkit-comment.md").read_text().splitlines()
    assert body[0].startswith("<!-- evalkit ")
    assert body[2:4] == ["gate: GO stands", "::error::x"]


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
    (clone / "evaluation" / "notes.txt").write_bytes(b"a\r::add-mask::b\n##[error]c\n\x1b[2Jd\n")
    git(clone, "add", "evaluation")
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
    assert "##[" not in done.stdout
    assert "\x1b" not in done.stdout
    assert missing.returncode == (3 if on_base else 2)

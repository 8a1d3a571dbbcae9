"""A checklist with results of a harness, and with a harness that evalkit runs: well, badly, and not at all."""

from __future__ import annotations

import json
import stat
import sys
import textwrap

import psutil
import pytest

from evalkit.checklist.errors import InputFileError
from evalkit.checklist.loader import load_checklist
from evalkit.run.start import Flags, run
from tests.support.small_run import servers, write_inputs


@pytest.fixture(scope="module")
def modes():
    with servers() as up:
        yield up


def findings(report, check):
    (item,) = [one for one in report["items"] if one["id"] == "quality"]
    return {one["mode"]: one for one in item["findings"] if one["id"] == f"quality.{check}"}


def carries(report):
    """Whether quality is shown in every mode; speed depends on the machine that runs the test."""
    (item,) = [one for one in report["items"] if one["id"] == "quality"]
    return item["status"] in ("pass", "warn") and "self-speculation" in findings(report, "non-inferiority")


def table(modes, cases=64):
    lines = ["case,mode,score,endpoint,model"]
    lines += [
        f"c{i},{mode},1,{one['endpoint']}/v1,acme-labs/Trident-8B" for mode, one in modes.items() for i in range(cases)
    ]
    return "\n".join(lines) + "\n"


def go(folder, modes, tasks, **flags):
    checklist = write_inputs(folder, modes, tasks=tasks)
    return run(Flags(checklist=str(checklist), output_dir=folder / "run", as_json=True, only=("quality",), **flags))


def test_results_of_the_probed_servers_carry_a_go_and_an_edited_file_is_another_plan(tmp_path, modes):
    (tmp_path / "scores.csv").write_text(table(modes))
    task = {"results": dict.fromkeys(modes, "scores.csv"), "from": "csv", "kind": "chat"}
    report = go(tmp_path, modes, [task])
    assert carries(report)
    assert {one["status"] for one in findings(report, "harness").values()} == {"pass"}
    (tmp_path / "scores.csv").write_text(table(modes).replace("c0,", "c00,"))
    with pytest.raises(Exception, match="plan differs"):
        run(Flags(checklist=str(tmp_path / "checklist.yaml"), resume=tmp_path / "run", only=("quality",)))


TOOL = """
import json, os, sys, time
endpoint, model, out, mode = sys.argv[1:5]
print("key", os.environ.get("OPENAI_API_KEY"), "other", os.environ.get("UNRELATED_KEY"), "seen", os.environ.get("NAMED"), flush=True)
with open(out + "/scores.csv", "w") as file:
    file.write("case,score,endpoint\\n" + "".join(f"c{i},1,{endpoint}\\n" for i in range(64)))
with open(out + "/notes.txt", "w") as file:
    file.write("used " + str(os.environ.get("OPENAI_API_KEY")))
"""


def script(folder, text, name="tool"):
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return {"command": [sys.executable, str(folder / f"{name}.py"), "{endpoint}", "{model}", "{out}", "{mode}"],
            "reads": "csv", "kind": "chat"}  # fmt: skip


@pytest.mark.slow
def test_a_command_runs_once_a_mode_with_its_key_by_environment_alone(tmp_path, modes, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", "very-private-key-1")
    monkeypatch.setenv("UNRELATED_KEY", "very-private-key-2")
    monkeypatch.setenv("NAMED", "named")
    keyed = {mode: {**one, "api_key_env": "SERVER_KEY"} for mode, one in modes.items()}
    report = go(tmp_path, keyed, [{**script(tmp_path, TOOL), "env": ["NAMED"]}])
    assert carries(report)
    logs = "".join(path.read_text() for path in (tmp_path / "run" / "logs").glob("harness-*"))
    assert logs.count("seen named") == 2
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"very-private-key" not in kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run" / "logs").glob("harness-*")} == {0o600}
    assert stat.S_IMODE((tmp_path / "run" / "harness" / "1-command-autoregressive").stat().st_mode) == 0o700


WRITES = "import sys; open(sys.argv[3] + '/x.csv', 'w').write({!r})"
BAD = {
    "fails": ("import sys; sys.exit(3)", "exit code 3"),
    "writes nothing": ("print('done')", "no .csv"),
    "has no samples": (WRITES.format("case,score\n"), "graded no sample"),
    "writes half": (WRITES.format("case,score\na,1\nb"), "x.csv:3"),
    "grades nothing": (WRITES.format("case,score,error\na,,timeout\nb,,timeout\n"), "2 samples"),
    "prints much": ("import sys; sys.stdout.write('x' * 3_000_000); sys.stdout.flush(); raise SystemExit('gone')", "exit code 1"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
    "hangs": (
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("PIDS", "a").write(f"{child.pid}\\n")
        time.sleep(600)
        """,
        "after its limit",
    ),
}  # fmt: skip


@pytest.mark.slow
def test_a_harness_that_fails_ends_in_a_finding_with_its_reason(tmp_path, modes):
    """All in one run: one of them does not keep the others from theirs."""
    tasks = [
        {**script(tmp_path, text.replace("PIDS", str(tmp_path / "pids")), f"bad{n}"), "name": name}
        for n, (name, (text, _)) in enumerate(BAD.items())
    ]
    tasks[-1]["timeout_minutes"] = 0.05
    tasks.append({"run": "lm-eval", "tasks": ["x"], "program": "/nowhere/lm_eval", "name": "is not installed"})
    report = go(tmp_path, modes, tasks)
    assert not carries(report)
    (item,) = [one for one in report["items"] if one["id"] == "quality"]
    counted = [one for one in item["findings"] if one["id"] in ("quality.harness", "quality.scored")]
    for name, words in {
        **{name: words for name, (_, words) in BAD.items()},
        "is not installed": "not installed",
    }.items():
        for mode in modes:
            of_one = [one for one in counted if one["mode"] == mode and name in one["summary"]]
            assert any(words in one["summary"] for one in of_one), (name, mode, of_one)
            assert any(one["status"] in ("error", "inconclusive") for one in of_one)
    records = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert any("pip install" in json.dumps(one) for one in records)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_resume_runs_only_the_mode_that_is_open(tmp_path, modes):
    text = TOOL + textwrap.dedent(f"""
        with open({str(tmp_path / "modes")!r}, "a") as file:
            file.write(mode + "\\n")
        if mode == "self-speculation" and not os.path.exists({str(tmp_path / "go")!r}):
            sys.exit(1)
    """)
    first = go(tmp_path, modes, [script(tmp_path, text)])
    assert not carries(first)
    (tmp_path / "go").touch()
    again = run(
        Flags(checklist=str(tmp_path / "checklist.yaml"), resume=tmp_path / "run", as_json=True, only=("quality",))
    )
    assert carries(again)
    assert (tmp_path / "modes").read_text().split() == ["autoregressive", "self-speculation", "self-speculation"]


@pytest.mark.parametrize(
    ("task", "words"),
    [({"from": "csv"}, "give one of"), ({"results": {"ar": "x"}}, "from"), ({"run": "lm-eval"}, "tasks"),
     ({"run": "inspect"}, "task"), ({"command": ["x"]}, "reads"), ({"run": "lm-eval", "tasks": ["x"], "metrc": "x"}, "metrc"),
     ({"run": "nel"}, "nel"), ({"results": {"fast": "x"}, "from": "csv"}, "fast"), ({"run": "inspect", "results": {}}, "results")],
)  # fmt: skip
def test_a_task_that_cannot_be_is_named_with_its_line(tmp_path, task, words):
    import yaml

    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "tasks": ["a.yaml", task]}))
    with pytest.raises(InputFileError, match=words) as caught:
        load_checklist(path)
    assert str(caught.value.where).rpartition(":")[2].isdigit()

"""Engines with real processes: the machine's token, cells that are ended, and the script for Slurm."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import psutil
import pytest

import evalkit
from evalkit import system
from evalkit.errors import UsageError
from evalkit.matrix import run
from evalkit.matrix.engines import Handle, Local, Slurm, local
from evalkit.matrix.outcome import Ended, outcome, write_ended
from tests.support.matrix import cell, waited_for

SLEEPS = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def out(tmp_path):
    for name in "ab":
        (tmp_path / "cells" / name).mkdir(parents=True)
    return tmp_path


def started(out, monkeypatch, *words, said=None):
    """A cell whose process is `python WORDS`."""
    monkeypatch.setattr(local, "words_of", lambda *_, **__: [sys.executable, *words])
    engine = Local(out, (said if said is not None else []).append, token=out / "token")
    return engine, engine.submit([cell()])[0]


def ended(engine, handle):
    handle.ref.process.wait(30)
    assert engine.poll(handle) == "ended"
    return engine.fetch(handle)


def test_the_cell_s_process_holds_the_token_too(out, monkeypatch):
    engine, handle = started(out, monkeypatch, "-c", SLEEPS)
    os.dup2(os.open(os.devnull, os.O_RDONLY), handle.ref.token.fd)  # as if the matrix had been killed
    other = os.open(out / "token", os.O_RDONLY)
    assert not system.lock(other)
    engine.cancel(handle, "interrupted")
    assert system.lock(other)
    os.close(other)


def test_cancel_ends_the_whole_group_and_says_why(out, monkeypatch):
    engine, handle = started(out, monkeypatch, "-c", SLEEPS)
    log = out / "cells" / "a" / "log.txt"
    process = psutil.Process(handle.ref.process.pid)
    while b"up" not in log.read_bytes():
        assert engine.poll(handle) == "running"
    family = [process, *process.children(recursive=True)]
    assert len(family) == 2
    engine.cancel(handle, "timed-out")
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert engine.fetch(handle).status == "timed-out"
    assert engine.poll(handle) == "ended"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; print('error: no such file'); sys.exit(2)", "failed"),
        ("import sys; print('torch.OutOfMemoryError: CUDA out of memory.'); sys.exit(4)", "out-of-memory"),
        ("import os; os.kill(os.getpid(), 9)", "lost"),
        ("import sys; sys.exit(130)", "interrupted"),
        ("pass", "failed"),  # 0, and no run: never a GO
        ("import sys; sys.exit(1)", "failed"),
    ],
)
def test_a_process_without_a_verdict_is_a_cell_that_failed(out, monkeypatch, code, status):
    assert ended(*started(out, monkeypatch, "-c", code)).status == status


def test_a_secret_that_the_process_says_is_not_in_the_outcome(out, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "sk-verysecretvalue1234567890")
    found = ended(*started(out, monkeypatch, "-c", "print('error: sk-verysecretvalue1234567890'); raise SystemExit(2)"))
    assert "verysecret" not in found.detail


def test_another_card_than_the_cell_s_is_refused_before_it_starts(out):
    engine = Local(out, print, token=out / "token")
    (handle,) = engine.submit([cell(card="H100-80GB", gpus=1, launches=True)])
    assert engine.poll(handle) == "ended"
    assert engine.fetch(handle).status == "wrong-gpu"


def test_a_cell_that_began_and_has_no_end_is_lost_and_one_of_another_plan_is_not_counted(out):
    folder = out / "cells" / "a"
    assert outcome(cell(), folder).status == "not-run"
    (folder / "run").mkdir()
    (folder / "run" / "plan.json").write_text("{}")
    assert outcome(cell(), folder).status == "lost"
    write_ended(folder, Ended(plan_sha256="3" * 64, exit_code=0))
    assert outcome(cell(), folder).status == "other-plan"
    (folder / "ended.json").write_text("{")
    assert outcome(cell(), folder).status == "lost"


def test_what_a_cell_says_is_read_once_a_second_and_its_end_is_seen_at_the_next_look(tmp_path, monkeypatch):
    now = [0.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

        @staticmethod
        def sleep(seconds):
            now[0] += seconds

    class Engine:
        name, together, detached = "fake", 1, False

        def __init__(self):
            self.read = []

        def submit(self, cells):
            return [Handle(one, tmp_path) for one in cells]

        def poll(self, handle):
            return "ended" if now[0] > 9.3 else "running"

        def logs(self, handle):
            self.read.append(now[0])
            return "at work"

        def fetch(self, handle):
            return outcome(handle.cell, tmp_path)

    engine, seen = Engine(), []

    class Seen:
        def doing(self, cell, state, line):
            seen.append(line)

        def ended(self, cell, found):
            seen.append(round(now[0], 1))

    monkeypatch.setattr(run, "time", Clock)
    run.work([cell()], engine, tmp_path, Seen())
    assert 9 <= len(engine.read) <= 10
    assert seen[-1] == 9.4


# -- Slurm, by stand-ins of its commands; test_slurm.py has a real one ---------------------------------------------------


def program(folder, name, body):
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """A folder at the front of PATH, for stand-ins of evalkit and of Slurm's commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def scripted(out, cells, *, submits=False, said=None):
    engine = Slurm(out, "a $(touch /tmp/x) name", (said if said is not None else []).append, submits=submits)
    return engine, engine.submit(cells)


def task(out, number):
    """One task of the array, as Slurm starts it; its exit code."""
    path = out / "submit-kind.sbatch"
    env = {**os.environ, "SLURM_ARRAY_TASK_ID": str(number)}
    return subprocess.run(["bash", str(path)], env=env, check=False, timeout=30).returncode


def test_the_script_asks_for_the_node_alone_and_for_the_card(out):
    scripted(out, [cell(gpus=2, card="2x L4", sbatch=("--partition=gpu", "--constraint=l4")), cell("b", gpus=2)])
    text = (out / "submit-kind.sbatch").read_text(encoding="utf-8")
    options = {line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")}
    assert {
        "--array=0-1",
        "--exclusive",
        "--gres=gpu:2",
        "--partition=gpu",
        "--constraint=l4",
        "--no-requeue",
    } <= options
    assert subprocess.run(["bash", "-n", str(out / "submit-kind.sbatch")], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing_in_the_script(out):
    scripted(out, [cell(), cell("b")])
    done = subprocess.run(["shellcheck", str(out / "submit-kind.sbatch")], check=False, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_task_runs_its_cell_goes_on_where_it_began_and_says_how_it_ended(out, stand_ins):
    program(
        stand_ins, "evalkit", f'[ "$1" = --version ] && echo "evalkit {evalkit.__version__}" && exit\necho "$@"\nexit 3'
    )
    scripted(out, [cell(), cell("b", plan_sha256="4" * 64)])
    assert task(out, 1) == 3
    folder = out / "cells" / "b"
    assert json.loads((folder / "ended.json").read_text()) == {"plan_sha256": "4" * 64, "exit_code": 3}
    assert "--output-dir" in (folder / "log.txt").read_text()
    (folder / "run").mkdir()
    (folder / "run" / "plan.json").write_text("{}")
    task(out, 1)
    assert f"--resume {folder / 'run'}" in (folder / "log.txt").read_text()
    assert not (out / "cells" / "a" / "ended.json").exists()


@pytest.mark.parametrize(("minutes", "status"), [(1.0, "timed-out"), (36.0, "interrupted")])
def test_a_task_that_is_asked_to_end_says_whether_its_time_was_over(out, stand_ins, minutes, status):
    """Slurm may ask a minute early: of a cell that has one minute that is at once."""
    program(
        stand_ins,
        "evalkit",
        f'[ "$1" = --version ] && echo "evalkit {evalkit.__version__}" && exit\n'
        f"trap 'exit 130' TERM\ntouch {out}/up\nwhile true; do sleep 0.1; done",
    )
    scripted(out, [cell(most_minutes=minutes)])
    env = {**os.environ, "SLURM_ARRAY_TASK_ID": "0"}
    with subprocess.Popen(["bash", str(out / "submit-kind.sbatch")], env=env) as process:
        assert waited_for((out / "up").exists)
        process.terminate()
        assert process.wait(60) == 130
    assert outcome(cell(), out / "cells" / "a").status == status


def test_a_node_with_another_evalkit_runs_nothing(out, stand_ins):
    program(stand_ins, "evalkit", 'echo "evalkit 0.0.1"')
    scripted(out, [cell()])
    assert task(out, 0) == 2
    assert outcome(cell(), out / "cells" / "a").status == "failed"


def test_submit_hands_the_script_in_and_does_not_do_so_twice(out, stand_ins):
    program(stand_ins, "sbatch", f'echo "$@" >> {out}/handed-in\necho "77;cluster"')
    program(stand_ins, "squeue", "echo RUNNING")
    engine, handles = scripted(out, [cell(), cell("b")], submits=True)
    assert [handle.ref for handle in handles] == ["77_0", "77_1"]
    assert (out / "handed-in").read_text().split() == ["--parsable", str(out / "submit-kind.sbatch")]
    assert [one.id for one in engine.waiting([cell(), cell("b")])] == ["a", "b"]
    program(stand_ins, "squeue", "true")
    assert engine.waiting([cell(), cell("b")]) == []


def test_without_sbatch_the_script_is_written_and_the_error_says_so(out, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="sbatch"):
        scripted(out, [cell()], submits=True)
    assert (out / "submit-kind.sbatch").is_file()
    assert Slurm(out, "m", print, submits=True).poll(Handle(cell(), out)) == "ended"

"""The lock of a run folder: one process, and none that is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from evalkit.errors import RunFolderError
from evalkit.run import lock as module
from evalkit.run.lock import FolderLock, started
from evalkit.run.start import Flags, run

HOLD = (
    "import sys, time; from pathlib import Path; from evalkit.run.lock import FolderLock\n"
    "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def no_locks(_fd, _how):
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_second_process_is_refused_and_told_who_works_there(holder, tmp_path):
    with pytest.raises(RunFolderError, match=rf"another evalkit \(pid {holder.pid}\)"):
        FolderLock(tmp_path)
    assert (tmp_path / ".lock").read_text().split()[0] == str(holder.pid)


def test_a_lock_of_a_killed_process_is_free(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = FolderLock(tmp_path)
    assert (tmp_path / ".lock").read_text().split() == [str(os.getpid()), started(os.getpid())]
    lock.release()


def test_a_lock_can_be_taken_again_after_its_release(tmp_path):
    FolderLock(tmp_path).release()
    FolderLock(tmp_path).release()
    assert (tmp_path / ".lock").read_text() == ""
    assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o600


def test_a_child_that_outlives_its_parent_keeps_no_lock(tmp_path):
    code = (
        "import subprocess, sys; from pathlib import Path; from evalkit.run.lock import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]))\n"
        "print(subprocess.Popen(['sleep', '30'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    try:
        FolderLock(tmp_path).release()
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_without_locks_a_living_owner_counts(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(RunFolderError, match=f"pid {holder.pid}"):
        FolderLock(tmp_path)


@pytest.mark.parametrize(
    "owner",
    ["", "garbage", "999999999 1.00", "99999999999999999999999 1.00", "{pid} 12.34"],
    ids=["none", "garbage", "gone", "impossible", "reused pid"],
)
def test_without_locks_a_dead_owner_or_one_whose_pid_is_another_process_does_not_count(tmp_path, monkeypatch, owner):
    (tmp_path / ".lock").write_text(owner.format(pid=os.getpid()))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    FolderLock(tmp_path).release()


def test_without_locks_an_owner_without_a_start_time_counts_while_its_pid_lives(tmp_path, monkeypatch):
    (tmp_path / ".lock").write_text(str(os.getpid()))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(RunFolderError, match="another evalkit"):
        FolderLock(tmp_path)


def test_a_lock_is_never_taken_through_a_link(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(RunFolderError, match="cannot be locked"):
        FolderLock(tmp_path)
    assert (tmp_path / "target").read_text() == "mine"


def test_a_full_disk_is_told_of(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(RunFolderError, match="No space left"):
        FolderLock(tmp_path)
    monkeypatch.undo()
    lock = FolderLock(tmp_path)
    monkeypatch.setattr(module.os, "ftruncate", full)
    lock.release()


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "checklist.yaml").write_text("name: x\nitems: {hardware: {declared: H100-80GB}}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    moment = datetime(2026, 11, 29, tzinfo=UTC)
    monkeypatch.setattr("evalkit.run.start.datetime", SimpleNamespace(now=lambda _: moment))
    for _ in range(3):
        run(Flags(checklist="checklist.yaml", only=("hardware",), report_only=True))
    places = sorted(path.parent.name for path in tmp_path.glob("evalkit-runs/*/report.json"))
    assert places == ["20261129-000000", "20261129-000000-2", "20261129-000000-3"]

"""A verdict keeps its exit code whoever reads the output; output that cannot be written is said, without a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cli.errors import guarded
from tests.cli.command import evalkit as command_line
from tests.support.quality_run import DECIDING, run_facts
from tests.support.stored_run import write_run

_FULL = "/dev/full"


def evalkit(*argv, out=subprocess.PIPE, **more):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *argv], stdout=out, stderr=subprocess.PIPE, check=False, **more
    )


def read_by_nobody(*argv):
    """The exit code with a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return evalkit(*argv, out=writer)
    finally:
        os.close(writer)


@pytest.mark.parametrize("argv", [["gate", "RUN"], ["gate", "RUN", "--json"], ["report", "RUN", "--format", "terminal"],
                                  ["explain"], ["--help"], ["--version"]])  # fmt: skip
def test_a_reader_who_goes_away_changes_no_exit_code(tmp_path, argv):
    run = str(write_run(tmp_path / "run", DECIDING, run_facts(cases=40, prompts=22)).path)
    argv = [word.replace("RUN", run) for word in argv]
    gone = read_by_nobody(*argv)
    assert gone.returncode == evalkit(*argv).returncode
    assert b"Traceback" not in gone.stderr


@pytest.mark.skipif(not Path(_FULL).exists(), reason="this system has no full device")
@pytest.mark.parametrize("argv", [["explain"], ["--help"], ["--version"]])
def test_a_full_disk_behind_the_output_is_an_error_of_use(argv):
    with Path(_FULL).open("w") as full:
        done = evalkit(*argv, out=full)
        assert (done.returncode, b"output cannot be written" in done.stderr) == (2, True)
        assert b"Traceback" not in done.stderr
        assert b"internal" not in done.stderr


def test_a_closed_output_and_one_in_another_encoding_are_written_to():
    closed = subprocess.run(f"'{sys.executable}' -m evalkit explain >&-", shell=True, capture_output=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, b"")
    ascii_only = evalkit("explain", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (ascii_only.returncode, ascii_only.stderr) == (0, b"")


@pytest.mark.parametrize("error", [
    PermissionError(errno.EACCES, "Permission denied", "/root/run"), OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300),
    OSError(errno.EIO, "Input/output error"), OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("Symlink loop from '/a'"),
])  # fmt: skip
def test_what_the_system_refuses_is_no_fault_of_evalkit(error, capsys):
    def fails():
        raise error

    assert guarded(fails) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_fault_is_told_where_no_log_can_be_written(monkeypatch, capsys):
    def fails():
        raise LookupError("of its own")

    def no_room(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", no_room)
    assert guarded(fails) == 4
    assert "LookupError: of its own" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["gate"], ["report"], ["validate"], ["license"], ["hardware"], ["import", "-o", "out"],
                                     ["directory"], ["compare"], ["matrix", "plan"]])  # fmt: skip
def test_paths_that_cannot_be_are_mistakes(tmp_path, monkeypatch, command, capsys):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    for path in ("x" * 300, "loop", "pipe"):
        done = command_line(capsys, *command, path)
        assert done.code in (2, 3), path
        assert "internal" not in done.err
        assert "Traceback" not in done.err

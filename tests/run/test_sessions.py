"""One server, restarted by hand for each mode on the same address: several sessions of one run."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import contextmanager

import pytest

from evalkit.reference import ReferenceProcess, Script
from evalkit.run.resume import continued
from evalkit.serving.launch import free_port
from tests.cli.command import evalkit
from tests.run.sessions import FAST, command, finding, findings, inside, write
from tests.support.virtual_world import worlds

AR, DIFF = "autoregressive", "diffusion"


@contextmanager
def virtual(mode: str, port: int):
    with worlds() as world:
        yield world.serve(Script(mode=mode, **FAST), port=port)


def server(mode: str, port: int) -> ReferenceProcess:
    return ReferenceProcess(Script(mode=mode, **FAST), port=port)


def checklist(tmp_path):
    port = free_port()
    return port, write(tmp_path, {label: {"endpoint": f"http://127.0.0.1:{port}"} for label in (AR, DIFF)})


def engines(report) -> dict[str, str | None]:
    return {mode["mode"]: mode["declared_mode"] for mode in report["modes"]}


@pytest.mark.slow
def test_modes_on_one_address_are_collected_in_two_sessions_under_one_plan(tmp_path, capsys):
    port, path = checklist(tmp_path)
    folder = tmp_path / "run"
    with virtual(AR, port):
        first, _ = inside(capsys, path, "--only-mode", AR, "--output-dir", folder)
    waiting = finding(first, "serving.reachable", DIFF)
    assert waiting["status"] == "error"
    assert "--only-mode diffusion --resume" in waiting["remedy"]
    with virtual(DIFF, port):
        second, _ = inside(capsys, path, "--only-mode", DIFF, "--resume", folder)
    assert engines(second) == {AR: AR, DIFF: DIFF}
    assert not findings(second, "serving.distinct-processes")
    assert all(finding(second, "serving.mode", mode)["status"] == "pass" for mode in (AR, DIFF))
    speedup = next(m["speedup"] for m in second["modes"] if m["mode"] == DIFF)
    assert speedup["pairs"] == 8


@pytest.mark.slow
def test_the_same_process_under_the_next_label_is_not_timed_twice(tmp_path, capsys):
    port, path = checklist(tmp_path)
    folder = tmp_path / "run"
    with virtual(AR, port):
        inside(capsys, path, "--only-mode", AR, "--output-dir", folder)
        report, said = inside(capsys, path, "--only-mode", DIFF, "--resume", folder)
    assert finding(report, "serving.preflight", DIFF)["status"] == "error"
    assert finding(report, "serving.mode", DIFF)["status"] == "fail"
    assert "declares autoregressive" in said


@pytest.mark.slow
def test_without_a_terminal_the_run_measures_what_is_up_and_names_the_command_that_goes_on(tmp_path, capsys):
    port, path = checklist(tmp_path)
    folder = tmp_path / "run"
    with virtual(DIFF, port):
        report, said = inside(capsys, path, "--output-dir", folder)
    assert f"--only-mode autoregressive --resume {folder}" in said
    assert engines(report)[DIFF] == DIFF
    assert finding(report, "serving.reachable", AR)["status"] == "error"
    assert report["verdict"] == "inconclusive"
    with virtual(AR, port):
        report, _ = inside(capsys, path, "--resume", folder)
    assert engines(report) == {AR: AR, DIFF: DIFF}


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["interrupt", "enter"])
def test_at_a_terminal_the_wait_can_be_ended(tmp_path, answer):
    port, path = checklist(tmp_path)
    controller, terminal = pty.openpty()
    with server(AR, port):
        process = subprocess.Popen(
            command(path, "--output-dir", tmp_path / "run"),
            stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  a background job ignores it
        )  # fmt: skip
        try:
            assert any("restart the server" in line for line in process.stderr)
            if answer == "enter":
                os.write(controller, b"\n")
            else:
                process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(controller)
            os.close(terminal)
    if answer == "interrupt":
        assert process.returncode == 130
        assert "--resume" in said
    else:  # measured as it is: the findings say what it was
        assert finding(json.loads(out), "serving.mode", DIFF)["status"] == "fail"


@pytest.mark.slow
def test_at_a_terminal_the_run_waits_until_the_server_shows_the_next_mode(tmp_path):
    port, path = checklist(tmp_path)
    controller, terminal = pty.openpty()
    first = server(AR, port).start()
    second = server(DIFF, port)
    process = subprocess.Popen(
        command(path, "--output-dir", tmp_path / "run"),
        stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "restart the server" in line:
                first.stop()
                second.start()
                break
        assert said, "the run said nothing"
        assert "in mode diffusion" in said[-1]
        out, _ = process.communicate(timeout=90)
    finally:
        process.kill()
        first.stop()
        second.stop()
        os.close(controller)
        os.close(terminal)
    assert engines(json.loads(out)) == {AR: AR, DIFF: DIFF}


def test_the_command_that_goes_on_keeps_the_users_words_and_changes_only_the_session():
    words = ["run", "my list.yaml", "--output-dir", "old", "--only-mode=diffusion", "--strict"]
    assert continued(words, "runs/1", only_mode=AR) == (
        "evalkit run 'my list.yaml' --strict --only-mode autoregressive --resume runs/1"
    )


def test_a_mode_that_is_not_configured_is_a_usage_error(tmp_path, capsys):
    path = write(tmp_path, {AR: {"endpoint": "http://127.0.0.1:1"}})
    done = evalkit(capsys, "run", path, "--only-mode", "diffusion")
    assert done.code == 2
    assert "not configured" in done.err

"""One run times on a machine: others wait, say so, and do not deadlock with the matrix that started them."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from evalkit import system
from evalkit.errors import RunFolderError
from evalkit.reference import preset
from evalkit.run import token as tokens
from tests.cli.command import evalkit
from tests.support.small_run import write_inputs
from tests.support.virtual_world import worlds


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A machine of its own: its token, and no wish to go on beside others."""
    monkeypatch.setattr(tokens, "TOKEN", tmp_path / "token")
    monkeypatch.setattr(tokens, "_WAIT_S", 0.1)
    monkeypatch.delenv("EVALKIT_NO_WAIT", raising=False)
    return tmp_path / "token"


def test_the_token_is_one_for_the_machine_and_ends_with_its_holder(path):
    token = tokens.take()
    assert tokens.take() is None
    token.release()
    again = tokens.take()
    assert again is not None
    again.release()


def test_the_token_is_no_link(tmp_path):
    (tmp_path / "target").write_text("x")
    (tmp_path / "token").symlink_to(tmp_path / "target")
    with pytest.raises(RunFolderError):
        tokens.take(tmp_path / "token")


def test_who_has_to_wait_says_so_and_goes_on_when_the_other_has_ended(path):
    token, said = tokens.take(), []

    def say(words):
        said.append(words)
        token.release()

    tokens.wait(say).release()
    assert len(said) == 1


def test_a_child_has_the_token_of_its_parent_and_a_number_alone_is_none(path, monkeypatch):
    code = "import sys; from pathlib import Path; from evalkit.run.token import given; sys.exit(not given(Path(sys.argv[1])))"
    token = tokens.take()

    def child(**more):
        return subprocess.run([sys.executable, "-c", code, str(path)], check=False, **more).returncode

    assert child(env=token.for_child(), pass_fds=(token.fd,)) == 0
    assert child(env=token.for_child()) == 1  # the descriptor was not passed
    other = os.open(path, os.O_RDONLY)
    assert child(env={**os.environ, tokens.GIVEN: str(other)}, pass_fds=(other,)) == 1  # opened, and not locked
    os.close(other)
    assert not system.lock(os.open(path, os.O_RDONLY))
    token.release()


@pytest.mark.slow
def test_a_run_by_hand_waits_and_with_no_wait_does_not(path, tmp_path, capsys, monkeypatch):
    labels = ("autoregressive", "self-speculation")
    with worlds() as world:
        up = world.serve(*map(preset, labels))
        write_inputs(tmp_path, {label: {"endpoint": one.base_url} for label, one in zip(labels, up, strict=True)})
        asked = ("run", tmp_path / "checklist.yaml", "--only", "modes", "--yes")
        token = tokens.take()
        assert evalkit(capsys, *asked, "--no-wait", "--output-dir", tmp_path / "beside").code in (0, 1, 3)
        assert evalkit(capsys, *asked, "--dry-run").code == 0
        # the other run ends while this one waits, however late it comes to that
        monkeypatch.setattr(tokens, "time", SimpleNamespace(sleep=lambda _: token.release()))
        done = evalkit(capsys, *asked, "--output-dir", tmp_path / "after")
        assert done.code in (0, 1, 3)
        assert "--no-wait" in done.err
    again = tokens.take()
    assert again is not None  # the run gave it back
    again.release()


def test_a_token_that_cannot_be_used_stops_no_run(path, tmp_path, capsys):
    path.mkdir()
    write_inputs(tmp_path, {"autoregressive": {"endpoint": "http://127.0.0.1:9"}})
    done = evalkit(capsys, "run", tmp_path / "checklist.yaml", "--output-dir", tmp_path / "run", "--yes")
    assert done.code == 3
    assert "not waited for" in done.err

"""Whose code runs: what the command refuses, and a server of its own process that was allowed."""

from __future__ import annotations

import http.client
import io
import json
import signal
import subprocess
import sys

import pytest

from evalkit.cli import serve as command
from evalkit.errors import UsageError
from evalkit.hub import weights
from evalkit.serve.model import Options, load
from evalkit.serve.trust import Consent, code_of, confirm, only_its_own
from tests.serve.served import MODEL, ask, copied, process
from tests.support.hub_client import environment as hub_environment
from tests.support.hub_server import HubServer, Repo

MODE = ("--mode", "ar")  # as the vendor spells it


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Where what was allowed is remembered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "evalkit" / "remote-code.json"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def allowed(model=MODEL, revision="main", *, trust=False, sha256=None):
    return command._allowed(str(model), revision, trust=trust, sha256=sha256)


def test_nothing_runs_in_a_pipe_without_the_flag(monkeypatch, state):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as caught:
        allowed()
    assert "modeling_tiny.py" in caught.value.message
    assert code_of(MODEL).sha256 in caught.value.message
    assert "--trust-remote-code" in caught.value.hint
    assert not state.exists()


@pytest.mark.parametrize(("answer", "up"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked_on_a_terminal(monkeypatch, capsys, state, answer, up):
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    if up:
        assert allowed()[0] == MODEL
    else:
        with pytest.raises(UsageError, match="not allowed to run"):
            allowed()
    assert "Run it? [y/N]" in capsys.readouterr().err
    assert state.exists() is up


def test_a_branch_is_no_commit(monkeypatch):
    monkeypatch.setattr(weights, "commit_of", lambda model, revision: "c" * 40)
    monkeypatch.setattr(weights, "download", lambda model, commit, small: MODEL)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError) as caught:
        allowed("acme/tiny", trust=True)
    assert f"--revision {'c' * 40} --trust-remote-code" in caught.value.hint
    folder, said = allowed("acme/tiny", "d" * 40, trust=True)
    assert (folder, said.commit) == (MODEL, "d" * 40)


def test_code_that_changed_since_it_was_allowed_is_refused(tmp_path):
    folder = copied(tmp_path / "model")
    trusted = Consent(str(folder), None, trust=True)
    first = code_of(folder)
    confirm(trusted, first, None)
    confirm(trusted, first, None)
    (folder / "below").mkdir()
    (folder / "below" / "more.py").write_text("print('other')\n")
    moved = code_of(folder)
    assert moved.sha256 != first.sha256
    with pytest.raises(UsageError, match="changed since it was allowed") as caught:
        confirm(trusted, moved, None)
    assert moved.sha256 in caught.value.hint
    with pytest.raises(UsageError, match="not allowed to run"):
        confirm(trusted, moved, lambda question: "not the code that was allowed" not in question)
    confirm(Consent(str(folder), None, trust=True, sha256=moved.sha256), moved, None)
    confirm(trusted, moved, None)  # both are known now
    confirm(trusted, first, None)


def test_everything_that_python_could_run_is_hashed_or_never_loaded(tmp_path):
    folder = copied(tmp_path / "m")
    first = code_of(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "modeling_tiny.cpython-311.pyc").write_bytes(b"not read")
    assert code_of(folder) == first
    for name in ("other.pyc", "other.so", "below/other.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
        assert code_of(folder).sha256 != first.sha256
        (folder / name).unlink()
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="link to a folder"):
        code_of(folder)


def test_code_that_is_not_the_one_that_was_named_is_refused():
    with pytest.raises(UsageError, match="not the one that was named"):
        allowed(trust=True, sha256="0" * 64)


def test_a_commit_with_other_code_is_refused_until_it_is_allowed(tmp_path):
    code, other = code_of(MODEL), code_of(copied(tmp_path / "m", vision=True))
    confirm(Consent("acme/m", "a" * 40, trust=True), code, None)
    confirm(Consent("ACME/m", "b" * 40, trust=True), code, None)  # the same code at a later commit
    with pytest.raises(UsageError, match="changed"):
        confirm(Consent("acme/m", "c" * 40, trust=True), other, None)
    confirm(Consent("acme/other", "c" * 40, trust=True), other, None)


def test_a_record_that_cannot_be_read_trusts_nothing(state):
    state.parent.mkdir(parents=True)
    state.write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        confirm(Consent("acme/m", "a" * 40, trust=True), code_of(MODEL), None)


def test_code_of_another_repository_is_refused(tmp_path):
    for where in ({"AutoModel": "evil/repo--modeling.M"}, {"AutoTokenizer": ["evil/repo--t.T", None]}):
        folder = copied(tmp_path / "m", auto_map=where)
        with pytest.raises(UsageError, match="another repository"):
            only_its_own(folder)
    only_its_own(MODEL)


def test_code_that_does_not_load_is_an_error_without_a_traceback(tmp_path):
    folder = copied(tmp_path / "m")
    code = folder / "modeling_tiny.py"
    code.write_text(code.read_text().replace("def linear_spec_generate", "def other"))
    with pytest.raises(UsageError, match="has no linear_spec_generate"):
        load(Options(folder, "self-speculation", plain=True))
    code.write_text("import a_library_that_is_not_there\n")
    with pytest.raises(UsageError, match="did not load: ModuleNotFoundError"):
        load(Options(folder, "diffusion", plain=True))


#: what the model's code can see of secrets, and whether compiled files beside it are looked at
LOOKS = """
import os, sys
from pathlib import Path
home = Path(os.environ["HOME"])
(home / "seen").write_text(f"{os.environ.get('HF_TOKEN')} {str(home) in (sys.pycache_prefix or str(home))}")
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A server of its own process, of a repository at a commit, with a slow model; and its home."""
    home = tmp_path_factory.mktemp("home")
    folder = copied(home / "m", seconds_per_pass=0.002, words=3000, max_position_embeddings=9000)
    files = {file.name: file.read_bytes() for file in folder.glob("*.*")}
    files["modeling_tiny.py"] += LOOKS.encode()
    with HubServer({"acme/tiny": Repo(files=files)}) as hub:
        commit = hub.repos["acme/tiny"].sha
        env = hub_environment(hub.endpoint, home, HF_TOKEN="hf_" + "x" * 34)
        flags = (*MODE, "--trust-remote-code", "--revision", commit)
        with process(home, *flags, model="acme/tiny", **env) as (url, started):
            yield url, started, home, commit, code_of(folder)


def test_a_commit_of_a_repository_is_served_and_its_code_recorded(live):
    url, _, home, commit, plain = live
    facts, exchange = ask(url, max_tokens=9)
    assert exchange.ok
    assert (facts.model_path, facts.revision) == ("acme/tiny", commit)
    recorded = json.loads((home / "evalkit" / "remote-code.json").read_text())["allowed"]
    assert list(recorded["acme/tiny"]) == [facts.provenance["remote code"]] != [plain.sha256]
    assert recorded["acme/tiny"][facts.provenance["remote code"]]["commit"] == commit
    assert (home / "seen").read_text() == "None False"


def test_a_kill_in_the_middle_is_a_broken_reply_and_leaves_no_server(live):
    url, started, *_ = live
    host, _, port = url.removeprefix("http://").partition(":")
    client = http.client.HTTPConnection(host, int(port), timeout=20)
    asked = {"messages": [{"role": "user", "content": "a b"}], "max_tokens": 3000, "stream": True}
    client.request("POST", "/v1/chat/completions", json.dumps(asked))
    reply = client.getresponse()
    assert reply.readline().startswith(b"data: ")
    started.send_signal(signal.SIGKILL)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        reply.read()
    assert started.wait(20) == -signal.SIGKILL
    with pytest.raises(ConnectionError):
        http.client.HTTPConnection(host, int(port), timeout=5).request("GET", "/health")


@pytest.mark.slow
def test_a_signal_ends_a_reply_under_way_and_the_server(tmp_path):
    folder = copied(tmp_path / "m", seconds_per_pass=0.02, words=3000, max_position_embeddings=9000)
    with process(tmp_path, *MODE, "--trust-remote-code", model=folder) as (url, started):
        host, _, port = url.removeprefix("http://").partition(":")
        client = http.client.HTTPConnection(host, int(port), timeout=20)
        asked = {"messages": [{"role": "user", "content": "a b"}], "max_tokens": 3000, "stream": True}
        client.request("POST", "/v1/chat/completions", json.dumps(asked))
        assert client.getresponse().readline()
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0


@pytest.mark.slow
def test_help_loads_no_torch_and_no_server():
    script = (
        "import sys; sys.argv = ['evalkit', 'serve', '--help']\n"
        "from evalkit.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'starlette', 'uvicorn', 'evalkit.serve') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.rstrip().endswith("[]")

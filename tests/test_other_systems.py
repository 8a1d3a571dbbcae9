"""macOS and Windows as clients, as far as Linux can show it: what only Linux has is taken away, and the rest works.

A process is started in which evalkit's own code can import no module of POSIX, finds no function and flag of `os` and
`signal` that other systems lack, and sees no /proc; other packages, which have their own ways there, keep theirs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from evalkit.reference import ReferenceProcess, Script
from tests.run.sessions import FAST, write

ROOT = Path(__file__).resolve().parents[1]
AR, DIFF = "autoregressive", "diffusion"

PRELUDE = r'''
import asyncio, builtins, io, os, pathlib, signal, socket, ssl, subprocess, sys, tempfile, threading, importlib
import typer, rich.console, rich.progress, httpx2, psutil, huggingface_hub, pydantic, yaml, jinja2, regex, httptools
import platform, sysconfig, zoneinfo, mimetypes, multiprocessing, uvicorn, starlette.applications
sysconfig.get_config_vars(), platform.platform(), psutil.net_connections("tcp")  # they look at the real system once
POSIX = {"fcntl", "resource", "pty", "termios", "tty", "pwd", "grp", "uvloop", "posix", "syslog"}
LACKING = {
    os: ["O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_CLOEXEC", "getpgid", "setsid", "killpg", "fork", "geteuid", "getuid",
         "getloadavg", "sched_getaffinity", "pread", "pwrite", "fchmod", "chown", "mkfifo", "uname", "setresuid", "statvfs"],
    signal: ["SIGKILL", "SIGCHLD", "SIGHUP", "SIGUSR1", "SIGALRM", "SIGPIPE", "setitimer", "pthread_kill", "sigwait"],
}

def ours(depth=2):
    return str(sys._getframe(depth).f_globals.get("__name__", "")).partition(".")[0] == "evalkit"

plain_import = builtins.__import__
def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name.partition(".")[0] in POSIX and globals and str(globals.get("__name__", "")).startswith("evalkit"):
        raise ImportError(f"no {name} on this system")
    return plain_import(name, globals, locals, fromlist, level)
builtins.__import__ = guarded_import

class Without:
    """A module as evalkit sees it."""
    def __init__(self, module, lacking):
        self.__dict__.update(_module=module, _lacking=frozenset(lacking))
    def __getattr__(self, name):
        if name in self._lacking:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return getattr(self._module, name)
    def __setattr__(self, name, value):
        setattr(self._module, name, value)

shown = {"os": Without(os, LACKING[os]), "signal": Without(signal, LACKING[signal])}
inner = builtins.__import__
def with_less(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name in shown and globals and str(globals.get("__name__", "")).startswith("evalkit"):
        return shown[name]
    return inner(name, globals, locals, fromlist, level)
builtins.__import__ = with_less

def hidden(path):
    return str(path).startswith(("/proc", "/sys/")) and ours(3)
for owner, name in ((io, "open"), (pathlib.Path, "read_text"), (pathlib.Path, "read_bytes"), (pathlib.Path, "iterdir")):
    def wrap(plain):
        def guarded(path, *args, **more):
            if hidden(path):
                raise FileNotFoundError(2, "No such file or directory", str(path))
            return plain(path, *args, **more)
        return guarded
    setattr(owner, name, wrap(getattr(owner, name)))
sys.platform = PLATFORM
import contextlib, json
from evalkit.cli import errors
from evalkit.cli.root import app, register
register()
done = []
for words in json.loads(sys.argv.pop()):
    sys.argv = ["evalkit", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = errors.guarded(lambda: app(words, standalone_mode=False))
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
'''


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def each_elsewhere(*commands, platform="darwin"):
    """What became of commands that were run one after the other, in one process."""
    code = f"PLATFORM = {platform!r}\n{PRELUDE}"
    words = json.dumps([[str(one) for one in command] for command in commands])
    ran = subprocess.run(
        [sys.executable, "-c", code, words], capture_output=True, text=True, timeout=110, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "EVALKIT_REPORT_ONLY": ""},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return [Done(*one) for one in json.loads(ran.stdout.splitlines()[-1])]


def elsewhere(*arguments, platform="darwin"):
    (done,) = each_elsewhere(arguments, platform=platform)
    return done


@pytest.fixture(scope="module")
def servers():
    with ReferenceProcess(Script(mode=AR, **FAST)) as ar, ReferenceProcess(Script(mode=DIFF, **FAST)) as diffusion:
        yield {AR: ar.base_url, DIFF: diffusion.base_url}


@pytest.mark.slow
def test_probe(servers):
    done = elsewhere("probe", servers[DIFF], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["observed_mode"] == DIFF


def test_what_needs_no_server():
    for done in each_elsewhere(["--help"], ["validate", "demo"], ["explain", "license.text-pinned"]):
        assert done.returncode in (0, 3), done.stderr
        assert done.stdout


@pytest.mark.slow
def test_doctor():
    done = elsewhere("doctor", "--concurrency", "1", "--json")
    document = json.loads(done.stdout)
    assert document["open_files"] is None
    assert document["cpu"]["load_1m"] is None
    assert document["timing"][0]["events"] > 0
    assert document["timing"][0]["loop"] == "asyncio"
    assert [one["id"] for one in document["advice"]] == ["loop"]


@pytest.mark.slow
def test_a_run_and_what_is_made_of_it(servers, tmp_path):
    path = write(tmp_path, {mode: {"endpoint": url} for mode, url in servers.items()})
    run = tmp_path / "run"
    made = [["report", run], ["report", run, "--format", "html"], ["report", run, "--format", "junit"],
            ["compare", run, run], ["pack", run, "-o", tmp_path / "run.pack"], ["report", tmp_path / "run.pack"]]  # fmt: skip
    done, *again, gate, resumed, second = each_elsewhere(
        ["run", path, "--output-dir", run, "--json"], *made, ["gate", run, "--checklist", path],
        ["run", path, "--resume", run, "--json"], ["run", path, "--output-dir", run],
    )  # fmt: skip
    assert done.returncode in (0, 1, 3), done.stderr
    assert done.stderr.count("pip install '.[fast]'") == 1
    document = json.loads(done.stdout)
    assert {one["loop"] for one in document["provenance"]["client_errors"]} == {"asyncio"}
    assert "on the end-to-end latency (asyncio)" in (run / "report.md").read_text(encoding="utf-8")
    assert {one["mode"] for one in document["modes"]} == {AR, DIFF}
    assert next(one for one in document["modes"] if one["mode"] == DIFF)["speedup"]["pairs"] == 8
    for arguments, one in zip(made, again, strict=True):
        assert one.returncode == 0, (arguments, one.stderr)
    assert gate.returncode in (0, 1, 3), gate.stderr
    assert "fault" not in gate.stderr
    assert resumed.returncode == done.returncode
    assert second.returncode == 2
    assert "already contains a run" in second.stderr


@pytest.mark.slow
def test_two_processes_on_one_folder_are_refused_without_locks_of_the_system(tmp_path):
    from evalkit.run.lock import FolderLock

    held = FolderLock(tmp_path)  # names this process, which is alive
    (tmp_path / "plan.json").write_text("{}")
    done = elsewhere("run", "demo", "--resume", tmp_path)
    held.release()
    assert done.returncode == 2
    assert f"pid {os.getpid()}" in done.stderr


@pytest.mark.slow
def test_launching_and_running_code_say_that_they_need_linux(tmp_path):
    path = write(tmp_path, {AR: {"launch": ["serve", "{port}"]}, DIFF: {"launch": ["serve", "{port}"]}})
    done, refused = each_elsewhere(
        ["run", path, "--output-dir", tmp_path / "run", "--json"],
        ["run", path, "--allow-exec", "--output-dir", tmp_path / "other"],
    )
    assert done.returncode == 3, done.stderr
    assert "on Linux only" in done.stdout
    assert refused.returncode == 2
    assert "needs Linux" in refused.stderr


#: what may speak to one system: the module of systems, what runs on Linux alone, and what is a script of its own
_APART = ("system.py", "environment.py", "quality/sandbox/", "serving/keeper.py")
_ONLY_SOME = re.compile(
    r"^\s*(?:import|from) (?:fcntl|resource|pty|termios|tty|pwd|grp|msvcrt|uvloop)\b|os\.(?:O_NOFOLLOW|O_NONBLOCK|O_DIRECTORY|"
    r"O_CLOEXEC|getpgid|setsid|killpg|fork|geteuid|getuid|getloadavg|sched_\w+|pread|pwrite|fchmod|mkfifo|statvfs)\b|"
    r"signal\.SIG(?:KILL|CHLD|HUP|USR1|ALRM|PIPE)|sys\.platform",
    re.MULTILINE,
)


def test_what_one_system_has_is_behind_one_module():
    found = {
        str(path.relative_to(ROOT / "evalkit"))
        for path in (ROOT / "evalkit").rglob("*.py")
        if _ONLY_SOME.search(path.read_text(encoding="utf-8"))
    }
    allowed = {"client/loop.py"}  # uvloop, where it can be imported
    assert {name for name in found if not name.startswith(_APART)} <= allowed

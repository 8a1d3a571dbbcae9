"""Runs a reply's code against tests: which sandbox there is, who may go without, and how the tests ended."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from evalkit.environment import seal
from evalkit.errors import UsageError
from evalkit.serving import keeper
from evalkit.system import linux

Kind = Literal["bubblewrap", "namespaces", "none"]
Ended = Literal["passed", "failed", "unscored"]

#: bytes of standard error that are kept, the last ones
STDERR_CAP = 64 << 10
_RESULT_CAP = 64 << 10
#: what the examiner writes before its result, when the code's process answers
STARTED = b"started\n"
#: seconds for the processes to start, beyond the tests' own time
_START_S = 20.0
_HERE = Path(__file__).parent
_HINT = (
    "install bubblewrap, allow user namespaces in this container, or run evalkit as another user than root "
    "(docker run --user 1000)"
)


@dataclass(frozen=True)
class Outcome:
    """How the tests ended, why, and what the code ran in."""

    ended: Ended
    why: str
    sandbox: Kind


def permit() -> Kind:
    """The sandbox that code would run in here.

    Raises:
        UsageError: no Linux, or root without a sandbox: limits do not hold for root.
    """
    if not linux():
        raise UsageError("--allow-exec needs Linux", hint="run evalkit in a container, or leave --allow-exec out")
    kind = sandbox()
    if kind == "none" and os.geteuid() == 0:
        raise UsageError("--allow-exec as root needs a sandbox, and none works here", hint=_HINT)
    return kind


def prepare(named: Iterable[str] = ()) -> Kind:
    """As `permit`; and evalkit's keys, `named` and all that look like one, are put where the code cannot read them."""
    kind = permit()
    seal(named)
    return kind


@cache
def sandbox() -> Kind:
    """The first sandbox that works on this machine, found by trying: bubblewrap, then namespaces by system calls."""
    if not linux():
        return "none"
    kinds: tuple[Kind, ...] = ("bubblewrap", "namespaces")
    return next((kind for kind in kinds if _works(kind)), "none")


def _works(kind: Kind) -> bool:
    if kind == "bubblewrap" and shutil.which("bwrap") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        argv = [*inside(kind, folder), _python(), "-I", "-S", "-c", "print('inside')"]
        try:
            done = subprocess.run(  # noqa: S603  a fixed command
                argv, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.stdout.strip() == b"inside"


def inside(kind: Kind, folder: str) -> list[str]:
    """What comes before a command to run it in the sandbox; without one it runs in `folder`."""
    if kind == "bubblewrap":
        return [shutil.which("bwrap") or "bwrap", *_bubblewrap()]
    binds = json.dumps(_visible())
    return [sys.executable, "-I", "-S", str(_HERE / "jail.py"), kind, folder, binds, "--"]


def _bubblewrap() -> list[str]:
    words = [
        "--unshare-all",
        "--unshare-user",
        "--uid",
        "65534",
        "--gid",
        "65534",
        "--die-with-parent",
        "--new-session",
    ]
    words += ["--clearenv", "--cap-drop", "ALL", "--dev", "/dev", "--size", str(16 << 20), "--tmpfs", "/tmp"]  # noqa: S108  the sandbox's own
    for path in _visible():
        words += (
            ["--symlink", str(Path(path).readlink()), path] if Path(path).is_symlink() else ["--ro-bind", path, path]
        )
    return [*words, "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108  as above


@cache
def _visible() -> list[str]:
    """Paths that Python needs: programs and libraries of the system, and the interpreter with its standard library."""
    paths = ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache"]
    own = sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix})
    paths += [os.path.realpath(sys.executable), own["stdlib"], own["platstdlib"]]
    library = sysconfig.get_config_var("LIBDIR")
    if library and Path(library).is_dir():
        paths += [str(one) for one in Path(library).glob("libpython*.so*")]
    covered = ("/usr/", "/nix/store/", "/gnu/store/")
    kept = [one for one in paths if os.path.lexists(one) and not one.startswith(covered)]
    return [one for one in dict.fromkeys(kept) if not any(one.startswith(f"{other}/") for other in kept)]


def _python() -> str:
    """The interpreter itself: a virtual environment's link may lie where the sandbox has nothing."""
    return os.path.realpath(sys.executable)


@cache
def _program(role: str) -> str:
    """The source of one side: the protocol and its role, without what only the package needs."""
    text = "\n".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("proxy.py", "values.py", "wire.py", f"{role}.py")
    )
    lines = [line for line in text.splitlines() if not line.startswith(("from evalkit", "from __future__"))]
    return "\n".join(["from __future__ import annotations", *lines, "main()"])


def run_tests(code: str, tests: str, *, seconds: float, memory: int, kind: Kind | None = None) -> Outcome:
    """Runs `tests` against `code` for at most `seconds`, in at most `memory` bytes a process.

    The code runs in a process that has neither the tests nor a way to report; the tests run in another, which reports
    over a descriptor of its own with a nonce. Nothing of either is left behind.

    Raises:
        OSError: a process could not be started.
        UsageError: see `permit`.
    """
    kind = kind or permit()
    folder = tempfile.mkdtemp(prefix="evalkit-")
    try:
        with _Pair(kind, folder, seconds, memory) as pair:
            said = pair.finish(code, tests)
            return Outcome(*_read(said, pair, seconds), kind)
    finally:
        _remove(folder)


def _read(said: dict[str, Any] | None, pair: _Pair, seconds: float) -> tuple[Ended, str]:
    if said is None:
        return "failed", f"still running after {seconds:g} s" if pair.late else "the tests did not end by themselves"
    ended: Ended = said["outcome"]
    why = str(said["said"])
    if said.get("gone"):
        last = pair.stderr.decode("utf-8", "replace").strip().splitlines()
        why = last[-1] if last else why
    return ended, why


class _Pair:
    """The two processes, their descriptors and their end."""

    def __init__(self, kind: Kind, folder: str, seconds: float, memory: int) -> None:
        self.stderr = b""
        self.late = False
        self._seconds = seconds
        self._nonce = secrets.token_hex(32)
        self._mark = secrets.token_hex(16)
        self._limits = [str(memory), str(int(seconds) + 1)]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            keep = [sys.executable, "-I", "-S", keeper.__file__, "0", self._mark, "--"]
            subject = [_python(), "-I", "-S", "-c", _program("subject"), str(theirs.fileno()), *self._limits]
            self._subject = subprocess.Popen(  # noqa: S603  allowed by the user, confined by the sandbox and by itself
                [*keep, *inside(kind, folder), *subject], env={}, cwd=folder, stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
            self._result, result = os.pipe()
            argv = [
                sys.executable,
                "-I",
                "-S",
                "-c",
                _program("examiner"),
                str(ours.fileno()),
                str(result),
                *self._limits,
            ]
            try:
                self._examiner = subprocess.Popen(  # noqa: S603  the suite's own tests
                    argv, env={}, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, pass_fds=(ours.fileno(), result), start_new_session=True,
                )  # fmt: skip
            except OSError:
                self._end(self._subject)
                raise
            finally:
                os.close(result)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._examiner.kill()
        self._examiner.wait()
        self._end(self._subject)
        os.close(self._result)

    def _end(self, subject: subprocess.Popen[bytes]) -> None:
        """Closing its standard input makes the keeper end all that came of it."""
        assert subject.stdin is not None
        assert subject.stderr is not None
        subject.stdin.close()
        try:
            subject.wait(_START_S)
        except subprocess.TimeoutExpired:
            subject.kill()
            subject.wait()
        subject.stderr.close()
        if keeper.marked(self._mark):
            keeper.end_all(self._mark, 0)

    def finish(self, code: str, tests: str) -> dict[str, Any] | None:
        """What the examiner reported; None when nothing that carries the nonce came in time."""
        assert self._examiner.stdin is not None
        given = {"nonce": self._nonce, "code": code, "tests": tests}
        try:
            with self._examiner.stdin as stdin:
                stdin.write(json.dumps(given).encode())
        except BrokenPipeError:
            return None
        try:
            said = json.loads(self._collect())
        except ValueError:
            return None
        genuine = isinstance(said, dict) and hmac.compare_digest(str(said.get("nonce")), self._nonce)
        return said if genuine and said.get("outcome") in ("passed", "failed", "unscored") else None

    def _collect(self) -> bytes:
        """The result, while standard error is drained and its end kept. Time counts from when both sides are there."""
        assert self._subject.stderr is not None
        result = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._result, selectors.EVENT_READ, "result")
            waiting.register(self._subject.stderr, selectors.EVENT_READ, "stderr")
            deadline = time.monotonic() + _START_S
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in waiting.select(left):
                    part = os.read(key.fd, 1 << 16)
                    if not part:
                        waiting.unregister(key.fileobj)
                    if key.data == "stderr":
                        self.stderr = (self.stderr + part)[-STDERR_CAP:]
                        continue
                    if part == STARTED:
                        deadline = time.monotonic() + self._seconds
                        continue
                    result = (result + part)[:_RESULT_CAP]
                    if not part or result.endswith(b"\n"):
                        self._rest(waiting)
                        return result.removeprefix(STARTED)
        self.late = True
        return b""

    def _rest(self, waiting: selectors.BaseSelector) -> None:
        """What standard error still holds, when the code is gone."""
        for _ in range(8):
            ready = [key for key, _ in waiting.select(0.05) if key.data == "stderr"]
            part = os.read(ready[0].fd, 1 << 16) if ready else b""
            if not part:
                return
            self.stderr = (self.stderr + part)[-STDERR_CAP:]


def _remove(folder: str) -> None:
    """A folder that the code may have filled with anything: too deep for Python's own way, or closed to its owner."""
    for argv in (["rm", "-rf", "--", folder], ["chmod", "-R", "u+rwx", folder], ["rm", "-rf", "--", folder]):
        if not Path(folder).exists():
            return
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603  fixed commands

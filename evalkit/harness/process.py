"""Runs a harness in its own process group: with a time limit, a log without secrets, and an environment of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit import system
from evalkit.environment import holds_secret
from evalkit.errors import MeasurementError
from evalkit.files import create_text, make_private
from evalkit.secrets import MASK, Secret, redact
from evalkit.text import one_line, sanitize

LOG_CAP = 8 << 20
_LINE = 1 << 16
_GRACE_S = 10.0
_TAIL = 8
#: what a tool needs of the environment in addition to what the checklist lists
_PASSED = frozenset({
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "HF_HOME", "HF_HUB_OFFLINE",
    "HF_HUB_CACHE",
    "HF_DATASETS_OFFLINE", "HF_DATASETS_CACHE", "HF_ENDPOINT", "XDG_CACHE_HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
#: larger outputs are not searched for keys
_SCRUBBED = 256 << 20


@dataclass(frozen=True)
class Ended:
    """How it ended. `tail`: its last lines, redacted."""

    code: int | None
    timed_out: bool
    tail: tuple[str, ...]


def environment(extra: Mapping[str, str], named: list[str]) -> dict[str, str]:
    """The variables that the tool sees: no other key of this process reaches it, nor a proxy's password."""
    kept = {
        name: value for name, value in os.environ.items()
        if name in named or (name in _PASSED and not holds_secret(name, value))
    }  # fmt: skip
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


async def run(argv: list[str], env: dict[str, str], log: Path, cwd: Path, limit_s: float) -> Ended:
    """Run to the end or the limit; whatever it started ends with it.

    Raises:
        MeasurementError: it cannot be started.
    """
    make_private(log.parent)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=env, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=_LINE,
        )  # fmt: skip
    except OSError as error:
        raise MeasurementError(f"{argv[0]} cannot be started: {error.strerror or error}") from None
    tail: list[str] = []
    draining = asyncio.create_task(_drain(process, log, tail))
    timed_out = False
    try:
        async with asyncio.timeout(limit_s):
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        await asyncio.shield(_end(process))
        await _settled(draining)
    return Ended(process.returncode, timed_out, tuple(tail[-_TAIL:]))


async def _settled(draining: asyncio.Task[None]) -> None:
    """The rest of the output; a grandchild that left the group may hold the pipe open, and is not waited for."""
    try:
        async with asyncio.timeout(_GRACE_S):
            await asyncio.shield(draining)
    except TimeoutError:
        draining.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    for hard in (False, True):
        if not system.end_group(process.pid, hard=hard):
            break
        try:
            async with asyncio.timeout(None if hard else _GRACE_S):
                await process.wait()
        except TimeoutError:
            continue


async def _drain(process: asyncio.subprocess.Process, log: Path, tail: list[str]) -> None:
    assert process.stdout is not None
    written = 0
    with create_text(log) as file:
        while True:
            try:
                raw = await process.stdout.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                raw = error.partial
            except asyncio.LimitOverrunError as error:
                raw = await process.stdout.readexactly(error.consumed)
            if not raw:
                return
            text = sanitize(redact(raw.decode("utf-8", "replace").rstrip("\r\n")), limit=_LINE)
            if text.strip():
                tail.append(one_line(text, limit=300))
                del tail[:-_TAIL]
            if written < LOG_CAP:
                written += len(text) + 1
                file.write(text + "\n")
                file.flush()


def scrub(folder: Path, key: Secret | None) -> None:
    """Takes the key out of whatever the tool wrote: files of results name settings, and some name keys."""
    if not key:
        return
    secret = key.reveal().encode()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _SCRUBBED:
            data = path.read_bytes()
            if secret in data:
                path.write_bytes(data.replace(secret, MASK.encode()))

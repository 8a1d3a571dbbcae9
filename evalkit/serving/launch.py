"""Starts a mode's server as the checklist says, waits until it is ready, and ends it with all its children."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from evalkit.checklist.schema import Endpoint
from evalkit.environment import for_server, resolve_key
from evalkit.errors import LaunchError
from evalkit.files import create_text, make_private
from evalkit.limits import READINESS
from evalkit.secrets import redact_words
from evalkit.serving import keeper
from evalkit.serving.control import Control, base_url
from evalkit.serving.facts import LaunchFacts
from evalkit.system import linux
from evalkit.text import one_line, sanitize

LOG_CAP = 8 * 1024 * 1024
TAIL_LINES = 20
_LONG_LINE = 16_384
_GRACE_S = 10.0
_POLL_S = 0.25
#: the checklist's own stop command may take so long
_STOP_S = 60.0


class LaunchFailed(LaunchError):  # noqa: N818  a kind of LaunchError
    """A launch that did not come up, with its facts."""

    facts: LaunchFacts


@dataclass
class Running:
    """A server that answers. `facts.ready_s` is the time from the start to the first answer."""

    label: str
    base_url: str
    port: int
    facts: LaunchFacts
    #: last lines of its output
    tail: deque[str] = field(default_factory=deque)


def filled(argv: list[str], *, model: str, revision: str, port: int, context: int | None) -> list[str]:
    """`argv` with `{model}`, `{revision}`, `{port}` and `{context}` filled in; other braces (JSON) stay."""
    values = {"{model}": model, "{revision}": revision, "{port}": str(port), "{context}": str(context or 0)}
    out = []
    for part in argv:
        for name, value in values.items():
            part = part.replace(name, value)  # noqa: PLW2901
        out.append(part)
    return out


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Log:
    """The server's output: redacted, the first part of it on disk, the last lines in memory."""

    def __init__(self, path: Path) -> None:
        make_private(path.parent)
        self.path = path
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._written = 0
        self._dropped = 0
        self._file: TextIO = create_text(path)

    async def drain(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while part := await stream.read(65536):
            lines = (rest + part).split(b"\n")
            rest = _last_words(lines.pop())
            if self._written >= LOG_CAP:
                self._dropped += len(part)
                lines = lines[-TAIL_LINES:]
            for line in lines:
                self._add(line)
        if rest:
            self._add(rest)

    def _add(self, raw: bytes) -> None:
        line = sanitize(raw.decode("utf-8", "replace"), limit=4000)
        self.tail.append(line)
        if self._written < LOG_CAP:
            self._written += len(line) + 1
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._dropped:
            self._file.write(f"[{self._dropped} bytes left out; the last lines:]\n" + "\n".join(self.tail) + "\n")
        self._file.close()


def _last_words(line: bytes) -> bytes:
    """The end of a line that goes on and on, from a word's start: a key of which the front is gone is not masked."""
    if len(line) <= _LONG_LINE:
        return line
    kept = line[-_LONG_LINE:].split(None, 2)  # the word that was cut, and the one that a flag may have stood before
    return kept[2] if len(kept) == 3 else b""


@asynccontextmanager
async def launched(
    label: str,
    endpoint: Endpoint,
    *,
    model: str,
    revision: str,
    context: int | None,
    log_dir: Path,
    launch: int = 0,
) -> AsyncIterator[Running]:
    """Runs `endpoint.launch` for as long as the block lasts; nothing of it is left behind, however the block ends.

    Raises:
        LaunchFailed: no such command, the port is taken, it ended, or it was not ready within `ready_timeout_s`.
    """
    assert endpoint.launch is not None
    given = urlsplit(endpoint.endpoint).port if endpoint.endpoint else None
    port = given or free_port()
    base = base_url(endpoint.endpoint) if endpoint.endpoint else f"http://127.0.0.1:{port}"
    argv = filled(endpoint.launch, model=model, revision=revision, port=port, context=context)
    shown = tuple(one_line(word) for word in redact_words(argv))
    facts = LaunchFacts(mode=label, launch=launch, argv=shown)
    if not linux():
        raise _failed(facts, "evalkit starts servers on Linux only", "start it by hand, and give its endpoint")
    if shutil.which(argv[0]) is None:
        raise _failed(
            facts, f"no such command: {one_line(argv[0], limit=100)}", "check modes.*.launch, or give its full path"
        )
    if urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1") and _taken(port):
        raise _failed(
            facts, f"port {port} is already in use", "stop what listens there, or use {port} in the launch command"
        )
    log = _Log(log_dir / f"{label.replace('@', '_')}-{launch}.log")
    facts = facts.model_copy(update={"log_path": log.path.name})
    mark = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        keeper.__file__,
        str(_GRACE_S),
        mark,
        "--",
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=for_server(endpoint.environment),
    )
    assert process.stdout is not None
    draining = asyncio.create_task(log.drain(process.stdout))
    try:
        seconds = await _ready(process, endpoint, base, log, facts)
        yield Running(label, base, port, facts.model_copy(update={"ready_s": round(seconds, 2)}), log.tail)
    finally:
        await _stop(
            process,
            mark,
            filled(endpoint.stop or [], model=model, revision=revision, port=port, context=context),
            for_server(endpoint.environment),
        )
        try:
            await asyncio.wait_for(draining, 2)
        except TimeoutError:
            pass
        log.close()


def _failed(facts: LaunchFacts, message: str, hint: str, tail: tuple[str, ...] = ()) -> LaunchFailed:
    last = "\n".join(f"    {line}" for line in tail[-8:])
    error = LaunchFailed(f"{facts.mode}: {message}" + (f"; its last lines:\n{last}" if last else ""), hint=hint)
    error.facts = facts.model_copy(update={"error": message, "log_tail": tail})
    return error


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _ready(
    process: asyncio.subprocess.Process, endpoint: Endpoint, base: str, log: _Log, facts: LaunchFacts
) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    key = resolve_key(endpoint.api_key_env)
    async with Control(base, key, limits=READINESS, key_header=endpoint.api_key_header) as control:
        while loop.time() - began < endpoint.ready_timeout_s:
            if process.returncode is not None and not (process.returncode == 0 and endpoint.stop):
                await asyncio.sleep(0.1)
                message = f"the server ended with code {process.returncode} before it was ready"
                raise _failed(facts, message, f"read {log.path}", tuple(log.tail))
            if await _answers(control, endpoint):
                return loop.time() - began
            await asyncio.sleep(_POLL_S)
    message = f"not ready within {endpoint.ready_timeout_s:g} s"
    raise _failed(facts, message, f"read {log.path}, or raise ready_timeout_s", tuple(log.tail))


async def _answers(control: Control, endpoint: Endpoint) -> bool:
    """Ready without a generation: /v1/models answers, and /ready (where there is one) does not say 503."""
    if endpoint.ready_url:
        if endpoint.ready_url.startswith(("http://", "https://")):
            async with Control(endpoint.ready_url, limits=control.limits) as other:
                return (await other.get_text("")).ok
        return (await control.get_text(endpoint.ready_url)).ok
    models = await control.get_json("/v1/models")
    if not models.ok and models.status not in (401, 403):
        return False
    return (await control.get_text("/ready")).status != 503


async def _stop(process: asyncio.subprocess.Process, mark: str, stop: list[str], environment: dict[str, str]) -> None:
    if stop:
        await _run_stop(stop, environment)
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_S + 8)
    except TimeoutError:
        process.kill()
        await process.wait()
    finally:
        # the keeper may have been killed itself, or have left early: what carries the mark ends here
        if keeper.marked(mark):
            await asyncio.to_thread(keeper.end_all, mark, 0.5)


async def _run_stop(argv: list[str], environment: dict[str, str]) -> None:
    """Runs the checklist's stop command; one that is not there, fails or hangs does not keep the server alive."""
    if shutil.which(argv[0]) is None:
        return
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()

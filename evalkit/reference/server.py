"""Runs the reference server: in a thread of this process, or until a signal."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Self

from evalkit.errors import LaunchError
from evalkit.reference.answers import Answers
from evalkit.reference.emissions import Emission, EmissionLog
from evalkit.reference.script import Script
from evalkit.reference.state import State

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 1024
_START_S = 10.0


class ReferenceServer:
    """A server in a thread: `with ReferenceServer(Script()) as server: server.base_url`.

    It answers when `with` is entered and has given back thread and port when `with` is left; requests still
    running are dropped. It shares the interpreter with its client: to measure times, use `ReferenceProcess`.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        answers: Answers | None = None,
        emission_log: str | Path | None = None,
    ) -> None:
        """`port` 0 takes a free one; `emission_log` also writes each record to a file, one JSON line each."""
        self.script = script or Script()
        self._answers, self._host, self._port, self._log_path = answers, host, port, emission_log
        self._log = EmissionLog()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._runner: _Runner | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it still serves: false before the start, after the stop, and when its script let it die."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Bind and serve; returns when requests are answered.

        Raises:
            LaunchError: the port is taken, or the server did not start within ten seconds.
        """
        self._log = EmissionLog(self._log_path)
        bound = bind(self._host, self._port)
        self.base_url = url_of(bound)
        self._ready.clear()
        self._runner = _Runner(self.script, bound, self._answers, self._log, self._ready.set)
        self._thread = threading.Thread(target=self._runner.run, name=f"reference {self.base_url}", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_S):
            self.stop()
            raise LaunchError("the reference server did not start", where=self.base_url)
        return self

    def stop(self) -> None:
        """Close the port, drop running requests, end the thread. Calling it twice does nothing."""
        if self._runner and self._thread:
            self._runner.stop()
            self._thread.join()
        self._runner = self._thread = None
        self._log.close()

    def emissions(self) -> list[Emission]:
        """Records of the last `emissions.KEEP` finished requests, in the order in which they ended."""
        return self._log.records()

    def clear_emissions(self) -> None:
        """Forget the records so far."""
        self._log.clear()


def serve_forever(
    script: Script,
    host: str = "127.0.0.1",
    port: int = 30000,
    *,
    answers: Answers | None = None,
    emission_log: str | Path | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve in this thread until SIGINT or SIGTERM, or until the script lets the server die.

    `on_ready` is called once with the base URL. Run it in the main thread: only there do signals arrive.

    Raises:
        LaunchError: the port is taken.
    """
    bound = bind(host, port)
    url = url_of(bound)
    log = EmissionLog(emission_log)
    try:
        _Runner(script, bound, answers, log, lambda: on_ready(url) if on_ready else None).run()
    finally:
        log.close()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        LaunchError: the address is in use or cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off: else the second reply on a connection waits 40 ms for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        hint = "another server has that port; 0 takes a free one"
        raise LaunchError(f"cannot listen: {error.strerror or error}", where=f"{host}:{port}", hint=hint) from error
    return listening


def url_of(listening: socket.socket) -> str:
    """The base URL of a bound socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Runner:
    """One event loop with one server on a bound socket."""

    def __init__(
        self,
        script: Script,
        listening: socket.socket,
        answers: Answers | None,
        log: EmissionLog,
        on_ready: Callable[[], None],
    ) -> None:
        self._listening, self._on_ready = listening, on_ready
        self._state = State(script, answers, log, on_death=self._drop)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serve until stopped."""
        try:
            # Not uvloop: it keeps writes back to the end of the loop's round, and the log tells of the write.
            with asyncio.Runner() as runner, suppress(asyncio.CancelledError):
                self._loop = runner.get_loop()
                runner.run(self._serve())
        finally:
            self._listening.close()

    def stop(self) -> None:
        """Ask for the end, from any thread."""
        if self._loop and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop closed meanwhile
                self._loop.call_soon_threadsafe(self._drop)

    async def _serve(self) -> None:
        import uvicorn

        from evalkit.reference.app import build_app

        config = uvicorn.Config(
            build_app(self._state),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            headers=[("vary", "Origin")],
            backlog=_BACKLOG,
            timeout_keep_alive=600,
        )
        outer = self

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                outer._on_ready()

            def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's signature
                outer.stop()

        self._task = asyncio.current_task()
        self._server = Server(config)
        await self._server.serve(sockets=[self._listening])

    def _drop(self) -> None:
        """What a crash looks like from outside: no listener, no connection."""
        if self._server:
            for listener in getattr(self._server, "servers", []):
                listener.close()
            for connection in list(self._server.server_state.connections):
                transport = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()
        # uvicorn's own way out waits for its next tick and for running replies.
        if self._task:
            self._task.cancel()

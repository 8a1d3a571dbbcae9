"""The server of faults: HTTP/1.1 on asyncio streams, byte by byte where a fault wants it so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from evalkit.reference.answers import Answers
from evalkit.reference.script import Script
from tests.support.faults.protocol import Healthy, Request
from tests.support.faults.registry import CONTROL, GENERATION, Fault
from tests.support.faults.turn import Dropped, Turn

#: what of a request names the place in a run that it belongs to
PlaceOf = Callable[[Request], str]


@dataclass
class Armed:
    """A fault for requests `first` to `last` (exclusive) of the places it is armed for, counted together."""

    fault: Fault
    places: frozenset[str]
    first: int = 0
    last: int = 1 << 30
    seen: int = 0
    #: how often it struck
    struck: int = 0
    memory: dict[str, object] = field(default_factory=dict)

    def due(self, place: str, kind: str) -> bool:
        """Whether the fault strikes this request. One that lasts strikes every request behind the first."""
        if self.struck and self.fault.lasting:
            return kind in self.fault.where
        if place not in self.places:
            return False
        number = self.seen
        self.seen += 1
        return self.first <= number < self.last


class FaultServer:
    """Listens from the start, answers once `serve` runs in an event loop. One server a decoding mode.

    The port stays the same over several runs; `heal` brings back a server as it was.
    """

    def __init__(
        self, script: Script, place_of: PlaceOf = lambda _: "any", *, port: int = 0, answers: Answers | None = None
    ) -> None:
        self._script, self._place_of, self._answers = script, place_of, answers
        self._port = port
        self._listening: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.healthy = Healthy(script, answers)
        self._slots = asyncio.Semaphore(script.max_running_requests)
        self.armed: list[Armed] = []
        self.requests: list[tuple[str, Request]] = []
        self.listen()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def counts(self) -> Counter[str]:
        """Requests by place so far."""
        return Counter(place for place, _ in self.requests)

    def heal(self) -> None:
        self.healthy = Healthy(self._script, self._answers)
        self.armed, self.requests = [], []
        self.listen()

    def become(self, script: Script) -> None:
        """Another server on the same port."""
        self._script = script
        self.heal()

    def arm(self, fault: Fault, places: frozenset[str], first: int = 0, last: int = 1 << 30) -> Armed:
        armed = Armed(fault, places, first, last)
        self.armed.append(armed)
        return armed

    def listen(self) -> None:
        if self._listening is None:
            # the protocol named, else asyncio leaves Nagle on, and a held-back segment has no timer in virtual time
            self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listening.bind(("127.0.0.1", self._port))
            self._listening.listen(128)
            self._port = self._listening.getsockname()[1]

    async def serve(self) -> None:
        """Starts answering in this loop; `close` or the loop's end stops it."""
        self.listen()
        assert self._listening is not None
        self._slots = asyncio.Semaphore(self._script.max_running_requests)
        self._server = await asyncio.start_server(self._client, sock=self._listening, limit=64 * 1024 * 1024)

    def close(self) -> None:
        """No listener, no connection: what a dead process looks like. The port can be taken again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while request := await _read(reader):
                await self._answer(request, writer)
        except (Dropped, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the fault, or the client, ended it
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        place = self._place_of(request)
        self.requests.append((place, request))
        turn = Turn(self, request, writer)
        kind = GENERATION if request.generates else CONTROL
        due = [armed for armed in self.armed if armed.due(place, kind)]
        if not due:
            if self.healthy.script.hang_on_schema and request.generates and b'"json_schema"' in request.body:
                await turn.until_left()
            async with self._slots if request.generates else contextlib.nullcontext():
                await turn.send(turn.answer)
            return
        due[0].struck += 1
        turn.memory = due[0].memory
        await due[0].fault.play(turn)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, target.partition("?")[0], headers, body)
    return None

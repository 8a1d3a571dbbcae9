"""One request in the hand of a fault, and the ways to take its answer apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from evalkit.reference.script import Script
from tests.support.faults.protocol import Answer, Request

if TYPE_CHECKING:
    from tests.support.faults.server import FaultServer


class Dropped(Exception):  # noqa: N818  no error, the fault wanted it
    """The connection is gone, as the fault wanted."""


class Turn:
    """One request at the server, in the hand of a fault."""

    def __init__(self, server: FaultServer, request: Request, writer: asyncio.StreamWriter) -> None:
        self.server, self.request, self.writer = server, request, writer
        self._answer: Answer | None = None
        #: what the fault remembers from one request to the next
        self.memory: dict[str, Any] = {}

    @property
    def answer(self) -> Answer:
        """The healthy answer."""
        if self._answer is None:
            self._answer = self.server.healthy.answer(self.request)
        return self._answer

    async def raw(self, data: bytes, after_ms: float = 0.0) -> None:
        if after_ms > 0:
            await asyncio.sleep(after_ms / 1000)
        if self.writer.is_closing():
            raise Dropped
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, answer: Answer) -> None:
        """An answer as it should be: the head with the first piece, chunks at their times."""
        head = answer.head()
        if not answer.stream:
            for after, data in answer.pieces or ((0.0, b""),):
                await self.raw(head + data, after)
                head = b""
            return
        for after, data in answer.pieces:
            await self.raw(head + (chunk(data) if data else b""), after)  # an empty chunk would be the end
            head = b""
        await self.raw(b"0\r\n\r\n")

    def reset(self) -> None:
        """RST: the peer reads an error instead of an end."""
        linger = struct.pack("ii", 1, 0)
        with contextlib.suppress(OSError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()
        raise Dropped

    async def until_left(self) -> None:
        """Wait, sending nothing, until the client hangs up."""
        while not self.writer.is_closing():  # noqa: ASYNC110  streams tell of a hang-up by their state alone
            await asyncio.sleep(1)
        raise Dropped


@cache
def bomb() -> bytes:
    """100 MB of zeros in 100 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(100)), packer.flush()])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def open_head(answer: Answer) -> bytes:
    """A head that promises no length."""
    return replace(answer, stream=True).head()


def events(piece: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in piece.split(b"\n\n") if event]


def changed(answer: Answer, change: Callable[[bytes], bytes]) -> Answer:
    """Each event of a stream changed; of any other answer the body."""
    if not answer.stream:
        return answer.with_body(change(answer.body))
    pieces = tuple((after, b"".join(change(event) for event in events(data))) for after, data in answer.pieces)
    return replace(answer, pieces=tuple((after, data) for after, data in pieces if data))


def one_token(event: bytes, of: bytes) -> bytes:
    """An event that carries the usage alone, with one token of the `prompt` or of the `completion`."""
    if b'"choices":[]' not in event:
        return event
    return re.sub(rb'"%b_tokens":\d+' % of, rb'"%b_tokens":1' % of, event)


def event(turn: Turn, text: str) -> bytes:
    chunk = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [chunk]}).encode() + b"\n\n"


def swap(turn: Turn, **changes: Any) -> None:
    if not turn.memory.get("swapped"):
        turn.memory["swapped"] = True
        script = turn.server.healthy.script
        turn.server.healthy.restart(Script(**{**script.model_dump(), **changes}))

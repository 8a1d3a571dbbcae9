"""A server that writes exactly the bytes it is told to, on a real socket."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from contextlib import asynccontextmanager

from evalkit.client.types import ChatRequest, Limits, Target

#: bytes to write, seconds to wait, or one of "close", "reset", "hang"
Step = bytes | float | str

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: str | None = None, *, usage: int | None = None, finish: str | None = None, **delta) -> bytes:
    if content is not None:
        delta["content"] = content
    payload: dict = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    if usage is not None:
        payload["usage"] = {"prompt_tokens": 5, "completion_tokens": usage}
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def stream(*events: bytes, done: bool = True) -> list[Step]:
    body = [chunk(e) for e in events]
    if done:
        body.append(chunk(b"data: [DONE]\n\n"))
    return [HEAD, *body, LAST]


def good() -> list[Step]:
    return stream(
        event("", role="assistant"),
        event("Hel", usage=1),
        event("lo", usage=2),
        event(finish="stop"),
        b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}\n\n',
    )


class RawServer:
    def __init__(self, script: Callable[[int], list[Step]]) -> None:
        self.script = script
        self.requests: list[tuple[dict[str, str], dict]] = []
        self.connections = 0
        self.closed = asyncio.Event()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = {k.lower(): v for k, v in re.findall(r"([^:\r\n]+): ([^\r\n]*)\r\n", head)}
                headers[":line"] = head.partition("\r\n")[0]
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, json.loads(body)))
                for step in self.script(len(self.requests) - 1):
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                    elif step == "close":
                        return
                    elif step == "reset":
                        writer.transport.abort()
                        return
                    elif step == "hang":
                        await reader.read()
                        return
                    else:
                        await asyncio.sleep(float(step))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def serving(script: Callable[[int], list[Step]] | list[Step], *, tls: ssl.SSLContext | None = None):
    raw = RawServer(script if callable(script) else lambda _: script)
    server = await asyncio.start_server(raw.handle, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    raw.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield raw
    finally:
        server.close()
        await asyncio.sleep(0)


FAST = Limits(connect_s=5, first_byte_s=5, idle_s=5, total_s=10)
ASK = ChatRequest(messages=({"role": "user", "content": "Say hello."},), max_tokens=16)


def target(url: str, **kw) -> Target:
    return Target(label="diffusion", base_url=url, model="m", **({"limits": FAST} | kw))

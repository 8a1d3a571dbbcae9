"""A process that streams replies on a timer and writes down when it received and sent: the truth for the
client's own error.

Smaller than the reference server, so that it keeps its own schedule at 256 streams. Speaks just enough HTTP.
`python -m evalkit.timing.emitter OPTIONS` prints its port; when its standard input closes it prints its log and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
import time

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_PAD = "logprobs"


def event_bytes(tokens: int, text: str, *, finish: bool = False) -> bytes:
    """One event of about 300 bytes, as SGLang writes it, framed as an HTTP chunk."""
    payload = {
        "id": "0123456789abcdef0123456789abcdef", "object": "chat.completion.chunk", "created": 1, "model": "emitter",
        "choices": [{"index": 0, "delta": {"reasoning_content": None, "content": text}, _PAD: None,
                     "finish_reason": "stop" if finish else None, "matched_stop": None}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8 + tokens, "completion_tokens": tokens,
                  "prompt_tokens_details": None, "reasoning_tokens": 0},
    }  # fmt: skip
    data = b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Stream(asyncio.Protocol):
    """One connection. Chunk times are absolute: a late one does not move the next."""

    def __init__(self, options: argparse.Namespace, log: dict[str, list[int]]) -> None:
        self.options, self.log = options, log
        self.buffer = b""
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are of another class

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        if len(body) < int(headers.get(b"content-length", b"0")):
            return
        self.buffer = b""
        times = self.log.setdefault(headers.get(b"x-request-id", b"?").decode("latin-1"), [])
        times.append(now)
        tokens = min(self.options.tokens, int(json.loads(body or b"{}").get("max_tokens", self.options.tokens)))
        loop = asyncio.get_running_loop()
        start = loop.time() + self.options.ttft / 1000
        loop.call_at(start, self._emit, start, 0, tokens, times)

    def _emit(self, start: float, sent: int, wanted: int, times: list[int]) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        options = self.options
        tokens = min(wanted, sent + options.chunk)
        last = tokens >= wanted
        data = (_HEAD if not sent else b"") + event_bytes(tokens, "word " * (tokens - sent), finish=last)
        if last:
            data += b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
        times.append(time.monotonic_ns())
        transport.write(data)
        if not last:
            index = tokens // options.chunk
            due = start + index * options.gap / 1000
            asyncio.get_running_loop().call_at(due, self._emit, start, tokens, wanted, times)


async def _serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    log: dict[str, list[int]] = {}
    server = await loop.create_server(lambda: _Stream(options, log), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    closed = asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await closed.wait()
    server.close()
    sys.stdout.write(json.dumps(log))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="emitter")
    parser.add_argument("--ttft", type=float, default=100.0, help="ms to the first chunk")
    parser.add_argument("--gap", type=float, default=20.0, help="ms between chunks")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--chunk", type=int, default=1, help="tokens a chunk")
    from evalkit.client import run

    try:
        run(_serve(parser.parse_args()))
    except (BrokenPipeError, KeyboardInterrupt):
        # evalkit ended first, and nobody reads the log
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()

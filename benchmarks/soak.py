"""Timed requests for a long time against a reference server of which one request in a hundred goes wrong.

    python benchmarks/soak.py --minutes 30 [--seed 1] [--streams 8]

A relay between client and server spoils 1% of the requests, each in one of the ways of FAULTS, drawn by a seed. Printed
every tenth of the time: requests, memory (RSS) and descriptors of client and server, processes below the client. At the
end the counts must be exact (every request is accounted for by its fault), and nothing may have grown. Exit 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from evalkit import client as clients
from evalkit.client.types import ChatRequest, Exchange, Target
from evalkit.limits import Limits
from evalkit.reference import ReferenceProcess, Script

RATE = 0.01
#: what the relay does, and the error kind that the client must report
FAULTS = {
    "reset": ("protocol", "incomplete"),
    "cut": ("protocol", "incomplete"),
    "silence": ("timeout",),
    "busy": ("http",),
    "page": ("protocol", "http"),
    "garbage": ("protocol",),
}
_LIMITS = Limits(connect_s=5.0, first_byte_s=10.0, idle_s=1.0, total_s=60.0)
_SCRIPT = Script(ttft_ms=20.0, ms_per_forward=2.0, jitter_ms=1.0)
#: growth that is noise: allocator, interned names, the tables of Python itself
_SLACK_MIB = 8.0


@dataclass
class Tally:
    sent: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, fault: str, exchange: Exchange) -> None:
        self.sent[fault] += 1
        kind = exchange.error.kind if exchange.error else None
        fine = kind is None and exchange.ok if fault == "none" else kind in FAULTS[fault]
        if not fine and len(self.wrong) < 20:
            self.wrong.append(f"{fault}: {kind} {exchange.error.message if exchange.error else ''}")


class Relay:
    """Passes bytes between client and server; a connection whose request names a fault is spoiled in that way."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.struck: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(*self.upstream)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:"))
                body = await reader.readexactly(length)
                fault = next((name for name in FAULTS if b"soak-" + name.encode() in head), None)
                if fault is not None:
                    self.struck[fault] += 1
                    await self._spoil(fault, reader, writer)
                    return
                forth.write(head + body)
                while not (part := await back.read(65536)).endswith(b"0\r\n\r\n"):
                    if not part:
                        return
                    writer.write(part)
                writer.write(part)
                await writer.drain()
        finally:
            forth.close()

    async def _spoil(self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        event = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
        if fault == "busy":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy")
        elif fault == "page":
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: 6\r\n\r\n<html>"
            )
        elif fault == "garbage":
            writer.write(b"\x16\x03\x01 no HTTP at all \r\n\r\n")
        elif fault in ("cut", "silence", "reset"):
            writer.write(head + b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        if fault == "silence":
            await asyncio.wait_for(reader.read(), 30)  # until the client has had enough
        if fault == "reset":
            peer = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass
class Reading:
    minutes: float
    requests: int
    client_mib: float
    server_mib: float
    client_fds: int
    server_fds: int
    children: int

    def row(self) -> str:
        return (
            f"{self.minutes:7.1f} {self.requests:9,} {self.client_mib:11.1f} {self.server_mib:11.1f}"
            f" {self.client_fds:10} {self.server_fds:10} {self.children:9}"
        )


async def soak(server: ReferenceProcess, options: argparse.Namespace) -> tuple[Tally, Relay, list[Reading]]:
    rng, tally = random.Random(options.seed), Tally()
    host, port = server.base_url.removeprefix("http://").split(":")
    relay = Relay((host, int(port)))
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    target = Target(label="soak", base_url=url, model=server.script.model, limits=_LIMITS)
    client = clients.open_client([url])
    began, end = time.monotonic(), time.monotonic() + options.minutes * 60

    async def stream(number: int) -> None:
        turn = 0
        while time.monotonic() < end:
            fault = rng.choice(list(FAULTS)) if rng.random() < RATE else "none"
            text = f"Say something about number {rng.randrange(64)}."
            request = ChatRequest(messages=({"role": "user", "content": text},), max_tokens=32)
            exchange = await client.chat(target, request, request_id=f"soak-{fault}-{number}-{turn}")
            tally.add(fault, exchange)
            turn += 1

    readings: list[Reading] = []

    async def watch() -> None:
        me, it = psutil.Process(), psutil.Process(server.pid)
        while True:
            await asyncio.sleep(options.minutes * 6)
            reading = Reading(
                (time.monotonic() - began) / 60, sum(tally.sent.values()), me.memory_info().rss / 2**20,
                it.memory_info().rss / 2**20, me.num_fds(), it.num_fds(), len(me.children(recursive=True)),
            )  # fmt: skip
            readings.append(reading)
            print(reading.row(), flush=True)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(stream(number) for number in range(options.streams)))
    watching.cancel()
    await client.aclose()
    listener.close()
    await asyncio.sleep(2)
    return tally, relay, readings


def problems(tally: Tally, relay: Relay, readings: list[Reading], open_before: int) -> list[str]:
    """What was not as it must be."""
    found = list(tally.wrong)
    struck = {name: count for name, count in tally.sent.items() if name != "none"}
    if struck != dict(relay.struck):
        found.append(f"counts differ: the client saw {struck}, the relay did {dict(relay.struck)}")
    if len(readings) >= 4:
        early, late = readings[len(readings) // 4], readings[-1]
        if late.client_mib - early.client_mib > _SLACK_MIB:
            found.append(f"the client's memory grew by {late.client_mib - early.client_mib:.1f} MiB")
        if late.server_mib - early.server_mib > _SLACK_MIB:
            found.append(f"the server's memory grew by {late.server_mib - early.server_mib:.1f} MiB")
        if late.client_fds > early.client_fds + 16:
            found.append(f"the client's descriptors grew from {early.client_fds} to {late.client_fds}")
        if late.server_fds > early.server_fds + 16:
            found.append(f"the server's descriptors grew from {early.server_fds} to {late.server_fds}")
        if late.children != early.children:
            found.append(f"processes: {early.children}, then {late.children}")
    left = psutil.Process().num_fds()
    if left > open_before + 4:
        found.append(f"{left} descriptors after the end, {open_before} before the start")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    open_before = psutil.Process().num_fds()
    print("minutes  requests  client MiB  server MiB client fds server fds processes")
    # Its log of every request, 1.5 KB each, would fill the disk, and memory here when it is read at the stop.
    with ReferenceProcess(_SCRIPT, emission_log=os.devnull) as server:
        tally, relay, readings = clients.run(soak(server, options))
    found = problems(tally, relay, readings, open_before)
    total = sum(tally.sent.values())
    spoiled = total - tally.sent["none"]
    faults = {name: count for name, count in sorted(tally.sent.items()) if name != "none"}
    print(f"{total:,} requests, {spoiled} spoiled ({spoiled / total:.2%}): {faults}")
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(f"peak memory {int(peak) / 1024:.1f} MiB")
    print("\n".join(["NOT AS IT MUST BE:", *found]) if found else "counts exact, memory flat, nothing left open")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""The client's own error and cost beside httpx2 and aiohttp, one process each, against an emitter as truth.

python benchmarks/clients.py [--streams 64 256] [--events 50] [--tokens 64] [--passes 5]
"""

# ruff: noqa: E501  rows of tables are wide
from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from statistics import fmean, median
from types import SimpleNamespace

from evalkit.client import run
from evalkit.client.recording import Recording, to_exchange
from evalkit.client.types import ChatRequest, Limits, Target
from evalkit.client.wire import WireClient
from evalkit.timing.calibrate import emitter

ASK = ChatRequest(messages=({"role": "user", "content": "calibrate"},), max_tokens=64)


class Aiohttp:
    """aiohttp at its best: one pooled session, bytes as they come."""

    def __init__(self):
        self.session, self.turn = None, asyncio.Lock()

    async def chat(self, target, request, *, request_id):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        recording = Recording(target.limits, streaming=True, transport="aiohttp")
        recording.written_ns = time.monotonic_ns()
        url = f"{target.base_url}/v1/chat/completions"
        async with self.session.post(url, json=request.body("m"), headers={"X-Request-Id": request_id}) as response:
            recording.status, recording.headers = response.status, {k.lower(): v for k, v in response.headers.items()}
            async for data in response.content.iter_any():
                recording.add(data, time.monotonic_ns())
        recording.end_ns = time.monotonic_ns()
        return await to_exchange(recording, self.turn)

    async def aclose(self):
        await self.session.close()


class AiohttpLines(Aiohttp):
    """aiohttp as benchmark clients are written: line by line, each event read as JSON when it comes."""

    async def chat(self, target, request, *, request_id):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        written, chunks, text, done = time.monotonic_ns(), [], [], None
        url = f"{target.base_url}/v1/chat/completions"
        async with self.session.post(url, json=request.body("m"), headers={"X-Request-Id": request_id}) as response:
            async for line in response.content:
                now = (time.monotonic_ns() - written) // 1000
                data = line.strip().removeprefix(b"data: ")
                if data == b"[DONE]":
                    done = now
                elif data:
                    payload = json.loads(data)
                    if content := payload["choices"][0]["delta"].get("content"):
                        text.append(content)
                        chunks.append((now, payload["usage"]["completion_tokens"]))
        return SimpleNamespace(chunks=chunks, first_chunk_us=chunks[0][0], done_us=done, text="".join(text))


def make(name):
    from evalkit.client.fallback import ProxyClient

    clients = {"wire": WireClient, "httpx2": ProxyClient, "aiohttp": Aiohttp, "aiohttp, lines and JSON": AiohttpLines}
    return clients[name]()


async def one(name, streams, events, tokens):
    client, replies = make(name), {}
    async with emitter(ttft_ms=100, gap_ms=1000 / events, tokens=tokens) as source:
        target = Target("bench", source.url, "m", limits=Limits(total_s=120))

        async def ask(request_id):
            request = replace(ASK, max_tokens=tokens)
            replies[request_id] = await client.chat(target, request, request_id=request_id)

        await asyncio.gather(*(ask(f"warm-{i}") for i in range(streams)))
        replies.clear()
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.gather(*(ask(f"{i}") for i in range(streams)))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    await client.aclose()
    got = sum(len(r.chunks) for r in replies.values())
    ttft, e2e, itl = [], [], []
    for request_id, reply in replies.items():
        start, *times = source.times[request_id]
        ttft.append(reply.first_chunk_us / 1000 - (times[0] - start) / 1e6)
        e2e.append(reply.done_us / 1000 - (times[-1] - start) / 1e6)
        itl.append((reply.chunks[-1][0] - reply.chunks[0][0]) * 1000 / (times[-1] - times[0]) - 1)
    return {
        "client": name, "streams": streams, "cpu_us": cpu / got * 1e6, "events_per_s": got / wall, "ttft_ms": fmean(ttft),
        "e2e_ms": fmean(e2e), "itl_pct": 100 * fmean(itl), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def middle(passes):
    """The median of each figure over passes."""
    return {
        name: value if isinstance(value, str) else median(one[name] for one in passes)
        for name, value in passes[0].items()
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--events", type=float, default=50)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(run(one(args.one[0], int(args.one[1]), args.events, args.tokens))))
        return
    print(
        "| client | streams | CPU µs/event | ratio | TTFT error ms | ratio | E2E error ms | ITL error % | events/s | peak MB |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for streams in args.streams:
        passes = {name: [] for name in ("wire", "aiohttp", "aiohttp, lines and JSON", "httpx2")}
        for _ in range(args.passes):  # in turn, so that other load on the machine meets all alike
            for name, seen in passes.items():
                options = ["--events", str(args.events), "--tokens", str(args.tokens), "--one", name, str(streams)]
                done = subprocess.run([sys.executable, __file__, *options], check=True, capture_output=True)
                seen.append(json.loads(done.stdout))
        rows = [middle(seen) for seen in passes.values()]
        base = rows[0]
        for r in rows:
            print(
                f"| {r['client']} | {streams} | {r['cpu_us']:.1f} | {r['cpu_us'] / base['cpu_us']:.1f}x | {r['ttft_ms']:.2f} | "
                f"{r['ttft_ms'] / max(base['ttft_ms'], 1e-3):.1f}x | {r['e2e_ms']:.2f} | {r['itl_pct']:.3f} | "
                f"{r['events_per_s']:.0f} | {r['peak_mb']:.0f} |"
            )


if __name__ == "__main__":
    main()

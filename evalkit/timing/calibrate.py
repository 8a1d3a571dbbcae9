"""The client's own timing error, measured on loopback against a process that knows when it wrote."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median

from evalkit.client import loop
from evalkit.client.types import ChatClient, ChatRequest, Exchange, Loop, Target
from evalkit.errors import MeasurementError
from evalkit.limits import CALIBRATION
from evalkit.timing.facts import ClientError
from evalkit.timing.watch import LoadWatch

#: where the package lies, for a process that does not inherit our path
_ROOT = str(Path(__file__).resolve().parents[2])
#: of a stream that is read before those that count: connections are open then, and the code has run
_WARM_CHUNKS = 8


@dataclass
class Emitter:
    """A running emitter; `times` (ns of receiving and of each chunk, by request id) is filled when it has ended."""

    url: str
    times: dict[str, list[int]] = field(default_factory=dict)


@asynccontextmanager
async def emitter(*, ttft_ms: float, gap_ms: float, tokens: int, chunk: int = 1) -> AsyncIterator[Emitter]:
    """The emitter in a process of its own; its log can be read after the block.

    Raises:
        MeasurementError: it did not start.
    """
    options = {"--ttft": ttft_ms, "--gap": gap_ms, "--tokens": tokens, "--chunk": chunk}
    argv = [text for name, value in options.items() for text in (name, str(value))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "evalkit.timing.emitter", *argv,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=256 * 1024 * 1024,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in (_ROOT, os.environ.get("PYTHONPATH")) if p)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        if not line.strip().isdigit():
            raise MeasurementError("the calibration server did not start", hint="run `evalkit doctor`")
        found = Emitter(f"http://127.0.0.1:{int(line)}")
        yield found
        out, _ = await asyncio.wait_for(process.communicate(b""), 30)
        found.times = json.loads(out)
    except TimeoutError:
        raise MeasurementError("the calibration server does not answer", hint="run `evalkit doctor`") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def client_error(
    client: ChatClient,
    streams: int,
    *,
    events_per_s: float = 50.0,
    tokens: int = 50,
    rounds: int = 1,
) -> ClientError:
    """What `client` reads minus what happened, at `streams` streams of `events_per_s` events each.

    All streams start together, as a closed loop does at its start: the hardest moment. Takes about `rounds` times
    (100 ms + `tokens`/`events_per_s`), and a short warm-up.

    Raises:
        MeasurementError: the emitter did not start, or no request came back.
    """
    request = ChatRequest(messages=({"role": "user", "content": "calibrate"},), max_tokens=tokens)
    replies: dict[str, Exchange] = {}
    async with emitter(ttft_ms=100.0, gap_ms=1000 / events_per_s, tokens=tokens) as source:
        target = Target(label="calibration", base_url=source.url, model="emitter", limits=CALIBRATION)

        async def one(name: str, request: ChatRequest = request) -> None:
            replies[name] = await client.chat(target, request, request_id=name)

        short = replace(request, max_tokens=min(tokens, _WARM_CHUNKS))
        await asyncio.gather(*(one(f"warm-{i}", short) for i in range(streams)))
        replies.clear()
        async with LoadWatch() as watch:
            for turn in range(rounds):
                await asyncio.gather(*(one(f"{turn}-{i}") for i in range(streams)))
            lag, cpu = watch.lag_p99_ms() or 0.0, watch.cpu_share()
    transport = str(getattr(client, "transport", "wire"))
    return _compare(replies, source.times, streams, streams * events_per_s, (lag, cpu, transport, loop.name()))


def _compare(
    replies: dict[str, Exchange],
    truth: dict[str, list[int]],
    streams: int,
    events_per_s: float,
    seen: tuple[float, float, str, Loop],
) -> ClientError:
    """Errors are means over requests: what the client read, less the emitter's time from receiving to sending."""
    good = {name: r for name, r in replies.items() if r.ok and len(r.chunks) == len(truth.get(name, ())) - 1}
    if not good:
        message = next((r.error.message for r in replies.values() if r.error), "no reply")
        raise MeasurementError(f"the calibration failed: {message}", hint="run `evalkit doctor`")
    ttft: list[float] = []
    e2e: list[float] = []
    gaps: list[float] = []
    paces: list[float] = []
    for name, reply in good.items():
        start, *times = truth[name]
        ttft.append((reply.first_chunk_us or 0) / 1000 - (times[0] - start) / 1e6)
        e2e.append((reply.done_us or 0) / 1000 - (times[-1] - start) / 1e6)
        if len(times) > 1:
            true_gap = (times[-1] - times[0]) / (len(times) - 1)
            read_gap = (reply.chunks[-1][0] - reply.chunks[0][0]) * 1000 / (len(times) - 1)
            gaps.append(read_gap / true_gap - 1)
            paces.append(1e9 / true_gap)
    middle = median((r.done_us or 1) / 1000 for r in good.values())
    return ClientError(
        streams=streams,
        events_per_s=events_per_s,
        ttft_error_ms=fmean(ttft),
        e2e_error_ms=fmean(e2e),
        e2e_error_share=abs(fmean(e2e)) / middle,
        itl_error_share=abs(fmean(gaps)) if gaps else 0.0,
        lag_p99_ms=seen[0],
        events=sum(len(r.chunks) for r in good.values()),
        cpu_share=seen[1],
        transport=seen[2],
        loop=seen[3],
        reached_per_s=streams * fmean(paces) if paces else None,
    )


async def calibrate(client: ChatClient, concurrency: Sequence[int], *, events_per_s: float = 50.0) -> list[ClientError]:
    """The error at each concurrency of a run, one after the other. Raises as `client_error`."""
    return [await client_error(client, streams, events_per_s=events_per_s) for streams in concurrency]

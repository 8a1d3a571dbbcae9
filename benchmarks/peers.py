"""evalkit, guidellm, aiperf and `vllm bench serve` under one open load: errors of TTFT, late starts, CPU, memory.

    python benchmarks/peers.py [--guidellm PATH] [--aiperf PATH] [--vllm PATH] [--rate 200] [--seconds 20]

The server sends 64 events a reply at fixed times and writes down when it had read each request and when it sent the
first event: what it is late by is in its log, and so is part of the truth. evalkit and aiperf replay the same trace of
Poisson arrivals, guidellm and `vllm bench serve` draw their own at the same rate; each by its own command line, in
turn. Errors are of quantiles over requests, from sending to the first event. `late` is how much later than by the trace
the server had read the requests, above the promptest of them. CPU and memory are of a tool with all its processes, its
start included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
import uvloop

from benchmarks.tools import TOKENIZER, TOKENS, ReportError, cell
from evalkit.client import open_client, run
from evalkit.client.types import ChatRequest, Target
from evalkit.run.plan.openloop import Arrival, play
from evalkit.timing.emitter import event_bytes

MODEL, LIMIT_S = "truth", 600
TTFT_MS, GAP_MS = 100.0, 5.0
PROMPT = "Say something about rivers, and take your time."
QUANTILES = (0.5, 0.95, 0.99)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_MODELS = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "truth"}]}).encode()


# -- the server: a process of its own ----------------------------------------------------------------------------------


class _Stream(asyncio.Protocol):
    """One connection. Events are due at fixed times after the request was read, however late the one before was."""

    def __init__(self, log: list[list[int]], events: list[bytes]) -> None:
        self.log, self.events, self.buffer = log, events, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.buffer += data
        while True:
            head, end, body = self.buffer.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if not end or len(body) < length:
                return
            self.buffer = body[length:]
            if not head.startswith(b"POST"):
                answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                self.transport.write(answer % (len(_MODELS), _MODELS))
                continue
            loop = asyncio.get_running_loop()
            start, row = loop.time() + TTFT_MS / 1000, [now, now + round(TTFT_MS * 1e6), 0]
            self.log.append(row)
            loop.call_at(start, self._emit, start, 0, row)

    def _emit(self, start: float, number: int, row: list[int]) -> None:
        if self.transport.is_closing():
            return
        if not number:
            row[2] = time.monotonic_ns()
        self.transport.write(self.events[number])
        if number + 1 < len(self.events):
            due = start + (number + 1) * GAP_MS / 1000
            asyncio.get_running_loop().call_at(due, self._emit, start, number + 1, row)


async def _serve() -> None:
    log: list[list[int]] = []
    events = [event_bytes(n + 1, "word ", finish=n + 1 == TOKENS) for n in range(TOKENS)]
    events[0] = _HEAD + events[0]
    events[-1] += b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stream(log, events), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(closed.set)), daemon=True).start()
    await closed.wait()
    json.dump(log, sys.stdout)


class Server:
    """The server's process, ahead of others where this user may put it there."""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            os.sched_setscheduler(self.process.pid, os.SCHED_RR, os.sched_param(1))
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self) -> list[tuple[int, int, int]]:
        """Read, due and first sent, in ns, of each request; the server ends."""
        said, _ = self.process.communicate(timeout=60)
        return sorted((read, due, sent) for read, due, sent in json.loads(said) if sent)


# -- the tools ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """Quantiles of TTFT in ms, by QUANTILES, as a tool reported them."""

    version: str
    requests: int
    ttft: tuple[float, ...]
    #: from the intended start, where the tool tells it
    intended: tuple[float, ...] = ()


@dataclass(frozen=True)
class Job:
    program: str
    url: str
    trace: Path
    folder: Path
    rate: float
    requests: int


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def evalkit(job: Job) -> tuple[list[str], Callable[[], Seen]]:
    out = job.folder / "evalkit.json"

    def read() -> Seen:
        found = json.loads(out.read_text())
        return Seen("", found["requests"], tuple(found["ttft"]), tuple(found["intended"]))

    return [sys.executable, __file__, "--replay", job.url, str(job.trace), str(out)], read


def replay(url: str, trace: str, out: str) -> None:
    """evalkit's own open loop: what a run plays as a block of a trace."""
    rows = [json.loads(line) for line in Path(trace).read_text().splitlines()]

    async def main() -> dict[str, Any]:
        client, target = open_client(), Target("peers", url, MODEL)
        ask = ChatRequest(({"role": "user", "content": PROMPT},), TOKENS)
        arrivals = (Arrival(row["timestamp"] / 1000, n, ask) for n, row in enumerate(rows))
        try:
            return await play(client, target, arrivals, drain_s=30)
        finally:
            await client.aclose()

    told = run(main())
    columns = zip(told["ttft_ms"], told["late_ms"], told["ends"], strict=True)
    good = [(ttft, late) for ttft, late, end in columns if end == "a"]
    sent, intended = sorted(t - late for t, late in good), sorted(t for t, _ in good)
    Path(out).write_text(json.dumps({
        "requests": len(good), "ttft": [quantile(sent, q) for q in QUANTILES],
        "intended": [quantile(intended, q) for q in QUANTILES],
    }))  # fmt: skip


def guidellm(job: Job) -> tuple[list[str], Callable[[], Seen]]:
    out = job.folder / "guidellm.json"
    command = [
        job.program, "run", "--backend", f"kind=openai_http,target={job.url},model={MODEL}",
        "--profile", f"kind=poisson,rate={job.rate:g}", "--constraint", f"kind=max_requests,count={job.requests}",
        "--tokenizer", f"kind=hf_auto,model={job.folder}/tokenizer",
        "--data", f"kind=synthetic_text,prompt_tokens=32,output_tokens={TOKENS}",
        "--output", f"kind=json,path={out}", "--disable-console",
    ]  # fmt: skip

    def read() -> Seen:
        document = json.loads(out.read_text())
        (benchmark,) = document["benchmarks"]
        found = benchmark["metrics"]["time_to_first_token_ms"]["successful"]
        return Seen(document["metadata"]["guidellm_version"], int(benchmark["metrics"]["request_totals"]["successful"]),
                    tuple(float(found["percentiles"][name]) for name in ("p50", "p95", "p99")))  # fmt: skip

    return command, read


def aiperf(job: Job) -> tuple[list[str], Callable[[], Seen]]:
    command = [
        job.program, "profile", "--model", MODEL, "--url", job.url, "--endpoint-type", "chat", "--streaming",
        "--input-file", str(job.trace), "--custom-dataset-type", "single-turn", "--fixed-schedule",
        "--use-server-token-count", "--tokenizer", f"{job.folder}/tokenizer", "--artifact-dir", f"{job.folder}/aiperf",
        "--ui", "none", "--no-gpu-telemetry", "--no-server-metrics",
    ]  # fmt: skip

    def read() -> Seen:
        document = json.loads((job.folder / "aiperf/profile_export_aiperf.json").read_text())
        found = document["time_to_first_token"]
        return Seen(document["aiperf_version"], int(document["request_count"]["avg"]),
                    (found["p50"], found["p95"], found["p99"]))  # fmt: skip

    return command, read


def vllm(job: Job) -> tuple[list[str], Callable[[], Seen]]:
    command = [
        job.program, "bench", "serve", "--backend", "openai-chat", "--base-url", job.url, "--endpoint",
        "/v1/chat/completions", "--model", MODEL, "--tokenizer", f"{job.folder}/tokenizer", "--dataset-name", "random",
        "--random-input-len", "32", "--random-output-len", str(TOKENS), "--request-rate", f"{job.rate:g}",
        "--num-prompts", str(job.requests), "--percentile-metrics", "ttft", "--metric-percentiles", "50,95,99",
        "--save-result", "--result-dir", str(job.folder), "--result-filename", "vllm.json", "--disable-tqdm",
    ]  # fmt: skip

    def read() -> Seen:
        found = json.loads((job.folder / "vllm.json").read_text())
        return Seen("", int(found["completed"]), tuple(float(found[f"p{q}_ttft_ms"]) for q in (50, 95, 99)))

    return command, read


TOOLS = {"evalkit": evalkit, "guidellm": guidellm, "aiperf": aiperf, "vllm bench serve": vllm}
#: those that send at the trace's times
REPLAYS = {"evalkit", "aiperf"}


@dataclass
class Used:
    """CPU seconds and the peak of resident memory, of a tool with all its processes."""

    cpu_s: float = 0.0
    peak_mb: float = 0.0


def call(command: list[str], folder: Path) -> Used:
    """Run a tool to its end, watching its memory.

    Raises:
        ReportError: it failed or took too long.
    """
    used, began, before = Used(), time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} if "aiperf" in command[0] else set()  # it refuses folders then
    env = {"HF_HUB_OFFLINE": "1", **os.environ, "VLLM_NO_USAGE_STATS": "1"}
    env = {name: value for name, value in env.items() if name not in offline}
    with (folder / "said.txt").open("w") as said, subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, process_group=0
    ) as tool:  # fmt: skip
        watched = psutil.Process(tool.pid)
        try:
            while tool.poll() is None:
                with contextlib.suppress(psutil.Error):
                    family = [watched, *watched.children(recursive=True)]
                    used.peak_mb = max(used.peak_mb, sum(one.memory_info().rss for one in family) / 1e6)
                if time.monotonic() - began > LIMIT_S:
                    raise ReportError(f"not done after {LIMIT_S} s")
                time.sleep(0.25)
        finally:  # also after an interrupt: nothing of the tool may go on
            with contextlib.suppress(ProcessLookupError):
                os.killpg(tool.pid, signal.SIGKILL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used.cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if tool.returncode:
        raise ReportError(f"exit {tool.returncode}: {(folder / 'said.txt').read_text().strip()[-900:]!r}")
    return used


def measure(name: str, program: str, rows: list[dict[str, Any]], rate: float) -> str:
    """A row of the table.

    Raises:
        ReportError: see `call`; also where the tool counted other requests than the server answered.
    """
    with tempfile.TemporaryDirectory() as where, Server() as server:
        folder = Path(where)
        (folder / "tokenizer").mkdir()
        shutil.copy(TOKENIZER, folder / "tokenizer/tokenizer.json")
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
        (folder / "tokenizer/tokenizer_config.json").write_text(json.dumps(config))
        trace = folder / "trace.jsonl"
        trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command, read = TOOLS[name](Job(program, server.url, trace, folder, rate, len(rows)))
        used, log = call(command, folder), server.log()
        try:
            seen = read()
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ReportError(f"its file was not understood: {error!r}") from error
    if abs(seen.requests - len(log)) > 0.01 * len(rows):
        raise ReportError(f"counted {seen.requests} requests of {len(log)}")
    true = sorted((sent - got) / 1e6 for got, _, sent in log)
    behind = sorted((sent - due) / 1e6 for _, due, sent in log)
    errors = [seen.ttft[n] - quantile(true, q) for n, q in enumerate(QUANTILES)]
    late = ""
    if name in REPLAYS and len(log) == len(rows):
        starts = sorted(got / 1e6 - row["timestamp"] for (got, _, _), row in zip(log, rows, strict=True))
        late = f"{quantile(starts, 0.5) - starts[0]:.1f} / {quantile(starts, 0.99) - starts[0]:.1f}"
    span = (log[-1][0] - log[0][0]) / 1e9
    return " | ".join((
        f"{name} {seen.version}".strip(), str(seen.requests), f"{len(log) / span:.0f}",
        *(f"{e:+.2f}" for e in errors), late or "–", cell(used.cpu_s), f"{1e6 * used.cpu_s / len(log) / TOKENS:.0f}",
        f"{used.peak_mb:.0f}", f"{quantile(behind, 0.99):.2f}",
    ))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    for name in ("guidellm", "aiperf", "vllm"):
        parser.add_argument(f"--{name}", default=os.environ.get(name.upper(), name), help="the program")
    parser.add_argument("--only", nargs="+", default=list(TOOLS))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--replay", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return uvloop.run(_serve())
    if args.replay:
        return replay(*args.replay)
    rng, at, rows = random.Random(1), 0.0, []
    while (at := at + rng.expovariate(args.rate)) < args.seconds:
        rows.append({"timestamp": round(1000 * at, 1), "text": PROMPT, "output_length": TOKENS})
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, "
          f"{len(rows):,} requests at {args.rate:g}/s of {TOKENS} events, TTFT {TTFT_MS:g} ms\n")  # fmt: skip
    print("| tool | requests | sent /s | TTFT error p50 ms | p95 | p99 | late p50 / p99 ms | CPU s | µs an event "
          "| peak MB | server behind p99 ms |\n| --- " + "| ---: " * 10 + "|")  # fmt: skip
    for name in args.only:
        program = sys.executable if name == "evalkit" else shutil.which(getattr(args, name.split()[0]))
        if program is None:
            print(f"| {name} | not installed: skipped " + "| " * 9 + "|", flush=True)
            continue
        try:
            print(f"| {measure(name, program, rows, args.rate)} |", flush=True)
        except ReportError as why:
            print(f"| {name} | {why} " + "| " * 9 + "|", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} after")
    return None


if __name__ == "__main__":
    main()

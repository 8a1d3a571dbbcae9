"""guidellm and aiperf as separate tools, where they are installed, against the reference server as truth.

    python benchmarks/tools.py [--guidellm PATH] [--aiperf PATH] [--streams 16 64] [--block-streams 4] [--passes 3]

Each runs by its own command line, at its defaults, against a server of its own; its means are set beside those of the
server's emission log and beside evalkit's own reading of the same script. The second table has two servers of equal
end-to-end time, one that streams token by token and one that streams blocks of 32. A tool that is not installed, fails
or writes figures that are not understood is said and left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from evalkit.client import open_client, run
from evalkit.client.types import ChatRequest, Target
from evalkit.modes import Mode
from evalkit.reference import ReferenceProcess, Script

#: a byte-level BPE of this project: both tools want a tokenizer, and this one needs no network
TOKENIZER = Path(__file__).parents[1] / "tests/fixtures/tiny_trimode/tokenizer.json"
TOKENS, LIMIT_S = 64, 300
#: how aiperf's log says that its own event loop was late
LATE = "is taking too long to run"
STEADY = {"jitter_ms": 0, "slowdown": 0}
LOAD = Script(ttft_ms=100, ms_per_forward=20, **STEADY)
#: 64 tokens in 415 ms, one by one or as two blocks
SINGLE = Script(ttft_ms=100, ms_per_forward=5, **STEADY)
BLOCKS = Script(mode=Mode.DIFFUSION, block_size=32, align_blocks=False, forwards_per_block=9, ttft_ms=257.5,
                ms_per_forward=17.5, **STEADY)  # fmt: skip


class ReportError(Exception):
    """A tool's file does not say what it is read for."""


@dataclass(frozen=True)
class Reading:
    """Means over requests in ms; None is "not reported"."""

    #: of the tool that reported
    version: str
    requests: int
    ttft: float
    e2e: float
    #: (last - first) / (tokens - 1), what both tools call inter-token latency
    itl: float | None = None
    #: E2E / tokens
    per_token: float | None = None
    chunk_gap: float | None = None
    #: what the tool says of its own reading
    warnings: tuple[str, ...] = ()


def read_guidellm(document: dict[str, Any]) -> Reading:
    """The one benchmark of a report of guidellm 0.8 (report version 2). Its request latency is in seconds.

    Raises:
        ReportError: another layout, or requests that failed.
    """
    try:
        (benchmark,) = document["benchmarks"]
        metrics, totals = benchmark["metrics"], benchmark["metrics"]["request_totals"]
        if (lost := totals["errored"] + totals["incomplete"]) or not totals["successful"]:
            raise ReportError(f"{lost} of {totals['total']} requests failed")
        mean = {name: float(metrics[name]["successful"]["mean"]) for name in (
            "time_to_first_token_ms", "request_latency", "inter_token_latency_ms", "time_per_output_token_ms"
        )}  # fmt: skip
        return Reading(
            document["metadata"]["guidellm_version"], int(totals["successful"]), mean["time_to_first_token_ms"],
            mean["request_latency"] * 1000, mean["inter_token_latency_ms"], mean["time_per_output_token_ms"],
            warnings=tuple(said["code"] for said in benchmark["warnings"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"not a report of guidellm 0.8: {error!r}") from error


def read_aiperf(document: dict[str, Any]) -> Reading:
    """The profile export of aiperf 0.13 (schema 1.4).

    Raises:
        ReportError: another layout or unit, or requests that failed.
    """

    def ms(name: str) -> float:
        if document[name]["unit"] != "ms":
            raise ReportError(f"{name} in {document[name]['unit']}")
        return float(document[name]["avg"])

    try:
        if document["was_cancelled"] or document["error_summary"] or not document["request_count"]["avg"]:
            raise ReportError(f"requests failed: {document['error_summary']}")
        return Reading(
            document["aiperf_version"], int(document["request_count"]["avg"]), ms("time_to_first_token"),
            ms("request_latency"), ms("inter_token_latency"), None, ms("inter_chunk_latency"),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"not an export of aiperf 0.13: {error!r}") from error


def guidellm(program: str, script: Script, url: str, streams: int, requests: int, folder: Path) -> Reading:
    out = folder / "guidellm.json"
    command = [
        program, "run", "--backend", f"kind=openai_http,target={url},model={script.model}",
        "--profile", f"kind=concurrent,streams={streams}", "--constraint", f"kind=max_requests,count={requests}",
        "--tokenizer", f"kind=hf_auto,model={folder}/tokenizer",
        "--data", f"kind=synthetic_text,prompt_tokens=32,output_tokens={TOKENS}",
        "--output", f"kind=json,path={out}", "--disable-console",
    ]  # fmt: skip
    call(command, {**os.environ, "HF_HUB_OFFLINE": "1"})
    return read_guidellm(json.loads(out.read_text()))


def aiperf(program: str, script: Script, url: str, streams: int, requests: int, folder: Path, *more: str) -> Reading:
    command = [
        program, "profile", "--model", script.model, "--url", url, "--endpoint-type", "chat", "--streaming",
        "--concurrency", str(streams), "--request-count", str(requests), "--isl", "32", "--osl", str(TOKENS),
        "--extra-inputs", "ignore_eos:true", "--use-server-token-count", *more,
        "--tokenizer", f"{folder}/tokenizer", "--artifact-dir", f"{folder}/aiperf",
        "--ui", "none", "--no-gpu-telemetry", "--no-server-metrics",
    ]  # fmt: skip
    # With the Hub's offline switch set, aiperf 0.13 refuses a tokenizer in a folder.
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    call(command, {name: value for name, value in os.environ.items() if name not in offline})
    read = read_aiperf(json.loads((folder / "aiperf/profile_export_aiperf.json").read_text()))
    late = (folder / "aiperf/logs/aiperf.log").read_text().count(LATE)
    return replace(read, warnings=(f"event loop late, {late} lines of its log",) if late else ())


def aiperf_per_chunk(*args: Any) -> Reading:
    return aiperf(*args, "--per-chunk-usage")


def evalkit(_: str, script: Script, url: str, streams: int, requests: int, __: Path) -> Reading:
    async def main():
        client, target = open_client(), Target("bench", url, script.model)
        ask = ChatRequest(({"role": "user", "content": "Say something."},), TOKENS, extra_body={"ignore_eos": True})
        left, replies = iter(range(requests)), []

        async def worker():
            replies.extend([await client.chat(target, ask) for _ in left])

        await asyncio.gather(*(worker() for _ in range(streams)))
        await client.aclose()
        return [r for r in replies if r.ok]

    good = run(main())
    e2e = fmean(r.done_us / 1000 for r in good)
    gaps = [(b[0] - a[0]) / 1000 for r in good for a, b in zip(r.chunks, r.chunks[1:], strict=False)]
    return Reading("", len(good), fmean(r.first_chunk_us / 1000 for r in good), e2e, None, e2e / TOKENS, fmean(gaps))


def call(command: list[str], env: dict[str, str]) -> None:
    """Run a tool in a process group of its own; all of it ends with the limit.

    Raises:
        ReportError: it failed or took too long.
    """
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as tool:  # fmt: skip
        try:
            said, _ = tool.communicate(timeout=LIMIT_S)
        except BaseException as error:  # also an interrupt: nothing of the tool may go on
            os.killpg(tool.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ReportError(f"not done after {LIMIT_S} s") from None
            raise
    if tool.returncode:
        raise ReportError(f"exit {tool.returncode}: {said.strip()[-160:]!r}")


def truth(server: ReferenceProcess) -> Reading:
    """The same means by the server's clock, of all whole replies."""
    whole = [e for e in server.emissions() if e.done_ns and e.chunks and e.completion_tokens == TOKENS]
    if not whole:
        raise ReportError(f"no reply of {TOKENS} tokens was sent")
    first, last = [e.chunks[0][0] for e in whole], [e.chunks[-1][0] for e in whole]
    e2e = fmean((e.done_ns - e.received_ns) / 1e6 for e in whole)
    return Reading(
        "", len(whole), fmean((at - e.received_ns) / 1e6 for at, e in zip(first, whole, strict=True)), e2e,
        fmean((b - a) / 1e6 for a, b in zip(first, last, strict=True)) / (TOKENS - 1), e2e / TOKENS,
        fmean((b - a) / 1e6 / (len(e.chunks) - 1) for a, b, e in zip(first, last, whole, strict=True)),
    )  # fmt: skip


Pass = tuple[Reading, Reading]
TOOLS: dict[str, Callable[..., Reading]] = {"evalkit": evalkit, "guidellm": guidellm, "aiperf": aiperf}


def measure(tool: Callable[..., Reading], args: argparse.Namespace, script: Script, streams: int) -> Pass:
    """What the tool read and what was true: of all passes the one with the median error of TTFT.

    Raises:
        ReportError: see the tools; also where the tool counted other requests than the server answered.
    """
    program = args.programs.get(tool.__name__.split("_")[0], "")
    if program is None:
        raise ReportError("not installed: skipped")
    passes: list[Pass] = []
    for _ in range(args.passes):
        with tempfile.TemporaryDirectory() as name, ReferenceProcess(script) as server:
            folder = Path(name)
            (folder / "tokenizer").mkdir()
            shutil.copy(TOKENIZER, folder / "tokenizer/tokenizer.json")
            config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
            (folder / "tokenizer/tokenizer_config.json").write_text(json.dumps(config))
            read = tool(program, script, server.base_url, streams, streams * args.each, folder)
            true = truth(server)
        if read.requests != true.requests:
            raise ReportError(f"counted {read.requests} requests of {true.requests}")
        passes.append((read, true))
    return sorted(passes, key=lambda p: p[0].ttft - p[1].ttft)[len(passes) // 2]


def cell(value: float | None, places: int = 1) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def load_table(args: argparse.Namespace) -> None:
    print("| streams | tool | requests | TTFT ms | truth | error | E2E ms | truth | error | it warns |")
    print("| ---: | --- " + "| ---: " * 7 + "| --- |")
    for streams in args.streams:
        for name, tool in TOOLS.items():
            try:
                read, true = measure(tool, args, LOAD, streams)
            except ReportError as why:
                print(f"| {streams} | {name} | {why} " + "| " * 7 + "|", flush=True)
                continue
            pairs = ((read.ttft, true.ttft), (read.e2e, true.e2e))
            figures = " | ".join(f"{a:.1f} | {b:.1f} | {a - b:+.1f}" for a, b in pairs)
            label, warns = f"{name} {read.version}".strip(), ", ".join(read.warnings) or "–"
            print(f"| {streams} | {label} | {read.requests} | {figures} | {warns} |", flush=True)


def block_table(args: argparse.Namespace) -> None:
    print("| tool | output | E2E ms | truth | E2E / token | truth | ITL ms | chunk gap ms | truth |")
    print("| --- | --- " + "| ---: " * 7 + "|")
    for name, tool in {**TOOLS, "aiperf --per-chunk-usage": aiperf_per_chunk}.items():
        try:
            single, blocks = (measure(tool, args, script, args.block_streams) for script in (SINGLE, BLOCKS))
        except ReportError as why:
            print(f"| {name} | {why} " + "| " * 7 + "|", flush=True)
            continue
        for output, (read, true) in (("one by one", single), ("blocks of 32", blocks)):
            print(
                f"| {name} | {output} | {cell(read.e2e)} | {cell(true.e2e)} | {cell(read.per_token, 2)} "
                f"| {cell(true.per_token, 2)} | {cell(read.itl, 2)} | {cell(read.chunk_gap)} | {cell(true.chunk_gap)} |"
            )
        print(f"| {name} | gain shown | {gain(single, blocks)} |", flush=True)


def gain(single: Pass, blocks: Pass) -> str:
    """Cells of a row: how many times faster the blocks look, by each column."""
    columns = (
        (0, "e2e"),
        (1, "e2e"),
        (0, "per_token"),
        (1, "per_token"),
        (0, "itl"),
        (0, "chunk_gap"),
        (1, "chunk_gap"),
    )
    pairs = [(getattr(single[side], name), getattr(blocks[side], name)) for side, name in columns]
    return " | ".join("–" if a is None or b is None else f"{a / b:.2f}x" for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--block-streams", type=int, default=4, help="0: no second table")
    parser.add_argument("--each", type=int, default=8, help="requests of each stream")
    parser.add_argument("--passes", type=int, default=3)
    for name in ("guidellm", "aiperf"):
        parser.add_argument(f"--{name}", default=os.environ.get(name.upper(), name), help="the program")
    args = parser.parse_args()
    args.programs = {name: shutil.which(getattr(args, name)) for name in ("guidellm", "aiperf")}
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before\n")
    load_table(args)
    if args.block_streams:
        print()
        block_table(args)
    print(f"\nload {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()

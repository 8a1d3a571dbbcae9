"""guidellm and aiperf as separate tools, where they are installed, against the reference server as truth.

    python benchmarks/tools.py [--streams 64] [--requests 256] [--tokenizer PATH]

Each runs by its own command line against a server of its own; its means of TTFT and E2E are set beside those of the
server's emission log, and beside evalkit's own reading of the same script. Both want a tokenizer of the Hub, or the
path of one. A tool that is not installed, fails, or whose figures are not found is said and left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import fmean

from evalkit.client import open_client, run
from evalkit.client.types import ChatRequest, Target
from evalkit.reference import ReferenceProcess, Script

TOKENS = 64
SCRIPT = Script(ttft_ms=100, ms_per_forward=20, jitter_ms=0, slowdown=0)

#: options as the tools' own documentation has them (read 2026-11)
COMMANDS = {
    "guidellm": lambda a, url, out: [
        "guidellm", "benchmark", "--target", url, "--rate-type", "concurrent", "--rate", str(a.streams),
        "--max-requests", str(a.requests), "--data", f"prompt_tokens=32,output_tokens={TOKENS}",
        "--processor", a.tokenizer, "--output-path", str(out / "guidellm.json"),
    ],
    "aiperf": lambda a, url, out: [
        "aiperf", "profile", "--model", SCRIPT.model, "--url", url, "--endpoint-type", "chat", "--streaming",
        "--concurrency", str(a.streams), "--request-count", str(a.requests), "--output-tokens-mean", str(TOKENS),
        "--tokenizer", a.tokenizer, "--artifact-dir", str(out),
    ],
}  # fmt: skip

#: where a mean in ms may stand in a tool's JSON, most specific first
TTFT = ("time_to_first_token_ms", "time_to_first_token", "ttft")
E2E = ("request_latency", "request_latency_ms", "e2e_latency")


def mean_of(node, names):
    """The first mean under one of `names`, however deep; None when there is none."""
    if isinstance(node, dict):
        for name in names:
            found = node.get(name)
            while isinstance(found, dict):
                found = found.get("mean", found.get("avg", found.get("successful", found.get("total"))))
            if isinstance(found, int | float):
                return float(found) * (1000 if name == "request_latency" and found < 60 else 1)
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((found for child in children if (found := mean_of(child, names)) is not None), None)


def truth(server):
    """Mean TTFT and E2E in ms of all whole replies, by the server's clock."""
    whole = [e for e in server.emissions() if e.done_ns and e.chunks and e.completion_tokens > 1]
    return (
        fmean((e.chunks[0][0] - e.received_ns) / 1e6 for e in whole),
        fmean((e.done_ns - e.received_ns) / 1e6 for e in whole),
    )


def tool(name, args):
    if shutil.which(name) is None:
        return f"| {name} | not installed: skipped | | | |"
    with tempfile.TemporaryDirectory() as folder, ReferenceProcess(SCRIPT) as server:
        out = Path(folder)
        done = subprocess.run(
            COMMANDS[name](args, server.base_url, out), capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            return f"| {name} | failed: {(done.stderr.strip() or done.stdout.strip())[-120:]!r} | | | |"
        for path in sorted(out.rglob("*.json")):
            document = json.loads(path.read_text())
            ttft, e2e = mean_of(document, TTFT), mean_of(document, E2E)
            if ttft is not None and e2e is not None:
                return row(name, ttft, e2e, truth(server))
        return f"| {name} | ran, but its figures were not found | | | |"


def own(args):
    async def main(url):
        import asyncio

        client, target = open_client(), Target("bench", url, SCRIPT.model)
        ask = ChatRequest(({"role": "user", "content": "Say something."},), TOKENS, extra_body={"ignore_eos": True})
        left, replies = iter(range(args.requests)), []

        async def worker():
            replies.extend([await client.chat(target, ask) for _ in left])

        await asyncio.gather(*(worker() for _ in range(args.streams)))
        await client.aclose()
        return [r for r in replies if r.ok]

    with ReferenceProcess(SCRIPT) as server:
        good = run(main(server.base_url))
        ttft, e2e = fmean(r.first_chunk_us / 1000 for r in good), fmean(r.done_us / 1000 for r in good)
        return row("evalkit", ttft, e2e, truth(server))


def row(name, ttft, e2e, true):
    return f"| {name} | {ttft:.1f} | {ttft - true[0]:+.1f} | {e2e:.1f} | {e2e - true[1]:+.1f} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--tokenizer", default="gpt2")
    args = parser.parse_args()
    print("| tool | TTFT ms | error | E2E ms | error |\n| --- | ---: | ---: | ---: | ---: |")
    for name in COMMANDS:
        print(tool(name, args), flush=True)
    print(own(args))


if __name__ == "__main__":
    main()

"""How much one process can time before it says that it cannot, and what memory that takes.

    python benchmarks/capacity.py [--streams 200] [--rates 25 50 100 200 400 800] [--journalled 10000]

Events of one token at once on all streams, against an emitter as truth. A row warns where a run would: own error
above 5% of the end-to-end time, a core used up, or a load that the emitter beside it could not send. Then as many
timed requests as asked are journalled.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from evalkit.client import run
from evalkit.client.types import Exchange
from evalkit.client.wire import WireClient
from evalkit.timing.calibrate import client_error
from evalkit.timing.facts import TimedSample


async def measure(streams, rate):
    client = WireClient()
    try:
        return await client_error(client, streams, events_per_s=rate, tokens=max(20, round(rate)))
    finally:
        await client.aclose()


def one(streams, rate):
    found = run(measure(streams, rate))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found.model_dump(), "peak_mb": peak, "warning": found.warning}))


def journal(count):
    """Resident memory in MB after a tenth, a half and all of `count` samples of 64 chunks, and the seconds taken."""
    import time

    from evalkit.checklist.schema import Checklist, LoadedChecklist
    from evalkit.run.recorder import Recorder
    from evalkit.run.setup import prepare
    from evalkit.run.show import Plain
    from evalkit.stored.folder import RunFolder

    with tempfile.TemporaryDirectory() as name:
        given = LoadedChecklist(
            checklist=Checklist.model_validate({"modes": {"autoregressive": {"endpoint": "http://127.0.0.1:9"}}}),
            path=None, folder=Path(name), sha256="0" * 64, lines={},
        )  # fmt: skip
        setup = prepare(given)
        folder = RunFolder.create(Path(name) / "run", given, setup.document())
        folder.journal.touch()
        recorder = Recorder(setup, folder, Plain())
        recorder.begin()
        sizes, began = {}, time.monotonic()
        for i in range(1, count + 1):
            reply = Exchange(
                ok=True, text="word " * 64, completion_tokens=64, done_us=10**6,
                chunks=tuple((1000 * j + i, j) for j in range(64)),
            )  # fmt: skip
            recorder.keep(
                TimedSample(
                    mode="autoregressive", concurrency=1, prompt_id=f"p{i}", repeat=0, position=i, exchange=reply
                )
            )
            if i in (count // 10, count // 2, count):
                sizes[i] = psutil.Process().memory_info().rss / 2**20
        recorder.journal.close()
        return sizes, time.monotonic() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rates", type=float, nargs="+", default=[25, 50, 100, 200, 400, 800])
    parser.add_argument("--journalled", type=int, default=10_000)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(int(args.one[0]), float(args.one[1]))
        return
    print(
        "| events/s asked | reached | TTFT error ms | E2E error ms | of E2E | ITL error | lag p99 ms | of a core "
        "| peak MB | warns |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for rate in args.rates:
        argv = [sys.executable, __file__, "--one", str(args.streams), str(rate)]
        r = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        cells = (
            f"{r['events_per_s']:,.0f}", f"{r['reached_per_s']:,.0f}", f"{r['ttft_error_ms']:.2f}",
            f"{r['e2e_error_ms']:.2f}", f"{r['e2e_error_share']:.2%}", f"{r['itl_error_share']:.2%}",
            f"{r['lag_p99_ms']:.1f}",
            f"{r['cpu_share']:.0%}", f"{r['peak_mb']:.0f}", r["warning"] or "no",
        )  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)
    sizes, seconds = journal(args.journalled)
    print("\n| timed requests journalled | resident MB |\n| ---: | ---: |")
    for count, size in sizes.items():
        print(f"| {count:,} | {size:.1f} |")
    print(f"\n{1e3 * seconds / args.journalled:.2f} ms a request, each durable on disk before the next.")


if __name__ == "__main__":
    main()

"""A trace of 24 hours replayed by a whole run that is killed in the middle of a block and resumed.

`python -m tests.run.day [REQUESTS] [SPEED]` (`make day`) makes the full length, 100,000 requests at 60 times their
speed: 24 minutes. It prints how much memory the run took as it went, and holds the journal and the server's log against
the trace: each request is counted once.
"""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from evalkit.reference import ReferenceProcess, Script
from evalkit.stored.folder import RunFolder
from tests.run.sessions import MODEL, command, write

DAY_S = 86_400.0
LOAD = "day.jsonl"
MODE = "autoregressive"
MOST_MB = 150


@dataclass
class Day:
    """What a replayed day showed. `memory`: seconds since the start, MB resident; of both processes of the run."""

    requests: int
    memory: list[tuple[float, float]] = field(default_factory=list)
    #: requests in the journal when the run was killed, and how many the server had answered by then
    killed_at: int = 0
    sent_before: int = 0
    #: how often the journal counts each request, and how often each was sent
    counted: Counter[int] = field(default_factory=Counter)
    sent: Counter[int] = field(default_factory=Counter)
    blocks: int = 0
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def peak_mb(self) -> float:
        return max(mb for _, mb in self.memory)


def write_day(path: Path, requests: int, seed: int = 1) -> None:
    """Requests of a day: five times as many in the afternoon as at night, every fifth a repeat of an earlier prompt."""
    rng = random.Random(seed)
    at = sorted(DAY_S * _hour(rng) for _ in range(requests))
    with path.open("w", encoding="utf-8") as out:
        for number, second in enumerate(at):
            about = rng.randrange(number) if number and rng.random() < 0.2 else number
            row = {"id": f"r{number}", "at_ms": round(1000 * second, 1), "max_tokens": 8, "extra_body": {"rid": f"r{number}"},
                   "messages": [{"role": "user", "content": f"Say something about number {about}, briefly."}]}  # fmt: skip
            out.write(json.dumps(row) + "\n")


def _hour(rng: random.Random) -> float:
    """A share of the day, drawn by how busy it is."""
    while True:
        share = rng.random()
        if rng.random() * 1.5 < 0.9 + 0.6 * math.sin(2 * math.pi * (share - 0.375)):
            return share


def checklist(folder: Path, url: str, speed: float, requests: int) -> Path:
    items = {
        "modes": {"repeats": 1, "warmup": 1, "concurrency": [2], "outside_cpu": 1.0,
                  "load": [{"trace": LOAD, "speed": speed}], "decide_at": "load"},
        "hardware": {"declared": "H100-80GB"},
    }  # fmt: skip
    write_day(folder / LOAD, requests)
    return write(folder, {MODE: {"endpoint": url}}, items=items)


def replayed(folder: Path, requests: int, speed: float, *, kill_after: int = 3) -> Day:
    """The whole day, killed in the middle of the block behind `kill_after` of them, resumed and read back."""
    day, log = Day(requests), folder / "emissions.jsonl"
    script = Script(model=MODEL, ttft_ms=20.0, ms_per_forward=4.0)
    with ReferenceProcess(script, emission_log=log) as server:
        path, run = checklist(folder, server.base_url, speed, requests), folder / "run"
        journal = run / "journal.jsonl"
        pause = DAY_S / speed / 8 / 2  # half of a block
        _session(day, command(path, "--output-dir", run), journal, kill_after, pause)
        day.killed_at = sum(len(block.ends) for block in RunFolder(run).facts().loads)
        day.sent_before = sum(1 for _ in asked(log))
        _session(day, command(path, "--resume", run), journal, None, 0.0)
    for block in RunFolder(run).facts().loads:
        day.blocks += 1
        day.counted.update(block.prompts)
        day.ends.update(block.ends)
    day.sent.update(asked(log))
    return day


def _session(day: Day, argv: list[str], journal: Path, kill_after: int | None, pause: float) -> None:
    """One process of the run, whose memory is read until it ends, or until it is killed."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        due = None
        while process.poll() is None:
            try:
                used = psutil.Process(process.pid).memory_info().rss / 1e6
            except psutil.NoSuchProcess:
                break
            day.memory.append((time.monotonic(), used))
            if kill_after is not None and due is None and blocks_in(journal) >= kill_after:
                due = time.monotonic() + pause
            if due is not None and time.monotonic() >= due:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(min(1.0, pause / 4) if pause else 0.2)
        _, said = process.communicate(timeout=120)
    expected = {0, 1, 3} if kill_after is None else {-signal.SIGKILL}
    assert process.returncode in expected, f"{process.returncode}: {said}"


def blocks_in(journal: Path) -> int:
    """Blocks of open load that a journal holds."""
    if not journal.exists():
        return 0
    with journal.open("rb") as lines:
        return sum(b'"kind":"load"' in line[:200] for line in lines)


def asked(log: Path) -> Iterator[int]:
    """Numbers of the trace's requests that the server ended, as often as it did."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            name = json.loads(line)["request_id"]
            if name.startswith("r") and name[1:].isdigit():
                yield int(name[1:])


def check(day: Day) -> None:
    """What must hold of every day, however long.

    Raises:
        AssertionError: a request is counted twice or never, or more were sent again than those of the killed block.
    """
    every = Counter(range(day.requests))
    assert day.counted == every, (day.counted - every, every - day.counted)
    assert 0 < day.killed_at < day.requests
    assert day.killed_at < day.sent_before  # it was killed in the middle of a block
    assert set(every) == set(day.sent)
    again = {number: times for number, times in day.sent.items() if times > 1}
    assert len(again) <= math.ceil(day.requests / day.blocks)
    assert set(again.values()) <= {2}
    assert set(again) <= set(range(day.killed_at, day.sent_before + 1))


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evalkit-day-") as name:
        day = replayed(Path(name), requests, speed)
    print("| minute | MB resident |\n| ---: | ---: |")
    minutes = dict[int, float]()
    for at, mb in day.memory:
        minute = int((at - began) / 60)
        minutes[minute] = max(mb, minutes.get(minute, 0.0))
    for minute, mb in minutes.items():
        print(f"| {minute} | {mb:.0f} |")
    check(day)
    again = sum(times - 1 for times in day.sent.values())
    print(f"\n{day.requests:,} requests in {day.blocks} blocks: each counted once; ends {dict(day.ends)}")
    print(f"killed with {day.killed_at:,} in the journal and {day.sent_before:,} answered: {again:,} were sent again")
    print(f"peak {day.peak_mb:.0f} MB; {(time.monotonic() - began) / 60:.1f} min")
    if day.peak_mb >= MOST_MB:
        sys.exit(f"beyond {MOST_MB} MB")


if __name__ == "__main__":
    main()

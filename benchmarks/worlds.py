"""How often the verdict on speed is wrong, in simulated worlds whose truth is known.

    python benchmarks/worlds.py [--runs 400] [--only TEXT] [--gains] [--guards] [--needed]

Each world is run through the product's own plan, looks, claims and guards; nothing that decides is copied here. Rates
carry a 95% Wilson interval. `wrong GO`: some mode whose true ratio is the threshold (or less) passes, and no counted
guard is open. `wrong NO-GO`: every mode whose true ratio is the threshold (or more) fails. `--guards`: the share of GO
at real gains with each guard left out, on the same draws. `--needed`: how often the sample that an open run is said to
need settles it.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from simulated import BASELINE, GAINS, LEVELS, MODES, WORLDS, World, log_times

from evalkit.analysis import comparison
from evalkit.analysis.readings import light
from evalkit.checklist.schema import Checklist
from evalkit.client.types import ChatRequest, Exchange
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.run.plan.looks import look, question
from evalkit.run.plan.schedule import make_plan
from evalkit.stats import ratio
from evalkit.stats.proportions import wilson
from evalkit.timing.facts import ClientError, PromptFacts, TimedSample
from evalkit.timing.prompts import Prompt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = RunStart(run_id="r", started_at="t", evalkit_version="0", plan_sha256="", checklist_sha256="")
ERROR = ClientError(
    streams=1, events_per_s=50, ttft_error_ms=0, e2e_error_ms=0, e2e_error_share=0, itl_error_share=0, lag_p99_ms=0,
    events=50,
)  # fmt: skip
#: minutes that afford three starts of each server, and one
_AFFORDS = {"replicated": None, "single": 1.0}


@dataclass(frozen=True)
class Outcome:
    """What a run decided of one mode. `open`: ids of counted findings that are neither carried nor failed."""

    passed: bool
    failed: bool
    covered: bool
    open: tuple[str, ...]

    @property
    def go(self) -> bool:
        return self.passed and not self.open


def checklist(world: World, seed: int) -> Checklist:
    labels = (BASELINE, *MODES[: world.modes])
    asked = {"concurrency": [world.level], "seed": seed, "speedup": {"at_least": world.asked}}
    return Checklist.model_validate(
        {"modes": {m: {"endpoint": "http://127.0.0.1:1"} for m in labels}, "items": {"modes": asked}}
    )


def sample(planned, log_ms: float, cluster: str | None) -> TimedSample:
    """A reply that took so long. Not validated: a run of the benchmark makes millions."""
    us = int(math.exp(log_ms) * 1000)
    at = (NOW + timedelta(seconds=planned.position)).isoformat()
    exchange = Exchange.model_construct(
        ok=True, text="x", done_us=us, first_chunk_us=us, prompt_tokens=10, cached_tokens=0, finish_reason="stop",
        written_at=at, chunks=(),
    )  # fmt: skip
    return TimedSample.model_construct(
        mode=planned.mode, concurrency=planned.concurrency, prompt_id=planned.prompt_id, repeat=planned.repeat,
        position=planned.position, launch=planned.launch, group=planned.group, cluster=cluster, exchange=exchange,
        loop_lag_p99_ms=0.0, cpu_share=0.0,
    )  # fmt: skip


def collect(world: World, asked: Checklist, rng: random.Random) -> Facts:
    """The facts of one run: the plan's requests in order, a look after each batch, the end where a look says so."""
    clusters = {f"p{i:04}": f"c{i // world.cluster}" if world.cluster else None for i in range(world.prompts)}
    prompts = [
        Prompt(name, ChatRequest(messages=({"role": "user", "content": name},), max_tokens=9), cluster=cluster)
        for name, cluster in clusters.items()
    ]
    labels, up = list(asked.modes), world.servers == "up"
    plan = make_plan(
        prompts, labels, BASELINE, asked.items.modes, launched=[] if up else labels, minutes=_AFFORDS.get(world.servers)
    )
    times, looking = log_times(world, plan, rng), question(asked, plan, scored=False)
    samples, read, looks = [], [], []
    for _, batch in groupby(plan.requests, key=lambda p: (p.mode, p.repeat, p.group, p.launch)):
        fresh = [sample(p, times[p.position], clusters[p.prompt_id]) for p in batch]
        samples += fresh
        read += light(fresh, world.level)
        found = look(looking, read, [one.prompts for one in looks]) if looking else None
        looks += [found] if found else []
        if found and found.stopped:
            break
    error = ERROR.model_copy(update={"streams": world.level})
    own = PromptFacts(path="p", sha256="", count=world.prompts, shipped=False, longest_chars=9, max_tokens=9)
    return Facts.model_construct(
        start=START, timed=tuple(samples), client_errors=(error,), prompts=(own,), looks=tuple(looks)
    )


def decide(world: World, asked: Checklist, facts: Facts) -> list[Outcome]:
    """What the product decides of each mode but the baseline."""
    found, outcomes = item.decide(asked, facts, NOW), []
    for mode in MODES[: world.modes]:
        mine = [f for f in found if f.counts and f.mode in (None, mode)]
        speed = next(f for f in mine if f.id == "modes.speedup")
        low, high = speed.data.get("low", 0.0), speed.data.get("high", math.inf)
        outcomes.append(
            Outcome(
                passed=speed.status is Status.PASS,
                failed=any(f.status is Status.FAIL for f in mine),
                covered=low <= world.ratio <= high,
                open=tuple(f.id for f in mine if not f.status.carries and f is not speed),
            )
        )
    return outcomes


def trial(world: World, seed: int) -> tuple[list[Outcome], Facts]:
    asked = checklist(world, seed)
    facts = collect(world, asked, random.Random(f"{world} {seed}"))
    return decide(world, asked, facts), facts


@dataclass
class Cell:
    """Counts over the runs of one world."""

    runs: int = 0
    go: int = 0
    no_go: int = 0
    claims: int = 0
    covered: int = 0
    prompts: int = 0
    requests: int = 0

    def add(self, outcomes: list[Outcome], facts: Facts) -> None:
        self.runs += 1
        self.go += any(one.go for one in outcomes)
        self.no_go += all(one.failed for one in outcomes)
        self.claims += len(outcomes)
        self.covered += sum(one.covered for one in outcomes)
        self.prompts += len({s.prompt_id for s in facts.timed})
        self.requests += len(facts.timed)


def cell(world: World, runs: int, first: int = 0) -> Cell:
    """Seeded: the same world and number of runs give the same counts."""
    found = Cell()
    for seed in range(first, first + runs):
        found.add(*trial(world, seed))
    return found


def shown(count: int, of: int) -> str:
    held = wilson(count, of)
    return f"{count / of:.1%} [{held.low:.1%}, {held.high:.1%}]"


def verdict(world: World, found: Cell) -> str:
    """Whether a cell keeps what is promised, within Monte-Carlo noise; empty where nothing is promised."""
    if world.beyond:
        return "not promised"
    bad = []
    if world.ratio <= world.asked and wilson(found.go, found.runs).low > 0.025:
        bad.append("wrong GO")
    if world.ratio >= world.asked and wilson(found.no_go, found.runs).low > 0.025:
        bad.append("wrong NO-GO")
    if wilson(found.covered, found.claims).high < 0.94:
        bad.append("coverage")
    return ", ".join(bad)


def table(worlds: list[World], runs: int) -> Counter[str]:
    print("| world | prompts | GO | NO-GO | interval covers | prompts read | broken |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    broken: Counter[str] = Counter()
    for world in worlds:
        found = cell(world, runs)
        words = verdict(world, found)
        broken.update([words] if words and not world.beyond else [])
        print(
            f"| {world.name} | {world.prompts} | {shown(found.go, found.runs)} | {shown(found.no_go, found.runs)} | "
            f"{shown(found.covered, found.claims)} | {found.prompts / found.runs:.0f} | {words} |",
            flush=True,
        )
    return broken


@contextmanager
def without(module, name: str, value) -> Iterator[None]:
    """One guard of the product left out, to see what it costs."""
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


#: what is left out -> how
GUARDS = {
    "order effects": [(comparison, "shift", lambda *_: ratio.Shift())],
    "start spread and unseen kinds": [
        (ratio.Allowance, "start", property(lambda _: 0.0)),
        (ratio.Allowance, "unseen", lambda *_: 0.0),
    ],
    "start spread alone": [(ratio.Allowance, "start", property(lambda _: 0.0))],
    "unseen kinds alone": [(ratio.Allowance, "unseen", lambda *_: 0.0)],
    "trend line": [(comparison, "_along_the_plan", lambda found, *_: found)],
    "batches": [(comparison, "batch_spread", lambda *_: comparison.Spread(0.0, 1.0))],
}


def guards(worlds: list[World], runs: int) -> None:
    """The share of GO at real gains, with all guards and without each of them; and which findings stay open."""
    print("| world | prompts | GO | " + " | ".join(f"without {name}" for name in GUARDS) + " | open findings |")
    print("| --- | ---: | " + "---: | " * (len(GUARDS) + 1) + "--- |")
    for world in worlds:
        shares, held = [], Counter()
        whole = 0
        for seed in range(runs):
            outcomes, _ = trial(world, seed)
            whole += any(one.go for one in outcomes)
            held.update(name for one in outcomes if one.passed for name in one.open)
        for how in GUARDS.values():
            with ExitStack() as left_out:
                for one in how:
                    left_out.enter_context(without(*one))
                shares.append(cell(world, runs).go / runs)
        shown_open = ", ".join(f"{name} {count}" for name, count in held.items()) or "none"
        columns = " | ".join(f"{share:.1%}" for share in shares)
        print(f"| {world.name} | {world.prompts} | {whole / runs:.1%} | {columns} | {shown_open} |", flush=True)


def needed(world: World, runs: int) -> tuple[int, int, int]:
    """Of `runs`: how many stay open with a number of prompts that is said to settle them, how many do, and how many
    open ones are said to be settled by no number of prompts.
    """
    said = settled = never = 0
    for seed in range(runs):
        asked = checklist(world, seed)
        found = item.decide(asked, collect(world, asked, random.Random(f"{world} {seed}")), NOW)
        speed = next(f for f in found if f.id == "modes.speedup" and f.mode == MODES[0])
        if speed.status is not Status.INCONCLUSIVE:
            continue
        prompts = speed.data.get("prompts_needed")
        if not isinstance(prompts, int):
            never += 1
        elif prompts <= 2000:
            said += 1
            outcomes, _ = trial(replace(world, prompts=prompts), runs + seed)
            settled += outcomes[0].passed or outcomes[0].failed
    return said, settled, never


#: true ratios over the threshold, at which a first run of 40 prompts often stays open
_OPEN = (1.12, 1.15, 1.2, 0.85)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", default="", help="worlds whose name contains this text")
    parser.add_argument("--gains", action="store_true", help="real gains alone")
    parser.add_argument("--guards", action="store_true", help="the cost of each guard at real gains")
    parser.add_argument("--needed", action="store_true", help="how often the sample said to be needed is enough")
    asked = parser.parse_args()
    if asked.guards:
        guards([w for w in (*GAINS, *LEVELS) if asked.only in w.name], asked.runs)
        return 0
    if asked.needed:
        for ratio in _OPEN:
            world = World("needed", 40, ratio * 1.5, noise=0.2, gains=0.15)
            said, settled, never = needed(world, asked.runs)
            rate = shown(settled, said) if said else "none"
            print(
                f"true {ratio:g} x the threshold: {said} told, settled {rate}; {never} told that none settles",
                flush=True,
            )
        return 0
    worlds = [w for w in (GAINS if asked.gains else (*WORLDS, *GAINS)) if asked.only in w.name]
    return 1 if table(worlds, asked.runs) else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How often a sweep ends on the fastest setting that loses nothing, where the truth is known, and what it sends.

    python benchmarks/sweep.py [--runs 400] [--only TEXT] [--reference N]

Simulated worlds run through the product's own plan of a sweep, its stages, choice, claims, guards and verdict; nothing
that decides is copied here. `wrong`: a setting is adopted that loses the margin or more. `--reference N`: N sweeps over
the scripted reference server instead, real sockets in virtual time (needs the tests' packages).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from worlds import ERROR, sample  # noqa: E402

from evalkit.analysis import suites  # noqa: E402
from evalkit.checklist.schema import Checklist, LoadedChecklist  # noqa: E402
from evalkit.client.types import ChatRequest, Exchange  # noqa: E402
from evalkit.facts import Facts, RunStart  # noqa: E402
from evalkit.quality import collect as cases  # noqa: E402
from evalkit.quality.case import Case, Suite  # noqa: E402
from evalkit.quality.facts import Answer  # noqa: E402
from evalkit.quality.suite import facts_of  # noqa: E402
from evalkit.run.setup import Inputs, Setup, prepare  # noqa: E402
from evalkit.run.sweep.choose import Screened, choose  # noqa: E402
from evalkit.run.sweep.plan import plan, stage_setup  # noqa: E402
from evalkit.run.sweep.settings import endpoints, settings  # noqa: E402
from evalkit.stats.proportions import wilson  # noqa: E402
from evalkit.stored.swept import settled  # noqa: E402
from evalkit.timing.facts import PromptFacts  # noqa: E402
from evalkit.timing.prompts import Prompt, PromptSet  # noqa: E402
from evalkit.verdict.decide import decide  # noqa: E402

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASELINE, MODE = "autoregressive", "diffusion"
START = RunStart(run_id="r", started_at=NOW.isoformat(), evalkit_version="0", plan_sha256="", checklist_sha256="")
_REPLY = Exchange(ok=True, text="x", finish_reason="stop", completion_tokens=9)
_LEFT_OUT = {"not_applicable": {"reason": "no part of the benchmark"}}


@dataclass(frozen=True)
class Truth:
    """One setting: its true speed-up, the share of cases that it loses, and the share that flips either way."""

    speed: float
    loss: float = 0.0
    flips: float = 0.0


@dataclass(frozen=True)
class World:
    """`margin` in shares; `noise` of a request and spread of gains between prompts, in logs. `launched`: servers are
    started, so that each setting is screened in one stage.
    """

    name: str
    settings: tuple[Truth, ...]
    prompts: int = 100
    cases: int = 150
    margin: float = 0.1
    noise: float = 0.05
    gains: float = 0.1
    launched: bool = False

    def label(self, number: int) -> str:
        return f"{MODE}@s{number}"

    @property
    def best(self) -> str | None:
        """The fastest setting that loses nothing."""
        good = [(one.speed, number) for number, one in enumerate(self.settings) if one.loss == 0]
        return self.label(max(good)[1]) if good else None

    def wrong(self, label: str) -> bool:
        return self.settings[int(label.rpartition("s")[2])].loss >= self.margin


def _grid(*speeds: float, losses: tuple[float, ...], flips: float = 0.0) -> tuple[Truth, ...]:
    return tuple(Truth(speed, loss, flips) for speed, loss in zip(speeds, losses, strict=True))


_SIX = (1.3, 1.6, 2.0, 2.4, 2.9, 3.5)
WORLDS = (
    World("two of six lose 20 and 35 points", _grid(*_SIX, losses=(0, 0, 0, 0, 0.2, 0.35))),
    World("the same, 2% of cases flip", _grid(*_SIX, losses=(0, 0, 0, 0, 0.2, 0.35), flips=0.02)),
    World("no setting loses", _grid(*_SIX, losses=(0,) * 6)),
    World("five of six lose 20 points", _grid(1.4, 1.7, 2.1, 2.5, 3.0, 3.6, losses=(0, 0.2, 0.2, 0.2, 0.2, 0.2))),
    World("steps of 8%", _grid(1.50, 1.62, 1.75, 1.89, 2.04, 2.20, losses=(0, 0, 0, 0, 0.2, 0.35))),
    World("noise .2", _grid(*_SIX, losses=(0, 0, 0, 0, 0.2, 0.35)), noise=0.2, gains=0.15),
    World("12 settings, 4 lose 20 points",
          _grid(*(1.3 * 1.12**n for n in range(12)), losses=(0,) * 8 + (0.2,) * 4)),
    World("margin 3 points, 600 cases, two lose 6 and 10",
          _grid(*_SIX, losses=(0, 0, 0, 0, 0.06, 0.1)), cases=600, margin=0.03),
    World("the fastest loses exactly the margin", _grid(*_SIX, losses=(0, 0, 0, 0, 0, 0.1))),
    World("all lose exactly the margin", _grid(*_SIX, losses=(0.1,) * 6)),
    World("all lose exactly the margin, 12 settings", _grid(*(1.3 * 1.12**n for n in range(12)), losses=(0.1,) * 12)),
    World("two of six lose 20 and 35 points, started", _grid(*_SIX, losses=(0, 0, 0, 0, 0.2, 0.35)), launched=True),
    World("five of six lose 20 points, started",
          _grid(1.4, 1.7, 2.1, 2.5, 3.0, 3.6, losses=(0, 0.2, 0.2, 0.2, 0.2, 0.2)), launched=True),
    World("12 settings, 4 lose 20 points, started",
          _grid(*(1.3 * 1.12**n for n in range(12)), losses=(0,) * 8 + (0.2,) * 4), launched=True),
)  # fmt: skip


def request(text: str) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": text},), max_tokens=9)


def inputs(world: World) -> Inputs:
    prompts = tuple(Prompt(f"p{n:04}", request(f"prompt {n}"), sha256=f"{n}") for n in range(world.prompts))
    own = PromptFacts(path="p", sha256="", count=world.prompts, shipped=False, longest_chars=9, max_tokens=9)
    asked = tuple(Case(f"c{n:04}", request(f"case {n}"), ()) for n in range(world.cases))
    return Inputs(PromptSet(prompts, (own,)), [Suite("s", "custom", "s.yaml", "0", asked)], {}, (), ())


def checklist(world: World, seed: int) -> LoadedChecklist:
    labels = [BASELINE, *(world.label(n) for n in range(len(world.settings)))]
    place: dict[str, object] = {"launch": ["serve"]} if world.launched else {"endpoint": "http://127.0.0.1:1"}
    made = Checklist.model_validate({
        "sweep": {"mode": MODE}, "modes": dict.fromkeys(labels, place),
        "items": {
            "modes": {"seed": seed, "speedup": {"at_least": 1.1}}, "quality": {"margin": {"default": world.margin}},
            "license": _LEFT_OUT, "hardware": _LEFT_OUT, "serving": _LEFT_OUT, "context": _LEFT_OUT,
        },
    })  # fmt: skip
    return LoadedChecklist(checklist=made, path=None, folder=Path(), sha256="0")


class Machine:
    """What the servers of a world do: the same truth in every stage and in the decision."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.base: dict[str, float] = {}
        self.gain: dict[tuple[str, str], float] = {}
        self.sent = 0

    def truth(self, label: str) -> Truth:
        return Truth(1.0) if label == BASELINE else self.world.settings[int(label.rpartition("s")[2])]

    def facts(self, setup: Setup) -> Facts:
        """Every planned reply, and every answer to a task case."""
        asked, rng = setup.checklist, self.rng
        timed = []
        for one in setup.plan.requests:
            key = (one.mode, one.prompt_id)
            base = self.base.setdefault(one.prompt_id, rng.gauss(6, 0.8))
            gain = self.gain.setdefault(key, rng.gauss(0, self.world.gains) if one.mode != BASELINE else 0.0)
            log = base - math.log(self.truth(one.mode).speed) - gain + rng.gauss(0, self.world.noise)
            timed.append(sample(one, log, None))
        planned = cases.plan(setup.suites, list(asked.modes), baseline=BASELINE)
        answers = [self._answer(one) for one in planned]
        self.sent += len(timed) + len(answers)
        return Facts.model_construct(
            start=START, timed=tuple(timed), client_errors=(ERROR,), prompts=setup.prompts.facts,
            suites=tuple(facts_of(suite) for suite in setup.suites), answers=tuple(answers),
        )  # fmt: skip

    def _answer(self, one: cases.PlannedCase) -> Answer:
        truth = self.truth(one.mode)
        passed = self.rng.random() >= truth.loss + truth.flips / 2
        return Answer.model_construct(
            mode=one.mode, suite=one.suite.name, kind=one.suite.kind, case_id=one.case.id, repeat=one.repeat,
            streamed=one.streamed, request_sha256=one.case.id, asked_sha256="", cluster=None, severity="normal",
            passed=passed, exchange=_REPLY, grades=(), signals=None, tool_outcome=None, wants_call=False,
            reply_sha256="x", temperature=0.0, prompt_preview="", tags=(),
        )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What one sweep ended on, and the requests that it sent and that its grid has."""

    mode: str | None
    finalists: tuple[str, ...]
    sent: int
    grid: int


def trial(world: World, seed: int) -> Trial:
    """One sweep of a world, from its plan to the verdict."""
    loaded, read = checklist(world, seed), inputs(world)
    made = settings(loaded.checklist, Path())
    found = plan(loaded, made, read)
    machine, screened = Machine(world, random.Random(f"{world} {seed}")), list[Screened]()
    for number, stage in enumerate(found.stages, 1):
        rows = choose(made, screened)
        alive = [one for one, row in zip(made, rows, strict=True) if row.dropped is None]
        setup = stage_setup(loaded, found, number, alive, read)
        screened.append(Screened(setup.checklist, machine.facts(setup), stage.keep))
    rows = choose(made, screened)
    left = [one for one, row in zip(made, rows, strict=True) if row.dropped is None]
    final = settled(loaded.checklist, endpoints(left))
    setup = prepare(loaded.model_copy(update={"checklist": final}), part=found.final, read=read)
    decision = decide(final, machine.facts(setup), NOW)
    return Trial(decision.recommended_mode, tuple(one.label for one in left), machine.sent, found.grid)


def shown(count: int, of: int) -> str:
    held = wilson(count, of)
    return f"{count / of:.1%} [{held.low:.1%}, {held.high:.1%}]"


def no_remedy(*_: object, **__: object) -> None:
    """In the place of how many cases would decide: it takes half of the time, and no verdict reads it."""


def rates(world: World, runs: int) -> Counter[str]:
    """Counts over seeded sweeps; `sent` and `grid` are requests."""
    found: Counter[str] = Counter()
    for seed in range(runs):
        one = trial(world, seed)
        found["best"] += one.mode is not None and one.mode == world.best
        found["wrong"] += one.mode is not None and world.wrong(one.mode)
        found["kept"] += world.best in one.finalists
        found["none"] += one.mode is None
        found["sent"] += one.sent
        found["grid"] += one.grid
        found["above"] += 2 * one.sent > one.grid
    return found


def table(worlds: list[World], runs: int) -> None:
    print("| world | settings | best adopted | best among finalists | nothing adopted | wrong adopted | of the grid |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for world in worlds:
        found = rates(world, runs)
        best, kept = (shown(found[key], runs) if world.best else "–" for key in ("best", "kept"))
        print(
            f"| {world.name} | {len(world.settings)} | {best} | {kept} | {shown(found['none'], runs)} | "
            f"{shown(found['wrong'], runs)} | {found['sent'] / found['grid']:.0%} |",
            flush=True,
        )


def referenced(runs: int) -> Iterator[Trial]:
    """Sweeps over the reference server: six settings, of which the two fastest lose 20 and 35 points."""
    import pytest

    from tests.support.sweep import SweepStage
    from tests.support.sweep import Truth as Scripted

    settings_ = [Scripted("s0", 1.3), Scripted("s1", 1.6), Scripted("s2", 2.0), Scripted("s3", 2.4),
                 Scripted("s4", 2.9, 0.2), Scripted("s5", 3.5, 0.35)]  # fmt: skip
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        stage = SweepStage(Path(name), settings_, prompts_=40, cases=80)
        for seed in range(runs):
            stage.seeded(seed)
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                one = stage.play(patch)
            sweep = one.facts.sweep
            assert sweep is not None
            sent = sweep.screened + len(one.facts.timed) + len(one.facts.answers)
            yield Trial(one.report["recommended_mode"], sweep.finalists, sent, sweep.grid)
            shutil.rmtree(one.folder)
        stage.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--reference", type=int, default=0)
    asked = parser.parse_args()
    suites.n_noninferiority = no_remedy  # type: ignore[assignment]
    if not asked.reference:
        table([one for one in WORLDS if asked.only in one.name], asked.runs)
        return
    found = list(referenced(asked.reference))
    wrong = sum(one.mode in ("diffusion@s4", "diffusion@s5") for one in found)
    print(f"fastest lossless setting: {shown(sum(one.mode == 'diffusion@s3' for one in found), len(found))}")
    print(f"a setting that loses more than the margin: {shown(wrong, len(found))}")
    print(f"requests of the grid: {sum(one.sent for one in found) / sum(one.grid for one in found):.0%}")


if __name__ == "__main__":
    main()

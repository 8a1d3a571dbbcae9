"""Which settings are kept after a stage of screening. Pure: by the findings of the run's own rules and by rank.

What is shown to fail is dropped. The others are ranked by their log speed-up times the chance that no suite loses more
than its margin: a guess from few cases, which decides nothing but what is looked at next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from evalkit.analysis.comparison import log_ratios
from evalkit.analysis.order import Reading
from evalkit.analysis.pairs import Answers, Table, alpha_of, table
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import PER_MODE_ITEMS, Status
from evalkit.items.modes.checks import SPEEDUP
from evalkit.quality.facts import SuiteFacts
from evalkit.run.sweep.settings import Setting
from evalkit.serving.swept import Fate, Seen, SweptSetting
from evalkit.stats.distributions import beta_cdf
from evalkit.verdict.decide import gather


@dataclass(frozen=True)
class Screened:
    """A stage that was worked through: its checklist and what was seen, and how many settings are kept."""

    checklist: Checklist
    facts: Facts
    keep: int

    @cached_property
    def read(self) -> list[Reading]:
        """Readings of all modes at the deciding concurrency."""
        return Readings(self.facts.timed).read(self.checklist.items.modes.level)

    @cached_property
    def failing(self) -> dict[str, str]:
        """By setting the first counted finding that fails; a fault of speed comes last, as others say more."""
        every = [one for item in PER_MODE_ITEMS for one in gather(item, self.checklist, self.facts, self.facts.as_of)]
        found: dict[str, str] = {}
        for one in sorted(every, key=lambda one: one.id == SPEEDUP.id):
            if one.counts and one.mode is not None and one.status is Status.FAIL:
                found.setdefault(one.mode, one.id)
        return found


@dataclass
class _Row:
    setting: Setting
    seen: tuple[Seen, ...] = ()
    fate: Fate = "finalist"
    finding: str | None = None
    dropped: int | None = None

    @property
    def alive(self) -> bool:
        return self.dropped is None

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    @property
    def worth(self) -> float:
        """By which settings are ranked."""
        if self.last.ratio is None:
            return -math.inf
        gain = math.log(self.last.ratio)
        return gain * (1.0 if self.last.chance is None else self.last.chance) if gain > 0 else gain


def choose(settings: Sequence[Setting], stages: Sequence[Screened]) -> list[SweptSetting]:
    """Each setting with its fate after `stages`; the finalists are those that are left."""
    rows = [_Row(setting) for setting in settings]
    for number, stage in enumerate(stages, 1):
        alive = [row for row in rows if row.alive]
        for row in alive:
            row.seen = (*row.seen, _seen(row.setting.label, number, stages[:number]))
        _drop(alive, number, stage)
    return [
        SweptSetting(
            mode=row.setting.label, knobs=dict(row.setting.knobs), fate=row.fate, finding=row.finding,
            dropped=row.dropped, seen=row.seen,
        )
        for row in rows
    ]  # fmt: skip


def _drop(alive: Sequence[_Row], number: int, stage: Screened) -> None:
    """Those that fail, and of the others all but the best. One is always kept: the run says of it what is wrong."""
    failing = stage.failing
    ranked = sorted(
        alive, key=lambda row: (row.last.ratio is not None, row.setting.label not in failing, row.worth), reverse=True
    )
    kept = [row for row in ranked[: stage.keep] if row.last.ratio is not None and row.setting.label not in failing]
    kept = kept or ranked[:1]
    slowest = min((row.last.ratio or 0.0 for row in kept), default=0.0)
    for row in alive:
        if row in kept:
            continue
        row.dropped = number
        row.finding = failing.get(row.setting.label)
        ratio = row.last.ratio
        if row.finding is not None:
            row.fate = "failed"
        elif ratio is None:
            row.fate = "not-measured"
        else:
            row.fate = "loses" if ratio >= slowest else "slower"


def _seen(label: str, number: int, stages: Sequence[Screened]) -> Seen:
    """What is known of a setting after these stages; every stage asked prompts and cases of its own."""
    logs: dict[tuple[int, str], float] = {}
    for at, stage in enumerate(stages):
        found = log_ratios(stage.read, stage.checklist.baseline.speed, label)
        logs |= {(at, unit): log for unit, log in found.items()}
    tables = _tables(label, stages)
    lost = -math.fsum(unit for one in tables.values() for unit in one.sample.differences)
    facts = stages[-1].facts
    sent = sum(one.mode == label for one in facts.timed) + sum(one.mode == label for one in facts.answers)
    return Seen(
        stage=number, prompts=len(logs), ratio=math.exp(fmean(logs.values())) if logs else None,
        cases=sum(len(one.both) for one in tables.values()), lost=lost, chance=_chance(tables, stages[-1].checklist),
        requests=sent,
    )  # fmt: skip


def _tables(label: str, stages: Sequence[Screened]) -> dict[str, Table]:
    """The answers of all stages by suite."""
    checklist = stages[-1].checklist
    answers = Answers([one for stage in stages for one in stage.facts.answers])
    suites: dict[str, SuiteFacts] = {suite.name: suite for stage in stages for suite in stage.facts.suites}
    baseline = checklist.baseline.quality
    made = {name: table(answers, suite, label, baseline, alpha_of(checklist)) for name, suite in suites.items()}
    return {name: one for name, one in made.items() if one.both}


def _chance(tables: Mapping[str, Table], checklist: Checklist) -> float | None:
    """That no suite loses more than its margin, each loss taken as equally likely before; None without a case."""
    chance = 1.0
    for one in tables.values():
        lost = max(0.0, -math.fsum(one.sample.differences))
        margin = checklist.items.quality.margin.of(one.suite.kind)
        chance *= beta_cdf(margin, lost + 1, len(one.sample.differences) - lost + 1)
    return chance if tables else None

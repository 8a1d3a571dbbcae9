"""Whether the order of the readings explains part of a ratio: each mode against itself. Pure.

Two contrasts, within prompt: readings right after another mode against those that follow the same mode (carry-over, a
machine that is shared), and later readings in one start against the first (response caches, warm-up in one mode). What
lies beyond chance is subtracted from the bound that it flatters, as far as it does: little of what is barely beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from evalkit.stats.distributions import t_quantile
from evalkit.stats.ratio import Shift, Spread

#: from how much of the 95% half-width on a contrast counts: what is found; and what a careful bound subtracts, after
#: another mode and again
FOUND, CAREFUL = (1.0, 1.0), (0.25, 0.45)
#: prompts with both kinds of reading below which nothing is tested at concurrency 1, and groups above
_FEWEST, _FEWEST_GROUPS = 5, 2
#: squared correlation of the two kinds within prompts from which they are not separable
_CONFOUNDED = 0.9


class Reading(NamedTuple):
    """One timed reply, without its text. `log`: log of the E2E time (ms), None where the request failed.

    `unit`: the prompt (ids of one text are one); `group`: prompts in flight together; `at`: when it was sent.
    """

    mode: str
    unit: str
    log: float | None
    repeat: int
    group: int
    launch: int
    position: int
    at: str = ""
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Contrast:
    """By how much (log) readings of one kind are slower than the others, within prompt: `mean` with its `error`.

    `share`: of the mode's readings that are of this kind. `n`: prompts, or groups above concurrency 1.
    """

    mean: float
    error: float
    share: float
    n: int

    @property
    def found(self) -> bool:
        """Whether the readings differ beyond chance, either way."""
        return self.beyond(1.0) > 0

    def beyond(self, part: float) -> float:
        """The share of the mean that counts: 0 up to `part` of the 95% half-width, and near 1 far beyond it."""
        if self.n < 2 or not self.mean:
            return 0.0
        return max(0.0, 1 - (part * t_quantile(0.975, self.n - 1) * self.error / self.mean) ** 2)


@dataclass(frozen=True, slots=True)
class Order:
    """The contrasts of each mode of a pair; None where a mode has not both kinds of reading."""

    after: Mapping[str, Contrast | None]
    again: Mapping[str, Contrast | None]


def executed(readings: Iterable[Reading]) -> list[Reading]:
    """In the order of the plan, which is that of sending: a resumed run goes on where it ended."""
    return sorted(readings, key=lambda r: r.position)


def batches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings that were in flight together, in the order in which they were sent."""
    return [list(g) for _, g in groupby(readings, key=lambda r: (r.mode, r.repeat, r.group, r.launch))]


def contrasts(readings: Sequence[Reading], modes: Sequence[str], *, single: bool, in_turn: bool) -> Order:
    """Of the modes; `readings` are those of all modes at one level, as executed. `single`: at concurrency 1, where each
    prompt is a unit; else groups are. `in_turn`: the modes were interleaved, so that one follows another.
    """
    kinds = _kinds(readings)
    found = {mode: _effects(_rows(readings, mode, kinds, single=single), single=single) for mode in modes}
    nothing: dict[str, Contrast | None] = dict.fromkeys(modes)
    after = {mode: one[0] for mode, one in found.items()} if in_turn else nothing
    return Order(after, {mode: one[1] for mode, one in found.items()})


def shift(order: Order, baseline: str, mode: str, parts: tuple[float, float] = FOUND) -> Shift:
    """What the contrasts explain of log(baseline / mode), each mode's by itself: the noise of the other would hide it.

    `parts`: of `Contrast.beyond`, after another mode and again.
    """
    moved = {1: 0.0, -1: 0.0}
    spent: dict[int, list[Spread]] = {1: [], -1: []}
    for kind, part in zip((order.after, order.again), parts, strict=True):
        value, spreads = 0.0, []
        for sign, name in ((1, baseline), (-1, mode)):
            one = kind.get(name)
            if one is not None and (weight := one.beyond(part)):
                value += sign * weight * one.share * one.mean
                spreads.append(Spread((weight * one.share * one.error) ** 2, one.n - 1))
        if value:
            side = 1 if value > 0 else -1
            moved[side] += value
            spent[side] += spreads
    return Shift(moved[1], moved[-1], _sum(spent[1]), _sum(spent[-1]))


def _sum(spreads: Sequence[Spread]) -> Spread:
    """Of independent ones, with the fewest degrees of freedom."""
    return Spread(math.fsum(s.variance for s in spreads), min((s.df for s in spreads), default=1.0))


def _kinds(readings: Sequence[Reading]) -> list[tuple[bool, bool]]:
    """Of each reading: whether it follows another mode, on whatever prompt, and whether it is a later one."""
    follows: list[bool] = []
    before: Reading | None = None
    for batch in batches(readings):
        first = batch[0]
        follows += [before is not None and before.mode != first.mode] * len(batch)
        before = first
    seen: set[tuple[str, int, str]] = set()
    found: list[tuple[bool, bool]] = []
    for r, other in zip(readings, follows, strict=True):
        found.append((other, (r.mode, r.launch, r.unit) in seen))
        if r.log is not None:
            seen.add((r.mode, r.launch, r.unit))
    return found


class _Row(NamedTuple):
    """Of one prompt's reading, or of one batch: log time, whether after another mode, whether later; 0 or 1 each."""

    log: float
    after: float
    again: float


def _rows(
    readings: Sequence[Reading], mode: str, kinds: Sequence[tuple[bool, bool]], *, single: bool
) -> list[list[_Row]]:
    """The mode's readings by unit: a prompt in one start, or above concurrency 1 a group's batches in one start."""
    units: dict[Hashable, dict[int, list[tuple[Reading, tuple[bool, bool]]]]] = {}
    for r, kind in zip(readings, kinds, strict=True):
        if r.mode == mode and r.log is not None:
            unit = units.setdefault((r.unit if single else r.group, r.launch), {})
            unit.setdefault(len(unit) if single else r.repeat, []).append((r, kind))
    found = []
    for unit in units.values():
        common = set.intersection(*({r.unit for r, _ in batch} for batch in unit.values()))
        rows = []
        for batch in unit.values():
            kept = [(r.log or 0.0, kind) for r, kind in batch if r.unit in common]
            if kept:
                logs, marks = zip(*kept, strict=True)
                rows.append(_Row(fmean(logs), fmean(m[0] for m in marks), fmean(m[1] for m in marks)))
        found.append(rows)
    return found


def _effects(units: Sequence[Sequence[_Row]], *, single: bool) -> tuple[Contrast | None, Contrast | None]:
    """Both effects on one mode, by least squares within units with errors that hold whatever the noise of a unit.

    Where every later reading is one after another mode, they are not separable: the later reading is blamed.
    """
    rows = [row for unit in units for row in unit]
    inner = [_centred(unit) for unit in units if len(unit) > 1]
    counts = [sum(len({row[k] for row in unit}) > 1 for unit in units) for k in (1, 2)]
    tests = [count >= (_FEWEST if single else _FEWEST_GROUPS) for count in counts]
    weights = _weights([row for unit in inner for row in unit], tests)
    effect = [math.fsum(_score(row, w) * row.log for unit in inner for row in unit) for w in weights]
    found: list[Contrast | None] = []
    for k, weight in enumerate(weights):
        if weight == (0.0, 0.0):
            found.append(None)
            continue
        scores = [
            math.fsum(_score(r, weight) * (r.log - effect[0] * r.after - effect[1] * r.again) for r in unit)
            for unit in inner
        ]
        error = math.sqrt(math.fsum(score * score for score in scores) * counts[k] / max(1, counts[k] - 1))
        found.append(Contrast(effect[k], error, fmean(row[k + 1] for row in rows), counts[k]))
    return found[0], found[1]


def _centred(unit: Sequence[_Row]) -> list[_Row]:
    """The rows of a unit about their mean."""
    log, after, again = (fmean(column) for column in zip(*unit, strict=True))
    return [_Row(row.log - log, row.after - after, row.again - again) for row in unit]


def _score(row: _Row, weight: tuple[float, float]) -> float:
    return weight[0] * row.after + weight[1] * row.again


def _weights(rows: Sequence[_Row], tests: Sequence[bool]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Rows of the inverse of the normal matrix; zeros for an effect that cannot be seen."""
    after, again = math.fsum(r.after**2 for r in rows), math.fsum(r.again**2 for r in rows)
    mixed = math.fsum(r.after * r.again for r in rows)
    one, two = tests[0] and after > 0, tests[1] and again > 0
    if one and two and mixed * mixed <= _CONFOUNDED * after * again:
        det = after * again - mixed * mixed
        return (again / det, -mixed / det), (-mixed / det, after / det)
    if two:
        return (0.0, 0.0), (0.0, 1 / again)
    return ((1 / after, 0.0) if one else (0.0, 0.0)), (0.0, 0.0)

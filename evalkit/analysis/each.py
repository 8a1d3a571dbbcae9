"""What each prompt and each case says by itself: the speed-up of every prompt, the result of every case. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain
from statistics import fmean, median
from typing import TypeVar

from evalkit.analysis.pairs import Answers, Pair, alpha_of, table
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.harness.facts import HarnessFacts
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import Answer
from evalkit.stats.ratio import log_ratios

Row = TypeVar("Row")
_NO_REPLIES: Mapping[str, Answer] = {}
#: worst first
SEVERITY = {"critical": 0, "normal": 1, "minor": 2}


@dataclass(frozen=True, slots=True)
class EachPrompt:
    """One prompt at the deciding concurrency. E2E in ms (geometric mean of its readings) and speed-up, by mode."""

    prompt: str
    tags: tuple[str, ...]
    e2e_ms: Mapping[str, float]
    speedup: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EachCase:
    """One case. `results`: share of its scored repeats that pass, by mode; None: unscored. `lost`: modes that pass it
    less often than the baseline does. `replies`: by mode the reply to show, the first that fails.
    """

    suite: str
    kind: str
    case_id: str
    severity: str
    tags: tuple[str, ...]
    results: Mapping[str, float | None]
    lost: tuple[str, ...]
    replies: Mapping[str, Answer]

    @property
    def clean(self) -> bool:
        """Every mode passes it, in every repeat."""
        return all(result == 1 for result in self.results.values())


def prompts(checklist: Checklist, facts: Facts) -> list[EachPrompt]:
    """The prompts that some mode answered, those that gain least first (median over the modes that may be adopted)."""
    readings, baseline, level = Readings(facts.timed), checklist.baseline.speed, checklist.items.modes.level
    modes = _modes(checklist)
    times = {mode: readings.times(mode, level) for mode in modes}
    gains = {mode: log_ratios(times.get(baseline, {}), times[mode]) for mode in modes if mode != baseline}
    tags = {prompt: names for mode in reversed(modes) for prompt, names in readings.tags(mode, level).items()}
    found = []
    for prompt in dict.fromkeys(prompt for mode in modes for prompt in times[mode]):
        e2e = {
            mode: math.exp(fmean(math.log(max(one, 1e-9)) for one in each[prompt]))
            for mode, each in times.items() if each.get(prompt)
        }  # fmt: skip
        gained = {mode: math.exp(gain[prompt]) for mode, gain in gains.items() if prompt in gain}
        found.append(EachPrompt(prompt, tags.get(prompt, ()), e2e, gained))
    adopted = set(checklist.adopted)

    def gain(one: EachPrompt) -> float:
        mine = [ratio for mode, ratio in one.speedup.items() if mode in adopted] or list(one.speedup.values())
        return median(mine) if mine else math.inf

    return sorted(found, key=lambda one: (gain(one), one.prompt))


@dataclass(frozen=True, slots=True)
class Cases:
    """The first of the cases, worst first; how many there are, and how many of them not every mode passes."""

    rows: list[EachCase]
    total: int
    not_clean: int


def cases(checklist: Checklist, facts: Facts, most: int = 10_000) -> Cases:
    """The cases that some mode answered, worst first: lost against the baseline, failed, unscored, passed by all.

    No more than `most` are held in memory: results of other harnesses come by the hundred thousand.
    """
    counts = [0, 0]

    def counted() -> Iterator[EachCase]:
        for row in chain(_answered(checklist, facts), _reported(checklist, facts)):
            counts[0] += 1
            counts[1] += not row.clean
            yield row

    rows = nsmallest(most, counted(), key=_worst)
    return Cases(rows, *counts)


def worst(lost: Sequence[Row], others: Sequence[Row], most: int) -> list[Row]:
    """At most `most` of the cases that not every mode passes. Losses come first, and leave a quarter of the places to
    cases that fail without being lost, such as those that the baseline fails too.
    """
    room = most - min(len(others), max(most // 4, most - len(lost)))
    return [*lost[:room], *others[: most - min(len(lost), room)]]


def _worst(row: EachCase) -> tuple[bool, int, int, int, str, str]:
    failing = sum(result is not None and result < 1 for result in row.results.values())
    unscored = sum(result is None for result in row.results.values())
    return (not row.lost, -failing, SEVERITY.get(row.severity, 1), -unscored, row.suite, row.case_id)


def _modes(checklist: Checklist) -> list[str]:
    """In configured order, the incumbent last."""
    return [*checklist.modes, *((INCUMBENT,) if checklist.incumbent is not None else ())]


def _answered(checklist: Checklist, facts: Facts) -> Iterator[EachCase]:
    answers, baseline, alpha = Answers(facts.answers), checklist.baseline.quality, alpha_of(checklist)
    modes = [mode for mode in dict.fromkeys([*_modes(checklist), baseline]) if mode in answers.modes]
    for suite in facts.suites:
        by_case: dict[str, dict[str, Pair]] = {}
        for mode in modes:
            for pair in table(answers, suite, mode, baseline, alpha).pairs:
                by_case.setdefault(pair.case_id, {})[mode] = pair
        for case_id, pairs in by_case.items():
            replies = {mode: pair.mode_answer for mode, pair in pairs.items() if pair.mode_answer is not None}
            any_reply = next(iter(replies.values()), None)
            yield EachCase(
                suite=suite.name,
                kind=suite.kind,
                case_id=case_id,
                severity=next(iter(pairs.values())).severity,
                tags=any_reply.tags if any_reply else (),
                results={mode: pairs[mode].mode if mode in pairs else None for mode in modes},
                lost=tuple(mode for mode in modes if mode in pairs and pairs[mode].harmed),
                replies=replies,
            )


def _reported(checklist: Checklist, facts: Facts) -> Iterator[EachCase]:
    """Cases of other harnesses, whose replies are not in a run."""
    baseline, known = checklist.baseline.quality, [one for one in facts.harness.values() if one.task]
    for entry, task in sorted({(one.entry, one.task) for one in known}):
        mine = {one.mode: one for one in known if (one.entry, one.task) == (entry, task)}
        modes = [mode for mode in dict.fromkeys([*_modes(checklist), baseline]) if mode in mine]
        shares = {mode: _shares(mine[mode]) for mode in modes}
        kind = next(iter(mine.values())).kind
        for case_id in dict.fromkeys(case for mode in modes for case in shares[mode]):
            results = {mode: shares[mode].get(case_id) for mode in modes}
            base = results.get(baseline)
            lost = tuple(m for m, one in results.items() if base is not None and one is not None and one < base)
            yield EachCase(task, kind, case_id, "normal", (), results, lost, _NO_REPLIES)


def _shares(facts: HarnessFacts) -> dict[str, float | None]:
    """Mean score of each case; None where a sample of it was not graded."""
    found: dict[str, float | None] = {}
    for case, rows in facts.by_case.items():
        scores = [score for row in rows if (score := facts.scores[row]) is not None]
        found[case] = fmean(scores) if len(scores) == len(rows) else None
    return found

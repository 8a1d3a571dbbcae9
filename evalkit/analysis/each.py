"""What each prompt and each case says by itself: the speed-up of every prompt, the result of every case. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeVar

from evalkit.analysis.harness import table as harness_table
from evalkit.analysis.pairs import Answers, Pair, Table, alpha_of, table
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import Answer
from evalkit.stats.ratio import log_ratios

Row = TypeVar("Row")
_SEVERITY = {"critical": 0, "normal": 1, "minor": 2}


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
    modes = [*checklist.modes, *((INCUMBENT,) if checklist.incumbent is not None else ())]
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


def cases(checklist: Checklist, facts: Facts) -> list[EachCase]:
    """Every case that some mode answered, worst first: lost against the baseline, failed, unscored, passed by all."""
    found = [row for tables in _suites(checklist, facts) for row in _rows(tables, checklist)]
    return sorted(found, key=_worst)


def worst(lost: Sequence[Row], others: Sequence[Row], most: int) -> list[Row]:
    """At most `most` of the cases that not every mode passes. Losses come first, and leave a quarter of the places to
    cases that fail without being lost, such as those that the baseline fails too.
    """
    room = most - min(len(others), max(most // 4, most - len(lost)))
    return [*lost[:room], *others[: most - min(len(lost), room)]]


def _worst(row: EachCase) -> tuple[bool, int, int, int, str, str]:
    failing = sum(result is not None and result < 1 for result in row.results.values())
    unscored = sum(result is None for result in row.results.values())
    return (not row.lost, -failing, _SEVERITY.get(row.severity, 1), -unscored, row.suite, row.case_id)


def _suites(checklist: Checklist, facts: Facts) -> Iterator[list[Table]]:
    """The tables of each suite, one a mode, the baseline's own first."""
    answers, baseline, alpha = Answers(facts.answers), checklist.baseline.quality, alpha_of(checklist)
    modes = [baseline, *(mode for mode in checklist.modes if mode != baseline)]
    if checklist.incumbent is not None and INCUMBENT not in modes:
        modes.append(INCUMBENT)
    for suite in facts.suites:
        yield [table(answers, suite, mode, baseline, alpha) for mode in modes if mode in answers.modes]
    reported = {(one.entry, one.task): one for one in facts.harness.values() if one.task}
    for entry, task in sorted(reported):
        mine = [(mode, facts.harness.get(f"{entry}|{task}|{mode}")) for mode in modes]
        base = mine[0][1]
        yield [harness_table(one, base, alpha) for _, one in mine if one is not None]


def _rows(tables: list[Table], checklist: Checklist) -> Iterator[EachCase]:
    by_case: dict[str, dict[str, Pair]] = {}
    for one in tables:
        for pair in one.pairs:
            by_case.setdefault(pair.case_id, {})[one.mode] = pair
    order = [*checklist.modes, INCUMBENT]
    for case_id, pairs in by_case.items():
        first, suite = next(iter(pairs.values())), tables[0].suite
        replies = {mode: pair.mode_answer for mode, pair in pairs.items() if pair.mode_answer is not None}
        any_reply = next(iter(replies.values()), None)
        modes = sorted(
            (one.mode for one in tables), key=lambda mode: order.index(mode) if mode in order else len(order)
        )
        yield EachCase(
            suite=suite.name,
            kind=suite.kind,
            case_id=case_id,
            severity=first.severity,
            tags=any_reply.tags if any_reply else (),
            results={mode: pairs[mode].mode if mode in pairs else None for mode in modes},
            lost=tuple(mode for mode in modes if mode in pairs and pairs[mode].harmed),
            replies=replies,
        )

"""One suite in one mode compared with the baseline: what passed and was lost, and the interval of the difference. Pure.

The only definitions of "passed" and "lost": the report, the comparison of runs and the verdict read these.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from statistics import fmean

from evalkit.checklist.schema import Checklist
from evalkit.quality.facts import Answer, Grade, SuiteFacts
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import guarded_difference, guarded_mean, shows_margin, wilson

#: case id -> replies by repeat
Replies = dict[str, dict[int, Answer]]


def alpha_of(checklist: Checklist) -> float:
    """One-sided error of one mode's tests: divided by the modes that may be adopted, since any of them may pass."""
    baseline = checklist.baseline.quality
    return checklist.items.quality.alpha / max(1, len({mode for mode in checklist.adopted if mode != baseline}))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one case says: shares over its repeats, and what most of its repeats did. Cases of one `asked` are one."""

    asked: str
    cluster: str
    mode: float
    base: float
    mode_most: bool
    base_most: bool


def reading(asked: str, cluster: str, mode: float, base: float) -> Reading:
    """A reading without repeats of its own: a share of one half or more is a pass."""
    return Reading(asked, cluster, mode, base, mode >= 0.5, base >= 0.5)


def cells(readings: Iterable[Reading]) -> tuple[int, int, int, int]:
    """How many passed in both, in the mode alone, in the baseline alone, and in none."""
    found = Counter((one.mode_most, one.base_most) for one in readings)
    return found[True, True], found[True, False], found[False, True], found[False, False]


@dataclass(frozen=True, slots=True)
class Sample:
    """Independent units of equal weight: clusters, each the mean of its questions, each of these that of its cases."""

    units: tuple[Reading, ...]
    alpha: float

    @property
    def differences(self) -> list[float]:
        return [unit.mode - unit.base for unit in self.units]

    @property
    def fractional(self) -> bool:
        """Whether some unit is neither wholly lost, wholly gained nor equal: majorities then miss something."""
        return not {-1.0, 0.0, 1.0}.issuperset(self.differences)

    def counts(self) -> tuple[int, int, int, int]:
        """n11, n10, n01, n00 (first digit the mode) over units, by majorities."""
        return cells(self.units)

    def interval(self) -> Interval:
        """Mode minus baseline, each side at one-sided alpha: majorities, and fractions where there are any."""
        if not self.units:
            return Interval(-1.0, 1.0, math.nan, "none")
        _, n10, n01, _ = self.counts()
        found = guarded_difference(len(self.units), n10, n01, self.alpha)
        if not self.fractional:
            return found
        mean = guarded_mean(self.differences, self.alpha)
        method = f"{found.method} over majorities; {mean.method} over fractions"
        return Interval(min(found.low, mean.low), max(found.high, mean.high), mean.estimate, method)

    def shows(self, margin: float) -> bool:
        """Whether the loss is shown to lie under `margin`."""
        _, n10, n01, _ = self.counts()
        if not shows_margin(len(self.units), n10, n01, margin, self.alpha):
            return False
        return not self.fractional or guarded_mean(self.differences, self.alpha).low > -margin


def sample(readings: Iterable[Reading], alpha: float) -> Sample:
    """Cases that ask the same are averaged, then cases of a cluster: what goes together counts once."""
    each = list(readings)
    for what in (attrgetter("asked"), attrgetter("cluster")):
        if len(set(map(what, each))) < len(each):
            each = _averaged(each, what)
    return Sample(tuple(each), alpha)


def _averaged(readings: Sequence[Reading], what: Callable[[Reading], str]) -> list[Reading]:
    groups: dict[str, list[Reading]] = defaultdict(list)
    for one in readings:
        groups[what(one)].append(one)
    return [group[0] if len(group) == 1 else _mean_of(group) for group in groups.values()]


def _mean_of(group: Sequence[Reading]) -> Reading:
    return Reading(
        group[0].asked, group[0].cluster, fmean(one.mode for one in group), fmean(one.base for one in group),
        2 * sum(one.mode_most for one in group) >= len(group), 2 * sum(one.base_most for one in group) >= len(group),
    )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One case in both modes. Shares are means over repeats; None: unscored."""

    case_id: str
    cluster: str
    severity: str
    mode: float | None
    base: float | None
    mode_answer: Answer | None
    base_answer: Answer | None
    #: the same for cases that ask the same; empty: the case is the only one to ask it
    asked: str = ""
    #: whether most of an odd number of repeats passed; None: by the share
    mode_most: bool | None = None
    base_most: bool | None = None

    @property
    def both(self) -> bool:
        return self.mode is not None and self.base is not None

    @property
    def difference(self) -> float:
        return (self.mode or 0.0) - (self.base or 0.0)

    @property
    def harmed(self) -> bool:
        """Lost: the mode passes it less often than the baseline does."""
        return self.both and self.difference < 0

    @property
    def gained(self) -> bool:
        return self.both and self.difference > 0

    def reading(self) -> Reading:
        """For a case that is scored in both; what is unscored counts as failed."""
        mode, base = self.mode or 0.0, self.base or 0.0
        return Reading(
            self.asked or self.case_id, self.cluster, mode, base,
            mode >= 0.5 if self.mode_most is None else self.mode_most,
            base >= 0.5 if self.base_most is None else self.base_most,
        )  # fmt: skip


class Answers:
    """All answers of a run, found by suite and mode. The last of several with one key counts."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._found: dict[tuple[str, str, bool], Replies] = defaultdict(lambda: defaultdict(dict))
        self.modes: set[str] = set()
        for one in answers:
            self._found[one.suite, one.mode, one.streamed][one.case_id][one.repeat] = one
            self.modes.add(one.mode)

    def of(self, suite: str, mode: str, *, streamed: bool = True) -> Replies:
        return self._found.get((suite, mode, streamed), {})

    def first(self, suite: str, mode: str, *, repeat: int = 0, streamed: bool = True) -> dict[str, Answer]:
        """One reply a case."""
        return {case: by[repeat] for case, by in self.of(suite, mode, streamed=streamed).items() if repeat in by}


@dataclass(frozen=True)
class Table:
    """A suite in one mode and in the baseline. `planned` counts cases, answered or not.

    Cases that ask the same are one case for whatever is inferred: their differences are averaged.
    """

    suite: SuiteFacts
    mode: str
    baseline: str
    planned: int
    pairs: tuple[Pair, ...]
    scored_share: float
    alpha: float

    @property
    def scored(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.mode is not None]

    @property
    def share(self) -> float:
        """Passed share of the scored cases in the mode; NaN without any."""
        return _mean([pair.mode for pair in self.pairs])

    @property
    def base_share(self) -> float:
        return _mean([pair.base for pair in self.pairs])

    @cached_property
    def both(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.both]

    @cached_property
    def harmed(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.harmed]

    @cached_property
    def gained(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.gained]

    @cached_property
    def sample(self) -> Sample:
        """The cases scored in both modes."""
        return sample((pair.reading() for pair in self.both), self.alpha)

    @property
    def clusters(self) -> int:
        """Independent ones, among the cases scored in both modes."""
        return len(self.sample.units)

    def counts(self) -> tuple[int, int, int, int]:
        """n11, n10, n01, n00 (first digit the mode) over cases, majority of repeats."""
        return cells(pair.reading() for pair in self.both)

    def interval(self) -> Interval:
        """Mode minus baseline, each side at one-sided alpha."""
        return self.sample.interval()

    def pessimistic(self) -> Sample:
        """As `sample`, with every case that only one of the two left unscored counted against the mode."""
        lost = [
            replace(pair, mode=pair.mode or 0.0, base=1.0 if pair.base is None else pair.base)
            for pair in self.one_sided
        ]
        return sample((pair.reading() for pair in [*self.both, *lost]), self.alpha) if lost else self.sample

    def passing(self) -> tuple[float, Interval]:
        """Passed share of the mode, clusters of equal weight, and its Wilson interval, each side at one-sided alpha."""
        units = sample((pair.reading() for pair in self.scored), self.alpha).units
        share = fmean([unit.mode for unit in units]) if units else math.nan
        return share, wilson(round(share * len(units)) if units else 0, len(units), 1 - 2 * self.alpha)

    def shows(self, margin: float) -> bool:
        """Whether the loss is shown to lie under `margin`."""
        return self.sample.shows(margin)

    def verdict(self, margin: float) -> bool | None:
        """Whether no more than `margin` is lost; None: not decided. Cases left unscored count against the mode."""
        if self.both and self.interval().high <= -margin:
            return False
        return True if self.shows(margin) and self.pessimistic().shows(margin) else None

    @property
    def one_sided(self) -> list[Pair]:
        """Cases that one of the two has scored and the other has not."""
        return [pair for pair in self.pairs if (pair.mode is None) != (pair.base is None)]

    @property
    def discordant(self) -> float:
        """Share of pairs that differ, at least one half of a pair: the planning figure."""
        pairs = self.both
        return max(sum(abs(pair.difference) for pair in pairs), 0.5) / len(pairs) if pairs else 0.1


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def failing(one: Answer, base: Answer | None) -> list[Grade]:
    """The grades that a reply fails, comparisons with the baseline's reply included."""
    return [grade for grade in one.grades if grade.passed is False or _repeats_more(grade, base)]


def _repeats_more(grade: Grade, base: Answer | None) -> bool:
    """Whether `max_repetition` finds more repeated 4-grams than in the baseline's reply, beyond its limit."""
    if grade.grader != "max_repetition" or base is None:
        return False
    before = next((g.detail.get("rep4") for g in base.grades if g.grader == grade.grader), None)
    rep4, over = grade.detail.get("rep4"), grade.detail.get("over_baseline")
    known = isinstance(rep4, float) and isinstance(over, float) and isinstance(before, float)
    return known and rep4 - before > over  # type: ignore[operator]


def passed(one: Answer, base: Answer | None) -> bool | None:
    """Whether a reply passed, comparisons with the baseline's reply included; None: unscored."""
    if one.passed:
        for grade in one.grades:
            if _repeats_more(grade, base):
                return False
    return one.passed


@dataclass(frozen=True, slots=True)
class _Passes:
    """A case's repeats: mean share, majority of an odd number of them, share that was scored."""

    share: float | None
    most: bool | None
    complete: float


#: of a case of one repeat, by its verdict
_ONE = {True: _Passes(1.0, True, 1.0), False: _Passes(0.0, False, 1.0), None: _Passes(None, None, 0.0)}


def _passes(replies: dict[int, Answer], base: dict[int, Answer], repeats: int) -> _Passes:
    """Of the planned repeats; the baseline's one more is its noise floor, and counts nowhere else."""
    if repeats == 1:
        return _ONE[passed(replies[0], base.get(0)) if 0 in replies else None]
    verdicts = [passed(replies[repeat], base.get(repeat)) for repeat in sorted(replies) if repeat < repeats]
    known = [verdict for verdict in verdicts if verdict is not None]
    odd = known[: len(known) - 1 + len(known) % 2]
    return _Passes(
        share=sum(known) / len(known) if known else None,
        most=2 * sum(odd) > len(odd) if odd else None,
        complete=len(known) / len(verdicts) if verdicts else 0.0,
    )


def table(answers: Answers, suite: SuiteFacts, mode: str, baseline: str, alpha: float) -> Table:
    """Pairs of one suite. Cases that no mode answered count as planned and unscored."""
    return paired(suite, (mode, answers.of(suite.name, mode)), (baseline, answers.of(suite.name, baseline)), alpha)


def paired(suite: SuiteFacts, mode: tuple[str, Replies], baseline: tuple[str, Replies], alpha: float) -> Table:
    """Pairs of two sets of replies to one suite, each with its name; they may come from two runs."""
    (label, mine), (base_label, theirs) = mode, baseline
    pairs, scored = [], 0.0
    for case_id in dict.fromkeys([*theirs, *mine]):
        replies, base = mine.get(case_id, {}), theirs.get(case_id, {})
        ours, before = _passes(replies, base, suite.repeats), _passes(base, {}, suite.repeats)
        any_answer = next(iter([*replies.values(), *base.values()]))
        scored += ours.complete
        pairs.append(
            Pair(
                case_id=case_id, cluster=any_answer.goes_with, asked=any_answer.asked, severity=any_answer.severity,
                mode=ours.share, base=before.share, mode_answer=_shown(replies, base), base_answer=base.get(0),
                mode_most=ours.most, base_most=before.most,
            )
        )  # fmt: skip
    planned = max(suite.cases, len(pairs))
    return Table(suite, label, base_label, planned, tuple(pairs), scored / planned if planned else 0.0, alpha)


def crowded(answers: Answers, alone: Answers, suites: Sequence[SuiteFacts], mode: str, alpha: float) -> Table | None:
    """First replies under load against those to the same requests alone, of all suites together (`suite` is the first).

    None: no suite was asked.
    """
    tables = []
    for suite in suites:
        single, load = alone.of(suite.name, mode), answers.of(suite.name, mode)
        first = {case: {0: load[case][0]} for case in single if 0 in load.get(case, {})}
        tables.append(paired(suite, (mode, first), (mode, single), alpha))
    pairs = tuple(pair for each in tables for pair in each.pairs)
    return replace(tables[0], planned=len(pairs), pairs=pairs) if tables else None


def _shown(replies: dict[int, Answer], base: dict[int, Answer]) -> Answer | None:
    """The reply to show: the first that failed, else the first."""
    failed = (one for repeat, one in replies.items() if passed(one, base.get(repeat)) is False)
    return next(failed, replies.get(0))


def pass_shares(answers: Iterable[Answer], mode: str, baseline: str) -> dict[tuple[str, str], float]:
    """(suite, case) -> share of its scored streamed replies that passed; retries of a reply count once."""
    replies = {(a.suite, a.case_id, a.repeat, a.mode): a for a in answers if a.streamed and a.mode in (mode, baseline)}
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (suite, case, repeat, label), one in replies.items():
        verdict = passed(one, replies.get((suite, case, repeat, baseline))) if label == mode else None
        if verdict is not None:
            found[suite, case].append(float(verdict))
    return {key: each[0] if len(each) == 1 else fmean(each) for key, each in found.items()}


def passing_units(answers: Iterable[Answer], mode: str, baseline: str) -> list[float]:
    """Shares of `pass_shares` by independent unit: cases of a suite that ask the same, or of one cluster, are one."""
    every = list(answers)
    of = {(a.suite, a.case_id): a for a in every if a.mode == mode}
    shares = pass_shares(every, mode, baseline)
    readings = (
        reading(f"{key[0]}|{of[key].asked}", f"{key[0]}|{of[key].goes_with}", s, 0.0) for key, s in shares.items()
    )
    return [unit.mode for unit in sample(readings, 0.05).units]

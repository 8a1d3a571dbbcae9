"""One suite in one mode beside the baseline: pairs, counts and the interval of the difference. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import (
    clustered_mean_difference,
    min_n_without_discordant,
    paired_difference,
    tango,
)

#: case id -> replies by repeat
Replies = dict[str, dict[int, Answer]]
#: what is asked, the cluster, and mode minus baseline
Difference = tuple[str, str, float]


BONETT_PRICE = "bonett-price"


def shows_margin(n: int, n10: int, n01: int, margin: float, alpha: float = 0.05) -> bool:
    """Whether `n` pairs, `n10` gained and `n01` lost, show a loss under `margin`.

    By Bonett and Price's interval. Where every pair that differs is a loss it lets too much through, and Tango's must
    agree: docs/decisions/0010.
    """
    rest = n - n10 - n01
    if not paired_difference(rest, n10, n01, 0, alpha).low > -margin:
        return False
    return n10 > 0 or n01 == 0 or tango(rest, n10, n01, 0, alpha).low > -margin


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

    @property
    def both(self) -> bool:
        return self.mode is not None and self.base is not None

    @property
    def difference(self) -> float:
        return (self.mode or 0.0) - (self.base or 0.0)

    @property
    def harmed(self) -> bool:
        return self.both and self.difference < 0


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

    @property
    def both(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.both]

    @property
    def harmed(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.harmed]

    @property
    def clusters(self) -> int:
        """Independent ones, among the cases scored in both modes."""
        return len({cluster for cluster, _ in per_question(_differences(self.both))})

    def counts(self) -> tuple[int, int, int, int]:
        """n11, n10, n01, n00 (first digit the mode) over cases, majority of repeats."""
        cells = [((pair.mode or 0) >= 0.5, (pair.base or 0) >= 0.5) for pair in self.both]
        return (
            cells.count((True, True)),
            cells.count((True, False)),
            cells.count((False, True)),
            cells.count((False, False)),
        )

    def interval(self) -> Interval:
        """Mode minus baseline, each side at one-sided alpha."""
        return paired_interval(_differences(self.both), self.alpha)

    def pessimistic(self) -> Interval:
        """As `interval`, with every case that only one of the two left unscored counted against the mode."""
        lost = [
            replace(pair, mode=pair.mode or 0.0, base=1.0 if pair.base is None else pair.base)
            for pair in self.one_sided
        ]
        return paired_interval(_differences([*self.both, *lost]), self.alpha)

    def shows(self, margin: float) -> bool:
        """Whether the loss is shown to lie under `margin`."""
        values = [value for _, value in per_question(_differences(self.both))]
        interval = self.interval()
        if interval.method != BONETT_PRICE:
            return interval.low > -margin
        up, down = sum(value > 0 for value in values), sum(value < 0 for value in values)
        return shows_margin(len(values), up, down, margin, self.alpha)

    @property
    def one_sided(self) -> list[Pair]:
        """Cases that one of the two has scored and the other has not."""
        return [pair for pair in self.pairs if (pair.mode is None) != (pair.base is None)]

    @property
    def discordant(self) -> float:
        """Share of pairs that differ, at least one half of a pair: the planning figure."""
        pairs = self.both
        return max(sum(abs(pair.difference) for pair in pairs), 0.5) / len(pairs) if pairs else 0.1


def _differences(pairs: Iterable[Pair]) -> list[Difference]:
    return [(pair.asked or pair.case_id, pair.cluster, pair.difference) for pair in pairs]


def per_question(differences: Iterable[Difference]) -> list[tuple[str, float]]:
    """Cluster and mean difference of each question: one that is asked by two cases is one piece of evidence."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for asked, cluster, value in differences:
        found[asked].append((cluster, value))
    return [(same[0][0], sum(value for _, value in same) / len(same)) for same in found.values()]


def paired_interval(differences: Iterable[Difference], alpha: float) -> Interval:
    """The mean difference, each side at one-sided `alpha`: Bonett and Price's where no cases go together."""
    told = per_question(differences)
    if not told:
        return Interval(-1.0, 1.0, math.nan, "none")
    values = [value for _, value in told]
    if len({cluster for cluster, _ in told}) == len(values) and all(v in (-1.0, 0.0, 1.0) for v in values):
        up, down = values.count(1.0), values.count(-1.0)
        return paired_difference(len(values) - up - down, up, down, 0, alpha)
    groups: dict[str, list[float]] = defaultdict(list)
    for cluster, value in told:
        groups[cluster].append(value)
    return clustered_mean_difference(groups, alpha)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def passed(one: Answer, base: Answer | None) -> bool | None:
    """Whether a reply passed, comparisons with the baseline's reply included."""
    if one.passed and base is not None:
        for grade in one.grades:
            if grade.grader == "max_repetition":
                other = next((g for g in base.grades if g.grader == "max_repetition"), None)
                rep4, over = grade.detail.get("rep4"), grade.detail.get("over_baseline")
                before = other.detail.get("rep4") if other else None
                if (
                    isinstance(rep4, float)
                    and isinstance(over, float)
                    and isinstance(before, float)
                    and rep4 - before > over
                ):
                    return False
    return one.passed


def _share(replies: dict[int, Answer], base: dict[int, Answer], repeats: int) -> tuple[float | None, float]:
    """Mean over scored repeats, and the share of repeats that were scored."""
    verdicts = [passed(one, base.get(repeat)) for repeat, one in replies.items() if repeat < repeats]
    known = [1.0 if verdict else 0.0 for verdict in verdicts if verdict is not None]
    return (sum(known) / len(known) if known else None), (len(known) / len(verdicts) if verdicts else 0.0)


def table(answers: Answers, suite: SuiteFacts, mode: str, baseline: str, alpha: float) -> Table:
    """Pairs of one suite. Cases that no mode answered count as planned and unscored."""
    mine, theirs = answers.of(suite.name, mode), answers.of(suite.name, baseline)
    pairs, scored = [], 0.0
    for case_id in dict.fromkeys([*theirs, *mine]):
        replies, base = mine.get(case_id, {}), theirs.get(case_id, {})
        share, complete = _share(replies, base, suite.repeats)
        base_share, _ = _share(base, {}, suite.repeats)
        any_answer = next(iter([*replies.values(), *base.values()]))
        scored += complete
        pairs.append(
            Pair(
                case_id=case_id,
                cluster=any_answer.goes_with,
                asked=any_answer.asked,
                severity=any_answer.severity,
                mode=share,
                base=base_share,
                mode_answer=_shown(replies),
                base_answer=base.get(0),
            )
        )
    planned = max(suite.cases, len(pairs))
    return Table(suite, mode, baseline, planned, tuple(pairs), scored / planned if planned else 0.0, alpha)


def _shown(replies: dict[int, Answer]) -> Answer | None:
    """The reply to show: the first that failed, else the first."""
    return next((one for one in replies.values() if one.passed is False), replies.get(0))


def needed(data: Table, margin: float) -> int:
    """About how many cases would decide, if modes differ as they did here (80% chance). At least what is possible."""
    z = normal_quantile(1 - data.alpha) + normal_quantile(0.8)
    estimate = data.interval().estimate
    loss = -estimate if math.isfinite(estimate) else 0.0
    gap = max(abs(margin - max(0.0, loss)), margin / 4)
    return max(min_n_without_discordant(margin, data.alpha), math.ceil(z * z * data.discordant / (gap * gap)))

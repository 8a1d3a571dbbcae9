"""The quality table of the report, whether a suite can decide its margin, and signs of faults. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

from evalkit.analysis.harness import table as harness_table
from evalkit.analysis.pairs import Answers, Table, alpha_of, table
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.modes import INCUMBENT
from evalkit.quality.case import Suite, asked_sha256
from evalkit.quality.facts import ADJACENT_LIMIT, TAIL_LOOP_LIMIT, Answer
from evalkit.stats.proportions import least_cases, n_noninferiority, power_noninferiority

#: planning further ahead than so many cases is not a plan
MOST_CASES = 20_000


class SuiteModeSummary(Frozen):
    """One suite in one mode. Shares lie in [0, 1], differences are mode minus baseline; None: not known."""

    suite: str
    kind: str
    shipped: bool
    mode: str
    baseline: str | None
    cases: int
    scored: int
    passed: float
    share: float | None
    baseline_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float
    #: pass | fail | inconclusive | baseline
    status: str
    would_decide: int | None
    #: ids of the cases that were lost
    harmed: tuple[str, ...] = ()
    gained: int = 0
    flaky: tuple[str, ...] = ()
    #: mean share of first, middle and last third of long replies
    by_third: tuple[float, ...] = ()
    signs: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults


def summarise(facts: Facts, checklist: Checklist) -> list[SuiteModeSummary]:
    """Suites in order, the baseline first, then the other modes, the incumbent last."""
    answers, baseline = Answers(facts.answers), checklist.baseline.quality
    modes = [baseline, *(mode for mode in checklist.modes if mode != baseline)]
    if checklist.incumbent is not None and INCUMBENT not in modes:
        modes.append(INCUMBENT)
    rows = []
    for suite in facts.suites:
        margin = checklist.items.quality.margin.of(suite.kind)
        for mode in modes:
            if mode in answers.modes:
                data = table(answers, suite, mode, baseline, alpha_of(checklist))
                rows.append(_row(data, answers, margin))
    return [*rows, *_reported(facts, checklist, modes)]


def _reported(facts: Facts, checklist: Checklist, modes: list[str]) -> Iterator[SuiteModeSummary]:
    """Tasks of other harnesses. Whether their results count is for a finding to say: none passes here."""
    baseline, nothing = checklist.baseline.quality, Answers(())
    known = [one for one in facts.harness.values() if one.mode in modes and one.task]
    for one in sorted(known, key=lambda one: (one.entry, one.task, modes.index(one.mode))):
        base = one if one.mode == baseline else facts.harness.get(f"{one.entry}|{one.task}|{baseline}")
        row = _row(harness_table(one, base, alpha_of(checklist)), nothing, checklist.items.quality.margin.of(one.kind))
        yield row if row.status == "baseline" else row.model_copy(update={"status": "inconclusive"})


def _row(data: Table, answers: Answers, margin: float) -> SuiteModeSummary:
    itself = data.mode == data.baseline
    interval = data.interval()
    known = not itself and bool(data.both)
    replies = answers.first(data.suite.name, data.mode)
    status = "baseline" if itself else _status(data, margin) if known else "inconclusive"
    return SuiteModeSummary(
        suite=data.suite.name,
        kind=data.suite.kind,
        shipped=data.suite.shipped,
        mode=data.mode,
        baseline=None if itself else data.baseline,
        cases=data.planned,
        scored=len(data.scored),
        passed=round(sum(pair.mode or 0.0 for pair in data.scored), 3),
        share=_known(data.share),
        baseline_share=None if itself else _known(data.base_share),
        difference=_known(interval.estimate) if known else None,
        low=interval.low if known else None,
        high=interval.high if known else None,
        margin=margin,
        status=status,
        would_decide=needed(data, margin) if known and status == "inconclusive" else None,
        harmed=() if itself else tuple(pair.case_id for pair in data.harmed),
        gained=0 if itself else len(data.gained),
        flaky=tuple(pair.case_id for pair in data.scored if 0 < (pair.mode or 0) < 1),
        by_third=mean_thirds(replies.values()),
        signs={sign: count for sign in SIGNS if (count := sum(sign in signs(one) for one in replies.values()))},
    )


def _status(data: Table, margin: float) -> str:
    """By the figures alone; the report shows what the finding says, which also heeds floors and the baseline."""
    return {True: "pass", False: "fail", None: "inconclusive"}[data.verdict(margin)]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


class SuitePower(Frozen):
    """Whether a suite can show its margin. `power`: chance for an equally good mode, by share of differing cases."""

    suite: str
    kind: str
    cases: int
    clusters: int
    margin: float
    least: int
    can_decide: bool
    power: dict[str, float]
    text: str


def independent(suite: Suite) -> int:
    """Cases of a suite that count: those of one cluster, or that ask the same, count once."""
    first = {asked_sha256(case.request): case.cluster for case in reversed(suite.cases)}
    return len({cluster or f"\x00{asked}" for asked, cluster in first.items()})


def power(suite: Suite, margin: float, alpha: float = 0.05) -> SuitePower:
    """What `evalkit validate` says of a suite before a GPU is used."""
    clusters = independent(suite)
    least = least_cases(margin, alpha)
    chances = {
        f"{share:g}": round(power_noninferiority(clusters, share, margin, alpha), 3) for share in (0.02, 0.05, 0.1)
    }
    can = clusters >= least
    text = f"{suite.name}: {clusters} independent cases, margin {100 * margin:g} points: "
    if can:
        text += f"can be shown; chance {chances['0.02']:.0%} if 2% of the cases differ, {chances['0.05']:.0%} if 5% do"
    else:
        text += f"cannot be shown, even without a single loss: at least {least} cases are needed"
    return SuitePower(
        suite=suite.name, kind=suite.kind, cases=len(suite.cases), clusters=clusters, margin=margin, least=least,
        can_decide=can, power=chances, text=text,
    )  # fmt: skip


def needed(data: Table, margin: float) -> int:
    """About how many cases would likely decide, if modes differ as they did here and the loss is half of what was seen.

    Chance 90% by the rule that decides (beyond `MOST_CASES` by its normal approximation); at least what is possible.
    """
    estimate = data.interval().estimate
    loss = min(max(0.0, -estimate / 2), margin / 2) if math.isfinite(estimate) else 0.0
    return n_noninferiority(min(1.0, data.discordant), margin - loss, data.alpha, 0.9, most=MOST_CASES)


SIGNS = (
    "loops", "doubled words", "special tokens", "cut off", "malformed calls", "unclosed", "reasoning not closed",
    "the prompt again",
)  # fmt: skip
#: signs that stop an adoption in long and tools suites; an open bracket may be in good prose, and is only counted
BLOCKING = frozenset(SIGNS) - {"unclosed"}
#: signs that stop an adoption in every kind of suite
ALWAYS = frozenset({"loops", "special tokens", "malformed calls", "reasoning not closed", "the prompt again"})
_NONE: frozenset[str] = frozenset()
Thirds = Sequence[float]


def signs(one: Answer) -> frozenset[str]:
    """What is broken about one reply."""
    seen = one.signals
    if seen is None:
        return frozenset()
    flags = (  # in the order of `SIGNS`
        seen.tail_loop > TAIL_LOOP_LIMIT, seen.adjacent > ADJACENT_LIMIT, bool(seen.special_tokens), seen.truncated,
        seen.malformed_call, bool(seen.unclosed), seen.open_reasoning, seen.echo,
    )  # fmt: skip
    return frozenset(compress(SIGNS, flags)) if True in flags else _NONE


def thirds_of(one: Answer) -> Thirds | None:
    """Share of right parts in the first, middle and last third of a reply; None where no grader measured places."""
    for grade in one.grades:
        found = grade.detail.get("by_third")
        if isinstance(found, list) and len(found) == 3:
            return found
    return None


def mean_thirds(replies: Iterable[Answer]) -> tuple[float, ...]:
    """Mean share of each third over the replies that measured it; empty without one."""
    return mean_of([found for one in replies if (found := thirds_of(one)) is not None])


def mean_of(rows: Sequence[Thirds]) -> tuple[float, ...]:
    return tuple(round(sum(column) / len(rows), 4) for column in zip(*rows, strict=True)) if rows else ()

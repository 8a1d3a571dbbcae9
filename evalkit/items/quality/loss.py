"""Findings on passed and failed cases: completeness, floors, loss to the baseline, critical cases, the incumbent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from evalkit.analysis.pairs import Pair, Table, failing
from evalkit.analysis.suites import needed
from evalkit.checklist.schema import QualityItem
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks, words
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import Answer
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import least_cases
from evalkit.text import cut

SEEN = KnownBy.OBSERVED
MAX_LISTED = 200
_MAX_FLAKY = 50
#: a margin of so much of what the baseline passes asks for next to no answer, where there is no floor
_NEARLY_ALL = 0.9


def on_suite(data: Table) -> dict[str, Any]:
    """The fields that every finding on one suite has."""
    return {
        "suite": data.suite.name, "kind": data.suite.kind, "shipped": data.suite.shipped,
        "cases": data.planned, "scored": len(data.scored), "pairs": len(data.both),
    }  # fmt: skip


def scored(data: Table, item: QualityItem) -> Finding:
    """Whether nearly all cases were scored."""
    unscored = [pair.mode_answer for pair in data.pairs if pair.mode is None]
    errors = Counter(_why_unscored(one) for one in unscored if one is not None)
    never = data.planned - len(data.pairs) + sum(one is None for one in unscored)
    outcome: Literal["complete", "open", "failed"] = "complete"
    if data.scored_share < item.completeness:
        outcome = "failed" if data.planned - len(data.scored) - never > never else "open"
    values = words.Scored(
        **on_suite(data), outcome=outcome, scored_share=data.scored_share, need=item.completeness,
        unscored=dict(errors), never_asked=never,
    )  # fmt: skip
    return checks.SCORED.found(values, mode=data.mode, known_by=SEEN)


def _why_unscored(one: Answer) -> str:
    error = one.exchange.error
    if error is not None:
        return f"{error.kind}: {cut(error.message, 120)}"
    return next((f"{g.grader}: {cut(g.reason, 120)}" for g in one.grades if g.passed is None and g.counts), "unscored")


def floor(data: Table, item: QualityItem) -> Finding:
    """Three-way on the share of passed cases."""
    limit = item.floor.of(data.suite.kind)
    values = words.Floor(**on_suite(data), outcome="unscored", floor=limit, confidence=1 - 2 * data.alpha)
    if not data.scored:
        return checks.FLOOR.found(values, mode=data.mode, known_by=SEEN)
    share, interval = data.passing()
    below, met = interval.high < limit, interval.low >= limit
    more: dict[str, Any] = {
        "outcome": "below" if below else "met" if met else "undecided",
        "share": _known(share), "low": interval.low, "high": interval.high,
        "cases_that_would_decide": None if below or met else _cases_for_floor(share, limit, data.alpha),
    }  # fmt: skip
    if data.suite.repeats > 1:
        flaky = [pair.case_id for pair in data.scored if 0 < (pair.mode or 0) < 1]
        more |= {
            "repeats": data.suite.repeats, "pass_every_repeat": sum(pair.mode == 1 for pair in data.scored),
            "flaky": tuple(flaky[:_MAX_FLAKY]), "flaky_cases": len(flaky),
        }  # fmt: skip
    return checks.FLOOR.found(values.model_copy(update=more), mode=data.mode, known_by=SEEN)


def _cases_for_floor(share: float, limit: float, alpha: float) -> int | None:
    """Cases that would likely decide a floor at this share; None: too near to say."""
    gap = abs(share - limit)
    spread = max(share * (1 - share), limit * (1 - limit))
    z = normal_quantile(1 - alpha) + normal_quantile(0.8)
    return math.ceil(z * z * spread / (gap * gap)) if gap > 0.005 else None


def baseline_valid(data: Table, item: QualityItem, *, block_loop: bool) -> Finding:
    """Whether a loss against this baseline means anything."""
    limit = item.floor.of(data.suite.kind)
    outcome: Literal["valid", "block-loop", "unscored", "passes-nothing", "below-floor"] = "valid"
    if block_loop:
        outcome = "block-loop"
    elif not math.isfinite(data.base_share):
        outcome = "unscored"
    elif not data.base_share:
        outcome = "passes-nothing"
    elif data.base_share < limit:
        outcome = "below-floor"
    values = words.BaselineValid(
        **on_suite(data), outcome=outcome, baseline=data.baseline, baseline_share=_known(data.base_share), floor=limit
    )
    return checks.BASELINE_VALID.found(values, mode=data.mode, known_by=SEEN)


def non_inferiority(data: Table, margin: float, *, floor: float, carried_by: str | None) -> Finding:
    """Three-way. `carried_by`: a shipped suite that has shown the margin in this mode, for a suite too small to."""
    interval, least = data.interval(), least_cases(margin, data.alpha)
    n11, n10, n01, n00 = data.counts()
    outcome = _compared(data, margin, floor, carried_by, interval)
    status = checks.NON_INFERIORITY.outcomes[outcome]
    values = words.NonInferiority(
        **on_suite(data), outcome=outcome, baseline=data.baseline, margin=margin, alpha=data.alpha,
        difference=_known(interval.estimate), low=_known(interval.low), high=_known(interval.high),
        method=interval.method, both_pass=n11, only_mode=n10, only_baseline=n01, neither=n00,
        share=_known(data.share), baseline_share=_known(data.base_share), least_cases=least, independent=data.clusters,
        too_small=data.clusters < least, loses_at_most=_known(max(0.0, -interval.low)), at_most=_at_most(interval),
        only_losses=bool(data.harmed and not data.gained), one_sided=len(data.one_sided), carried_by=carried_by,
        cases_that_would_decide=needed(data, margin) if status is Status.INCONCLUSIVE and data.both else None,
    )  # fmt: skip
    return checks.NON_INFERIORITY.found(values, mode=data.mode, known_by=SEEN)


def _at_most(interval: Interval) -> float:
    """The loss that an undecided comparison has excluded all the same, rounded up to a tenth of a point."""
    return math.ceil(round(-1000 * interval.low, 6)) / 1000


_Compared = Literal[
    "shown", "lost", "carried", "too-small", "too-small-shipped", "too-small-and-losing", "no-pairs", "one-sided",
    "worse", "open", "asks-nothing",
]  # fmt: skip


def _compared(data: Table, margin: float, floor: float, carried_by: str | None, interval: Interval) -> _Compared:
    if not data.both:
        return "no-pairs"
    if interval.high <= -margin:
        return "lost"
    if not floor and margin >= _NEARLY_ALL * data.base_share > 0:
        return "asks-nothing"
    if data.clusters < least_cases(margin, data.alpha):
        return _too_small(data, margin, carried_by, interval)
    if data.shows(margin):
        return "shown" if data.pessimistic().shows(margin) else "one-sided"
    return "worse" if interval.high < 0 else "open"


def _too_small(data: Table, margin: float, carried_by: str | None, interval: Interval) -> _Compared:
    """A suite that could not pass its margin even without a loss: floor, severity and its mean loss decide."""
    if data.suite.shipped:
        return "too-small-shipped"
    if interval.estimate <= -margin:
        return "too-small-and-losing"
    return "too-small" if carried_by is None else "carried"


def harm(data: Table) -> Finding:
    """Every case the baseline passed and the mode failed, side by side."""
    values = words.Harm(
        **on_suite(data), outcome="lost" if data.harmed else "none", baseline=data.baseline,
        cases_harmed=tuple(side_by_side(pair) for pair in data.harmed[:MAX_LISTED]), harmed=len(data.harmed),
        gained=len(data.gained),
    )  # fmt: skip
    return checks.HARM.found(values, mode=data.mode, known_by=SEEN)


def side_by_side(pair: Pair) -> dict[str, object]:
    """One lost case for the report: both replies, shortened, and what the graders said."""
    mode, base = pair.mode_answer, pair.base_answer
    return {
        "case": pair.case_id,
        "severity": pair.severity,
        "prompt": mode.prompt_preview if mode else "",
        "mode_reply": _preview(mode),
        "baseline_reply": _preview(base),
        "why": cut("; ".join(f"{g.grader}: {g.reason}" for g in failing(mode, base)), 400) if mode else "",
    }


def _preview(one: Answer | None) -> str:
    if one is None:
        return ""
    calls = " ".join(f"{call.name}({call.arguments})" for call in one.exchange.tool_calls)
    return cut(one.exchange.text or calls, 600)


def critical(tables: Sequence[Table], mode: str, *, against_itself: bool) -> Finding | None:
    """No case marked critical may be lost. None when no suite marks one."""
    marked = [(data, pair) for data in tables for pair in data.pairs if pair.severity == "critical"]
    count = sum(len(data.suite.critical) for data in tables)
    if not count and not marked:
        return None
    known = {(d.suite.name, p.case_id) for d, p in marked if p.mode is not None}
    failed = [(d, p) for d, p in marked if p.mode is not None and p.mode < 1]
    unpaired = [] if against_itself else [f"{d.suite.name}/{p.case_id}" for d, p in failed if p.base is None]
    values = words.Critical(
        outcome="all-pass", critical=count,
        lost=tuple(f"{d.suite.name}/{p.case_id}" for d, p in marked if p.harmed),
        open=(*(f"{d.suite.name}/{case}" for d in tables for case in d.suite.critical
                if (d.suite.name, case) not in known), *unpaired),
        failing=tuple(f"{d.suite.name}/{p.case_id}" for d, p in failed if not p.harmed),
    )  # fmt: skip
    if values.lost:
        outcome = "lost"
    elif values.open:
        outcome = "not-compared"
    else:
        outcome = "baseline-fails-too" if values.failing else "all-pass"
    return checks.CRITICAL.found(values.model_copy(update={"outcome": outcome}), mode=mode, known_by=SEEN)


def incumbent(data: Table, margin: float, item: QualityItem, *, required: bool) -> Finding:
    """Better, worse, or not decided, against the model that is used today."""
    interval = data.interval()
    values = words.Incumbent(
        **on_suite(data), outcome="no-pairs", margin=margin, required=required, difference=_known(interval.estimate),
        low=_known(interval.low), high=_known(interval.high), loses_at_most=_known(max(0.0, -interval.low)),
        at_most=_at_most(interval), floor=item.floor.of(data.suite.kind),
    )  # fmt: skip
    update = _beside_incumbent(data, margin, item, required=required)
    return checks.INCUMBENT.found(values.model_copy(update=update), mode=data.mode, known_by=SEEN, counts=required)


def _beside_incumbent(data: Table, margin: float, item: QualityItem, *, required: bool) -> dict[str, object]:
    """The outcome; where one of the two is too weak for a comparison, which, and what it passes."""
    if not data.both:
        return {"outcome": "no-pairs"}
    if len(data.both) < item.completeness * data.planned:
        return {"outcome": "too-few-pairs"}
    sides = ((INCUMBENT, data.base_share), (data.mode, data.share))
    for name, share in sides:
        if not share:
            return {"outcome": "passes-nothing", "weak": name, "weak_share": share}
    interval = data.interval()
    if interval.low > 0:
        return {"outcome": "better"}
    if interval.high <= -margin:
        return {"outcome": "worse" if required else "worse-for-information"}
    for name, share in sides:  # losing nothing to a model that fails the suite proves nothing
        if share < item.floor.of(data.suite.kind):
            return {"outcome": "below-floor", "weak": name, "weak_share": share}
    worse = interval.high < 0
    if data.shows(margin):
        return {"outcome": "within-margin" if worse else "no-worse"}
    return {"outcome": "undecided-worse" if worse else "undecided"}


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None

"""Findings on passed and failed cases: completeness, floors, loss to the baseline, critical cases, the incumbent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from evalkit.analysis.pairs import Pair, Table, failing, needed
from evalkit.checklist.schema import QualityItem
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.quality.facts import Answer
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import least_cases
from evalkit.text import cut

SEEN = KnownBy.OBSERVED
MAX_LISTED = 200


def points(share: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * share:+.1f}" if math.isfinite(share) else "unknown"


def percent(share: float) -> str:
    return f"{100 * share:.1f}%" if math.isfinite(share) else "unknown"


def base_data(data: Table) -> dict[str, object]:
    """What every finding on one suite carries for JSON."""
    return {
        "suite": data.suite.name, "kind": data.suite.kind, "shipped": data.suite.shipped,
        "cases": data.planned, "scored": len(data.scored), "pairs": len(data.both),
    }  # fmt: skip


def scored(data: Table, item: QualityItem) -> Finding:
    need = item.completeness
    missing = data.planned - len(data.scored)
    errors = Counter(_why_unscored(pair.mode_answer) for pair in data.pairs if pair.mode is None)
    unseen = data.planned - len(data.pairs)
    if unseen:
        errors["never asked"] += unseen
    reasons = ", ".join(f"{count} × {why}" for why, count in errors.most_common(3))
    summary = f"{data.suite.name}: {len(data.scored)} of {data.planned} cases scored ({percent(data.scored_share)})"
    info = {**base_data(data), "scored_share": round(data.scored_share, 4), "unscored": dict(errors)}
    if data.scored_share >= need:
        return checks.SCORED.finding(
            Status.PASS, f"{summary}.", mode=data.mode, threshold=percent(need), known_by=SEEN, data=info
        )
    failed = missing - errors["never asked"]
    status = Status.ERROR if failed > errors["never asked"] else Status.INCONCLUSIVE
    return checks.SCORED.finding(
        status, f"{summary}, under the {percent(need)} that a decision needs:"
        f" {reasons or 'some repeats have no grade'}.",
        mode=data.mode, observed=percent(data.scored_share), threshold=percent(need), known_by=SEEN, data=info,
    )  # fmt: skip


def _why_unscored(one: Answer | None) -> str:
    if one is None:
        return "never asked"
    error = one.exchange.error
    if error is not None:
        return f"{error.kind}: {cut(error.message, 120)}"
    return next((f"{g.grader}: {cut(g.reason, 120)}" for g in one.grades if g.passed is None and g.counts), "unscored")


def floor(data: Table, item: QualityItem) -> Finding:
    limit = item.floor.of(data.suite.kind)
    n = len(data.scored)
    info = {**base_data(data), "share": _round(data.share), "floor": limit}
    common: dict[str, Any] = {
        "mode": data.mode,
        "threshold": f"at least {percent(limit)}",
        "known_by": SEEN,
        "data": info,
    }
    if not n:
        return checks.FLOOR.finding(Status.INCONCLUSIVE, f"{data.suite.name}: no case was scored.", **common)
    share, interval = data.passing()
    info |= {"low": round(interval.low, 4), "high": round(interval.high, 4)}
    summary = f"{data.suite.name}: {percent(share)} of {n} cases pass"
    if data.suite.repeats > 1:
        flaky = [pair.case_id for pair in data.scored if 0 < (pair.mode or 0) < 1]
        every = sum(pair.mode == 1 for pair in data.scored)
        summary += f" on average, {every} each of {data.suite.repeats} times, {len(flaky)} now and then"
        info |= {"pass_every_repeat": every, "flaky": flaky[:50]}
    common["observed"] = percent(share)
    summary += f" ({_level(data.alpha)} interval {percent(interval.low)} to {percent(interval.high)})"
    if interval.high < limit:
        return checks.FLOOR.finding(Status.FAIL, f"{summary}, below the floor of {percent(limit)}.", **common)
    if interval.low >= limit:
        return checks.FLOOR.finding(Status.PASS, f"{summary}; the floor is {percent(limit)}.", **common)
    more = _cases_for_floor(share, limit, data.alpha)
    info["cases_that_would_decide"] = more
    common["remedy"] = f"answer about {more} cases of this kind" if more else "the share lies at the floor: change it"
    text = f"{summary}: at least {percent(interval.low)} pass, and the floor of {percent(limit)} is not decided."
    return checks.FLOOR.finding(Status.INCONCLUSIVE, text, **common)


def _level(alpha: float) -> str:
    return f"{100 * (1 - 2 * alpha):.3g}%"


def _cases_for_floor(share: float, limit: float, alpha: float) -> int | None:
    """Cases that would likely decide a floor at this share; None: too near to say."""
    gap = abs(share - limit)
    spread = max(share * (1 - share), limit * (1 - limit))
    z = normal_quantile(1 - alpha) + normal_quantile(0.8)
    return math.ceil(z * z * spread / (gap * gap)) if gap > 0.005 else None


def baseline_problem(data: Table, item: QualityItem, block_loop: bool) -> Finding | None:
    """The finding that the baseline is not valid on this suite; None when it is (no reply: other findings say so)."""
    limit = item.floor.of(data.suite.kind)
    if block_loop:
        summary = f"{data.suite.name}: {data.baseline} declares AR and runs the block loop: its text is no AR text."
    elif not math.isfinite(data.base_share):
        summary = f"{data.suite.name}: {data.baseline} has no scored reply, so there is nothing to compare with."
    elif not data.base_share:
        summary = f"{data.suite.name}: NOT COMPARED: {data.baseline} passes no case, so that nothing can be lost to it."
    elif data.base_share < limit:
        summary = (
            f"{data.suite.name}: the baseline is not valid here: {data.baseline} passes {percent(data.base_share)}, "
            f"below the floor of {percent(limit)}; no loss against that is no evidence."
        )
    else:
        return None
    return checks.BASELINE_VALID.finding(
        Status.INCONCLUSIVE, summary, mode=data.mode, observed=percent(data.base_share), threshold=percent(limit),
        known_by=SEEN, data={**base_data(data), "baseline_share": _round(data.base_share)},
    )  # fmt: skip


def baseline_valid(data: Table) -> Finding:
    return checks.BASELINE_VALID.finding(
        Status.PASS, f"{data.suite.name}: {data.baseline} passes {percent(data.base_share)}.", mode=data.mode,
        known_by=SEEN, data={**base_data(data), "baseline_share": _round(data.base_share)},
    )  # fmt: skip


def non_inferiority(data: Table, margin: float, *, carried_by: str | None) -> Finding:
    """Three-way. `carried_by`: a shipped suite that has shown the margin in this mode, for a suite too small to."""
    interval, n = data.interval(), len(data.both)
    least = least_cases(margin, data.alpha)
    n11, n10, n01, n00 = data.counts()
    info: dict[str, object] = {
        **base_data(data), "margin": margin, "difference": _round(interval.estimate), "low": _round(interval.low),
        "high": _round(interval.high), "method": interval.method, "both_pass": n11, "only_mode": n10,
        "only_baseline": n01, "neither": n00, "share": _round(data.share), "baseline_share": _round(data.base_share),
        "least_cases": least, "independent": data.clusters, "too_small": data.clusters < least,
        "loses_at_most": _round(max(0.0, -interval.low)), "alpha": _round(data.alpha),
    }  # fmt: skip
    low, high = points(interval.low), points(interval.high)
    cases = f"{n} cases" + (f", {data.clusters} independent" if data.clusters < n else "")
    figures = (
        f"{points(interval.estimate)} points on {cases} ({_level(data.alpha)} interval {low} to {high},"
        f" margin {100 * margin:g})"
    )
    status, text, remedy = _decided(data, margin, carried_by, interval)
    info["cases_that_would_decide"] = needed(data, margin) if status is Status.INCONCLUSIVE and n else None
    return checks.NON_INFERIORITY.finding(
        status, f"{data.suite.name}: {figures}: {text}.", mode=data.mode, observed=points(interval.estimate),
        threshold=f"loss under {100 * margin:g} points", known_by=SEEN, remedy=remedy, data=info,
    )  # fmt: skip


def _at_most(interval: Interval) -> str:
    """The bound that an undecided comparison has shown all the same."""
    return f"loses at most {math.ceil(round(-1000 * interval.low, 6)) / 10:g} points"


def _decided(data: Table, margin: float, carried_by: str | None, interval: Interval) -> tuple[Status, str, str | None]:
    if not data.both:
        return (
            Status.INCONCLUSIVE,
            "no case was scored in both modes",
            "resume the run so that both modes answer the suite",
        )
    if interval.high <= -margin:
        return Status.FAIL, f"the loss against {data.baseline} is at least the margin", None
    if data.clusters < least_cases(margin, data.alpha):
        return _too_small(data, margin, carried_by, interval)
    if data.shows(margin):
        if data.pessimistic().shows(margin):
            only = "; every case that differs is a loss" if data.harmed and not data.gained else ""
            return Status.PASS, f"no more than the margin is lost against {data.baseline}{only}", None
        hint = "resume the run so that the open cases are answered in both modes"
        text = (
            f"{_at_most(interval)} only if the {len(data.one_sided)} cases that one of the two left unscored are left"
            " out"
        )
        return Status.INCONCLUSIVE, text, hint
    more = (
        f"answer about {needed(data, margin)} cases of this kind, which would likely decide; or accept a larger margin"
    )
    more += " before the run"
    if interval.high < 0:
        text = f"worse than the baseline, and not shown to stay within the margin: {_at_most(interval)}"
        return Status.INCONCLUSIVE, text, more
    return Status.INCONCLUSIVE, f"not decided: {_at_most(interval)}", more


def _too_small(
    data: Table, margin: float, carried_by: str | None, interval: Interval
) -> tuple[Status, str, str | None]:
    """A suite that could not pass its margin even without a loss: floor, severity and its mean loss decide."""
    least = least_cases(margin, data.alpha)
    small = f"{data.clusters} cases are too few for {100 * margin:g} points (at least {least}); {_at_most(interval)}"
    hint = f"add {least - data.clusters} or more cases, or a shipped suite of the same kind that carries the margin"
    if data.suite.shipped:
        return Status.INCONCLUSIVE, small, f"run the full shipped suite: at least {least} cases are needed"
    if interval.estimate <= -margin:
        text = f"{small}; the mean loss is the margin or more, and no other suite makes up for it"
        return Status.INCONCLUSIVE, text, f"look at the lost cases, and add {least - data.clusters} or more"
    if carried_by is None:
        return Status.INCONCLUSIVE, f"{small}; no shipped suite carries the margin", hint
    text = f"{small}; {carried_by!r} carries the margin, this suite decides by floor, critical cases and mean loss"
    return Status.WARN, text, hint


def harm(data: Table) -> Finding:
    """Every case the baseline passed and the mode failed, side by side."""
    lost = data.harmed
    gained = data.gained
    info = {
        **base_data(data),
        "cases_harmed": [side_by_side(pair) for pair in lost[:MAX_LISTED]],
        "harmed": len(lost),
        "gained": len(gained),
    }
    if not lost:
        return checks.HARM.finding(
            Status.PASS, f"{data.suite.name}: no case that {data.baseline} passed was lost ({len(gained)} gained).",
            mode=data.mode, known_by=SEEN, data=info,
        )  # fmt: skip
    ids = ", ".join(pair.case_id for pair in lost[:5]) + (" …" if len(lost) > 5 else "")
    return checks.HARM.finding(
        Status.WARN, f"{data.suite.name}: {len(lost)} cases that {data.baseline} passed were lost"
        f" ({len(gained)} gained): {ids}.",
        mode=data.mode, observed=str(len(lost)), known_by=SEEN, data=info,
    )  # fmt: skip


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
    lost = [f"{d.suite.name}/{p.case_id}" for d, p in marked if p.harmed]
    known = {(d.suite.name, p.case_id) for d, p in marked if p.mode is not None}
    open_ids = [
        f"{d.suite.name}/{case}" for d in tables for case in d.suite.critical if (d.suite.name, case) not in known
    ]
    failing = [f"{d.suite.name}/{p.case_id}" for d, p in marked if p.mode is not None and p.mode < 1 and not p.harmed]
    unpaired = [
        f"{d.suite.name}/{p.case_id}" for d, p in marked if p.mode is not None and p.mode < 1 and p.base is None
    ]
    uncompared = [*open_ids, *([] if against_itself else unpaired)]
    info: dict[str, object] = {"lost": lost, "open": uncompared, "failing": failing, "critical": count}
    make = checks.CRITICAL.finding
    if lost:
        return make(
            Status.FAIL,
            f"{len(lost)} of {count} critical cases are lost: {', '.join(lost[:5])}.",
            mode=mode,
            known_by=SEEN,
            data=info,
        )
    if uncompared:
        text = f"{len(uncompared)} of {count} critical cases could not be compared: {', '.join(uncompared[:5])}."
        remedy = "resume the run: only open cases are sent"
        return make(Status.INCONCLUSIVE, text, mode=mode, known_by=SEEN, remedy=remedy, data=info)
    if failing:
        text = f"no critical case is lost, but {len(failing)} fail in the baseline too: {', '.join(failing[:5])}."
        return make(Status.WARN, text, mode=mode, known_by=SEEN, data=info)
    return make(Status.PASS, f"all {count} critical cases pass.", mode=mode, known_by=SEEN, data=info)


def incumbent(data: Table, margin: float, item: QualityItem, *, required: bool) -> Finding:
    """Better, worse, or not decided, against the model that is used today."""
    interval = data.interval()
    info = {
        **base_data(data),
        "difference": _round(interval.estimate),
        "low": _round(interval.low),
        "high": _round(interval.high),
        "loses_at_most": _round(max(0.0, -interval.low)),
    }
    figures = (
        f"{data.suite.name}: {points(interval.estimate)} points against the incumbent"
        f" ({points(interval.low)} to {points(interval.high)}, {len(data.both)} cases)"
    )
    status, word = _beside_incumbent(data, margin, item, required=required)
    if not data.both:
        figures = data.suite.name
    info["word"] = word
    return checks.INCUMBENT.finding(
        status, f"{figures}: {word}.", mode=data.mode, observed=points(interval.estimate),
        threshold=f"loss under {100 * margin:g} points" if required else None, known_by=SEEN, counts=required,
        data=info,
    )  # fmt: skip


def _beside_incumbent(data: Table, margin: float, item: QualityItem, *, required: bool) -> tuple[Status, str]:
    interval, why = data.interval(), _not_compared(data, item)
    if why:
        return Status.INCONCLUSIVE, f"NOT COMPARED: {why}"
    if interval.low > 0:
        return Status.PASS, "better"
    if interval.high <= -margin:
        return (Status.FAIL if required else Status.WARN), "worse by the margin or more"
    weak = _below_floor(data, item)
    if weak:
        return Status.INCONCLUSIVE, f"NOT COMPARED: {weak}"
    if data.shows(margin):
        return Status.PASS, "worse, within the margin" if interval.high < 0 else "no more than the margin is lost"
    return Status.INCONCLUSIVE, f"{'worse' if interval.high < 0 else 'not decided'}, {_at_most(interval)}"


def _not_compared(data: Table, item: QualityItem) -> str | None:
    """Why nothing can be said of the two: too few cases, or one of them passes none at all."""
    if not data.both:
        return "no case was scored in both"
    if len(data.both) < item.completeness * data.planned:
        return f"only {len(data.both)} of {data.planned} cases were scored in both"
    for name, share in (("the incumbent", data.base_share), (data.mode, data.share)):
        if not share:
            return f"{name} passes no case of {len(data.both)}"
    return None


def _below_floor(data: Table, item: QualityItem) -> str | None:
    """No loss against, or of, a model that fails the suite is no evidence."""
    limit = item.floor.of(data.suite.kind)
    for name, share in (("the incumbent", data.base_share), (data.mode, data.share)):
        if share < limit:
            return f"{name} passes {percent(share)}, below the floor of {percent(limit)}"
    return None


def _round(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None

"""Where along a long reply a mode goes wrong: the last third beside the first, and beside the baseline's."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from evalkit.analysis.pairs import Answers, Table
from evalkit.analysis.signs import mean_thirds, thirds_of
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.items.quality.loss import base_data, percent, points
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import guarded_mean


def by_position(answers: Answers, data: Table, margin: float) -> Finding | None:
    """The paired loss in the last third, and whether it grows along the reply. None where no case measures places."""
    mine, base = answers.first(data.suite.name, data.mode), answers.first(data.suite.name, data.baseline)
    pairs = [
        (case, found, before)
        for case, one in mine.items()
        if case in base and (found := thirds_of(one)) is not None and (before := thirds_of(base[case])) is not None
    ]
    if not pairs:
        return None
    clusters = {pair.case_id: pair.cluster for pair in data.pairs}
    last = _interval([(clusters[case], a[2] - b[2]) for case, a, b in pairs], data.alpha)
    growth = _interval([(clusters[case], (a[2] - a[0]) - (b[2] - b[0])) for case, a, b in pairs], data.alpha)
    thirds, before = mean_thirds(mine[c] for c, _, _ in pairs), mean_thirds(base[c] for c, _, _ in pairs)
    info: dict[str, object] = {
        **base_data(data), "replies": len(pairs), "by_third": list(thirds), "baseline_by_third": list(before),
        "last_third": round(last.estimate, 4), "low": round(last.low, 4), "high": round(last.high, 4),
        "growth_low": round(growth.low, 4), "growth_high": round(growth.high, 4),
    }  # fmt: skip
    shown = ", ".join(percent(share) for share in thirds)
    text = (
        f"{data.suite.name}: {shown} right in the first, middle and last third of {len(pairs)} replies"
        f" (baseline {', '.join(percent(share) for share in before)})"
    )
    common: dict[str, Any] = {
        "mode": data.mode, "observed": points(last.estimate), "known_by": KnownBy.OBSERVED, "data": info,
        "threshold": f"loss in the last third under {100 * margin:g} points",
    }  # fmt: skip
    make = checks.BY_POSITION.finding
    if last.high <= -margin:
        return make(Status.FAIL, f"{text}: the end loses the margin of {100 * margin:g} points or more.", **common)
    if growth.high < 0:
        return make(Status.WARN, f"{text}: the loss grows along the reply.", **common)
    return make(Status.PASS, f"{text}.", **common)


def _interval(differences: list[tuple[str, float]], alpha: float) -> Interval:
    groups: dict[str, list[float]] = {}
    for cluster, value in differences:
        groups.setdefault(cluster, []).append(value)
    return guarded_mean([fmean(group) for group in groups.values()], alpha)

"""Findings on where quality breaks: from which size of a task on, and whether it falls when the batch is full."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean
from typing import Literal

from evalkit.analysis.ladder import axis_of, knee, rungs
from evalkit.analysis.pairs import Answers, Table, alpha_of, crowded
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding
from evalkit.items.quality import checks
from evalkit.items.quality import probe_words as words
from evalkit.items.quality.loss import SEEN
from evalkit.stats.proportions import least_cases

_LISTED = 20


def ladder(answers: Answers, data: Table) -> Finding | None:
    """The knee of one suite in one mode, for information; None where its cases have no sizes."""
    mine = list(answers.first(data.suite.name, data.mode).values())
    axis = axis_of(mine)
    points = rungs(mine, axis) if axis else ()
    if axis is None or len(points) < 2:
        return None
    base = rungs(answers.first(data.suite.name, data.baseline).values(), axis)
    found, before = knee(points), knee(base) if len(base) > 1 else None
    itself = data.mode == data.baseline
    earlier = not itself and found is not None and (before is None or found.falls < before.falls)
    values = words.Ladder(
        outcome="falls-earlier" if earlier else "holds", suite=data.suite.name, axis=axis,
        baseline=None if itself else data.baseline, rungs=points, baseline_rungs=base, knee=found, baseline_knee=before,
    )  # fmt: skip
    return checks.LADDER.found(values, mode=data.mode, known_by=SEEN, counts=False)


def under_load(checklist: Checklist, facts: Facts, answers: Answers, mode: str) -> Finding | None:
    """One mode against itself: the cases of all suites that were asked again one at a time. None: none were to be.

    It explains and does not count: what a mode is worth is decided on the replies under load, whatever it can do alone.
    """
    item, load = checklist.items.quality, checklist.items.streams
    if not item.alone:
        return None
    limit, alpha = item.margin.default, alpha_of(checklist)
    values = words.UnderLoad(outcome="one-at-a-time", concurrency=load, margin=limit)
    data = crowded(answers, Answers(facts.alone), facts.suites, mode, alpha) if load > 1 else None
    if data is not None:
        values = _under_load(data, values)
    return checks.UNDER_LOAD.found(values, mode=mode, known_by=SEEN if values.pairs else None, counts=False)


def _under_load(data: Table, values: words.UnderLoad) -> words.UnderLoad:
    interval, both = data.interval(), data.both
    low, high, estimate = interval.low, interval.high, interval.estimate
    lost = [f"{one.mode_answer.suite}/{one.case_id}" for one in data.harmed if one.mode_answer is not None]
    least = least_cases(values.margin, data.alpha)
    update: dict[str, object] = {
        "outcome": _decided(data, values.margin, least), "pairs": len(both), "independent": data.clusters,
        "least_cases": least, "share": _share(pair.mode for pair in both),
        "share_alone": _share(pair.base for pair in both), "lost": len(lost), "gained": len(data.gained),
        "one_sided": len(data.one_sided), "cases_lost": tuple(lost[:_LISTED]),
    }  # fmt: skip
    figures = {"difference": estimate, "low": low, "high": high} if math.isfinite(estimate) else {}
    return values.model_copy(update={**update, **figures})


def _decided(
    data: Table, margin: float, least: int
) -> Literal["as-good", "falls", "falls-some", "open", "too-few", "no-pairs"]:
    if not data.both:
        return "no-pairs"
    interval, shown = data.interval(), data.verdict(margin)
    if shown is False:
        return "falls"
    if shown:
        return "as-good"
    if interval.high < 0:
        return "falls-some"
    return "too-few" if data.clusters < least else "open"


def _share(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None

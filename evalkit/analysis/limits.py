"""What a speed claim does not cover, in figures: kinds of prompts, starts, templates, time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from evalkit.analysis.comparison import UNSEEN, UNSEEN_REPLICATED
from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import claims
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Frozen


class Limits(Frozen):
    """`unseen`: share of the traffic that may be of kinds that were not drawn. `tipping`: spread between starts (sd of
    logs) at which the pass of a mode falls, by mode. `templates`: by file, prompts without a cluster and how many
    templates they look like; `suites`: the same of cases, by suite. `minutes`: from the first to the last timed
    request; None: not known.
    """

    prompts: int
    unseen: float
    start_sd: float
    tipping: Mapping[str, float]
    templates: Mapping[str, tuple[int, int]]
    suites: Mapping[str, tuple[int, int]]
    minutes: float | None


def limits(checklist: Checklist, facts: Facts) -> Limits | None:
    """Of the modes at `decide_at`; None where no mode was compared."""
    readings, level = Readings(facts.timed), checklist.items.modes.level
    decided = claims(checklist, facts, readings)
    found = [one.comparison for one in decided.values() if one.comparison is not None]
    if not found:
        return None
    units = min(one.estimate.clusters for one in found)
    rare = UNSEEN_REPLICATED if all(one.servers == "replicated" for one in found) else UNSEEN
    alike = {
        p.path: (p.unclustered, p.templates)
        for p in facts.prompts
        if p.templates is not None and 2 * p.templates <= p.unclustered
    }
    return Limits(
        prompts=units,
        unseen=min(1.0, rare / units),
        start_sd=checklist.items.modes.start_sd,
        tipping={mode: one.tipping for mode, one in decided.items() if one.tipping is not None},
        templates=alike,
        suites={s.name: (s.unclustered, s.templates) for s in facts.suites if s.templates and s.few_templates},
        minutes=_minutes(readings, checklist, level),
    )


def _minutes(readings: Readings, checklist: Checklist, level: int) -> float | None:
    at = [s.exchange.written_at for mode in checklist.modes for s in readings.all(mode, level) if s.exchange.written_at]
    try:
        first, last = (datetime.fromisoformat(stamp) for stamp in (min(at), max(at)))
        return (last - first).total_seconds() / 60
    except (ValueError, TypeError):  # no date, or one with a time zone and one without
        return None

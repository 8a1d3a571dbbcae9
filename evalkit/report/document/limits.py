"""What the verdict on speed does not cover, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evalkit import fmt
from evalkit.analysis import limits as figures
from evalkit.timing.templates import some

if TYPE_CHECKING:
    from evalkit.checklist.schema import Checklist
    from evalkit.facts import Facts


def limits(checklist: Checklist, facts: Facts) -> list[dict[str, str]]:
    """Id and sentence of each, most important first; empty where nothing was compared."""
    found = figures.limits(checklist, facts)
    if found is None:
        return []
    drawn = f"The figures hold for prompts like the {found.prompts} drawn"
    seen = f"{drawn}; up to {fmt.share(found.unseen)} of the traffic may be of another kind."
    lines = [{"id": "unseen-prompts", "summary": seen}]
    for path, (prompts, templates) in found.templates.items():
        alike = f"{prompts} prompts of {path} look like {some(templates)} and declare no cluster"
        lines.append({"id": "undeclared-templates", "summary": f"{alike}: the interval may be too narrow."})
    for mode, tipping in found.tipping.items():
        more = fmt.share(math.expm1(tipping))
        falls = f"The gain of {mode} falls if two starts of a server differ by more than {more}"
        assumed = f"{falls}; {fmt.share(found.start_sd)} is assumed."
        lines.append({"id": "start-spread", "mode": mode, "summary": assumed})
    if found.minutes is not None:
        within = f"All of it was timed within {_spell(found.minutes)}: other hours may differ."
        lines.append({"id": "time", "summary": within})
    return lines


def _spell(minutes: float) -> str:
    return (
        f"{minutes:.0f} minutes"
        if minutes >= 10
        else f"{minutes:.1f} minutes"
        if minutes >= 2
        else f"{60 * minutes:.0f} s"
    )

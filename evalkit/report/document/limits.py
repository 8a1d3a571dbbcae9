"""What the verdict on speed does not cover, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
    lines = [("unseen-prompts", f"{drawn}; up to {found.unseen:.1%} of the traffic may be of another kind.")]
    for path, (prompts, templates) in found.templates.items():
        alike = f"{prompts} prompts of {path} look like {some(templates)} and declare no cluster"
        lines.append(("undeclared-templates", f"{alike}: the interval may be too narrow."))
    for mode, tipping in found.tipping.items():
        falls = f"The gain of {mode} falls if two starts of a server differ by more than {math.expm1(tipping):.1%}"
        lines.append(("start-spread", f"{falls}; {found.start_sd:.0%} is assumed."))
    if found.minutes is not None:
        lines.append(("time", f"All of it was timed within {_spell(found.minutes)}: other hours may differ."))
    return [{"id": name, "summary": text} for name, text in lines]


def _spell(minutes: float) -> str:
    return (
        f"{minutes:.0f} minutes"
        if minutes >= 10
        else f"{minutes:.1f} minutes"
        if minutes >= 2
        else f"{60 * minutes:.0f} s"
    )

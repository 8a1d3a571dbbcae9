"""What the verdict on speed does not cover, and what a report does not show: sentences, from what was collected."""

from __future__ import annotations

import math

from evalkit import fmt
from evalkit.analysis import limits as figures
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.timing.templates import some
from evalkit.verdict.results import Decision, asks_little


def limits(checklist: Checklist, facts: Facts) -> list[dict[str, str]]:
    """Id and sentence of each, most important first; empty where nothing was compared."""
    little = asks_little(checklist, [suite.kind for suite in facts.suites])
    lines = [{"id": "asks-little", "summary": little}] if little else []
    if facts.suites and not checklist.harnesses and all(suite.shipped for suite in facts.suites):
        summary = (
            "Quality was looked at on tasks that come with evalkit: wrong answers to prompts like yours do not show."
        )
        lines.append({"id": "shipped-tasks", "summary": summary})
    found = figures.limits(checklist, facts)
    if found is None:
        return lines
    drawn = f"The figures hold for prompts like the {found.prompts} drawn"
    seen = f"{drawn}; up to {fmt.share(found.unseen)} of the traffic may be of another kind."
    lines.append({"id": "unseen-prompts", "summary": seen})
    for path, (prompts, templates) in found.templates.items():
        alike = f"{prompts} prompts of {path} look like {some(templates)} and declare no cluster"
        lines.append({"id": "undeclared-templates", "summary": f"{alike}: the interval may be too narrow."})
    for name, (cases, templates) in found.suites.items():
        alike = f"{cases} cases of {name} look like {some(templates)} and declare no cluster"
        lines.append({"id": "undeclared-templates", "summary": f"{alike}: a loss may be larger than shown."})
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


def not_shown(checklist: Checklist, facts: Facts, decision: Decision) -> list[str]:
    """Plain sentences, most important first."""
    lines: list[str] = []
    if facts.start.simulated:
        lines.append(
            "Anything about a real model: the servers were simulated, and every figure comes from a script. "
            "It shows how a report reads, no more."
        )
    if facts.end is None or facts.end.interrupted:
        lines.append("The whole plan: the run was interrupted, and only what was collected until then is here.")
    elif facts.end.stopped_by:
        lines.append(f"The whole plan: the run ended early ({facts.end.stopped_by}).")
    if decision.profile == "first-look":
        lines.append("A GO: this was a first look, which can end in NO-GO or 'worth a full run' only.")
    lines += _unmeasured(checklist, facts)
    lines += [f"The {entry.item} item: it was skipped ({entry.reason})." for entry in facts.skipped]
    lines.append(
        "Other prompts, other hardware, other server versions: figures hold for what the provenance section lists."
    )
    lines.append("Legal advice: license rows report what the texts say, and who read them.")
    return lines


def _unmeasured(checklist: Checklist, facts: Facts) -> list[str]:
    lines = []
    if any(prompts.shipped for prompts in facts.prompts) or not facts.prompts:
        lines.append(
            "Speed on your own traffic: the prompts that come with evalkit were timed."
            if facts.prompts
            else "Speed: no prompt was timed."
        )
    if not facts.answers:
        lines.append("Answer quality: no reply was scored.")
    elif facts.suites and all(suite.shipped for suite in facts.suites):
        lines.append("Quality on your own tasks: the suite that comes with evalkit was scored.")
    if checklist.incumbent is None:
        lines.append("Better or worse than the model you use today: no incumbent was configured.")
    if not facts.context_probes:
        lines.append("How long prompts behave on the live server: the context probe was off.")
    if not facts.stability:
        lines.append("Stability over time: no soak was run.")
    levels = sorted({s.concurrency for s in facts.timed})
    if levels:
        text = ", ".join(str(level) for level in levels)
        lines.append(f"Behaviour under other loads: concurrency {text} was measured.")
    return lines

"""What a report does not show: said in the report itself, from what was and was not collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.checklist.schema import Checklist
    from evalkit.facts import Facts
    from evalkit.verdict.results import Decision


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

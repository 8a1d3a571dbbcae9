"""Serving: did each server read the whole prompt, and both sides of a comparison the same one?"""

from __future__ import annotations

from evalkit.analysis import prompts_read as read
from evalkit.checklist.base import TEMPLATE
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.serving import checks
from evalkit.items.serving.words_prompts import PromptsRead
from evalkit.modes import INCUMBENT


def prompts_read(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """One finding for a mode against its baselines, of runs that timed or scored something.

    A mode that reads less is faster, and a baseline that reads less knows less: both make the mode look better.
    """
    speed, quality = checklist.baseline.speed, checklist.baseline.quality
    live = checklist.items.modes.turns == "live"
    timed = read.timed_counts(facts, label, live=live)
    sides = (
        ("fewer-timed", speed, timed, read.timed_counts(facts, speed, live=live)),
        ("fewer-scored", quality, read.scored_counts(facts, quality), read.scored_counts(facts, label)),
    )
    compared = 0
    for outcome, other, fewer, more in sides:
        found = None if label == other else _part(checklist, label, other, fewer, more)
        compared += found.prompts if found else 0
        if found is not None and found.many:
            values = {"outcome": outcome, "mode": label, "baseline": other, "prompts": found.prompts}
            return _found({**values, "fewer": found.fewer, "tokens": found.mine, "other_tokens": found.theirs})
    loaded = None if label == speed else read.part_under_load(facts, label, speed, same_tokenizer=speed != INCUMBENT)
    if loaded is not None:
        values = {"outcome": "fewer-loaded", "mode": label, "baseline": speed, "prompts": loaded.prompts}
        return _found({**values, "tokens": loaded.mine, "other_tokens": loaded.theirs})
    for name in dict.fromkeys((label, speed)):
        if (short := read.cut(facts, name)) is not None:
            values = {"outcome": "cut", "mode": label, "baseline": name}
            return _found({**values, "characters": short[0], "tokens": short[1]})
    if compared:
        return _found({"outcome": "same", "mode": label, "prompts": compared})
    alone = label == speed == quality or not (facts.timed or facts.answers)
    return [] if alone else _found({"outcome": "not-counted", "mode": label})


def _part(checklist: Checklist, label: str, other: str, fewer: read.Counts, more: read.Counts) -> read.Part | None:
    names = [name for name in (label, other) if name in checklist.modes]
    declared = any(TEMPLATE in checklist.modes[name].differs for name in names)
    return read.part(fewer, more, same_tokenizer=INCUMBENT not in (label, other), same_template=not declared)


def _found(values: dict[str, object]) -> list[Finding]:
    said = PromptsRead.model_validate(values)
    known = None if said.outcome == "not-counted" else KnownBy.OBSERVED
    return [checks.PROMPTS_READ.found(said, mode=said.mode, known_by=known)]

"""Item 6, context: do the model's window and each server's hold what is needed, and is it really read? Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from evalkit.analysis.need import Need, need
from evalkit.analysis.window import model_limits, table, trained_length, usable
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.hub.facts import CandidateFacts, ContextLimits
from evalkit.items.context import checks as check
from evalkit.items.context.live import of_mode
from evalkit.items.context.words import Trained, Variant, Window


def decide(checklist: Checklist, facts: Facts, _now: datetime) -> list[Finding]:
    """Window and trained length of the candidate; everything that a server did or said carries its mode."""
    wanted = need(checklist, facts)
    findings = [_window(facts, wanted), _trained(facts, wanted)]
    for mode in checklist.modes:
        findings += of_mode(checklist, facts, wanted, mode)
    return findings + [_variant(variant, wanted) for variant in facts.variants]


def _variant(variant: CandidateFacts, wanted: Need | None) -> Finding:
    """Window and trained length of another variant; never counted."""
    window = None if variant.error else usable(model_limits(variant.context))
    trained = None if variant.error else trained_length(variant.context)
    values = Variant(
        outcome="not-known", model=variant.model, window=window, why=variant.error, need=wanted,
        trained=trained.tokens if trained else None, source=trained.source if trained else "",
    )  # fmt: skip
    if window is not None:
        values = values.model_copy(update={"outcome": _fits(window, wanted)})
    return check.VARIANTS.found(values, variant=variant.model, counts=False, known_by=KnownBy.DECLARED)


def _fits(window: int, wanted: Need | None) -> Literal["fits", "need-unknown", "need-estimated", "too-short"]:
    if wanted is None:
        return "need-unknown"
    if window >= wanted.tokens:
        return "fits"
    return "need-estimated" if window >= wanted.least else "too-short"


def _window(facts: Facts, wanted: Need | None) -> Finding:
    candidate = facts.candidate
    limits = model_limits(candidate.context if candidate and not candidate.error else None)
    window = usable(limits)
    rows = tuple(table(facts))
    if window is None and wanted is not None:
        return _without_config(facts, wanted, rows)
    outcome = "need-unknown" if window is None else _fits(window, wanted)
    source = min((row for row in limits if row.binding), key=lambda row: row.tokens).source if window else ""
    values = Window(outcome=outcome, need=wanted, window=window, limits=rows, source=source)
    known = {"need-unknown": None, "need-estimated": wanted.known_by if wanted else None}
    return check.WINDOW.found(values, known_by=known.get(outcome, KnownBy.DECLARED))


def _without_config(facts: Facts, wanted: Need, rows: tuple[dict[str, object], ...]) -> Finding:
    """A model without a readable configuration: what a live probe showed is evidence enough."""
    shown = [p.longest_ok or 0 for p in facts.context_probes.values() if p.outcome in ("ok", "no-recall")]
    longest = max(shown, default=0)
    error = facts.candidate.error if facts.candidate else None
    answered = longest >= 0.9 * (wanted.tokens - 48)
    values = Window(
        outcome="answered" if answered else "window-unknown", need=wanted, limits=rows, answered=longest, why=error
    )
    return check.WINDOW.found(values, known_by=KnownBy.OBSERVED if answered else None)


def _trained(facts: Facts, wanted: Need | None) -> Finding:
    limits = facts.candidate.context if facts.candidate else ContextLimits()
    configured = usable([row for row in model_limits(limits) if row.binding])
    trained = trained_length(limits)
    if trained is None:
        return check.TRAINED.found(Trained(outcome="not-published"))
    within = configured is None or configured <= trained.tokens
    values = Trained(
        outcome="within" if within else "stretched", trained=trained.tokens, configured=configured,
        source=trained.source, need=wanted,
    )  # fmt: skip
    return check.TRAINED.found(values, known_by=trained.known_by)

"""Item 6, context: do the model's window and each server's hold what is needed, and is it really read? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis.need import Need, need
from evalkit.analysis.window import Limit, model_limits, table, usable
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts, ContextLimits
from evalkit.items.context import checks as check
from evalkit.items.context.checks import CHECKS
from evalkit.items.context.live import of_mode

__all__ = ["CHECKS", "decide"]


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Window and trained length of the candidate; everything that a server did or said carries its mode."""
    del now
    wanted = need(checklist, facts)
    findings = [_window(facts, wanted), _trained(facts, wanted)]
    for mode in checklist.modes:
        findings += of_mode(checklist, facts, wanted, mode)
    return findings + [_variant(variant, wanted) for variant in facts.variants]


def _variant(variant: CandidateFacts, wanted: Need | None) -> Finding:
    """Window and trained length of another variant; never counted."""
    window = None if variant.error else usable(model_limits(variant.context))
    trained = None if variant.error else _trained_length(variant.context)
    data: dict[str, object] = {"window": window, "trained": trained.tokens if trained else None}

    def say(status: Status, text: str) -> Finding:
        return check.VARIANTS.finding(
            status,
            f"{variant.model}: {text}.",
            variant=variant.model,
            counts=False,
            known_by=KnownBy.DECLARED,
            data=data,
        )

    if window is None:
        return say(Status.INCONCLUSIVE, f"its window is not known ({variant.error or 'no configuration was read'})")
    at = f", trained at {trained.tokens:,} ({trained.source})" if trained else ""
    text = f"{window:,} tokens{at}"
    if wanted is None:
        return say(Status.INCONCLUSIVE, f"{text}; what is needed is not known")
    if window >= wanted.tokens:
        return say(Status.PASS, text)
    status = Status.INCONCLUSIVE if window >= wanted.least else Status.FAIL
    return say(status, f"{text}, below the need: {wanted.text}")


def _window(facts: Facts, wanted: Need | None) -> Finding:
    candidate = facts.candidate
    limits = model_limits(candidate.context if candidate and not candidate.error else None)
    window = usable(limits)
    data: dict[str, object] = {
        "limits": table(facts), "need": wanted.model_dump(mode="json") if wanted else None, "window": window,
    }  # fmt: skip

    def say(status: Status, text: str, known: KnownBy | None, remedy: str | None = None) -> Finding:
        return check.WINDOW.finding(
            status,
            text,
            observed=f"{window:,} tokens" if window is not None else None,
            threshold=f"{wanted.tokens:,} tokens" if wanted else None,
            known_by=known,
            remedy=remedy,
            data=data,
        )

    if wanted is None:
        text = "how many tokens are needed is not known: no need_tokens, no prompts."
        return say(Status.INCONCLUSIVE, text, None, "set context.need_tokens, or give prompts")
    if window is None:
        return _without_config(facts, wanted, data)
    least = min((limit for limit in limits if limit.binding), key=lambda limit: limit.tokens)
    text = f"{window:,} tokens ({least.source}); {wanted.text}."
    if window >= wanted.tokens:
        return say(Status.PASS, text, KnownBy.DECLARED)
    if window >= wanted.least:
        remedy = "the need is an estimate: set context.need_tokens to what you need"
        return say(Status.INCONCLUSIVE, text, wanted.known_by, remedy)
    return say(Status.FAIL, f"the model's window is too short: {text}", KnownBy.DECLARED)


def _without_config(facts: Facts, wanted: Need, data: dict[str, object]) -> Finding:
    """A model without a readable configuration: what a live probe showed is evidence enough."""
    shown = [p.longest_ok or 0 for p in facts.context_probes.values() if p.outcome in ("ok", "no-recall")]
    longest = max(shown, default=0)
    error = facts.candidate.error if facts.candidate else None
    why = error or "no configuration was read"
    if longest >= 0.9 * (wanted.tokens - 48):
        text = f"the model's own window is not known ({why}), but {longest:,} tokens were answered; {wanted.text}."
        return check.WINDOW.finding(
            Status.PASS, text, observed=f"{longest:,} tokens", threshold=f"{wanted.tokens:,} tokens",
            known_by=KnownBy.OBSERVED, data=data,
        )  # fmt: skip
    text = f"the model's window is not known ({why}); {wanted.text}."
    return check.WINDOW.finding(Status.INCONCLUSIVE, text, threshold=f"{wanted.tokens:,} tokens", data=data)


def _trained(facts: Facts, wanted: Need | None) -> Finding:
    limits = facts.candidate.context if facts.candidate else ContextLimits()
    configured = usable([row for row in model_limits(limits) if row.binding])
    trained = _trained_length(limits)
    if trained is None:
        text = "at what length the model was trained is not published."
        remedy = "ask the vendor, or test quality at your own lengths (a `long` task suite, `context.probe: true`)"
        return check.TRAINED.finding(Status.WARN, text, remedy=remedy)
    data: dict[str, object] = {"trained": trained.tokens, "configured": configured}
    if configured is None or configured <= trained.tokens:
        text = f"trained at {trained.tokens:,} tokens ({trained.source}), which the configured window does not exceed."
        return check.TRAINED.finding(Status.PASS, text, known_by=trained.known_by, data=data)
    place = ""
    if wanted:
        place = " Your need is within the trained length." if wanted.tokens <= trained.tokens else (
            f" Your need of {wanted.tokens:,} tokens lies beyond it."
        )  # fmt: skip
    text = (
        f"the window is configured to {configured:,} tokens, trained were {trained.tokens:,} ({trained.source}).{place}"
    )
    return check.TRAINED.finding(
        Status.WARN, text, observed=f"{configured:,} tokens", threshold=f"{trained.tokens:,} tokens",
        known_by=trained.known_by, data=data,
    )  # fmt: skip


def _trained_length(limits: ContextLimits) -> Limit | None:
    """As published; else, where rope scaling stretches the window, the length before stretching; else the window."""
    if limits.trained:
        known = limits.trained_known_by or KnownBy.VENDOR_REPORTED
        return Limit(
            source=limits.trained_source or "as published", tokens=limits.trained, known_by=known, binding=False
        )
    tokens, source = None, ""
    if limits.rope_original:
        tokens, source = limits.rope_original, "original length of the rope scaling"
    elif limits.rope_factor and limits.rope_factor > 1 and limits.config_max:
        tokens, source = round(limits.config_max / limits.rope_factor), "configured window over the rope factor"
    elif limits.config_max and not limits.rope_factor:
        tokens, source = limits.config_max, "the configured window, without rope scaling"
    return Limit(source=source, tokens=tokens, known_by=KnownBy.INFERRED, binding=False) if tokens else None

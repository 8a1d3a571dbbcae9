"""Fit of the candidate and of its variants: the formula, corrected by what a live server reports."""

from __future__ import annotations

from evalkit.analysis.need import Need
from evalkit.checklist.schema import Checklist
from evalkit.errors import MeasurementError
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.gpu.facts import HardwareFacts
from evalkit.gpu.fit import Load, Precision, place, pool_context
from evalkit.gpu.memory import BLOCK, memory_here, model_of
from evalkit.gpu.shape import Shape
from evalkit.hub.facts import CandidateFacts
from evalkit.items.hardware import checks as check
from evalkit.items.hardware.words import Fit, Fitting, Longest, Unsized, Variant
from evalkit.modes import Mode, base_mode


def fits(checklist: Checklist, facts: Facts, hardware: HardwareFacts, need: Need | None) -> list[Finding]:
    """`hardware.fits` and `hardware.max-context` of the candidate."""
    candidate = facts.candidate
    pools = _pools(facts)
    if need is None:
        return [check.FITS.found(Unsized(outcome="need-unknown"))]
    try:
        shape, weights = model_of(candidate)
    except MeasurementError as error:
        lacking = Unsized(outcome="model-unknown", lacking="model", why=str(error), hint=error.hint, need=need)
        return [_by_pool(lacking, pools, need, checklist)]
    room = memory_here(hardware)
    if room.gib is None:
        why = "; ".join(hardware.notes)
        lacking = Unsized(outcome="memory-unknown", lacking="memory", why=why, hint=check.KNOWN.remedy, need=need)
        return [_by_pool(lacking, pools, need, checklist)]
    load = _load(checklist, facts, need, shape)
    fit = Fit(
        placed=place(shape, weights, load, room.gib, devices=room.devices), load=load, room=room, pools=pools,
        reported=_reported_memory(facts), need=need, window=shape.max_positions, weights_from=weights.source,
        unread=tuple(mode for mode in checklist.adopted if mode not in pools),
        model_by=candidate.record_note if candidate else None,
    )  # fmt: skip
    known = KnownBy.DECLARED if hardware.known_by is KnownBy.DECLARED else KnownBy.INFERRED
    return [_fit(fit, known), _longest(fit, known)]


def variant(checklist: Checklist, hardware: HardwareFacts, need: Need | None, facts: CandidateFacts) -> Finding:
    """Fit of one other variant; never counted."""
    values = _variant(checklist, hardware, need, facts)
    return check.VARIANTS.found(values, variant=facts.model, counts=False, known_by=KnownBy.INFERRED)


def _variant(checklist: Checklist, hardware: HardwareFacts, need: Need | None, facts: CandidateFacts) -> Variant:
    try:
        shape, weights = model_of(facts)
    except MeasurementError as error:
        return Variant(outcome="model-unknown", model=facts.model, why=str(error))
    room = memory_here(hardware)
    if room.gib is None or need is None:
        return Variant(outcome="memory-or-need-unknown", model=facts.model)
    load = Load(
        context=need.tokens,
        concurrent=checklist.items.modes.level,
        precision=checklist.items.hardware.precision,
        overhead_gib=checklist.items.hardware.overhead_gib,
        image_tokens=image_tokens(shape),
    )
    placed = place(shape, weights, load, room.gib, devices=room.devices)
    return Variant(
        outcome="fits" if placed.tp else "too-large", model=facts.model, placed=placed, load=load, hardware=room.label
    )


def _load(checklist: Checklist, facts: Facts, need: Need, shape: Shape) -> Load:
    asked = checklist.items.hardware
    bases = {base_mode(label) for label in checklist.modes}
    block = bool(bases & {Mode.DIFFUSION, Mode.SELF_SPECULATION})
    return Load(
        context=need.tokens,
        concurrent=checklist.items.modes.level,
        precision=_precision(facts) or asked.precision,
        kv="fp8" if _kv_fp8(facts) else "bf16",
        overhead_gib=asked.overhead_gib,
        block=(shape.block_size or BLOCK) if block else 0,
        adapter=Mode.SELF_SPECULATION in bases,
        image_tokens=image_tokens(shape),
    )


def image_tokens(shape: Shape) -> int:
    """Tokens of one image of the largest size: a vision model is bought to be shown one."""
    return (shape.vision.image_tokens or 0) if shape.vision else 0


def _settings(facts: Facts, name: str) -> set[str]:
    return {
        str(value).lower()
        for label, endpoint in facts.endpoints.items()
        if label != "incumbent" and (value := endpoint.settings.get(name)) is not None
    }


def _precision(facts: Facts) -> Precision | None:
    """Of the served checkpoint, where the servers report it."""
    named = _settings(facts, "quantization") - {"none"}
    if not named:
        return None
    if any("fp8" in value for value in named):
        return "fp8"
    return "4bit" if any(part in value for value in named for part in ("awq", "gptq", "int4", "w4", "4bit")) else None


def _kv_fp8(facts: Facts) -> bool:
    kinds = _settings(facts, "kv_cache_dtype")
    return bool(kinds) and all("fp8" in kind for kind in kinds)


def _pools(facts: Facts) -> dict[str, int]:
    """Tokens that each live server keeps in its own pool."""
    return {
        label: pool
        for label, endpoint in facts.endpoints.items()
        if label != "incumbent" and endpoint.reachable and (pool := endpoint.context.max_total_num_tokens)
    }


def _reported_memory(facts: Facts) -> dict[str, dict[str, float]]:
    """What each live server reports to have taken of its device, in GiB."""
    return {
        label: endpoint.memory_gib
        for label, endpoint in facts.endpoints.items()
        if label != "incumbent" and endpoint.reachable and endpoint.memory_gib
    }


def _by_pool(lacking: Unsized, pools: dict[str, int], need: Need, checklist: Checklist) -> Finding:
    """Without the formula the servers' own pools decide, where every one of them reports it."""
    wanted = need.tokens * checklist.items.modes.level
    if pools and set(checklist.modes) <= set(pools) and min(pools.values()) >= wanted:
        least = min(pools, key=lambda label: pools[label])
        update = {"outcome": "pools-alone", "server": least, "pool_tokens": pools[least], "needed_tokens": wanted}
        return check.FITS.found(lacking.model_copy(update=update), known_by=KnownBy.DECLARED)
    return check.FITS.found(lacking)


def _fit(fit: Fit, known: KnownBy) -> Finding:
    """The formula decides, unless the running servers' own pools are there to do so."""
    placed, need = fit.placed, fit.need
    held = bool(fit.pools) and not fit.short
    outcome: Fitting
    if placed.tp is None and held:
        outcome = "pool-not-read" if fit.unread else "pools-hold"
    elif placed.tp is None:
        sure = need.source != "estimated" or placed.max_context < need.least
        outcome = "too-large" if sure else "estimate-too-large"
    else:
        outcome = "pool-too-small" if fit.short else "fits"
    if outcome in ("pools-hold", "pool-too-small"):
        known = KnownBy.DECLARED
    return check.FITS.found(fit.model_copy(update={"outcome": outcome}), known_by=known)


def _longest(fit: Fit, known: KnownBy) -> Finding:
    longest, needed = fit.placed.max_context, fit.need.tokens
    label = min(fit.pools, key=lambda name: fit.pools[name], default=None)
    if label is not None:
        longest, known = pool_context(fit.pools[label], fit.load.concurrent, fit.window), KnownBy.DECLARED
    values = Longest(
        outcome="enough" if longest >= needed else "too-short", tokens=longest, needed=needed,
        precision=fit.load.precision, concurrent=fit.load.concurrent, hardware=fit.room.label, server=label,
        pool_tokens=fit.pools[label] if label else None, capped=bool(fit.window and longest >= fit.window),
    )  # fmt: skip
    return check.MAX_CONTEXT.found(values, known_by=known, counts=False)

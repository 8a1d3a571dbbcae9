"""Item 3, hardware: is it known, does the model fit, and is it undisturbed? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis.need import Need, need
from evalkit.checklist.schema import Checklist
from evalkit.data import load_vendor_claims
from evalkit.errors import MeasurementError
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.gpu.facts import SLOWDOWNS, Gpu, HardwareFacts, TelemetrySample
from evalkit.gpu.fit import Load, Precision, place, pool_context
from evalkit.gpu.memory import BLOCK, memory_here, model_of
from evalkit.gpu.shape import Shape
from evalkit.hub.facts import CandidateFacts
from evalkit.items.hardware import checks as check
from evalkit.items.hardware import words
from evalkit.modes import Mode, base_mode

#: memory in use without any process of ours that is more than a driver's own
_IDLE_GIB = 1.0
#: share of the samples of a mode that may be slowed down
_SLOW_SHARE = 0.05
_SEEN = KnownBy.OBSERVED


def decide(checklist: Checklist, facts: Facts, _now: datetime) -> list[Finding]:
    """Findings of the candidate's hardware; those of other variants, and information, do not count."""
    hardware = facts.hardware or HardwareFacts()
    wanted = need(checklist, facts)
    known = _known(hardware)
    findings = [known]
    if known.status.carries:
        findings += _fits(checklist, facts, hardware, wanted)
    else:
        findings.append(check.FITS.found(words.Unsized(outcome="hardware-unknown", hint=check.KNOWN.remedy)))
    if hardware.known_by is KnownBy.OBSERVED and hardware.gpus:
        findings += [_memory(hardware, facts), *_throttled(hardware, facts.telemetry), *_same_device(hardware)]
        findings += _devices(hardware)
    findings += [_fit_of_variant(checklist, hardware, wanted, one) for one in facts.variants]
    findings += _vendor(facts, hardware)
    return findings


def _known(hardware: HardwareFacts) -> Finding:
    values = {"notes": hardware.notes, "devices": hardware.endpoint_devices, "unknown_for": hardware.unknown_for}
    if hardware.known_by is None:
        outcome = {"elsewhere": "elsewhere", "unknown": "place-unknown", "here": "nothing-found"}[hardware.place]
        if hardware.place == "here" and hardware.nvml_error:
            outcome = "not-readable"
        unknown = words.Known.model_validate({"outcome": outcome, "why": hardware.nvml_error, **values})
        return check.KNOWN.found(unknown)
    values["hardware"] = words.describe(hardware)
    if hardware.unknown_for:
        return check.KNOWN.found(words.Known.model_validate({"outcome": "other-machine", **values}))
    outcome = "declared" if hardware.known_by is KnownBy.DECLARED else "found"
    outcome += "-noted" if hardware.notes else ""
    return check.KNOWN.found(words.Known.model_validate({"outcome": outcome, **values}), known_by=hardware.known_by)


def _fits(checklist: Checklist, facts: Facts, hardware: HardwareFacts, need: Need | None) -> list[Finding]:
    """`hardware.fits` and `hardware.max-context` of the candidate."""
    candidate = facts.candidate
    pools = _pools(facts)
    if need is None:
        return [check.FITS.found(words.Unsized(outcome="need-unknown"))]
    try:
        shape, weights = model_of(candidate)
    except MeasurementError as error:
        lacking = words.Unsized(outcome="model-unknown", lacking="model", why=str(error), hint=error.hint, need=need)
        return [_by_pool(lacking, pools, need, checklist)]
    room = memory_here(hardware)
    if room.gib is None:
        why = "; ".join(hardware.notes)
        lacking = words.Unsized(outcome="memory-unknown", lacking="memory", why=why, hint=check.KNOWN.remedy, need=need)
        return [_by_pool(lacking, pools, need, checklist)]
    load = _load(checklist, facts, need, shape)
    fit = words.Fit(
        placed=place(shape, weights, load, room.gib, devices=room.devices), load=load, room=room, pools=pools,
        reported=_reported_memory(facts), need=need, window=shape.max_positions, weights_from=weights.source,
        unread=tuple(mode for mode in checklist.adopted if mode not in pools),
        model_by=candidate.record_note if candidate else None,
    )  # fmt: skip
    known = KnownBy.DECLARED if hardware.known_by is KnownBy.DECLARED else KnownBy.INFERRED
    return [_fit(fit, known), _longest(fit, known)]


def _fit_of_variant(checklist: Checklist, hardware: HardwareFacts, need: Need | None, facts: CandidateFacts) -> Finding:
    """Fit of one other variant; never counted."""
    values = _variant(checklist, hardware, need, facts)
    return check.VARIANTS.found(values, variant=facts.model, counts=False, known_by=KnownBy.INFERRED)


def _variant(checklist: Checklist, hardware: HardwareFacts, need: Need | None, facts: CandidateFacts) -> words.Variant:
    try:
        shape, weights = model_of(facts)
    except MeasurementError as error:
        return words.Variant(outcome="model-unknown", model=facts.model, why=str(error))
    room = memory_here(hardware)
    if room.gib is None or need is None:
        return words.Variant(outcome="memory-or-need-unknown", model=facts.model)
    load = Load(
        context=need.tokens,
        concurrent=checklist.items.modes.level,
        precision=checklist.items.hardware.precision,
        overhead_gib=checklist.items.hardware.overhead_gib,
        image_tokens=_image_tokens(shape),
    )
    placed = place(shape, weights, load, room.gib, devices=room.devices)
    return words.Variant(
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
        image_tokens=_image_tokens(shape),
    )


def _image_tokens(shape: Shape) -> int:
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


def _by_pool(lacking: words.Unsized, pools: dict[str, int], need: Need, checklist: Checklist) -> Finding:
    """Without the formula the servers' own pools decide, where every one of them reports it."""
    wanted = need.tokens * checklist.items.modes.level
    if pools and set(checklist.modes) <= set(pools) and min(pools.values()) >= wanted:
        least = min(pools, key=lambda label: pools[label])
        update = {"outcome": "pools-alone", "server": least, "pool_tokens": pools[least], "needed_tokens": wanted}
        return check.FITS.found(lacking.model_copy(update=update), known_by=KnownBy.DECLARED)
    return check.FITS.found(lacking)


def _fit(fit: words.Fit, known: KnownBy) -> Finding:
    """The formula decides, unless the running servers' own pools are there to do so."""
    placed, need = fit.placed, fit.need
    held = bool(fit.pools) and not fit.short
    outcome: words.Fitting
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


def _longest(fit: words.Fit, known: KnownBy) -> Finding:
    longest, needed = fit.placed.max_context, fit.need.tokens
    label = min(fit.pools, key=lambda name: fit.pools[name], default=None)
    if label is not None:
        longest, known = pool_context(fit.pools[label], fit.load.concurrent, fit.window), KnownBy.DECLARED
    values = words.Longest(
        outcome="enough" if longest >= needed else "too-short", tokens=longest, needed=needed,
        precision=fit.load.precision, concurrent=fit.load.concurrent, hardware=fit.room.label, server=label,
        pool_tokens=fit.pools[label] if label else None, capped=bool(fit.window and longest >= fit.window),
    )  # fmt: skip
    return check.MAX_CONTEXT.found(values, known_by=known, counts=False)


def _memory(hardware: HardwareFacts, facts: Facts) -> Finding:
    own = set(hardware.endpoint_pids)
    used = [gpu for gpu in hardware.gpus if _relevant(gpu, hardware)]
    others = {gpu.index: tuple(sorted(set(gpu.processes) - own)) for gpu in used if set(gpu.processes) - own}
    if others and own:
        return check.IDLE_MEMORY.found(words.IdleMemory(outcome="shared", processes=others), known_by=_SEEN)
    taken = [
        (gpu, (gpu.memory_total_bytes - gpu.memory_free_bytes) / (1 << 30))
        for gpu in used
        if gpu.memory_total_bytes and gpu.memory_free_bytes is not None
    ]
    if not taken:
        return check.IDLE_MEMORY.found(words.IdleMemory(outcome="not-readable"))
    served = any(endpoint.place == "here" for endpoint in facts.endpoints.values())
    busy = [(gpu, gib) for gpu, gib in taken if gib > _IDLE_GIB and not gpu.processes and not served]
    if busy:
        gpu, gib = max(busy, key=lambda one: one[1])
        return check.IDLE_MEMORY.found(words.IdleMemory(outcome="taken", gpu=gpu.index, gib=gib), known_by=_SEEN)
    return check.IDLE_MEMORY.found(words.IdleMemory(outcome="idle"), known_by=_SEEN)


def _relevant(gpu: Gpu, hardware: HardwareFacts) -> bool:
    """Devices that serve an endpoint; all of them when none could be tied."""
    tied = {index for indices in hardware.endpoint_gpus.values() for index in indices}
    return gpu.index in tied if tied else True


def _throttled(hardware: HardwareFacts, telemetry: tuple[TelemetrySample, ...]) -> list[Finding]:
    found = []
    slow = {gpu.index: tuple(sorted(SLOWDOWNS & set(gpu.throttle_reasons)))
            for gpu in hardware.gpus if _relevant(gpu, hardware)}  # fmt: skip
    reasons = {index: why for index, why in slow.items() if why}
    if reasons:
        found.append(words.Throttled(outcome="at-start", reasons=reasons))
    for mode in dict.fromkeys(sample.mode for sample in telemetry):
        rows = [SLOWDOWNS & set(s.throttle_reasons) for s in telemetry if s.mode == mode]
        hit = [row for row in rows if row]
        if len(hit) > _SLOW_SHARE * len(rows):
            why = tuple(sorted(frozenset().union(*hit)))
            found.append(words.Throttled(outcome="while-timed", mode=mode, slow=len(hit), samples=len(rows), why=why))
    if not found:
        unread = all("throttle_reasons" in gpu.unreadable for gpu in hardware.gpus)
        found.append(words.Throttled(outcome="not-readable" if unread else "not-throttled"))
    known = {"not-readable": None}
    return [check.THROTTLED.found(one, known_by=known.get(one.outcome, _SEEN)) for one in found]


def _same_device(hardware: HardwareFacts) -> list[Finding]:
    names = {
        label: tuple(sorted({gpu.name for gpu in hardware.gpus if gpu.index in indices}))
        for label, indices in hardware.endpoint_gpus.items()
        if indices
    }
    if len(set(names.values())) <= 1:
        return []
    return [check.SAME_DEVICE.found(words.SameDevice(devices=names), known_by=_SEEN)]


def _devices(hardware: HardwareFacts) -> list[Finding]:
    findings = []
    slices = [gpu for gpu in hardware.gpus if gpu.mig_of is not None]
    parents = [gpu for gpu in hardware.gpus if gpu.mig and gpu.mig_of is None]
    if parents:
        findings.append(
            check.MIG.found(words.Mig(devices=len(parents), slices=len(slices)), known_by=_SEEN, counts=False)
        )
    ecc = {gpu.ecc for gpu in hardware.gpus if gpu.ecc is not None}
    if ecc:
        values = words.Ecc(outcome="corrected" if ecc == {True} else "not-corrected")
        findings.append(check.ECC.found(values, known_by=_SEEN, counts=False))
    return findings


def _vendor(facts: Facts, hardware: HardwareFacts) -> list[Finding]:
    """Information: on what hardware the vendor's figures for this model were taken."""
    model = facts.candidate.model if facts.candidate else None
    theirs = dict.fromkeys(one.hardware for one in load_vendor_claims() if one.variant == model and one.hardware)
    if not theirs:
        return []
    values = words.VendorHardware(
        vendor=tuple(theirs), hardware=words.describe(hardware) if hardware.known_by else None
    )
    return [check.VENDOR.found(values, known_by=KnownBy.VENDOR_REPORTED, counts=False)]

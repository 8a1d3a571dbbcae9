"""Item 3, hardware: is it known, does the model fit, and is it undisturbed? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis.need import need
from evalkit.checklist.schema import Checklist
from evalkit.data import load_vendor_claims
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.gpu.facts import SLOWDOWNS, Gpu, HardwareFacts, TelemetrySample
from evalkit.items.hardware import checks as check
from evalkit.items.hardware.checks import CHECKS
from evalkit.items.hardware.fit import fits, variant
from evalkit.items.hardware.words import (
    Ecc,
    IdleMemory,
    Known,
    Mig,
    SameDevice,
    Throttled,
    Unsized,
    VendorHardware,
    describe,
)

__all__ = ["CHECKS", "decide"]

#: memory in use without any process of ours that is more than a driver's own
_IDLE_GIB = 1.0
#: share of the samples of a mode that may be slowed down
_SLOW_SHARE = 0.05
_SEEN = KnownBy.OBSERVED


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings of the candidate's hardware; those of other variants, and information, do not count."""
    del now
    hardware = facts.hardware or HardwareFacts()
    wanted = need(checklist, facts)
    known = _known(hardware)
    findings = [known]
    if known.status.carries:
        findings += fits(checklist, facts, hardware, wanted)
    else:
        findings.append(check.FITS.found(Unsized(outcome="hardware-unknown", hint=check.KNOWN.remedy)))
    if hardware.known_by is KnownBy.OBSERVED and hardware.gpus:
        findings += [_memory(hardware, facts), *_throttled(hardware, facts.telemetry), *_same_device(hardware)]
        findings += _devices(hardware)
    findings += [variant(checklist, hardware, wanted, one) for one in facts.variants]
    findings += _vendor(facts, hardware)
    return findings


def _known(hardware: HardwareFacts) -> Finding:
    values = {"notes": hardware.notes, "devices": hardware.endpoint_devices, "unknown_for": hardware.unknown_for}
    if hardware.known_by is None:
        outcome = {"elsewhere": "elsewhere", "unknown": "place-unknown", "here": "nothing-found"}[hardware.place]
        if hardware.place == "here" and hardware.nvml_error:
            outcome = "not-readable"
        unknown = Known.model_validate({"outcome": outcome, "why": hardware.nvml_error, **values})
        return check.KNOWN.found(unknown)
    values["hardware"] = describe(hardware)
    if hardware.unknown_for:
        return check.KNOWN.found(Known.model_validate({"outcome": "other-machine", **values}))
    outcome = "declared" if hardware.known_by is KnownBy.DECLARED else "found"
    outcome += "-noted" if hardware.notes else ""
    return check.KNOWN.found(Known.model_validate({"outcome": outcome, **values}), known_by=hardware.known_by)


def _memory(hardware: HardwareFacts, facts: Facts) -> Finding:
    own = set(hardware.endpoint_pids)
    used = [gpu for gpu in hardware.gpus if _relevant(gpu, hardware)]
    others = {gpu.index: tuple(sorted(set(gpu.processes) - own)) for gpu in used if set(gpu.processes) - own}
    if others and own:
        return check.IDLE_MEMORY.found(IdleMemory(outcome="shared", processes=others), known_by=_SEEN)
    taken = [
        (gpu, (gpu.memory_total_bytes - gpu.memory_free_bytes) / (1 << 30))
        for gpu in used
        if gpu.memory_total_bytes and gpu.memory_free_bytes is not None
    ]
    if not taken:
        return check.IDLE_MEMORY.found(IdleMemory(outcome="not-readable"))
    served = any(endpoint.place == "here" for endpoint in facts.endpoints.values())
    busy = [(gpu, gib) for gpu, gib in taken if gib > _IDLE_GIB and not gpu.processes and not served]
    if busy:
        gpu, gib = max(busy, key=lambda one: one[1])
        return check.IDLE_MEMORY.found(IdleMemory(outcome="taken", gpu=gpu.index, gib=gib), known_by=_SEEN)
    return check.IDLE_MEMORY.found(IdleMemory(outcome="idle"), known_by=_SEEN)


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
        found.append(Throttled(outcome="at-start", reasons=reasons))
    for mode in dict.fromkeys(sample.mode for sample in telemetry):
        rows = [SLOWDOWNS & set(s.throttle_reasons) for s in telemetry if s.mode == mode]
        hit = [row for row in rows if row]
        if len(hit) > _SLOW_SHARE * len(rows):
            why = tuple(sorted(frozenset().union(*hit)))
            found.append(Throttled(outcome="while-timed", mode=mode, slow=len(hit), samples=len(rows), why=why))
    if not found:
        unread = all("throttle_reasons" in gpu.unreadable for gpu in hardware.gpus)
        found.append(Throttled(outcome="not-readable" if unread else "not-throttled"))
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
    return [check.SAME_DEVICE.found(SameDevice(devices=names), known_by=_SEEN)]


def _devices(hardware: HardwareFacts) -> list[Finding]:
    findings = []
    slices = [gpu for gpu in hardware.gpus if gpu.mig_of is not None]
    parents = [gpu for gpu in hardware.gpus if gpu.mig and gpu.mig_of is None]
    if parents:
        findings.append(check.MIG.found(Mig(devices=len(parents), slices=len(slices)), known_by=_SEEN, counts=False))
    ecc = {gpu.ecc for gpu in hardware.gpus if gpu.ecc is not None}
    if ecc:
        values = Ecc(outcome="corrected" if ecc == {True} else "not-corrected")
        findings.append(check.ECC.found(values, known_by=_SEEN, counts=False))
    return findings


def _vendor(facts: Facts, hardware: HardwareFacts) -> list[Finding]:
    """Information: on what hardware the vendor's figures for this model were taken."""
    model = facts.candidate.model if facts.candidate else None
    theirs = dict.fromkeys(one.hardware for one in load_vendor_claims() if one.variant == model and one.hardware)
    if not theirs:
        return []
    values = VendorHardware(vendor=tuple(theirs), hardware=describe(hardware) if hardware.known_by else None)
    return [check.VENDOR.found(values, known_by=KnownBy.VENDOR_REPORTED, counts=False)]

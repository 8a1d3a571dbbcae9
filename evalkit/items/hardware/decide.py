"""Item 3, hardware: is it known, does the model fit, and is it undisturbed? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis.need import need
from evalkit.checklist.schema import Checklist
from evalkit.data import load_vendor_claims
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.facts import SLOWDOWNS, Gpu, HardwareFacts, TelemetrySample
from evalkit.items.hardware import checks as check
from evalkit.items.hardware.checks import CHECKS
from evalkit.items.hardware.fit import fits, variant

__all__ = ["CHECKS", "decide"]

#: memory in use without any process of ours that is more than a driver's own
_IDLE_GIB = 1.0
#: share of the samples of a mode that may be slowed down
_SLOW_SHARE = 0.05


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
        text = "what fits cannot be said of unknown hardware."
        findings.append(check.FITS.finding(Status.INCONCLUSIVE, text, remedy=check.KNOWN.remedy))
    if hardware.known_by is KnownBy.OBSERVED and hardware.gpus:
        findings += [*_memory(hardware, facts), *_throttled(hardware, facts.telemetry), *_same_device(hardware)]
        findings += _devices(hardware)
    findings += [variant(checklist, hardware, wanted, one) for one in facts.variants]
    findings += _vendor(facts, hardware)
    return findings


def _known(hardware: HardwareFacts) -> Finding:
    notes = f" Noticed: {'; '.join(hardware.notes)}." if hardware.notes else ""
    if hardware.known_by is None:
        where = "on another machine" if hardware.place == "elsewhere" else "on a machine that is not known"
        text = "what hardware is behind the endpoint is unknown"
        why = f" ({hardware.nvml_error})" if hardware.nvml_error and hardware.place == "here" else f" (it is {where})"
        if hardware.place == "here" and not hardware.nvml_error:
            why = ""
        return check.KNOWN.finding(Status.INCONCLUSIVE, f"{text}{why}: run on the server, or declare it.{notes}")
    observed = describe(hardware)
    if hardware.unknown_for:
        text = (
            f"{observed} was found here, but {', '.join(hardware.unknown_for)} is served by another, unknown machine."
        )
        return check.KNOWN.finding(Status.INCONCLUSIVE, text + notes, observed=observed)
    status = Status.WARN if hardware.notes else Status.PASS
    verb = "is declared" if hardware.known_by is KnownBy.DECLARED else "was found here"
    tied = "; ".join(f"{label}: {text}" for label, text in hardware.endpoint_devices.items())
    text = f"{observed} {verb}.{notes}" + (f" Endpoints: {tied}." if tied else "")
    remedy = "check which of the two is right" if hardware.notes else None
    return check.KNOWN.finding(status, text, observed=observed, known_by=hardware.known_by, remedy=remedy)


def describe(hardware: HardwareFacts) -> str:
    """The hardware in a few words."""
    if hardware.cpu_only:
        memory = f", {hardware.memory_bytes / (1 << 30):.0f} GiB" if hardware.memory_bytes else ""
        cores = f", {hardware.cores} cores" if hardware.cores else ""
        return f"cpu ({hardware.cpu or 'processor not named'}{cores}{memory})"
    names = [gpu.name for gpu in hardware.gpus if not (gpu.mig and gpu.mig_of is None)] or [
        g.name for g in hardware.gpus
    ]
    listed = [f"{names.count(name)}x {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    driver = f", driver {hardware.driver}" if hardware.driver else ""
    return " + ".join(listed) + driver


def _memory(hardware: HardwareFacts, facts: Facts) -> list[Finding]:
    own = set(hardware.endpoint_pids)
    used = [gpu for gpu in hardware.gpus if _relevant(gpu, hardware)]
    others = {gpu.index: sorted(set(gpu.processes) - own) for gpu in used if set(gpu.processes) - own}
    if others and own:
        text = (
            "other processes use the device: " + "; ".join(f"GPU {i}: pids {pids}" for i, pids in others.items()) + "."
        )
        return [check.IDLE_MEMORY.finding(Status.WARN, text, known_by=KnownBy.OBSERVED)]
    taken = [
        (gpu, (gpu.memory_total_bytes - gpu.memory_free_bytes) / (1 << 30))
        for gpu in used
        if gpu.memory_total_bytes and gpu.memory_free_bytes is not None
    ]
    if not taken:
        text = "the memory in use could not be read."
        return [check.IDLE_MEMORY.finding(Status.WARN, text, remedy="look at nvidia-smi while the server is stopped")]
    served = any(endpoint.place == "here" for endpoint in facts.endpoints.values())
    busy = [(gpu, gib) for gpu, gib in taken if gib > _IDLE_GIB and not gpu.processes and not served]
    if busy:
        gpu, gib = max(busy, key=lambda one: one[1])
        text = f"GPU {gpu.index} has {gib:.1f} GiB in use and lists no process (hidden, or of another container)."
        return [check.IDLE_MEMORY.finding(Status.WARN, text, known_by=KnownBy.OBSERVED)]
    return [
        check.IDLE_MEMORY.finding(Status.PASS, "no other process was seen on the device.", known_by=KnownBy.OBSERVED)
    ]


def _relevant(gpu: Gpu, hardware: HardwareFacts) -> bool:
    """Devices that serve an endpoint; all of them when none could be tied."""
    tied = {index for indices in hardware.endpoint_gpus.values() for index in indices}
    return gpu.index in tied if tied else True


def _throttled(hardware: HardwareFacts, telemetry: tuple[TelemetrySample, ...]) -> list[Finding]:
    findings = []
    slow = {
        gpu.index: sorted(SLOWDOWNS & set(gpu.throttle_reasons)) for gpu in hardware.gpus if _relevant(gpu, hardware)
    }
    at_start = "; ".join(f"GPU {index}: {', '.join(reasons)}" for index, reasons in slow.items() if reasons)
    if at_start:
        text = f"slowed down already at the start: {at_start}."
        findings.append(check.THROTTLED.finding(Status.WARN, text, known_by=KnownBy.OBSERVED))
    for mode in dict.fromkeys(sample.mode for sample in telemetry):
        rows = [s for s in telemetry if s.mode == mode]
        hit = [s for s in rows if SLOWDOWNS & set(s.throttle_reasons)]
        if len(hit) > _SLOW_SHARE * len(rows):
            reasons = sorted({reason for s in hit for reason in SLOWDOWNS & set(s.throttle_reasons)})
            text = f"{mode}: slowed down in {len(hit)} of {len(rows)} readings while timed ({', '.join(reasons)})."
            findings.append(check.THROTTLED.finding(Status.WARN, text, known_by=KnownBy.OBSERVED))
    if findings:
        return findings
    if all("throttle_reasons" in gpu.unreadable for gpu in hardware.gpus):
        text = "whether the device is slowed down cannot be read here."
        return [check.THROTTLED.finding(Status.WARN, text, remedy="watch nvidia-smi -q -d PERFORMANCE during the run")]
    return [check.THROTTLED.finding(Status.PASS, "no slow-down by heat or power was seen.", known_by=KnownBy.OBSERVED)]


def _same_device(hardware: HardwareFacts) -> list[Finding]:
    names = {
        label: tuple(sorted({gpu.name for gpu in hardware.gpus if gpu.index in indices}))
        for label, indices in hardware.endpoint_gpus.items()
        if indices
    }
    if len(set(names.values())) <= 1:
        return []
    text = (
        "the modes run on different devices: " + "; ".join(f"{mode}: {', '.join(n)}" for mode, n in names.items()) + "."
    )
    return [check.SAME_DEVICE.finding(Status.WARN, text, known_by=KnownBy.OBSERVED)]


def _devices(hardware: HardwareFacts) -> list[Finding]:
    findings = []
    slices = [gpu for gpu in hardware.gpus if gpu.mig_of is not None]
    parents = [gpu for gpu in hardware.gpus if gpu.mig and gpu.mig_of is None]
    if parents:
        text = f"{len(parents)} device(s) in MIG mode, {len(slices)} slice(s): clocks depend on the neighbours."
        findings.append(check.MIG.finding(Status.WARN, text, known_by=KnownBy.OBSERVED, counts=False))
    ecc = {gpu.ecc for gpu in hardware.gpus if gpu.ecc is not None}
    if ecc:
        text = "memory is error-corrected." if ecc == {True} else "memory is not error-corrected on every device."
        status = Status.PASS if ecc == {True} else Status.WARN
        findings.append(check.ECC.finding(status, text, known_by=KnownBy.OBSERVED, counts=False))
    return findings


def _vendor(facts: Facts, hardware: HardwareFacts) -> list[Finding]:
    """Information: on what hardware the vendor's figures for this model were taken."""
    model = facts.candidate.model if facts.candidate else None
    claims = [claim for claim in load_vendor_claims() if claim.variant == model and claim.hardware]
    if not claims:
        return []
    theirs = ", ".join(dict.fromkeys(claim.hardware for claim in claims if claim.hardware))
    ours = describe(hardware) if hardware.known_by else "unknown hardware"
    text = f"the vendor's speed figures were taken on {theirs}; here: {ours}. They are shown, not counted."
    return [check.VENDOR.finding(Status.PASS, text, known_by=KnownBy.VENDOR_REPORTED, counts=False)]

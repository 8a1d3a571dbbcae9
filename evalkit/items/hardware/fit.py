"""Fit of the candidate and of its variants: the formula, corrected by what a live server says."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.analysis.need import Need
from evalkit.checklist.schema import Checklist
from evalkit.errors import MeasurementError
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.facts import HardwareFacts
from evalkit.gpu.fit import (
    FORMULA,
    MEMORY_SHARE,
    Load,
    Placement,
    Precision,
    place,
    pool_context,
)
from evalkit.gpu.memory import BLOCK, Memory, memory_here, model_of
from evalkit.gpu.shape import Shape
from evalkit.hub.facts import CandidateFacts
from evalkit.items.context.words import need_text
from evalkit.items.hardware import checks as check
from evalkit.modes import Mode, base_mode

#: share by which a server's own figure may differ from the formula before it is remarked on
_WEIGHTS_APART = 0.15


def fits(checklist: Checklist, facts: Facts, hardware: HardwareFacts, need: Need | None) -> list[Finding]:
    """`hardware.fits` and `hardware.max-context` of the candidate."""
    candidate = facts.candidate
    pools = _pools(facts)
    if need is None:
        remedy = "say how long your prompts and replies are: `items: {context: {need_tokens: 16384}}`, or give prompts"
        return [check.FITS.finding(Status.INCONCLUSIVE, "how many tokens are needed is not known.", remedy=remedy)]
    try:
        shape, weights = model_of(candidate)
    except MeasurementError as error:
        return [_by_pool(pools, need, checklist, f"the memory formula does not apply: {error}", error.hint)]
    room = memory_here(hardware)
    if room.gib is None:
        why = "; ".join(hardware.notes) or "the memory of the device is not known"
        return [_by_pool(pools, need, checklist, f"what fits is not known: {why}", check.KNOWN.remedy)]
    load = _load(checklist, facts, need, shape)
    placed = place(shape, weights, load, room.gib, devices=room.devices)
    told = _told_memory(facts)
    unread = tuple(mode for mode in checklist.adopted if mode not in pools)
    case = _Case(
        placed, load, room, pools, told, need, shape.max_positions, unread, weights.source, hardware.known_by,
        candidate.record_note if candidate else None,
    )  # fmt: skip
    return [_fit(case), _longest(case)]


@dataclass(frozen=True)
class _Case:
    """One load on one room, placed, with what the live servers say of themselves."""

    placed: Placement
    load: Load
    room: Memory
    pools: dict[str, int]
    told: dict[str, dict[str, float]]  # mode -> GiB by part, as the server says
    need: Need
    window: int | None
    #: modes that may be recommended and whose server told no pool
    unread: tuple[str, ...]
    weights_from: str
    hardware_known_by: KnownBy | None
    #: where the model was not read itself
    model_by: str | None = None

    @property
    def known_by(self) -> KnownBy:
        return KnownBy.DECLARED if self.hardware_known_by is KnownBy.DECLARED else KnownBy.INFERRED

    @property
    def wanted(self) -> int:
        """Tokens that all sequences keep at once."""
        return (self.load.context + self.load.image_tokens) * self.load.concurrent

    @property
    def short(self) -> dict[str, int]:
        """Servers whose pool is smaller than that."""
        return {label: pool for label, pool in self.pools.items() if pool < self.wanted}

    @property
    def asked(self) -> str:
        image = f" and {self.load.image_tokens:,} of an image" if self.load.image_tokens else ""
        return f"{self.load.context:,} tokens{image} x {self.load.concurrent} at {self.load.precision}"

    @property
    def capacity(self) -> str:
        return f"{self.placed.capacity_gib:.1f} GiB ({MEMORY_SHARE:.0%} of {self.room.label})"

    @property
    def against_servers(self) -> str:
        """The formula's weights beside what running servers say that they took."""
        weights = {label: gib["weight"] for label, gib in self.told.items() if gib.get("weight")}
        if not weights:
            return ""
        said = ", ".join(f"{label} {gib:.1f}" for label, gib in weights.items())
        ours = self.placed.need.weights_gib
        far = any(abs(gib - ours) > _WEIGHTS_APART * ours for gib in weights.values())
        why = ": precision or split differ from what is assumed here" if far else ""
        return f" Weights in GiB by the servers' own word: {said}; by the formula {ours:.1f}{why}."

    def finding(
        self, status: Status, text: str, *, known_by: KnownBy | None = None, remedy: str | None = None
    ) -> Finding:
        data: dict[str, object] = {
            "formula": FORMULA,
            "weights_from": self.weights_from,
            "tensor_parallel": self.placed.tp,
            "pools": self.pools,
            **figures(self.placed, self.load),
            "server_memory_gib": self.told,
        }
        return check.FITS.finding(
            status,
            text + (f" The model by the {self.model_by}." if self.model_by else "") + self.against_servers,
            observed=self.placed.need.text(),
            threshold=self.capacity,
            known_by=known_by or self.known_by,
            data=data,
            remedy=remedy,
        )


def variant(checklist: Checklist, hardware: HardwareFacts, need: Need | None, facts: CandidateFacts) -> Finding:
    """Fit of one other variant; never counted."""
    name = facts.model

    def say(status: Status, text: str, data: dict[str, object] | None = None) -> Finding:
        return check.VARIANTS.finding(status, text, variant=name, counts=False, known_by=KnownBy.INFERRED, data=data)

    try:
        shape, weights = model_of(facts)
    except MeasurementError as error:
        return say(Status.INCONCLUSIVE, f"{name}: {error}")
    room = memory_here(hardware)
    if room.gib is None or need is None:
        return say(Status.INCONCLUSIVE, f"{name}: the hardware's memory or the need is not known.")
    load = Load(
        context=need.tokens,
        concurrent=checklist.items.modes.level,
        precision=checklist.items.hardware.precision,
        overhead_gib=checklist.items.hardware.overhead_gib,
        image_tokens=image_tokens(shape),
    )
    placed = place(shape, weights, load, room.gib, devices=room.devices)
    status = Status.PASS if placed.tp else Status.FAIL
    image = f" and {load.image_tokens:,} of an image" if load.image_tokens else ""
    text = (
        f"{name} at {load.precision} needs {placed.need.total_gib:.1f} GiB for {load.context:,} tokens{image} x"
        f" {load.concurrent} and {'fits' if placed.tp else 'does not fit'} on {room.label} (limit"
        f" {placed.capacity_gib:.1f} GiB); longest context {placed.max_context:,} tokens."
    )
    return say(status, text, figures(placed, load))


def figures(placed: Placement, load: Load) -> dict[str, object]:
    """For the table that sets variants side by side: sizes in GiB, lengths in tokens."""
    return {
        "precision": load.precision,
        "context_tokens": load.context,
        "concurrent": load.concurrent,
        "weights_gib": round(placed.need.weights_gib * placed.need.tp, 2),
        "need_gib": round(placed.need.total_gib, 2),
        "fits": placed.tp is not None,
        "max_context_tokens": placed.max_context,
    }


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
    """Of the served checkpoint, where the servers tell it."""
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


def _told_memory(facts: Facts) -> dict[str, dict[str, float]]:
    """What each live server says it took of its device, in GiB."""
    return {
        label: endpoint.memory_gib
        for label, endpoint in facts.endpoints.items()
        if label != "incumbent" and endpoint.reachable and endpoint.memory_gib
    }


def _by_pool(pools: dict[str, int], need: Need, checklist: Checklist, why: str, hint: str | None) -> Finding:
    """Without the formula the servers' own pools decide, where every one of them tells it."""
    wanted = need.tokens * checklist.items.modes.level
    open_modes = [label for label in checklist.modes if label not in pools]
    if pools and not open_modes and min(pools.values()) >= wanted:
        least = min(pools, key=lambda label: pools[label])
        text = f"the running servers keep {pools[least]:,} tokens ({least} the least), {wanted:,} are needed; {why}."
        return check.FITS.finding(
            Status.PASS,
            text,
            observed=f"{pools[least]:,} tokens",
            threshold=f"{wanted:,} tokens",
            known_by=KnownBy.DECLARED,
        )
    return check.FITS.finding(Status.INCONCLUSIVE, f"{why}.", threshold=need_text(need), remedy=hint)


def _fit(case: _Case) -> Finding:
    placed, need = case.placed, case.need
    total = f"{placed.need.total_gib:.1f} GiB"
    if placed.tp is None and case.pools and not case.short and case.unread:
        text = (
            f"the formula gives {total} for {case.asked}, more than {case.capacity}; the pools that were read hold it,"
            f" but that of {', '.join(case.unread)} was not read."
        )
        remedy = f"bring the server of {case.unread[0]} up, so that its own figure can be read, and resume the run"
        return case.finding(Status.INCONCLUSIVE, text, remedy=remedy)
    if placed.tp is None and case.pools and not case.short:
        least = min(case.pools.values())
        text = (
            f"the formula gives {total} for {case.asked}, more than {case.capacity}, but the running servers keep"
            f" {least:,} tokens: their own figure stands."
        )
        return case.finding(Status.PASS, text, known_by=KnownBy.DECLARED)
    if placed.tp is None:
        sure = need.source != "estimated" or placed.max_context < need.least
        text = f"{case.asked} needs {total}, more than {case.capacity}."
        if sure:
            return case.finding(Status.FAIL, text)
        return case.finding(Status.INCONCLUSIVE, text, remedy="the need is an estimate: set context.need_tokens")
    over = f" over {placed.tp} devices" if placed.tp > 1 else ""
    if case.short:
        label = min(case.short, key=lambda name: case.short[name])
        each = pool_context(case.short[label], case.load.concurrent)
        text = (
            f"{case.asked} fits on {case.room.label}{over}, but the {label} server keeps {case.short[label]:,} tokens"
            f" only: {each:,} for each of {case.load.concurrent} sequences; further requests wait."
        )
        remedy = "give the server more memory (--mem-fraction-static) or a smaller KV type"
        return case.finding(Status.WARN, text, known_by=KnownBy.DECLARED, remedy=remedy)
    each_device = " a device" if placed.tp > 1 else ""
    text = f"{case.asked} needs {total}{each_device} and fits on {case.room.label}{over} ({case.capacity})."
    return case.finding(Status.PASS, text)


def _longest(case: _Case) -> Finding:
    longest, known = case.placed.max_context, case.known_by
    source = f"on {case.room.label} by the formula"
    concurrent, need = case.load.concurrent, case.need
    if case.pools:
        label = min(case.pools, key=lambda name: case.pools[name])
        longest, known = pool_context(case.pools[label], concurrent, case.window), KnownBy.DECLARED
        source = f"by the {label} server's own pool of {case.pools[label]:,} tokens"
    capped = " (the configured window)" if case.window and longest >= case.window else ""
    text = f"at {case.load.precision} and {concurrent} at a time, {longest:,} tokens{capped} {source}."
    status = Status.PASS if longest >= need.tokens else Status.WARN
    return check.MAX_CONTEXT.finding(
        status, text, observed=f"{longest:,} tokens", threshold=f"{need.tokens:,} tokens", known_by=known, counts=False
    )

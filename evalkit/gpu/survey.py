"""Which models fit on which memory, at each precision and context: the document of `evalkit hardware`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalkit.data import load_variants
from evalkit.data.models import Variant
from evalkit.errors import MeasurementError
from evalkit.findings import Frozen, Status
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.gpu.fit import GIB, PRECISIONS, Load, Weights, kv_bytes, need, place, weights_of
from evalkit.gpu.memory import BLOCK, Memory, memory_here, memory_of, model_of
from evalkit.gpu.shape import Shape, read_shape
from evalkit.hub.candidate import full_id
from evalkit.hub.facts import CandidateFacts

CONTEXTS = (4096, 16384, 32768, 131_072)


class Sized(Frozen):
    """A model ready for the formula, or why it is not."""

    model: str
    shape: Shape | None = None
    weights: Weights | None = None
    source: str = ""
    #: longest sequence in training, in tokens, where a source names it
    trained: int | None = None
    error: str | None = None
    hint: str | None = None


def from_variant(variant: Variant) -> Sized:
    """A model of the packaged records: no network needed."""
    source = f"shipped record of {variant.date}, not this commit"
    if variant.layers is None:
        known = f"{variant.params / 1e9:.2f} B parameters" if variant.params else "its size is not known"
        length = f", trained at {variant.trained:,} tokens" if variant.trained else ""
        text = f"{known}{length} ({source}); its configuration was not seen, so KV and window are not known"
        hint = "run again with network, or on a snapshot of the model"
        return Sized(model=variant.id, source=source, error=text, hint=hint, trained=variant.trained)
    try:
        shape = read_shape(variant.config())
    except MeasurementError as error:
        return Sized(model=variant.id, source=source, error=error.message, hint=error.hint)
    weights = weights_of(shape)
    if weights is None:
        return Sized(model=variant.id, source=source, error="its size is not known")
    return Sized(model=variant.id, shape=shape, weights=weights, source=source, trained=variant.trained)


def from_candidate(candidate: CandidateFacts) -> Sized:
    """A model that was read from the Hub, a folder or a snapshot."""
    source = candidate.record_note or f"{candidate.kind} at {candidate.revision or 'an unknown revision'}"
    seen = known_variant(candidate.model) if candidate.record else None
    if seen is not None:
        return from_variant(seen)
    try:
        shape, weights = model_of(candidate)
    except MeasurementError as error:
        return Sized(model=candidate.model, source=source, error=error.message, hint=error.hint)
    trained = candidate.context.trained
    return Sized(model=candidate.model, shape=shape, weights=weights, source=source, trained=trained)


def known_variant(model: str) -> Variant | None:
    """The row of the table of variants with this id."""
    wanted = full_id(model).casefold()
    return next((row for row in load_variants() if row.id.casefold() == wanted), None)


def memory_to_judge(facts: HardwareFacts, named: str | None) -> tuple[Memory, tuple[Gpu, ...]]:
    """The memory that rows are judged against, and the devices to list: the named card, else those found."""
    if named and named.lower() == "cpu":
        return memory_here(facts.model_copy(update={"cpu_only": True})), ()
    gpus = read_declared(named).gpus if named else facts.gpus
    memory = memory_of(gpus, None if named else facts.memory_bytes)
    return (memory if memory.gib is not None else Memory(name=named or "unknown hardware")), gpus


def with_images(sized: Sized, load: Load, images: int) -> Load:
    """`load` with the tokens of that many images of the largest size a request; text models see none."""
    each = sized.shape.vision.image_tokens if sized.shape and sized.shape.vision else None
    return load.model_copy(update={"image_tokens": images * (each or 0)})


def rows(sized: Sized, memory: Memory, load: Load, contexts: Iterable[int]) -> list[dict[str, Any]]:
    """One row for each precision and context. `fits` None: no memory to judge against."""
    if sized.shape is None or sized.weights is None:
        return []
    made = []
    for precision in PRECISIONS:
        for context in sorted(set(contexts)):
            asked = load.model_copy(update={"precision": precision, "context": context})
            fits: bool | None = None
            longest: int | None = None
            if memory.gib is not None:
                placed = place(sized.shape, sized.weights, asked, memory.gib, devices=memory.devices)
                longest = placed.max_context
                fits = placed.tp is not None and context <= longest
            made.append(
                {
                    "model": sized.model,
                    "precision": precision,
                    "context_tokens": context,
                    "concurrent": asked.concurrent,
                    "need_gib": round(need(sized.shape, sized.weights, asked).total_gib, 2),
                    "fits": fits,
                    "max_context_tokens": longest,
                }
            )
    return made


def remarks(sized: Sized, memory: Memory, load: Load) -> list[dict[str, Any]]:
    """Findings about one model: why it has no rows, what a split needs, what block modes and images add."""
    if sized.shape is None or sized.weights is None:
        summary = f"{sized.model}: {sized.error or 'its size is not known'}"
        return [_finding("hardware.fits", Status.INCONCLUSIVE, summary, sized.model, sized.hint)]
    shape, weights = sized.shape, sized.weights
    texts = [f"{sized.model}: {weights.params / 1e9:.2f} B parameters from {sized.source}"]
    if shape.max_positions:
        texts.append(f"configured window {shape.max_positions:,} tokens, a length at which quality was not shown")
    if sized.trained:
        texts.append(f"trained at {sized.trained:,} tokens, by the vendor")
    extra = need(
        shape, weights, load.model_copy(update={"context": 0, "block": shape.block_size or BLOCK, "adapter": True})
    )
    texts.append(
        f"block modes add {extra.logits_gib:.2f} GiB of logits"
        + (f" and {extra.adapter_gib:.2f} GiB of adapter" if extra.adapter_gib else "")
    )
    if shape.vision and shape.vision.image_tokens:
        gib = kv_bytes(shape, shape.vision.image_tokens, load.kv) / GIB
        counted = (
            f"{load.image_tokens // shape.vision.image_tokens} counted" if load.image_tokens else "none is counted"
        )
        texts.append(
            f"an image takes up to {shape.vision.image_tokens:,} tokens and {gib:.2f} GiB above the text ({counted})"
        )
    if memory.gib is not None:
        first = place(
            shape, weights, load.model_copy(update={"context": CONTEXTS[0]}), memory.gib, devices=memory.devices
        )
        if first.tp and first.tp > 1:
            texts.append(f"at bf16 it takes {first.tp} devices (tensor parallel)")
    texts += shape.notes
    return [_finding("hardware.fits", Status.PASS, "; ".join(texts) + ".", sized.model, None)]


def hardware_remark(facts: HardwareFacts, named: str | None, memory: Memory) -> dict[str, Any]:
    """`hardware.known` for this command: what is judged against, or what is missing."""
    if named:
        if memory.gib is None:
            return _finding("hardware.known", Status.INCONCLUSIVE, f"{named}: its memory is not known.", None, None)
        each = f"{memory.devices}x " if memory.devices > 1 else ""
        text = f"judged against {each}{memory.name} with {memory.gib:.1f} GiB usable (named, not found here)."
        return _finding("hardware.known", Status.PASS, text, None, None)
    if memory.gib is None:
        why = facts.nvml_error or "the memory of the device cannot be read"
        text = f"no GPU to judge against: {why.rstrip('.')}."
        return _finding(
            "hardware.known", Status.INCONCLUSIVE, text, None, "name a card with --gpu H100-80GB, or --gpu cpu"
        )
    text = f"{len(facts.gpus)} device(s) found, {memory.devices}x {memory.name} with {memory.gib:.1f} GiB each."
    return _finding("hardware.known", Status.PASS, text, None, None)


def _finding(check: str, status: Status, summary: str, variant: str | None, remedy: str | None) -> dict[str, Any]:
    return {"id": check, "status": status.value, "variant": variant, "summary": summary, "remedy": remedy}

"""Model and memory for the formula, one way for `hardware`, `doctor` and a run: what is sized, and what holds it."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.data.records import family_of
from evalkit.errors import MeasurementError
from evalkit.findings import Frozen
from evalkit.gpu.cards import find
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.gpu.fit import GIB, Weights, weights_of
from evalkit.gpu.shape import Shape, read_shape
from evalkit.hub.facts import CandidateFacts

#: tokens of a block where neither the configuration nor a record reports
BLOCK = 32


class Memory(Frozen):
    """Equal devices to judge against, or the host's memory; `gib` of one of them, None: not known."""

    name: str = ""
    gib: float | None = None
    devices: int = 1

    @property
    def label(self) -> str:
        return f"{self.devices}x {self.name}" if self.devices > 1 else self.name


def usable_bytes(gpu: Gpu, host_bytes: int | None) -> int | None:
    """Bytes of a device that a server can count on; None where nothing shows it.

    As read by NVML. A card that shares the host's memory (GB10) reports none, or all of the host's: then what the
    table of cards leaves to a server counts, at most what the host has. A card that NVML cannot size has the table's.
    """
    card = find(gpu.name)
    read = gpu.memory_total_bytes
    if card is None:
        return read
    if not card.shared:
        return read or card.usable_bytes
    return min(size for size in (read, host_bytes, card.usable_bytes) if size)


def memory_of(gpus: Iterable[Gpu], host_bytes: int | None) -> Memory:
    """The largest device that a server may use, and how many equal ones there are; slices cannot be joined."""
    whole = [gpu for gpu in gpus if not (gpu.mig and gpu.mig_of is None)]
    sized = [(size, gpu) for gpu in whole if (size := usable_bytes(gpu, host_bytes)) is not None]
    if not sized:
        return Memory()
    largest, best = max(sized, key=lambda one: one[0])
    equal = [gpu for _, gpu in sized if gpu.name == best.name and gpu.mig_of is None]
    return Memory(name=best.name, gib=largest / GIB, devices=max(len(equal), 1))


def memory_here(hardware: HardwareFacts) -> Memory:
    """What the facts of a machine leave to a server: its devices, or its memory where it decodes on the processor."""
    if hardware.cpu_only:
        gib = hardware.memory_bytes / GIB if hardware.memory_bytes else None
        return Memory(name="the host's memory", gib=gib)
    return memory_of(hardware.gpus, hardware.memory_bytes)


def shape_of(candidate: CandidateFacts) -> Shape:
    """The shape of a model that was read, with what its family's record adds: block, and whether anything is cached.

    Raises:
        MeasurementError: its configuration does not describe a decoder.
    """
    shape = read_shape(candidate.config)
    family = family_of(candidate.model, candidate.architectures)
    if family is None:
        return shape
    update: dict[str, object] = {}
    if shape.block_size is None and family.block is not None:
        update["block_size"] = family.block
    if family.attention == "full":
        note = (
            "attends to the whole sequence in every step: no KV cache grows, and block modes hold logits of all of it"
        )
        update |= {"kv": (), "whole_sequence": True, "notes": (note,)}
    return shape.model_copy(update=update)


def model_of(candidate: CandidateFacts | None) -> tuple[Shape, Weights]:
    """Shape and weights of a model that was read.

    Raises:
        MeasurementError: it was not read, or neither its files nor its configuration tell its size.
    """
    if candidate is None:
        raise MeasurementError("no model was read", hint="name it under `candidate: {model: ...}`")
    if candidate.error:
        raise MeasurementError(candidate.error, hint=candidate.hint)
    shape = shape_of(candidate)
    weights = weights_of(shape, candidate.files)
    if weights is None:
        raise MeasurementError(
            "neither file sizes nor the configuration give the number of parameters",
            hint="give a folder or repository with its weights",
        )
    return shape, weights

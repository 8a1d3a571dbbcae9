"""The checks of the hardware item, each with its decision table."""

from __future__ import annotations

from evalkit.findings import Check, Status

_PASS, _WARN, _FAIL, _OPEN = Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE

KNOWN = Check(
    id="hardware.known",
    title="The hardware behind the endpoint is known",
    why="A speed-up holds for the hardware it was measured on. Without knowing it, the result cannot be carried over or"
    " repeated.",
    remedy="run evalkit on the server itself, or declare the hardware: `items: {hardware: {declared: H100-80GB}}`, or"
    " the JSON of `evalkit hardware --json` from the server",
    outcomes={
        "found": _PASS, "declared": _PASS, "found-noted": _WARN, "declared-noted": _WARN, "other-machine": _OPEN,
        "not-readable": _OPEN, "elsewhere": _OPEN, "place-unknown": _OPEN, "nothing-found": _OPEN,
    },
)  # fmt: skip
FITS = Check(
    id="hardware.fits",
    title="The model fits the memory at the context and concurrency that are needed",
    why="A server that runs out of memory for its KV cache queues, evicts or refuses requests, or does not start.",
    remedy="use a card with more memory, a lower precision (`hardware.precision: fp8`), a shorter context or fewer"
    " concurrent sequences; `evalkit hardware MODEL --gpu CARD` shows what fits where",
    sources=("https://docs.sglang.io/",),
    outcomes={
        "fits": _PASS, "pools-hold": _PASS, "pools-alone": _PASS, "pool-too-small": _WARN, "pool-not-read": _OPEN,
        "estimate-too-large": _OPEN, "too-large": _FAIL, "need-unknown": _OPEN, "model-unknown": _OPEN,
        "memory-unknown": _OPEN, "hardware-unknown": _OPEN,
    },
)  # fmt: skip
MAX_CONTEXT = Check(
    id="hardware.max-context",
    title="The longest context that the memory holds",
    why="The configured window says what the model accepts, not what this card can keep in memory.",
    remedy="lower the concurrency or the precision, or use more memory",
    outcomes={"enough": _PASS, "too-short": _WARN},
)
IDLE_MEMORY = Check(
    id="hardware.idle-memory",
    title="No other process takes the device's memory",
    why="Another process on the card takes memory and time; timings are then those of a shared card.",
    remedy="stop the other processes (nvidia-smi shows them), then run again; or waive with the reason",
    outcomes={"idle": _PASS, "shared": _WARN, "taken": _WARN, "not-readable": _WARN},
)
THROTTLED = Check(
    id="hardware.throttled",
    title="The device is not slowed down by heat or power",
    why="A card that throttles gives timings that fall with its temperature: modes timed later look slower.",
    remedy="let the card cool down, check its fans and power supply (nvidia-smi -q -d PERFORMANCE), then run again",
    outcomes={"not-throttled": _PASS, "at-start": _WARN, "while-timed": _WARN, "not-readable": _WARN},
)
MIG = Check(
    id="hardware.mig",
    title="Whether the device is a slice (MIG)",
    why="A slice shares power and clocks with its neighbours, and figures of the whole card do not apply to it.",
    remedy="compare with figures of the same slice only; on a whole card, leave MIG off",
    outcomes={"sliced": _WARN},
)
ECC = Check(
    id="hardware.ecc",
    title="Whether memory is error-corrected",
    why="Without ECC a flipped bit changes an answer unseen; with it, GDDR cards lose some memory.",
    remedy="for production, turn ECC on where the card has it (nvidia-smi -e 1, then reset)",
    outcomes={"corrected": _PASS, "not-corrected": _WARN},
)
SAME_DEVICE = Check(
    id="hardware.same-device",
    title="The modes run on equal devices",
    why="A mode that runs on a faster card looks faster.",
    remedy="serve all modes on the same kind of device",
    outcomes={"different": _WARN},
)
VENDOR = Check(
    id="hardware.vendor-hardware",
    title="The hardware of the vendor's figures",
    why="The vendor's speed figures were taken on other hardware than most buyers have; they are shown, never counted.",
    remedy="judge by your own measurement on your own hardware",
    sources=("https://arxiv.org/abs/2607.05722",),
    outcomes={"shown": _PASS},
)
VARIANTS = Check(
    id="hardware.variants",
    title="Whether the other variants fit",
    why="A smaller or larger variant may be the better choice for the memory that there is.",
    remedy="see `evalkit hardware` for precisions and contexts that fit",
    outcomes={"fits": _PASS, "too-large": _FAIL, "model-unknown": _OPEN, "memory-or-need-unknown": _OPEN},
)
CHECKS = (KNOWN, FITS, MAX_CONTEXT, IDLE_MEMORY, THROTTLED, MIG, ECC, SAME_DEVICE, VENDOR, VARIANTS)

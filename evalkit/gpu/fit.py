"""How much memory a model needs, what fits on a card, and the longest context that does. Pure arithmetic.

    need = weights + KV per token x context x sequences + overhead (+ block logits and adapter in block modes)

Weights come from file sizes where they are listed, else from the configuration. The overhead (CUDA context,
activations, graphs) is an assumption and a setting; a live server's own token pool replaces the estimate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from evalkit.findings import Frozen
from evalkit.gpu.shape import Shape, model_weights
from evalkit.hub.facts import ModelFile

GIB = 1 << 30
Precision = Literal["bf16", "fp8", "4bit"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp8", "4bit")
#: bits per weight of the layers; 4-bit formats carry scales. Embeddings, head and vision tower stay at 16 bits.
_BITS = {"bf16": 16.0, "fp8": 8.0, "4bit": 4.25}
KvPrecision = Literal["bf16", "fp8"]
_KV_BYTES = {"bf16": 2, "fp8": 1}
#: no context is looked for beyond this where the configuration names no window
_LONGEST = 1 << 27
#: share of a device's memory that a server may take; the rest is the driver's and other processes'
MEMORY_SHARE = 0.95
OVERHEAD_GIB = 1.5

FORMULA = (
    "need = weights + KV per token x (context + image tokens) x sequences + overhead"
    " [+ block x vocabulary x 4 bytes x sequences + adapter, in block modes];"
    " KV per token = 2 x layers x KV heads x head_dim x bytes, of sliding layers for the last tokens of their window;"
    " it fits when need <= 95% of the device's memory"
)


class Weights(Frozen):
    """Parameter counts of a model, and how they are known."""

    params: int
    kept: int  # parameters that stay at 16 bits: embeddings, head, vision tower
    adapter_bytes: int = 0
    source: Literal["file sizes", "config.json"]

    def bytes_at(self, precision: Precision) -> int:
        body = max(self.params - self.kept, 0)
        return round(body * _BITS[precision] / 8 + min(self.kept, self.params) * 2)


class Load(Frozen):
    """What is asked of the memory. `block` and `adapter` matter in block modes only."""

    context: int
    concurrent: int = 1
    precision: Precision = "bf16"
    kv: KvPrecision = "bf16"
    overhead_gib: float = OVERHEAD_GIB
    block: int = 0
    adapter: bool = False
    image_tokens: int = 0


class Need(Frozen):
    """Memory in GiB, part by part, on one device of `tp` devices."""

    weights_gib: float
    kv_gib: float
    logits_gib: float
    adapter_gib: float
    overhead_gib: float
    tp: int = 1

    @property
    def total_gib(self) -> float:
        return self.weights_gib + self.kv_gib + self.logits_gib + self.adapter_gib + self.overhead_gib

    def text(self) -> str:
        """The sum with its parts, as a reader checks it."""
        parts = [f"weights {self.weights_gib:.1f}", f"KV {self.kv_gib:.2f}"]
        if self.logits_gib:
            parts.append(f"block logits {self.logits_gib:.2f}")
        if self.adapter_gib:
            parts.append(f"adapter {self.adapter_gib:.2f}")
        parts.append(f"overhead {self.overhead_gib:.1f} (assumed)")
        each = f" on each of {self.tp} devices" if self.tp > 1 else ""
        return f"{' + '.join(parts)} = {self.total_gib:.1f} GiB{each}"


class Placement(Frozen):
    """Where a load fits: the smallest tensor-parallel size that does (None: none does), and the longest context."""

    tp: int | None
    need: Need  # at `tp`, or on one device where it does not fit
    capacity_gib: float  # what a server may take on one device
    max_context: int  # at the largest tensor-parallel size that the devices allow; 0: the weights do not fit
    max_context_tp: int = 1


def weights_of(shape: Shape, files: Iterable[ModelFile] = ()) -> Weights | None:
    """Parameters from file sizes (an unquantised checkpoint), else from the shape; None when neither shows it."""
    size, adapters = model_weights(files)
    kept = shape.embedding_params + (shape.vision.params if shape.vision else 0)
    if size and not shape.quantised:
        params = size // shape.native_bytes
        return Weights(params=params, kept=min(kept, params), adapter_bytes=adapters, source="file sizes")
    if shape.params is None:
        return None
    return Weights(params=shape.params, kept=kept, adapter_bytes=adapters, source="config.json")


def kv_bytes(shape: Shape, tokens: int, kv: KvPrecision = "bf16", *, tp: int = 1) -> float:
    """Bytes that one sequence of `tokens` keeps on one of `tp` devices.

    Layers x 2 x KV heads x head_dim x bytes for each token, in windowed layers for the last tokens only. Heads are
    replicated where there are fewer of them than devices.
    """
    return sum(group.elements(tokens) * _KV_BYTES[kv] / min(tp, group.heads) for group in shape.kv)


def kv_bytes_per_token(shape: Shape, kv: KvPrecision = "bf16") -> int:
    """Bytes by which one more token lets a long sequence grow: what layers without a window keep of it."""
    return sum(group.layers * group.width for group in shape.kv if group.window is None) * _KV_BYTES[kv]


def need(shape: Shape, weights: Weights, load: Load, *, tp: int = 1) -> Need:
    """Memory on one of `tp` devices. In block modes the logits of a block count, or of the whole sequence."""
    tokens = load.context + load.image_tokens
    shown = tokens if shape.whole_sequence and load.block else load.block
    return Need(
        weights_gib=weights.bytes_at(load.precision) / tp / GIB,
        kv_gib=load.concurrent * kv_bytes(shape, tokens, load.kv, tp=tp) / GIB,
        logits_gib=shown * shape.vocab * 4 * load.concurrent / GIB,
        adapter_gib=weights.adapter_bytes / tp / GIB if load.adapter else 0.0,
        overhead_gib=load.overhead_gib,
        tp=tp,
    )


def max_context(shape: Shape, weights: Weights, load: Load, usable_gib: float, *, tp: int = 1) -> int:
    """Longest context in tokens that fits for each of `load.concurrent` sequences; 0 when the weights leave no room.

    Capped at the configured window, which is not a length at which quality was shown.
    """
    capacity = MEMORY_SHARE * usable_gib
    longest = max((shape.max_positions or _LONGEST) - load.image_tokens, 0)

    def fits(context: int) -> bool:
        return need(shape, weights, load.model_copy(update={"context": context}), tp=tp).total_gib <= capacity

    if not fits(0):
        return 0
    low, high = 0, longest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def tensor_parallel_sizes(shape: Shape, devices: int) -> list[int]:
    """Sizes that divide the attention heads, and the KV heads or are a multiple of them; 1 is always one."""
    return [
        size
        for size in range(1, max(devices, 1) + 1)
        if shape.heads % size == 0 and (shape.kv_heads % size == 0 or size % shape.kv_heads == 0)
    ]


def place(shape: Shape, weights: Weights, load: Load, usable_gib: float, *, devices: int = 1) -> Placement:
    """The smallest tensor-parallel size on `devices` equal devices that holds the load, and the longest context."""
    sizes = tensor_parallel_sizes(shape, devices)
    capacity = MEMORY_SHARE * usable_gib
    fitting = next((tp for tp in sizes if need(shape, weights, load, tp=tp).total_gib <= capacity), None)
    longest = {tp: max_context(shape, weights, load, usable_gib, tp=tp) for tp in sizes}
    best = max(longest, key=lambda tp: (longest[tp], -tp))
    return Placement(
        tp=fitting,
        need=need(shape, weights, load, tp=fitting or 1),
        capacity_gib=capacity,
        max_context=longest[best],
        max_context_tp=best,
    )


def pool_context(pool_tokens: int, concurrent: int, window: int | None = None) -> int:
    """Longest context that a live server's own token pool (`max_total_num_tokens`) holds for each sequence."""
    each = pool_tokens // max(concurrent, 1)
    return min(each, window) if window else each

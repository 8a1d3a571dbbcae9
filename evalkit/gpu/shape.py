"""The shape of a model, read from its configuration: what the memory formula needs, and nothing else.

A configuration is foreign text: fields may be missing, nested, of the wrong type or absurd. `read_shape` says which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.errors import MeasurementError
from evalkit.findings import Frozen
from evalkit.gpu.kv import KvGroup, read_kv
from evalkit.hub.config import ALIASES
from evalkit.hub.facts import ModelFile
from evalkit.text import one_line

#: largest value that is taken for real, by field; anything above is refused as absurd
_LIMITS = {
    "num_hidden_layers": 2_000,
    "hidden_size": 1_000_000,
    "num_attention_heads": 10_000,
    "num_key_value_heads": 10_000,
    "head_dim": 100_000,
    "intermediate_size": 10_000_000,
    "vocab_size": 100_000_000,
}
_DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4, "float": 4, "float8_e4m3fn": 1}
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf", ".pth")


class Vision(Frozen):
    """A vision tower next to the text model. `image_tokens` is the most one image takes in the context."""

    params: int
    image_tokens: int | None = None


class Experts(Frozen):
    """A mixture of experts. `ffn` None: the configuration does not say how wide one is."""

    count: int
    ffn: int | None
    shared_ffn: int = 0
    #: layers at the beginning that have one dense network instead
    dense_layers: int | None = None


class Shape(Frozen):
    """Layers and widths of a decoder. `kv` is what it keeps of a sequence; empty where nothing grows with it."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int | None
    vocab: int
    tied: bool
    kv: tuple[KvGroup, ...]
    #: attends to the whole sequence in every step: there is no cache, and every position is decoded
    whole_sequence: bool = False
    experts: Experts | None = None
    native_bytes: int = 2
    quantised: str | None = None
    max_positions: int | None = None
    block_size: int | None = None
    vision: Vision | None = None
    notes: tuple[str, ...] = ()

    @property
    def embedding_params(self) -> int:
        """Input embeddings and, where it is not the same tensor, the output head."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def params(self) -> int | None:
        """L x (2hq + 2hk + 3hf + 2h) + embeddings + h, plus the vision tower; experts as `_ffn_params` has them.

        None where the configuration does not tell, as for experts of an unknown width.
        """
        networks = self._ffn_params()
        if networks is None:
            return None
        q, k = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layers = self.layers * self.hidden * (2 * q + 2 * k + 2) + networks
        return layers + self.embedding_params + self.hidden + (self.vision.params if self.vision else 0)

    def _ffn_params(self) -> int | None:
        """Feed-forward networks of all layers: gated, 3hf each; E of them, a router and shared ones with experts.

        A dense network next to the experts counts in every layer unless the configuration says in which it is.
        """
        dense = 3 * self.hidden * (self.ffn or 0)
        if self.experts is None:
            return self.layers * dense if self.ffn else None
        each = self.experts.ffn
        if each is None:
            return None
        mixed = self.hidden * (3 * self.experts.count * each + self.experts.count + 3 * self.experts.shared_ffn)
        first = self.experts.dense_layers
        if first is not None:
            return first * dense + (self.layers - first) * mixed
        return self.layers * (mixed + (dense if each != self.ffn else 0))


def read_shape(config: Mapping[str, Any]) -> Shape:
    """The shape that `config.json` describes; `text_config` is read first where there is one, older names last.

    `head_dim` is read before it is derived: hidden size over heads is wrong for several families.

    Raises:
        MeasurementError: a field is missing, of the wrong type or outside of what any model has.
    """
    layered = _Layered(config)
    layers = layered.number("num_hidden_layers")
    hidden = layered.number("hidden_size")
    heads = layered.number("num_attention_heads")
    kv_heads = layered.optional("num_key_value_heads") or heads
    head_dim = layered.optional("head_dim") or hidden // heads
    if not head_dim or kv_heads > heads:
        raise MeasurementError(
            f"config.json: {heads} heads, {kv_heads} KV heads and hidden size {hidden} do not go together",
            hint="check the configuration at the pinned commit",
        )
    ffn = layered.optional("intermediate_size")
    kv, notes = read_kv(layered, layers, kv_heads, head_dim)
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=ffn,
        vocab=max(layered.number("vocab_size"), layered.soft("embedding_size") or 0),
        tied=layered.get("tie_word_embeddings") is True,
        kv=kv,
        experts=_experts(layered, ffn),
        native_bytes=_native_bytes(layered),
        quantised=_quantisation(layered.get("quantization_config")),
        max_positions=layered.soft("max_position_embeddings"),
        block_size=layered.soft("block_size"),
        vision=_vision(config, hidden),
        notes=notes,
    )


def model_weights(files: Iterable[ModelFile]) -> tuple[int, int]:
    """Bytes of the model's own weights, and bytes of adapters next to them, from the list of files.

    Files in folders are not base shards (adapters, original checkpoints, other formats); of several formats at the top
    level only the first of safetensors, bin, gguf, pth counts. Zero where sizes are not listed.
    """
    listed = [file for file in files if file.name.endswith(_WEIGHT_SUFFIXES)]
    adapters = sum(file.size or 0 for file in listed if _is_adapter(file.name))
    top = [file for file in listed if "/" not in file.name and not _is_adapter(file.name)]
    for suffix in _WEIGHT_SUFFIXES:
        shards = [file for file in top if file.name.endswith(suffix)]
        split = [file for file in shards if not file.name.startswith("consolidated")]
        chosen = split or shards
        if chosen:
            known = all(file.size is not None for file in chosen)
            return (sum(file.size or 0 for file in chosen) if known else 0, adapters)
    return 0, adapters


def _is_adapter(name: str) -> bool:
    return name.rpartition("/")[2].startswith("adapter_") and name.endswith((".safetensors", ".bin"))


class _Layered:
    """Looks into `text_config` first, then at the top level."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        inner = config.get("text_config")
        self._maps = [inner, config] if isinstance(inner, Mapping) else [config]

    def get(self, name: str) -> Any:
        for values in self._maps:
            for known in (name, *ALIASES.get(name, ())):
                if values.get(known) is not None:
                    return values[known]
        return None

    def optional(self, name: str) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or value != int(value)
        ):
            shown = one_line(repr(value), limit=40)
            raise MeasurementError(
                f"config.json: {name} is {shown}, not a whole number", hint="check the configuration"
            )
        number = int(value)
        if not 1 <= number <= _LIMITS.get(name, 1 << 40):
            raise MeasurementError(
                f"config.json: {name} is {number}, which no model has", hint="check the configuration"
            )
        return number

    def number(self, name: str) -> int:
        value = self.optional(name)
        if value is None:
            raise MeasurementError(
                f"config.json has no {name}",
                hint="memory cannot be computed: check that this is the model's own config.json",
            )
        return value

    def soft(self, name: str) -> int | None:
        """As `optional`, but nonsense counts as absent: the field does not decide memory."""
        try:
            return self.optional(name)
        except MeasurementError:
            return None


def _experts(config: _Layered, ffn: int | None) -> Experts | None:
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    count = next((value for name in names if (value := config.soft(name))), 0)
    if count < 2:
        return None
    # without a width of their own, experts are as wide as the network of the families that call them local
    each = config.soft("moe_intermediate_size") or (ffn if config.soft("num_local_experts") else None)
    shared = config.soft("num_shared_experts") or 0
    width = config.soft("shared_expert_intermediate_size") or (each or 0) * shared
    first = config.get("first_k_dense_replace")
    known = isinstance(first, int) and not isinstance(first, bool) and 0 <= first <= config.number("num_hidden_layers")
    return Experts(count=count, ffn=each, shared_ffn=width, dense_layers=first if known else None)


def _native_bytes(config: _Layered) -> int:
    name = config.get("dtype") or config.get("torch_dtype")
    return _DTYPE_BYTES.get(name.removeprefix("torch."), 2) if isinstance(name, str) else 2


def _quantisation(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return one_line(str(value.get("quant_method") or "quantised"), limit=40)


def _vision(config: Mapping[str, Any], text_hidden: int) -> Vision | None:
    """Pixtral-like tower: gated FFN of four times the width, a patch merger and a two-layer projector."""
    vision = config.get("vision_config")
    if not isinstance(vision, Mapping):
        return None
    values = _Layered(vision)
    layers, width = values.soft("num_hidden_layers"), values.soft("hidden_size")
    patch = values.soft("patch_size")
    if not (layers and width and patch) or layers > 2_000 or width > 1_000_000:
        return Vision(params=0)
    ffn = values.soft("intermediate_size") or 4 * width
    merge = _Layered(config).soft("spatial_merge_size") or values.soft("spatial_merge_size") or 1
    tower = layers * (4 * width * width + 3 * width * ffn + 2 * width) + 3 * patch * patch * width
    projector = merge * merge * width * width + width * text_hidden + text_hidden * text_hidden
    size = values.soft("image_size")
    side = size // (patch * merge) if size else None
    return Vision(params=tower + projector, image_tokens=side * side if side else None)

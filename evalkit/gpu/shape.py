"""The shape of a model, read from its configuration: what the memory formula needs, and nothing else.

A configuration is foreign text: fields may be missing, nested, of the wrong type or absurd. `read_shape` says which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.errors import MeasurementError
from evalkit.findings import Frozen
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
    """A vision tower beside the text model. `image_tokens` is the most one image takes in the context."""

    params: int
    image_tokens: int | None = None


class Shape(Frozen):
    """Layers and widths of a decoder. `kv_width` is what one layer keeps per token: keys and values, in elements."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int | None
    vocab: int
    tied: bool
    kv_width: int
    experts: int = 0
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
        """L x (2hq + 2hk + 3hf + 2h) + embeddings + h, plus the vision tower. None for mixtures of experts."""
        if self.ffn is None or self.experts:
            return None
        q, k = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = self.hidden * (2 * q + 2 * k + 3 * self.ffn + 2)
        return self.layers * layer + self.embedding_params + self.hidden + (self.vision.params if self.vision else 0)


def read_shape(config: Mapping[str, Any]) -> Shape:
    """The shape that `config.json` describes; `text_config` is read first where there is one.

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
    quantised = _quantisation(layered.get("quantization_config"))
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=layered.optional("intermediate_size"),
        vocab=layered.number("vocab_size"),
        tied=layered.get("tie_word_embeddings") is True,
        kv_width=_kv_width(layered, kv_heads, head_dim),
        experts=_experts(layered),
        native_bytes=_native_bytes(layered),
        quantised=quantised,
        max_positions=layered.soft("max_position_embeddings"),
        block_size=layered.soft("block_size"),
        vision=_vision(config, hidden),
        notes=_notes(layered),
    )


def model_weights(files: Iterable[ModelFile]) -> tuple[int, int]:
    """Bytes of the model's own weights, and bytes of adapters beside them, from the list of files.

    Files in folders are no base shards (adapters, original checkpoints, other formats); of several formats at the top
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
            if values.get(name) is not None:
                return values[name]
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


def _kv_width(config: _Layered, kv_heads: int, head_dim: int) -> int:
    latent, rope = config.soft("kv_lora_rank"), config.soft("qk_rope_head_dim")
    if latent and rope:  # multi-head latent attention keeps one compressed vector
        return latent + rope
    return 2 * kv_heads * head_dim


def _experts(config: _Layered) -> int:
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    return next((value for name in names if (value := config.soft(name))), 0)


def _native_bytes(config: _Layered) -> int:
    name = config.get("dtype") or config.get("torch_dtype")
    return _DTYPE_BYTES.get(name.removeprefix("torch."), 2) if isinstance(name, str) else 2


def _quantisation(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return one_line(str(value.get("quant_method") or "quantised"), limit=40)


def _notes(config: _Layered) -> tuple[str, ...]:
    notes = []
    if config.get("sliding_window") and config.get("use_sliding_window") is not False:
        notes.append("sliding-window layers keep less KV than computed: the figure is an upper bound")
    kinds = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(kinds, list) and any(isinstance(kind, str) and "attention" not in kind for kind in kinds):
        notes.append("layers without attention keep no growing KV: the figure is an upper bound")
    return tuple(notes)


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

"""What each layer of a model keeps of a sequence: all of it, a window of it, or nothing that grows."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from evalkit.findings import Frozen

Kind = Literal["full", "window", "none"]
#: layers that keep a state of one size, or nothing
_STATELESS = (
    "mamba", "mamba2", "linear_attention", "linear", "conv", "short_conv", "recurrent", "rglru", "ssm",
    "gated_deltanet", "kda", "moe", "mlp", "gmlp", "ffn",
)  # fmt: skip
_WINDOWED = ("sliding", "local", "chunked", "swa")


class Fields(Protocol):
    """A configuration: a field as it is, or as a whole number (None for nonsense)."""

    def get(self, name: str) -> Any: ...
    def soft(self, name: str) -> int | None: ...


class KvGroup(Frozen):
    """Layers that keep alike: `width` is what one layer keeps of a token, keys and values together, in elements."""

    layers: int
    width: int
    #: heads over which tensor parallelism can split it
    heads: int
    #: tokens at most, in layers that look back so far only; None: all of them
    window: int | None = None

    def elements(self, tokens: int) -> int:
        """What the layers keep of a sequence of `tokens`."""
        return self.layers * self.width * (tokens if self.window is None else min(tokens, self.window))


def read_kv(config: Fields, layers: int, kv_heads: int, head_dim: int) -> tuple[tuple[KvGroup, ...], tuple[str, ...]]:
    """Groups of layers that keep alike, and remarks. What is not understood counts as keeping everything."""
    latent, rope = config.soft("kv_lora_rank"), config.soft("qk_rope_head_dim")
    width, heads = 2 * kv_heads * head_dim, kv_heads
    if latent and rope:  # multi-head latent attention keeps one compressed vector, on every device
        width, heads = latent + rope, 1
    shared = min(config.soft("num_kv_shared_layers") or 0, layers - 1)  # the last layers take the KV of earlier ones
    kinds = _kinds(config, layers)
    window = config.soft("sliding_window") or config.soft("attention_chunk_size")
    if kinds is None:
        said = config.get("sliding_window") and config.get("use_sliding_window") is not False
        note = "sliding-window layers keep less KV than computed: the figure is an upper bound"
        return (KvGroup(layers=layers - shared, width=width, heads=heads),), (note,) if said else ()
    kinds = kinds[: layers - shared]
    full, windowed = kinds.count("full"), kinds.count("window")
    if windowed and window is None:
        full, windowed = full + windowed, 0
    global_heads = config.soft("num_global_key_value_heads") or kv_heads
    global_dim = config.soft("global_head_dim") or head_dim
    own = windowed and (global_heads, global_dim) != (kv_heads, head_dim)
    groups = (
        KvGroup(
            layers=full, width=2 * global_heads * global_dim if own else width, heads=global_heads if own else heads
        ),
        KvGroup(layers=windowed, width=width, heads=heads, window=window),
    )
    return tuple(group for group in groups if group.layers), _notes(full, windowed, layers, window)


def _notes(full: int, windowed: int, layers: int, window: int | None) -> tuple[str, ...]:
    notes = []
    if windowed:
        notes.append(
            f"{windowed} of {layers} layers keep at most {window:,} tokens, {full} keep all: an engine that does not"
            " use the window needs more"
        )
    if full + windowed < layers:
        notes.append(f"{layers - full - windowed} of {layers} layers keep no KV that grows; their state is not counted")
    return tuple(notes)


def _kinds(config: Fields, layers: int) -> list[Kind] | None:
    """A kind for each layer, or None where the configuration says nothing of them or does not fit their number."""
    for name in ("layer_types", "layers_block_type"):
        told = config.get(name)
        if isinstance(told, list) and len(told) == layers:
            return [_kind(one) for one in told]
    pattern = config.get("hybrid_override_pattern")
    if isinstance(pattern, str) and len(pattern) == layers:
        return ["none" if mark in "M-E" else "full" for mark in pattern]
    for name in ("attn_layer_indices", "full_attn_idxs"):
        told = config.get(name)
        if isinstance(told, list) and told and all(isinstance(i, int) and 0 <= i < layers for i in told):
            return ["full" if layer in told else "none" for layer in range(layers)]
    marks = config.get("attn_type_list")
    if isinstance(marks, list) and len(marks) == layers and all(mark in (0, 1) for mark in marks):
        return ["full" if mark else "none" for mark in marks]
    return _periodic(config, layers)


def _periodic(config: Fields, layers: int) -> list[Kind] | None:
    if interval := config.soft("full_attention_interval"):
        return ["none" if (layer + 1) % interval else "full" for layer in range(layers)]
    if period := config.soft("attn_layer_period"):
        offset = config.soft("attn_layer_offset") or 0
        return ["full" if layer % period == offset % period else "none" for layer in range(layers)]
    if config.soft("sliding_window") and (period := config.soft("sliding_window_pattern")):
        return ["window" if (layer + 1) % period else "full" for layer in range(layers)]
    return None


def _kind(told: object) -> Kind:
    name = str(told).lower()
    if name in _STATELESS or name.startswith(("mamba", "linear_")):
        return "none"
    return "window" if name.startswith(_WINDOWED) else "full"

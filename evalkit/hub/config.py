"""config.json and its siblings: allow-listed values, checked; what does not fit is dropped and noted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from evalkit.hub.facts import ContextLimits
from evalkit.text import one_line

_COUNTS = {
    "num_hidden_layers": 2_000, "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000, "num_attention_heads": 10_000,
    "num_key_value_heads": 10_000, "head_dim": 100_000, "vocab_size": 100_000_000, "block_size": 100_000,
    "mask_token_id": 100_000_000, "sliding_window": 1 << 30, "num_experts": 100_000, "num_local_experts": 100_000,
    "n_routed_experts": 100_000, "num_experts_per_tok": 100_000, "moe_intermediate_size": 10_000_000,
    "num_global_key_value_heads": 10_000, "global_head_dim": 100_000, "kv_lora_rank": 1_000_000,
    "qk_rope_head_dim": 100_000, "sliding_window_pattern": 2_000, "full_attention_interval": 2_000,
    "attn_layer_period": 2_000, "attn_layer_offset": 2_000, "attention_chunk_size": 1 << 30,
    "num_kv_shared_layers": 2_000, "num_shared_experts": 1_000, "first_k_dense_replace": 2_000,
    "shared_expert_intermediate_size": 10_000_000, "embedding_size": 100_000_000,
    "max_position_embeddings": 1 << 30, "patch_size": 10_000, "image_size": 100_000, "spatial_merge_size": 1_000,
}  # fmt: skip
_FLAGS = ("tie_word_embeddings", "use_sliding_window", "use_cache")
_WORDS = ("dtype", "torch_dtype", "dlm_paradigm", "transformers_version", "model_type")
#: names that other families use for the same things
ALIASES = {
    "num_hidden_layers": ("n_layers", "n_layer"), "hidden_size": ("d_model", "n_embd"),
    "num_attention_heads": ("n_heads", "n_head"), "num_key_value_heads": ("n_kv_heads",),
    "intermediate_size": ("mlp_hidden_size", "n_inner"), "block_size": ("canvas_length", "bd_size", "block_length"),
    "mask_token_id": ("mask_id",), "tie_word_embeddings": ("weight_tying",),
    "sliding_window_pattern": ("global_period",), "num_shared_experts": ("n_shared_experts",),
    "shared_expert_intermediate_size": ("moe_shared_expert_intermediate_size",),
    "max_position_embeddings": ("max_sequence_length", "n_positions"),
}  # fmt: skip
_VISION = (
    "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
    "head_dim", "patch_size", "image_size", "spatial_merge_size",
)  # fmt: skip
#: a kind for each layer, or the layers with attention
LAYER_LISTS = ("layer_types", "layers_block_type", "attn_layer_indices", "full_attn_idxs", "attn_type_list")
_ZERO = ("mask_token_id", "attn_layer_offset", "num_kv_shared_layers", "first_k_dense_replace", "num_shared_experts")


@dataclass
class Config:
    values: dict[str, Any] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    remote_code: tuple[str, ...] = ()
    context: ContextLimits = field(default_factory=ContextLimits)
    notes: list[str] = field(default_factory=list)


def load_json(raw: bytes | None, name: str, notes: list[str]) -> dict[str, Any]:
    """A JSON object, or an empty one with a note."""
    if raw is None:
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        notes.append(f"{name} is not JSON: not used")
        return {}
    if not isinstance(value, dict):
        notes.append(f"{name} is not a JSON object: not used")
        return {}
    return value


def read_config(
    config: dict[str, Any], generation: dict[str, Any], tokenizer: dict[str, Any], *sides: dict[str, Any]
) -> Config:
    """Values of `text_config` come first where there is one, then the top level, then `sides` for block and mask."""
    out = Config()
    inner = config.get("text_config")
    layers = [("text_config.", inner), ("", config)] if isinstance(inner, dict) else [("", config)]
    sources: dict[str, str] = {}
    for name in _COUNTS:
        for prefix, layer in layers:
            key = next((k for k in (name, *ALIASES.get(name, ())) if layer.get(k) is not None), None)
            if key is not None:
                out.values[name] = _count(layer[key], name, prefix + key, out.notes)
                sources[name] = prefix + key
                break
    for name in ("block_size", "mask_token_id"):
        for side in sides:
            key = next((k for k in (name, *ALIASES[name]) if side.get(k) is not None), None)
            if name not in sources and key is not None:
                out.values[name] = _count(side[key], name, f"side file: {key}", out.notes)
                sources[name] = key
    for _, layer in reversed(layers):
        flags = {k: next((layer[n] for n in (k, *ALIASES.get(k, ())) if n in layer), None) for k in _FLAGS}
        out.values.update({k: v for k, v in flags.items() if isinstance(v, bool)})
        out.values.update({k: one_line(layer[k], limit=60) for k in _WORDS if isinstance(layer.get(k), str)})
    out.values = {k: v for k, v in out.values.items() if v is not None}
    _nested(config, layers, out)
    out.architectures = _names(config.get("architectures"))
    raw_type = config.get("model_type")
    out.model_type = one_line(raw_type, limit=100) if isinstance(raw_type, str) else None
    out.remote_code = _remote_code(config.get("auto_map"), tokenizer.get("auto_map"))
    out.context = _context(out, sources, layers, generation, tokenizer)
    return out


def _count(value: Any, name: str, shown: str, notes: list[str]) -> int | None:
    low = 0 if name in _ZERO else 1
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        notes.append(f"{shown} is {one_line(repr(value), limit=60)}, no number: not used")
        return None
    if value != value or not low <= value <= _COUNTS.get(name, 1 << 30) or value != int(value):  # noqa: PLR0124  NaN
        notes.append(f"{shown} is {one_line(str(value), limit=40)}, which no model has: not used")
        return None
    return int(value)


def _nested(config: dict[str, Any], layers: list[tuple[str, dict[str, Any]]], out: Config) -> None:
    vision = config.get("vision_config")
    if isinstance(vision, dict):
        seen = {k: _count(vision[k], k, f"vision_config.{k}", out.notes) for k in _VISION if vision.get(k) is not None}
        out.values["vision_config"] = {k: v for k, v in seen.items() if v is not None}
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict):
        out.values["quantization_config"] = {
            k: one_line(str(quantised[k]), limit=40) for k in ("quant_method", "bits", "fmt") if k in quantised
        }
    for name in LAYER_LISTS:
        kinds = next((layer[name] for _, layer in layers if isinstance(layer.get(name), list)), None)
        if kinds is not None:
            out.values[name] = [k if isinstance(k, int) else one_line(str(k), limit=40) for k in kinds[:2000]]
    pattern = next((v for _, layer in layers if isinstance(v := layer.get("hybrid_override_pattern"), str)), None)
    if pattern is not None:
        out.values["hybrid_override_pattern"] = one_line(pattern, limit=2000)
    eos = next((layer["eos_token_id"] for _, layer in layers if layer.get("eos_token_id") is not None), None)
    if isinstance(eos, (int, list)) and not isinstance(eos, bool):
        out.values["eos_token_id"] = [e for e in eos if isinstance(e, int)][:20] if isinstance(eos, list) else eos


def _names(value: Any) -> tuple[str, ...]:
    return tuple(one_line(v, limit=100) for v in value[:10] if isinstance(v, str)) if isinstance(value, list) else ()


def _remote_code(*maps: Any) -> tuple[str, ...]:
    """Files that `trust_remote_code` would run; `OWNER/REPO: file` when they live in another repository."""
    files: dict[str, None] = {}
    for mapping in maps:
        for value in mapping.values() if isinstance(mapping, dict) else ():
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, str) and entry:
                    repo, _, target = entry.rpartition("--")
                    module = target.rpartition(".")[0].replace(".", "/")
                    shown = f"{module or target}.py"
                    files[one_line(f"{repo}: {shown}" if repo else shown, limit=200)] = None
    return tuple(files)[:50]


def _context(
    out: Config,
    sources: dict[str, str],
    layers: list[tuple[str, dict[str, Any]]],
    generation: dict[str, Any],
    tokenizer: dict[str, Any],
) -> ContextLimits:
    rope: dict[str, Any] = {}
    for key in ("rope_scaling", "rope_parameters"):  # the newer name wins
        for _, layer in reversed(layers):
            value = layer.get(key)
            rope.update(value if isinstance(value, dict) else {})
    kind = rope.get("rope_type", rope.get("type"))
    factor = rope.get("factor")
    good_factor = isinstance(factor, (int, float)) and not isinstance(factor, bool) and 0 < factor < 10_000

    def length(values: dict[str, Any], key: str, file: str) -> int | None:
        value = values.get(key)
        sentinel = isinstance(value, (int, float)) and value > 1 << 40  # tokenizers write 1e30 for "none"
        return None if value is None or sentinel else _count(value, key, f"{file}: {key}", out.notes)

    return ContextLimits(
        config_max=out.values.get("max_position_embeddings"),
        config_source=sources.get("max_position_embeddings"),
        rope_type=one_line(kind, limit=40) if isinstance(kind, str) else None,
        rope_factor=float(factor) if good_factor and factor is not None else None,
        rope_original=length(rope, "original_max_position_embeddings", "rope"),
        generation_max_length=length(generation, "max_length", "generation_config.json"),
        generation_max_new_tokens=length(generation, "max_new_tokens", "generation_config.json"),
        tokenizer_max=length(tokenizer, "model_max_length", "tokenizer_config.json"),
    )

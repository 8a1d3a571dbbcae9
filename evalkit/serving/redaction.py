"""The allow-list: the only fields of a server's own description that leave the parse.

SGLang's /server_info carries keys in clear (top level, internal_states, launch_command): nothing is kept by default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.secrets import redact
from evalkit.text import one_line

#: scalars that may be kept as they are
SCALARS = (
    "dllm_algorithm",
    "dllm_block_size",
    "dllm_fdfo",
    "page_size",
    "speculative_algorithm",
    "speculative_num_draft_tokens",
    "speculative_eagle_topk",
    "speculative_num_steps",
    "context_length",
    "max_total_num_tokens",
    "max_req_input_len",
    "max_running_requests",
    "max_queued_requests",
    "dtype",
    "quantization",
    "kv_cache_dtype",
    "attention_backend",
    "tp_size",
    "dp_size",
    "pp_size",
    "random_seed",
    "tool_call_parser",
    "reasoning_parser",
    "mem_fraction_static",
    "chunked_prefill_size",
    "disable_radix_cache",
    "disable_cuda_graph",
    "disable_overlap_schedule",
    "enable_metrics",
    "enable_cache_report",
    "enable_lora",
    "stream_interval",
    "stream_output",
    "incremental_streaming_output",
    "allow_auto_truncate",
    "load_format",
    "device",
    "weight_version",
)
#: what the example server around a model's own code tells of its settings
OWN_CODE = ("block_size", "threshold", "dtype", "quantization", "context_length", "max_running_requests", "call")
#: values that may be paths of the server's machine: only the last part is kept
PATHS = ("dllm_algorithm_config", "speculative_draft_model_path")
_LIMIT = 200


def text_of(value: object) -> str | None:
    """A short clean text, or None for anything else."""
    return redact(one_line(value, limit=_LIMIT)) if isinstance(value, str) and value.strip() else None


def scalar(value: object) -> object:
    """A number, truth value or short clean text; None for lists, objects and nonsense."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if value == value and abs(value) < 1e18 else None  # noqa: PLR0124  NaN is not itself
    return text_of(value)


def model_name(value: object) -> str | None:
    """A Hub id as it is; of a path only its last part, so that no folder of the server's machine is kept."""
    text = text_of(value)
    if text is None:
        return None
    if text.count("/") == 1 and not text.startswith(("/", ".", "~")):
        return text
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return f"…/{last}" if last != text else text


def settings(raw: Mapping[str, Any], keep: Iterable[str] = SCALARS) -> dict[str, Any]:
    """The allow-listed settings of a flat description; of the override JSON `ar_mode` and the key names."""
    kept = {name: scalar(raw[name]) for name in keep if name in raw}
    for name in PATHS:
        if raw.get(name):
            kept[name] = model_name(raw[name])
    adapters = raw.get("lora_paths")
    if isinstance(adapters, list | dict) and adapters:
        kept["adapters"] = len(adapters)
    overrides = _overrides(raw.get("json_model_override_args"))
    if overrides:
        kept["override_keys"] = ", ".join(sorted(one_line(key, limit=60) for key in list(overrides)[:20]))
        if "ar_mode" in overrides:
            kept["ar_mode"] = overrides["ar_mode"] is True
    return kept


def _overrides(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def unwrap(raw: object) -> dict[str, Any]:
    """One worker's description out of a router's: `decode` before `prefill`, else a list's first, else as it is."""
    for _ in range(3):
        if isinstance(raw, list):
            raw = raw[0] if raw else {}
            continue
        if not isinstance(raw, dict):
            return {}
        inner = next(
            (raw[key] for key in ("decode", "prefill", "workers") if isinstance(raw.get(key), list) and raw[key]), None
        )
        if inner is None:
            return raw
        raw = inner
    return raw if isinstance(raw, dict) else {}

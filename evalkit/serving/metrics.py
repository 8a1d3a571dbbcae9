"""Counters of a Prometheus page: the few that tell how a server decodes, summed over their labels."""

from __future__ import annotations

import math
import re

from evalkit.text import one_line

#: scheduler rounds of SGLang: autoregressive decoding counts under decode, the diffusion loop under prefill
PASSES = "sglang:cuda_graph_passes_total"
DECODE_PASSES, PREFILL_PASSES = f"{PASSES}{{decode}}", f"{PASSES}{{prefill}}"
_KIND = re.compile(r'mode="(decode|prefill)_')

#: Label sets differ between versions: match by name, sum over labels.
WANTED = (
    "sglang:generation_tokens_total",
    "sglang:num_requests_total",
    "sglang:num_aborted_requests_total",
    "sglang:spec_verify_calls_total",
    PASSES,
    "sglang:spec_accept_length",
    "sglang:token_usage",
    "sglang:num_used_tokens",
    "sglang:context_len",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:kv_cache_usage_perc",
    "process_start_time_seconds",
)
PREFIXES = ("vllm:diffusion_", "vllm:spec_decode_")
_MAX_LINES = 200_000
_CACHE = "vllm:cache_config_info{"
_LABEL = re.compile(r'(\w{1,60})="([^"]{0,200})"')


def counters(page: str) -> dict[str, float]:
    """Wanted samples by name. Malformed lines are skipped; histograms' buckets are left out."""
    found: dict[str, float] = {}
    for number, line in enumerate(page.splitlines()):
        if number >= _MAX_LINES:
            break
        if line.startswith("#"):
            continue
        name = line.partition("{")[0].partition(" ")[0]
        if name not in WANTED and not (name.startswith(PREFIXES) and not name.endswith(("_bucket", "_created"))):
            continue
        kind = _KIND.search(line) if name == PASSES else None
        if kind:
            name = f"{PASSES}{{{kind.group(1)}}}"
        value = _number(line.rpartition("}")[2] if "}" in line else line.partition(" ")[2])
        if value is not None and len(name) < 100 and len(found) < 100:
            found[name] = found.get(name, 0.0) + value
    return found


def vllm_cache(page: str) -> dict[str, int | str | bool]:
    """The cache of a vLLM under SGLang's names of settings, so that the two compare; of its first engine.

    `max_total_num_tokens` is the pool in tokens, `disable_radix_cache` the absence of prefix caching.
    """
    line = next((line for line in page.splitlines()[:_MAX_LINES] if line.startswith(_CACHE)), "")
    told = dict(_LABEL.findall(line[:20_000]))
    found: dict[str, int | str | bool] = {}
    if told.get("kv_cache_size_tokens", "").isdecimal():
        found["max_total_num_tokens"] = int(told["kv_cache_size_tokens"])
    if told.get("enable_prefix_caching") in ("True", "False"):
        found["disable_radix_cache"] = told["enable_prefix_caching"] == "False"
    if "cache_dtype" in told:
        found["kv_cache_dtype"] = one_line(told["cache_dtype"], limit=40)
    return found


def _number(text: str) -> float | None:
    parts = text.split()
    try:
        value = float(parts[0]) if parts else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def kv_use(found: dict[str, float]) -> float | None:
    """Share of the KV cache in use, 0 to 1, or None where the server does not say."""
    return next((found[name] for name in ("sglang:token_usage", "vllm:kv_cache_usage_perc") if name in found), None)

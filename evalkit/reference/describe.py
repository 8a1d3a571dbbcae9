"""What the server says of itself: models, settings, load. Keys in clear, as the real one leaks them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from evalkit.modes import Mode
from evalkit.reference.script import Script
from evalkit.reference.state import State

_LORA_OFF: dict[str, Any] = {"enable_lora": None, "lora_paths": None, "max_loras_per_batch": 8}

_NO_DISAGGREGATION: dict[str, Any] = {
    "mode": "null",
    "prefill_bootstrap_queue_reqs": 0,
    "prefill_inflight_queue_reqs": 0,
    "decode_prealloc_queue_reqs": 0,
    "decode_transfer_queue_reqs": 0,
    "decode_retracted_queue_reqs": 0,
    "kv_transfer_speed_gb_s": 0.0,
    "kv_transfer_latency_ms": 0.0,
}


def model_card(state: State) -> dict[str, Any]:
    """The entry of /v1/models."""
    script = state.script
    return {
        "id": script.model,
        "object": "model",
        "created": int(time.time()),
        "owned_by": script.engine,
        "root": script.model,
        "parent": None,
        "max_model_len": script.context_length,
    }


def model_info(state: State) -> dict[str, Any]:
    """The body of /model_info."""
    script = state.script
    path = script.model_path or script.model
    return {
        "model_path": path,
        "served_model_name": script.model,
        "tokenizer_path": path,
        "is_generation": True,
        "preferred_sampling_params": None,
        "weight_version": "default",
        "load_format": "auto",
        "reasoning_parser": script.reasoning_parser,
        "tool_call_parser": script.tool_call_parser,
        "disaggregation_mode": "null",
        "has_image_understanding": False,
        "has_audio_understanding": False,
        "model_type": script.model_type,
        "architectures": list(script.architectures),
    }


def server_args(script: Script) -> dict[str, Any]:
    """The start arguments, resolved."""
    speculative = script.declared is Mode.SPECULATIVE
    overrides = dict(script.json_model_override_args)
    if script.block_loop_ar:
        overrides.setdefault("ar_mode", True)
    path = script.model_path or script.model
    return {
        "model_path": path,
        "tokenizer_path": path,
        "load_format": "auto",
        "trust_remote_code": True,
        "context_length": script.context_length,
        "is_embedding": False,
        "revision": script.revision,
        "json_model_override_args": json.dumps(overrides),
        "dtype": script.dtype,
        "quantization": script.quantization,
        "kv_cache_dtype": script.kv_cache_dtype,
        "mem_fraction_static": 0.8,
        "max_running_requests": script.max_running_requests,
        "max_queued_requests": None,
        "max_total_tokens": script.max_total_num_tokens,
        "chunked_prefill_size": script.chunked_prefill_size,
        "schedule_policy": "fcfs",
        "page_size": script.page_size,
        "disable_radix_cache": script.disable_radix_cache,
        "disable_overlap_schedule": bool(script.algorithm),
        "tp_size": script.tp_size,
        "pp_size": 1,
        "dp_size": 1,
        "device": "cuda",
        "random_seed": script.seed,
        "ssl_keyfile": None,
        "ssl_keyfile_password": None,
        "api_key": script.api_key,
        "admin_api_key": script.admin_key,
        "served_model_name": script.model,
        "weight_version": "default",
        "chat_template": None,
        "enable_cache_report": script.enable_cache_report,
        "reasoning_parser": script.reasoning_parser,
        "tool_call_parser": script.tool_call_parser,
        "preferred_sampling_params": None,
        "allow_auto_truncate": False,
        "stream_interval": script.stream_interval,
        "incremental_streaming_output": False,
        "enable_metrics": script.enable_metrics,
        "attention_backend": script.attention_backend,
        "sampling_backend": "pytorch",
        "grammar_backend": "xgrammar",
        "disable_cuda_graph": script.disable_cuda_graph,
        **_LORA_OFF,
        "speculative_algorithm": "NGRAM" if speculative else None,
        "speculative_draft_model_path": None,
        "speculative_num_steps": None,
        "speculative_eagle_topk": None,
        "speculative_num_draft_tokens": script.drafts + 1 if speculative else None,
        "dllm_algorithm": script.algorithm,
        "dllm_algorithm_config": script.dllm_algorithm_config,
        "dllm_fdfo": True,
        "launch_command": launch_command(script),
    }


def launch_command(script: Script) -> str:
    """The command line as /server_info shows it, keys included."""
    flags: dict[str, object] = {
        "--model-path": script.model_path or script.model,
        "--served-model-name": script.model,
        "--context-length": script.context_length,
        "--api-key": script.api_key,
        "--admin-api-key": script.admin_key,
        "--tool-call-parser": script.tool_call_parser,
        "--dllm-algorithm": script.algorithm,
        "--dllm-algorithm-config": script.dllm_algorithm_config,
        "--speculative-algorithm": "NGRAM" if script.declared is Mode.SPECULATIVE else None,
    }
    return " ".join(f"{flag} {value}" for flag, value in flags.items() if value is not None)


def server_info(state: State) -> dict[str, Any]:
    """The flat body of /server_info."""
    script = state.script
    arguments = server_args(script)
    startup = {"load_weight": 0.02, "kv_cache_allocation": 0.01, "total": 0.03}
    limits = {
        "max_total_num_tokens": script.max_total_num_tokens,
        "max_req_input_len": script.max_req_input_len,
    }
    internal = {
        **arguments,
        "last_gen_throughput": state.counters.last_throughput,
        "memory_usage": {
            "weight": 15.0,
            "kvcache": 8.0,
            "token_capacity": limits["max_total_num_tokens"],
            "graph": 0.5,
        },
        "effective_max_running_requests_per_dp": script.max_running_requests,
        "world_size": script.tp_size,
        "startup_time": startup,
    }
    if state.counters.verify_calls:
        internal["avg_spec_accept_length"] = state.counters.spec_tokens / state.counters.verify_calls
    return {
        **arguments,
        "status": "ready",
        **limits,
        "startup_time": startup,
        "frontend": "python",
        "internal_states": [internal],
        "version": script.version,
    }


def loads(state: State) -> dict[str, Any]:
    """The body of /v1/loads."""
    script = state.script
    rank = {
        "timestamp": time.time(),
        "dp_rank": 0,
        "num_running_reqs": state.slots.running,
        "num_waiting_reqs": state.slots.waiting,
        "num_waiting_uncached_tokens": 0,
        "num_used_tokens": state.cache.tokens,
        "num_total_tokens": state.cache.tokens,
        "num_active_tokens": 0,
        "num_prealloc_ready_tokens": 0,
        "max_total_num_tokens": script.max_total_num_tokens,
        "max_running_requests": script.max_running_requests,
        "token_usage": round(state.cache.tokens / script.max_total_num_tokens, 4),
        "gen_throughput": state.counters.last_throughput,
        "cache_hit_rate": 0.0,
        "utilization": 0.0,
        "total_prefill_uncached_tokens": 0,
        "total_prefill_busy_us": 0,
        "decode_moments": [0.0] * 6,
        "memory": {
            "weight_gb": 15.0,
            "kv_cache_gb": 8.0,
            "graph_gb": 0.5,
            "token_capacity": script.max_total_num_tokens,
        },
        "disaggregation": _NO_DISAGGREGATION,
        "queues": {"waiting": state.slots.waiting, "grammar": 0, "paused": 0, "retracted": 0, "prealloc_ready": 0},
    }
    return {
        "timestamp": datetime.now(UTC).isoformat(),
        "version": script.version,
        "accelerator": None,
        "num_accelerators": script.tp_size,
        "loads": [rank],
    }

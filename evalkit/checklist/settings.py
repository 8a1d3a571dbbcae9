"""Names of the server settings that change speed, as `modes.NAME.differs` may name them. SGLang's names are used."""

from __future__ import annotations

PRECISION = ("dtype", "quantization", "kv_cache_dtype", "context", "adapters", "override_keys")
PARALLEL = ("tp_size", "dp_size", "pp_size", "ep_size")
#: how the engine runs the model
RUNTIME = (
    "attention_backend", "disable_cuda_graph", "enable_torch_compile", "disable_overlap_schedule", "page_size",
    "device", "chunked_prefill_size",
)  # fmt: skip
#: limits that change nothing until they are reached
LIMITS = ("max_running_requests", "cuda_graph_max_bs", "chunked_prefill_size", "max_prefill_tokens")
#: what the server makes of a message before the model sees it: tokens of the chat template
TEMPLATE = "template_tokens"
SETTINGS = tuple(dict.fromkeys((*PRECISION, *PARALLEL, *RUNTIME, *LIMITS, TEMPLATE, "gpu")))

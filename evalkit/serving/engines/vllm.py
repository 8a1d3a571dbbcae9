"""vLLM: pages of 0.32.0 and 0.33.0 (read 2026-11)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.findings import KnownBy
from evalkit.modes import Mode
from evalkit.serving.engines.base import Declared, Engine, Flush, Knob, Names, Start
from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import scalar, text_of
from evalkit.text import one_line

#: methods of speculative_config that draft by diffusion with the weights that verify: self-speculation
SELF_SPECULATION = frozenset({"uno"})
#: parts of the configuration whose numbers are kept, under SGLang's names
_PARTS = {
    "parallel_config": {
        "tensor_parallel_size": "tp_size", "pipeline_parallel_size": "pp_size", "data_parallel_size": "dp_size",
    },
    "scheduler_config": {"max_num_seqs": "max_running_requests", "max_num_batched_tokens": "max_prefill_tokens"},
}  # fmt: skip
_MAX_LINES = 200_000
_NO_SCHEMA = "not asked: vLLM 0.32.0 refuses it in diffusion, and versions before it answered with HTTP 500"
_CACHE = "vllm:cache_config_info{"
_LABEL = re.compile(r'(\w{1,60})="([^"]{0,200})"')


class VLLM(Engine):
    name = "vllm"
    title = "vLLM"
    package = "vllm"
    owners = ("vllm",)
    ports = tuple(range(8000, 8004))
    metrics = "/metrics"
    names = Names(
        tokens="vllm:generation_tokens_total",
        verify="vllm:spec_decode_num_drafts_total",
        steps="vllm:diffusion_num_denoising_steps_total",
        committed="vllm:diffusion_num_committed_tokens_total",
        kv_use="vllm:kv_cache_usage_perc",
        prompts="vllm:prefix_cache_queries_total",
        cached="vllm:prefix_cache_hits_total",
        others=("vllm:request_success_total",),
        prefixes=("vllm:diffusion_", "vllm:spec_decode_"),
    )
    flush = Flush("/reset_prefix_cache", "vLLM has this route only when started with VLLM_SERVER_DEV_MODE=1")
    start = Start(
        ("vllm", "serve", "{model}", "--port", "{port}"),
        context="--max-model-len",
        requests="--max-num-seqs",
        revision="--revision",
        tools="--enable-auto-tool-choice --tool-call-parser NAME",
    )
    takes_ignore_eos = True
    keeps_window = True
    checks_model_name = True

    def knobs(self, words: Sequence[str]) -> dict[str, Knob]:
        """Keys of the diffusion configuration, by its documentation of 2026-11."""
        keys = {"threshold": "confidence_threshold", "block_size": "canvas_length", "steps": "max_denoising_steps"}
        return super().knobs(words) | {name: Knob("--diffusion-config", key, "json") for name, key in keys.items()}

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """By the owner of the model card, /version, or /server_info of its development mode."""
        version = text_of((await pages.get_json("/version")).page.get("version"))
        likely = answers.owner in self.owners or version is not None
        info = (await pages.get_json("/server_info?config_format=json")).page if likely else {}
        if "vllm_config" not in info and answers.owner not in self.owners:  # a page that was read already
            info = (await pages.get_json("/server_info")).page
        configured = "vllm_config" in info
        if not configured and answers.owner not in (*self.owners, None):
            return False
        if not configured and answers.owner is None and version is None:
            return False
        answers.version, answers.info = version, info if configured else {}
        return True

    def settings(self, answers: Answers) -> dict[str, Any]:
        """The cache by its metrics; dtype, window and how it decodes where the development mode shows them."""
        shown: dict[str, Any] = {**cache(answers.metrics or "")}
        config = answers.info.get("vllm_config")
        if not isinstance(config, dict):
            return shown
        drafting = config.get("speculative_config")
        shown.update({"diffusion_config": bool(config.get("diffusion_config")), "speculative_config": bool(drafting)})
        diffusing = config.get("diffusion_config")
        if isinstance(diffusing, dict) and isinstance(canvas := diffusing.get("canvas_length"), int):
            shown["block_size"] = canvas
        if method := _method(drafting):
            shown["speculative_method"] = method
        model = config.get("model_config")
        if isinstance(model, dict):
            shown.update({n: scalar(model.get(n)) for n in ("dtype", "quantization", "max_model_len")})
            if isinstance(shown["dtype"], str):
                shown["dtype"] = shown["dtype"].removeprefix("torch.")  # SGLang says it without
            if isinstance(eager := model.get("enforce_eager"), bool):
                shown["disable_cuda_graph"] = eager
        for part, names in _PARTS.items():
            if isinstance(page := config.get(part), dict):
                found = {to: page[name] for name, to in names.items() if isinstance(page.get(name), int)}
                shown.update({to: value for to, value in found.items() if not isinstance(value, bool)})
        return shown

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        return declared(settings, counters)

    def capabilities(self, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
        found = []
        off = settings.get("disable_radix_cache")
        if isinstance(off, bool):
            found.append(Capability(name="prefix_cache", value=not off, known_by=KnownBy.DECLARED))
        if mode == Mode.DIFFUSION.value:
            found.append(Capability(name="json_schema", value=False, known_by=KnownBy.DECLARED, detail=_NO_SCHEMA))
        return tuple(found)


def declared(settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
    """The configuration where the development mode shows it, else the counters (None: no metrics)."""
    if settings.get("diffusion_config"):
        return Declared(Mode.DIFFUSION.value, "diffusion_config is set")
    if settings.get("speculative_method") in SELF_SPECULATION:
        why = f"speculative_config has the method {settings['speculative_method']}: one model drafts by diffusion"
        return Declared(Mode.SELF_SPECULATION.value, f"{why} and verifies itself")
    if settings.get("speculative_config"):
        return Declared(Mode.SPECULATIVE.value, "speculative_config is set")
    if counters is None:
        return Declared(None, "vLLM shows its decoding only by /metrics or in development mode; neither answers")
    if any(name.startswith("vllm:diffusion_") for name in counters):
        return Declared(Mode.DIFFUSION.value, "its metrics count denoising steps")
    if any(name.startswith("vllm:spec_decode_") for name in counters):
        return Declared(Mode.SPECULATIVE.value, "its metrics count draft tokens")
    return Declared(Mode.AUTOREGRESSIVE.value, "its metrics count neither denoising steps nor draft tokens")


def _method(drafting: object) -> str | None:
    """The drafter, whether the page shows the configuration as an object or as its printed form."""
    if isinstance(drafting, dict):
        name = text_of(drafting.get("method"))
    else:
        found = re.search(r"method=['\"]([\w-]{1,40})['\"]", drafting[:5000]) if isinstance(drafting, str) else None
        name = found.group(1) if found else None
    return name.lower() if name else None


def cache(page: str) -> dict[str, int | str | bool]:
    """The cache under SGLang's names of settings, so that the two compare; of its first engine.

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


ENGINE = VLLM()

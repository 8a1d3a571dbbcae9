"""SGLang, upstream and the hutm/sglang fork: pages, settings and algorithms of 0.5.6 to 0.5.23 (read 2026-11)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from evalkit.findings import KnownBy
from evalkit.modes import Mode
from evalkit.serving.engines.base import Declared, Engine, Flush, Knob, Names, Release, Start, release_of
from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Pages
from evalkit.serving.redaction import flat, scalar, text_of
from evalkit.text import one_line

FORK_DIFFUSION = frozenset({"FastDiffuser", "LearnedSampler"})
FORK_SELF_SPECULATION = frozenset({"LinearSpec"})
UPSTREAM_DIFFUSION = frozenset({"LowConfidence", "JointThreshold", "JointThresholdInDel", "Gemma4Renoise"})
#: algorithms that refuse what they cannot do (400), where the others ignore it or hang
REFUSES = frozenset({"Gemma4Renoise"})
#: no request-time temperature: argmax in the step, or greedy by construction
IGNORES_TEMPERATURE = frozenset({"LowConfidence", "JointThreshold", "JointThresholdInDel", *FORK_SELF_SPECULATION})
#: drafters that draft by diffusion with the weights that verify: self-speculation
SELF_SPECULATION = frozenset({"UNO"})

#: tokens per block by architecture, where neither the configuration nor the server reports
BLOCK_SIZES = {
    "LLaDA2MoeModelLM": 32,
    "SDARForCausalLM": 4,
    "SDARMoeForCausalLM": 4,
    "DiffusionGemmaForBlockDiffusion": 256,
    "NemotronLabsDiffusionModel": 32,
}

#: scalars of /server_info that may be kept as they are; the page carries keys in clear, so nothing is kept by default
KEPT = (
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
    "ep_size",
    "enable_torch_compile",
    "cuda_graph_max_bs",
    "max_prefill_tokens",
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
#: values that may be paths of the server's machine: only the last part is kept
PATHS = ("dllm_algorithm_config", "speculative_draft_model_path")


#: flag that gives the algorithm's YAML; its key for the steps of a block; algorithms without a threshold of that name
_CONFIG_FLAG = "--dllm-algorithm-config"
_STEPS = {"FastDiffuser": "max_steps", "Gemma4Renoise": "max_denoising_steps"}
_NO_THRESHOLD = frozenset({"Gemma4Renoise", "LinearSpec"})


class SGLang(Engine):
    name = "sglang"
    title = "SGLang"
    package = "sglang"
    owners = ("sglang",)
    ports = tuple(range(30000, 30005))
    metrics = "/metrics"
    load = "/v1/loads"
    names = Names(
        tokens="sglang:generation_tokens_total",
        verify="sglang:spec_verify_calls_total",
        # autoregressive decoding counts under decode, the diffusion loop under prefill
        rounds="sglang:cuda_graph_passes_total",
        kv_use="sglang:token_usage",
        prompts="sglang:prompt_tokens_total",
        cached="sglang:cached_tokens_total",
        others=(
            "sglang:num_requests_total",
            "sglang:num_aborted_requests_total",
            "sglang:spec_accept_length",
            "sglang:num_used_tokens",
            "sglang:context_len",
        ),
    )
    flush = Flush("/flush_cache?timeout=30")
    start = Start(
        ("python3", "-m", "sglang.launch_server", "--model-path", "{model}", "--port", "{port}", "--trust-remote-code"),
        context="--context-length",
        requests="--max-running-requests",
        revision="--revision",
        tools="--tool-call-parser NAME",
    )
    takes_ignore_eos = True
    keeps_window = True
    reserves_block = True
    native_counts = True

    def knobs(self, words: Sequence[str]) -> dict[str, Knob]:
        """Keys of the algorithm's YAML, as 0.5.23 and the fork read them; that of the steps is the algorithm's own."""
        algorithm = next((b for a, b in pairwise(words) if a == "--dllm-algorithm"), "")
        keys = {"threshold": "threshold", "block_size": "block_size", "steps": _STEPS.get(algorithm)}
        if algorithm in _NO_THRESHOLD:
            keys.pop("threshold")
        told = {name: Knob(_CONFIG_FLAG, key, "yaml") for name, key in keys.items() if key and algorithm}
        return super().knobs(words) | told

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """By /server_info or /model_info (or their older names), else by the owner of the model card."""
        reply = await _either(pages, "/server_info", "/get_server_info")
        if "vllm_config" in reply.page:
            return False
        info = unwrap(reply.json)
        model = (await _either(pages, "/model_info", "/get_model_info")).page
        told = "model_path" in info and ({"internal_states", "tp_size", "dllm_algorithm"} & set(info))
        if not told and "model_path" not in model and answers.owner not in self.owners:
            return False
        answers.info, answers.model_info = info, model
        if info is not reply.json:
            answers.gateway = answers.gateway or "sglang-router"
        answers.version = text_of(info.get("version"))
        if answers.version is None:
            answers.version = text_of((await pages.get_json("/v1/loads")).page.get("version"))
        return True

    def settings(self, answers: Answers) -> dict[str, Any]:
        kept = flat(answers.info, KEPT, PATHS)
        adapters = answers.info.get("lora_paths")
        if isinstance(adapters, list | dict) and adapters:
            kept["adapters"] = len(adapters)
        overrides = _overrides(answers.info.get("json_model_override_args"))
        if overrides:
            kept["override_keys"] = ", ".join(sorted(one_line(key, limit=60) for key in list(overrides)[:20]))
            if "ar_mode" in overrides:
                kept["ar_mode"] = overrides["ar_mode"] is True
        for name in ("tool_call_parser", "reasoning_parser"):
            if name not in kept and name in answers.model_info:
                kept[name] = scalar(answers.model_info[name])
        return kept

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        return declared(settings)

    def release(self, version: str | None, settings: Mapping[str, Any]) -> Release:
        """Fork algorithms make a fork whatever the version says."""
        algorithm = settings.get("dllm_algorithm")
        if algorithm in FORK_DIFFUSION | FORK_SELF_SPECULATION or settings.get("ar_mode") is True:
            return "fork"
        return release_of(version)

    def block_size(self, settings: Mapping[str, Any], architectures: tuple[str, ...]) -> int | None:
        """Told, else the page size (set to the block), else by architecture."""
        if not settings.get("dllm_algorithm"):
            return super().block_size(settings, architectures)
        for name in ("dllm_block_size", "page_size"):
            value = settings.get(name)
            if isinstance(value, int) and value > 1:
                return value
        return next((BLOCK_SIZES[arch] for arch in architectures if arch in BLOCK_SIZES), None)

    def capabilities(self, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
        found: list[Capability] = []

        def add(name: str, value: bool | int | None, detail: str = "", known_by: KnownBy = KnownBy.DECLARED) -> None:
            found.append(Capability(name=name, value=value, known_by=known_by, detail=detail))

        if "tool_call_parser" in settings:
            parser = settings["tool_call_parser"]
            add("tool_calls", bool(parser), _parser(parser, "the server was started without --tool-call-parser"))
        if "reasoning_parser" in settings:
            parser = settings["reasoning_parser"]
            add("reasoning", bool(parser), _parser(parser, "thinking arrives as text: no --reasoning-parser"))
        if isinstance(cache := settings.get("disable_radix_cache"), bool):
            add("prefix_cache", not cache)
        algorithm = settings.get("dllm_algorithm")
        limit = settings.get("max_running_requests")
        if limit is not None:
            add("max_running_requests", limit)
        elif algorithm and "max_running_requests" in settings:
            detail = "unset on a diffusion server, which then admits one request at a time"
            add("max_running_requests", 1, detail, KnownBy.INFERRED)
        if algorithm:
            for name, (value, detail) in _algorithm(str(algorithm)).items():
                add(name, value, detail, KnownBy.INFERRED)
        return tuple(found)

    def never_ask(self, settings: Mapping[str, Any], mode: str | None) -> frozenset[str]:
        """A diffusion server of LLaDA2 or SDAR never answers a JSON schema, and keeps the request."""
        if settings.get("dllm_algorithm") in REFUSES:
            return frozenset()
        return frozenset({"json_schema"}) if settings.get("dllm_algorithm") or mode == "diffusion" else frozenset()

    def memory_gib(self, info: Mapping[str, Any]) -> dict[str, float]:
        """By `internal_states[0].memory_usage`. SGLang divides bytes by 2**30 and calls the result GB."""
        states = info.get("internal_states")
        first = states[0] if isinstance(states, list) and states else None
        told = first.get("memory_usage") if isinstance(first, Mapping) else None
        if not isinstance(told, Mapping):
            return {}
        values = {name: told.get(name) for name in ("weight", "kvcache", "graph")}
        return {
            name: float(value)
            for name, value in values.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and 0 <= value < 1e6
        }

    def kv_use(self, load: object) -> float | None:
        """The fullest rank of /v1/loads, when each of them reports."""
        ranks = load.get("loads") if isinstance(load, dict) else None
        if not isinstance(ranks, list) or not ranks:
            return None
        told = [rank.get("token_usage") for rank in ranks if isinstance(rank, dict)]
        shares = [float(value) for value in told if isinstance(value, int | float) and 0 <= value <= 1]
        return max(shares) if shares and len(shares) == len(ranks) else None

    def drafts_counted(self, settings: Mapping[str, Any]) -> bool:
        return not settings.get("dllm_algorithm")

    def round_is_forward(self, settings: Mapping[str, Any]) -> bool:
        """Upstream with first-done-first-out scheduling; elsewhere a block is one pass."""
        algorithm = settings.get("dllm_algorithm")
        return isinstance(algorithm, str) and algorithm in UPSTREAM_DIFFUSION and settings.get("dllm_fdfo") is True


def declared(settings: Mapping[str, Any]) -> Declared:
    """The decision table for SGLang's start arguments; the order of its rows matters. Unknown names are not guessed."""
    algorithm, drafter = (settings.get(name) for name in ("dllm_algorithm", "speculative_algorithm"))
    if algorithm and not isinstance(algorithm, str):  # in a run that somebody else wrote
        return Declared(None, f"dllm_algorithm is {type(algorithm).__name__}, not a name")
    if algorithm:
        if settings.get("ar_mode") is True:
            why = f"dllm_algorithm {algorithm} with ar_mode true: the block loop over causal attention"
            return Declared(Mode.AUTOREGRESSIVE.value, why, block_loop=True)
        if algorithm in FORK_SELF_SPECULATION:
            return Declared(Mode.SELF_SPECULATION.value, f"dllm_algorithm {algorithm}")
        if algorithm in FORK_DIFFUSION | UPSTREAM_DIFFUSION:
            return Declared(Mode.DIFFUSION.value, f"dllm_algorithm {algorithm}")
        return Declared(None, f"a diffusion server with an algorithm that evalkit does not know: {algorithm}")
    if isinstance(drafter, str) and drafter.upper() in SELF_SPECULATION:
        why = f"speculative_algorithm {drafter}: one model drafts by diffusion and verifies itself"
        return Declared(Mode.SELF_SPECULATION.value, why)
    if drafter:
        return Declared(Mode.SPECULATIVE.value, f"speculative_algorithm {drafter}")
    if "dllm_algorithm" not in settings and "speculative_algorithm" not in settings:
        return Declared(None, "the server names neither dllm_algorithm nor speculative_algorithm")
    return Declared(Mode.AUTOREGRESSIVE.value, "no dllm_algorithm and no speculative_algorithm")


def _overrides(value: object) -> dict[str, Any]:
    """The override JSON; of it only the names of its keys and `ar_mode` are kept."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _parser(parser: object, without: str) -> str:
    return f"parser {parser}" if parser else without


def _algorithm(algorithm: str) -> dict[str, tuple[bool | None, str]]:
    """What a diffusion algorithm of 0.5.23 does with requests that it cannot fulfil."""
    if algorithm in REFUSES:
        refused = f"{algorithm} of SGLang 0.5.23 refuses it"
        return {"json_schema": (False, refused), "logprobs": (False, refused), "seed": (False, refused)}
    found: dict[str, tuple[bool | None, str]] = {}
    if algorithm in IGNORES_TEMPERATURE:
        found["temperature"] = (False, f"{algorithm} decodes greedily and ignores it without an error")
    hangs = "not asked: a diffusion server of SGLang 0.5.23 does not answer it and keeps the request"
    return {
        **found,
        "json_schema": (None, hangs),
        "logprobs": (False, "SGLang 0.5.23 answers with an empty list in diffusion"),
    }


async def _either(pages: Pages, now: str, before: str) -> Any:
    reply = await pages.get_json(now)
    return await pages.get_json(before) if not reply.ok and not reply.late else reply


def unwrap(raw: object) -> dict[str, Any]:
    """One worker's description out of a router's: `decode` before `prefill`, else a list's first, else as it is."""
    for _ in range(3):
        if isinstance(raw, list):
            raw = raw[0] if raw else {}
            continue
        if not isinstance(raw, dict):
            return {}
        keys = ("decode", "prefill", "workers")
        inner = next((raw[key] for key in keys if isinstance(raw.get(key), list) and raw[key]), None)
        if inner is None:
            return raw
        raw = inner
    return raw if isinstance(raw, dict) else {}


ENGINE = SGLang()

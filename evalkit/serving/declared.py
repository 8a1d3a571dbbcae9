"""Which mode a server declares: SGLang's start arguments, vLLM's configuration and counters. Pure.

Algorithms as found in sglang 0.5.6 to 0.5.23 and in the hutm/sglang fork (read 2026-11); an unknown one is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.modes import Mode

#: owner and engine name of examples/remote_code_server
OWN_CODE = "remote-code"
FORK_DIFFUSION = frozenset({"FastDiffuser", "LearnedSampler"})
FORK_SELF_SPECULATION = frozenset({"LinearSpec"})
UPSTREAM_DIFFUSION = frozenset({"LowConfidence", "JointThreshold", "JointThresholdInDel", "Gemma4Renoise"})
#: no request-time temperature: argmax in the step, or greedy by construction
IGNORES_TEMPERATURE = frozenset({"LowConfidence", "JointThreshold", "JointThresholdInDel", *FORK_SELF_SPECULATION})

BLOCK_SIZES = {
    "LLaDA2MoeModelLM": 32,
    "SDARForCausalLM": 4,
    "SDARMoeForCausalLM": 4,
    "DiffusionGemmaForBlockDiffusion": 256,
    "NemotronLabsDiffusionModel": 32,
}

Release = Literal["release", "pre-release", "fork", "unknown"]


@dataclass(frozen=True)
class Declared:
    """`mode` None: not exposed, or unknown. `block_loop`: calls itself AR, but runs the diffusion loop."""

    mode: str | None
    why: str
    block_loop: bool = False


def sglang(settings: Mapping[str, Any]) -> Declared:
    """The decision table for SGLang's start arguments; the order of its rows matters."""
    algorithm = settings.get("dllm_algorithm")
    drafter = settings.get("speculative_algorithm")
    if algorithm:
        if settings.get("ar_mode") is True:
            why = f"dllm_algorithm {algorithm} with ar_mode true: the block loop over causal attention"
            return Declared(Mode.AUTOREGRESSIVE.value, why, block_loop=True)
        if algorithm in FORK_SELF_SPECULATION:
            return Declared(Mode.SELF_SPECULATION.value, f"dllm_algorithm {algorithm}")
        if algorithm in FORK_DIFFUSION | UPSTREAM_DIFFUSION:
            return Declared(Mode.DIFFUSION.value, f"dllm_algorithm {algorithm}")
        return Declared(None, f"a diffusion server with an algorithm that evalkit does not know: {algorithm}")
    if drafter:
        return Declared(Mode.SPECULATIVE.value, f"speculative_algorithm {drafter}")
    if "dllm_algorithm" not in settings and "speculative_algorithm" not in settings:
        return Declared(None, "the server names neither dllm_algorithm nor speculative_algorithm")
    return Declared(Mode.AUTOREGRESSIVE.value, "no dllm_algorithm and no speculative_algorithm")


def vllm(settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
    """The configuration of vLLM where the development mode shows it, else its counters (None: no metrics)."""
    if settings.get("diffusion_config"):
        return Declared(Mode.DIFFUSION.value, "diffusion_config is set")
    if settings.get("speculative_config"):
        return Declared(Mode.SPECULATIVE.value, "speculative_config is set")
    if counters is None:
        return Declared(None, "vLLM shows its decoding only by /metrics or in development mode; neither answers")
    if any(name.startswith("vllm:diffusion_") for name in counters):
        return Declared(Mode.DIFFUSION.value, "its metrics count denoising steps")
    if any(name.startswith("vllm:spec_decode_") for name in counters):
        return Declared(Mode.SPECULATIVE.value, "its metrics count draft tokens")
    return Declared(Mode.AUTOREGRESSIVE.value, "its metrics count neither denoising steps nor draft tokens")


def own_code(info: Mapping[str, Any]) -> Declared:
    """The example server around a model's own code names its mode."""
    mode = info.get("decoding_mode")
    if isinstance(mode, str) and mode in {known.value for known in Mode}:
        return Declared(mode, "the model's own code decodes in this mode")
    return Declared(None, "the server names no decoding mode that evalkit knows")


def block_size(settings: Mapping[str, Any], architectures: tuple[str, ...]) -> int | None:
    """Tokens per block of a diffusion server: told, else the page size (set to the block), else by architecture."""
    if not settings.get("dllm_algorithm"):
        told = settings.get("block_size")
        return told if isinstance(told, int) and told > 1 else None
    for name in ("dllm_block_size", "page_size"):
        value = settings.get(name)
        if isinstance(value, int) and value > 1:
            return value
    return next((BLOCK_SIZES[arch] for arch in architectures if arch in BLOCK_SIZES), None)


_FINAL = re.compile(r"v?\d+(\.\d+)*(\.post\d+)?(\+(cpu|cu\d+|rocm[\d.]*|xpu|npu|computed))?\Z")
_BUILD = re.compile(r"b\d+(-[0-9a-f]+)?\Z")  # llama.cpp numbers its builds
_COMMIT = re.compile(r"[+.-]g([0-9a-f]{7,40})")


def release(version: str | None, settings: Mapping[str, Any]) -> Release:
    """Fork algorithms make a fork whatever the version says; a commit or dev build is a pre-release."""
    algorithm = settings.get("dllm_algorithm")
    if algorithm in FORK_DIFFUSION | FORK_SELF_SPECULATION or settings.get("ar_mode") is True:
        return "fork"
    if not version:
        return "unknown"
    if version.startswith("0.0.0"):
        return "fork"  # a checkout without tags
    return "release" if _FINAL.match(version) or _BUILD.match(version) else "pre-release"


def commit(version: str | None) -> str | None:
    """The commit that a version string carries (`…+g1a2b3c4`)."""
    found = _COMMIT.search(version or "")
    return found.group(1) if found else None

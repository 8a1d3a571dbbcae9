"""What a reference server is: mode, timing, limits, keys, faults. A script and a prompt fix everything it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from evalkit.checklist.errors import input_error
from evalkit.errors import UsageError
from evalkit.modes import Mode, base_mode
from evalkit.reference.faults import Faults

Engine = Literal["sglang"]

#: `dllm_algorithm` that a mode declares unless the script names another
_ALGORITHMS = {Mode.DIFFUSION: "LowConfidence", Mode.SELF_SPECULATION: "LinearSpec"}
#: upstream algorithms whose denoising rounds show as events without text on /generate and /v1/completions
_ROUND_EVENTS = {"LowConfidence", "JointThreshold", "JointThresholdInDel"}


class Script(Faults):
    """A frozen description of one server. Times are milliseconds, sizes are tokens.

    The first text is due `ttft_ms` + `prefill_ms_per_token` x (prompt tokens not cached) after admission; every later
    event `forwards of its step` x `ms_per_forward`, counted from the time the one before was due, never from when
    it was sent. While n requests run, all durations are multiplied by 1 + `slowdown` x (n - 1).
    """

    mode: Mode = Mode.AUTOREGRESSIVE
    model: str = "reference-8b"
    engine: Engine = "sglang"
    version: str = "0.5.23"
    seed: int = 0

    # decoding
    block_size: int = Field(default=32, ge=1)
    #: forward passes that resolve one block (diffusion)
    forwards_per_block: int = Field(default=8, ge=1)
    #: the first block shares its place with the prompt's tail, so the first event is shorter
    align_blocks: bool = True
    #: tokens committed per step in turn (self-speculation, speculative); null: drawn from 1 to `accept_max`
    accept_runs: tuple[int, ...] | None = None
    accept_max: int = Field(default=8, ge=1)
    #: tokens held back until this many are unsent, as the server argument of that name
    stream_interval: int = Field(default=1, ge=1)

    # timing
    ttft_ms: float = Field(default=40.0, ge=0)
    ms_per_forward: float = Field(default=10.0, ge=0)
    prefill_ms_per_token: float = Field(default=0.0, ge=0)
    #: uniform, plus or minus, on the duration of each step
    jitter_ms: float = Field(default=0.0, ge=0)
    slowdown: float = Field(default=0.0, ge=0)
    #: a prompt that was answered since the cache was emptied takes this share of the time: drafts from earlier answers
    warm: float = Field(default=1.0, gt=0, le=1)
    max_running_requests: int = Field(default=256, ge=1)

    # limits
    context_length: int = Field(default=32768, ge=64)
    max_total_num_tokens: int = Field(default=262144, ge=64)

    # what it declares
    #: declared mode where it differs from the real emission
    declares: Mode | None = None
    dllm_algorithm: str | None = None
    dllm_algorithm_config: str | None = None
    json_model_override_args: dict[str, Any] = Field(default_factory=dict)
    model_path: str | None = None
    model_type: str = "nemotron_labs_diffusion"
    architectures: tuple[str, ...] = ("NemotronLabsDiffusionModel",)
    revision: str | None = None
    dtype: str = "bfloat16"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    attention_backend: str = "flashinfer"
    tp_size: int = Field(default=1, ge=1)
    disable_cuda_graph: bool = False
    chunked_prefill_size: int = 4096
    tool_call_parser: str | None = "qwen"
    reasoning_parser: str | None = None
    disable_radix_cache: bool = False
    enable_cache_report: bool = True
    enable_metrics: bool = True
    api_key: str | None = None
    admin_key: str | None = None
    #: routes that answer 404, such as /server_info behind a proxy
    hide: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.block_loop_ar and self.mode is not Mode.AUTOREGRESSIVE:
            raise ValueError("block_loop_ar is a fault of the autoregressive mode")
        if self.accept_runs is not None and (not self.accept_runs or min(self.accept_runs) < 1):
            raise ValueError("accept_runs needs runs of at least one token")
        return self

    @property
    def emits(self) -> Mode:
        """The mode its events really follow."""
        return Mode.DIFFUSION if self.block_loop_ar else self.mode

    @property
    def declared(self) -> Mode:
        """The mode that /server_info tells of."""
        return self.declares or self.mode

    @property
    def algorithm(self) -> str | None:
        """`dllm_algorithm` as declared."""
        if self.block_loop_ar:
            return self.dllm_algorithm or "FastDiffuser"
        return self.dllm_algorithm or _ALGORITHMS.get(self.declared)

    @property
    def drafts(self) -> int:
        """Draft tokens proposed per verify step: a step commits at most one more."""
        longest = max(self.accept_runs) if self.accept_runs else self.accept_max
        return max(1, longest - 1)

    @property
    def max_req_input_len(self) -> int:
        """Longest prompt the scheduler takes, by SGLang 0.5.23's arithmetic."""
        limit = min(self.context_length, self.max_total_num_tokens) - 1 - 5
        return limit - self.block_size if self.algorithm else limit

    @property
    def page_size(self) -> int:
        """Granularity of the prefix cache."""
        return self.block_size if self.algorithm else 1

    @property
    def round_events(self) -> bool:
        """Whether denoising rounds show as events without new text."""
        return self.emits is Mode.DIFFUSION and self.algorithm in _ROUND_EVENTS


#: Speeds of an imagined 8B model: diffusion is ahead of AR at low concurrency and behind it at high.
PRESETS: dict[Mode, dict[str, Any]] = {
    Mode.AUTOREGRESSIVE: {"ttft_ms": 40.0, "ms_per_forward": 10.0, "slowdown": 0.02},
    Mode.DIFFUSION: {"ttft_ms": 90.0, "ms_per_forward": 12.0, "forwards_per_block": 12, "slowdown": 0.12},
    Mode.SELF_SPECULATION: {"ttft_ms": 45.0, "ms_per_forward": 10.0, "accept_max": 11, "slowdown": 0.06},
    Mode.SPECULATIVE: {"ttft_ms": 42.0, "ms_per_forward": 12.0, "accept_max": 5, "slowdown": 0.05},
}


def preset(mode: Mode | str, *, speed: float = 1.0, **changes: Any) -> Script:
    """The demo's script of a mode, all times divided by `speed`, with changes.

    Raises:
        ValueError: unknown mode, unknown field or value out of range (pydantic's ValidationError is one).
    """
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < float("inf"):
        raise ValueError(f"speed {speed}: a factor above 0")
    mode = base_mode(mode)
    fields = {"jitter_ms": 0.5, **PRESETS[mode]}
    quick = {name: value / speed if name.endswith("_ms") or name.startswith("ms_") else value
             for name, value in fields.items()}  # fmt: skip
    return Script(**{"mode": mode, **quick, **changes})


def ordered(mode: str, settings: Sequence[str]) -> Script:
    """The preset of a mode with settings as a user writes them: `FIELD=VALUE`, the value as JSON or plain text.

    Raises:
        UsageError: a field that is not there, or a value that it does not take; all of them, with the fields there are.
    """
    changes: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: write FIELD=VALUE", hint=f"fields: {_fields()}")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    try:
        return preset(str(changes.pop("mode", mode)), **changes)
    except ValidationError as error:
        wrong = input_error(error, Path("--set"), {}, schema=Script)
        for one in wrong.every:
            one.hint = (
                f"{one.hint}; fields: {_fields()}"
                if one.hint and "known keys" not in one.hint
                else f"fields: {_fields()}"
            )
        raise wrong from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"--set: {error}", hint=f"modes: {', '.join(mode.value for mode in Mode)}") from None


def _fields() -> str:
    return ", ".join(["speed", *Script.model_fields])

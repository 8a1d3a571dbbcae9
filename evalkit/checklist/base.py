"""Types that the parts of a checklist share. Strict: unknown keys and wrong types are errors.

The text under each key of a section is its meaning: docs/checklist.md and `evalkit explain KEY` are made from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from evalkit.client.origin import address_of
from evalkit.errors import UsageError
from evalkit.modes import canonical
from evalkit.text import cut

_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?(\?[^\s#]*)?\Z")


def _url(value: object) -> object:
    if isinstance(value, str) and not _URL.match(value):
        raise ValueError(
            f'"{cut(value, 80)}" is not an http(s) address: write it with its scheme, as http://127.0.0.1:30000'
        )
    if isinstance(value, str) and "@" in value.split("/")[2]:
        raise ValueError("an address must not contain a user name or password: use api_key_env")
    if isinstance(value, str):
        try:
            address_of(value)
        except UsageError as error:
            raise ValueError(f"{error}: {error.hint}") from None
    return value.rstrip("/") if isinstance(value, str) else value


def _mode_label(value: object) -> object:
    return canonical(value) if isinstance(value, str) else value


def refused_fields(extra: Mapping[str, Any] | None) -> str | None:
    """Why further fields of a request's body cannot be sent; None: they can."""
    given = extra or {}
    own = next((name for name in ("messages", "model", "stream") if name in given), None)
    if own is not None:
        return f"`{own}` is what evalkit sends itself, other for each prompt or mode: leave it out of extra_body"
    several = next((name for name in ("n", "best_of") if given.get(name, 1) not in (1, None)), None)
    if several is not None:
        return f"`{several}` asks for several replies, and evalkit reads one: leave it out of extra_body"
    return None


def _sendable(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if (why := refused_fields(value)) is not None:
        raise ValueError(why)
    return value


Extra = Annotated[dict[str, Any], AfterValidator(_sendable)]
Url = Annotated[str, BeforeValidator(_url), Field(max_length=2048)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Floor = Annotated[float, Field(ge=0, le=1)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
ModeLabel = Annotated[str, BeforeValidator(_mode_label)]


class Section(BaseModel):
    """Base of all parts of a checklist. No `bool` for a number, no number for a text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# names of the server settings that change speed, as `modes.NAME.differs` may name them; SGLang's names are used
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

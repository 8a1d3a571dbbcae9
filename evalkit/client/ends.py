"""How a reply ended: the words of the servers, read as one of four ends, or as none.

Sources: the API references of OpenAI, Anthropic, Google, Mistral, Cohere, Amazon Bedrock, watsonx and Text Generation
Inference, as of 2026-11.
"""

from __future__ import annotations

import re
from typing import Literal

End = Literal["stop", "length", "tool_calls", "function_call"]

_WORDS: dict[End, tuple[str, ...]] = {
    "stop": (
        "stop", "stop_sequence", "stop_token", "end_turn", "end_of_turn", "eos", "eos_token", "eod", "endoftext",
        "end_of_text", "end_of_sequence", "complete", "completed",
    ),
    "length": (
        "length", "max_tokens", "max_length", "max_new_tokens", "max_output_tokens", "model_length", "token_limit",
        "model_context_window_exceeded",
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use"),
    "function_call": ("function_call",),
}  # fmt: skip
_ENDS: dict[str, End] = {word: end for end, words in _WORDS.items() for word in words}
#: written where null is meant
_BLANK = frozenset({"", "null", "none", "nil", "undefined", "finish_reason_unspecified"})


def is_blank(reason: object) -> bool:
    """Whether `reason` says that there is no end yet, in one of the spellings of null."""
    return reason is None or reason is False or (isinstance(reason, str) and _folded(reason) in _BLANK)


def end_of(reason: object) -> End | None:
    """The end that `reason` (a word, or SGLang's object with a type) means; None: it does not end an answer."""
    if isinstance(reason, dict):
        reason = reason.get("type")
    return _ENDS.get(_folded(reason).removeprefix("finish_reason_")) if isinstance(reason, str) else None


def _folded(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip()).lower()

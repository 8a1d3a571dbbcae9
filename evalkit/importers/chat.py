"""Conversations and OpenAI-style requests as prompts: shared by the kinds that hold them."""

from __future__ import annotations

import json
from typing import Any

from evalkit.importers.base import Reading

ROLES = ("system", "user", "assistant", "tool", "developer")
#: fields of a request with a key of their own in a prompt
_OWN = ("response_format", "temperature", "seed")
#: fields that are sent as they are
_EXTRA = (
    "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "parallel_tool_calls",
    "reasoning_effort", "chat_template_kwargs", "logit_bias", "min_tokens", "ignore_eos",
)  # fmt: skip
_TAKEN = frozenset({
    "messages", "tools", "functions", "tool_choice", "function_call", "max_tokens", "max_completion_tokens", "stop",
    "metadata", *_OWN, *_EXTRA,
})  # fmt: skip
#: fields that evalkit sets itself, or that change nothing about the answer: no loss
_SILENT = frozenset({"stream", "stream_options", "store"})
#: fields of a request next to the ones above, by which a request is known
REQUEST_KEYS = _TAKEN | _SILENT | {
    "model", "n", "user", "logprobs", "top_logprobs", "service_tier", "modalities", "audio", "prediction",
    "safety_identifier", "prompt_cache_key", "verbosity", "web_search_options", "parallel_tool_calls",
}  # fmt: skip


def cut(reading: Reading, line: int, messages: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The messages up to the last that is not the assistant's; None when nobody asks anything, which is counted."""
    end = len(messages)
    while end and messages[end - 1].get("role") == "assistant":
        end -= 1
    if not any(message.get("role") in ("user", "tool") for message in messages[:end]):
        reading.leave_out(line, "no turn of the user")
        return None
    if end < len(messages):
        reading.change(line, "cut before the assistant's last turn")
    return messages[:end]


def request(reading: Reading, line: int, body: dict[str, Any]) -> dict[str, Any] | None:
    """An OpenAI chat request as a prompt's keys; None when it holds no usable conversation, which is counted."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        reading.bad(line, "`messages` must be a list that is not empty")
        return None
    plain = []
    for one in messages:
        message = _message(one)
        if message is None:
            role = one.get("role") if isinstance(one, dict) else None
            reading.bad(line, f"a message has a role and content; found role {role!r}")
            return None
        plain.append(message)
    kept = cut(reading, line, plain)
    if kept is None:
        return None
    data: dict[str, Any] = {"messages": kept}
    data |= _tools(reading, line, body)
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit <= 1_000_000:
        data["max_tokens"] = limit
    data |= {key: body[key] for key in _OWN if body.get(key) is not None}
    stop = body.get("stop")
    if stop:
        data["stop"] = [stop] if isinstance(stop, str) else stop
    extra = {key: body[key] for key in _EXTRA if body.get(key) is not None}
    if extra:
        data["extra_body"] = extra
    tags = _tags(reading, line, body.get("metadata"))
    if tags:
        data["tags"] = tags
    for key, value in body.items():
        if key not in _TAKEN and key not in _SILENT and value is not None:
            reading.lose(line, f"field `{key}` of the request")
    return data


def _message(one: object) -> dict[str, Any] | None:
    if not isinstance(one, dict):
        return None
    role = {"human": "user", "gpt": "assistant", "model": "assistant", "function": "tool"}.get(
        str(one.get("role")), one.get("role")
    )
    content = one.get("content")
    calls = one.get("tool_calls")
    if role not in ROLES or not (isinstance(content, str | list) or (calls and content is None)):
        return None
    kept = {key: one[key] for key in ("content", "name", "tool_call_id", "tool_calls") if one.get(key) is not None}
    return {"role": role, **kept}


def _tools(reading: Reading, line: int, body: dict[str, Any]) -> dict[str, Any]:
    tools = body.get("tools")
    if not tools and isinstance(body.get("functions"), list):
        tools = [{"type": "function", "function": one} for one in body["functions"]]
        reading.change(line, "`functions` became `tools`")
    found = as_tools(tools)
    if tools and found is None:
        reading.lose(line, "tools that are not a list of functions")
    choice = body.get("tool_choice", body.get("function_call"))
    if isinstance(choice, dict) and "name" in choice and "function" not in choice:
        choice = {"type": "function", "function": {"name": choice["name"]}}
    return ({"tools": found} if found else {}) | ({"tool_choice": choice} if found and choice is not None else {})


def as_tools(value: object) -> list[dict[str, Any]] | None:
    """Tools as OpenAI's list: also as JSON text, and as bare functions. None when they are not."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    tools = [one if "function" in one else {"type": "function", "function": one} for one in value]
    named = [one["function"].get("name") if isinstance(one["function"], dict) else None for one in tools]
    if not all(isinstance(name, str) for name in named) or len(set(named)) != len(named):
        return None
    return [{"type": "function", "function": one["function"]} for one in tools]


def _tags(reading: Reading, line: int, metadata: object) -> list[str]:
    """Short pairs of a request's metadata, kept as tags."""
    tags: list[str] = []
    for key, value in metadata.items() if isinstance(metadata, dict) else ():
        tag = f"{key}={value}"
        if isinstance(value, str | int | float) and len(tag) <= 80 and tag.isprintable() and len(tags) < 16:
            tags.append(tag)
        else:
            reading.lose(line, "metadata that is not a short text")
    return tags

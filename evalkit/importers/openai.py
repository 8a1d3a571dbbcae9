"""OpenAI chat requests: `messages` lines, batch files, fine-tuning files, and logs that hold the request in a field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.chat import ROLES, request
from evalkit.importers.stream import objects, open_binary

#: where logs and batch files keep the request
_HOLDERS = ("body", "request", "request_body", "payload", "input", "kwargs", "params")
_IDS = ("custom_id", "id", "request_id", "uuid")
#: what a log says about a request next to it
_BESIDE = frozenset({"custom_id", "method", "url", "id", "request_id", "uuid", "metadata"})


def _sniff(head: Head) -> bool:
    if not isinstance(head.first, dict):
        return False
    body = _body(head.first)
    return body is not None and ("messages" in body or _is_responses(body))


def _is_responses(body: dict[str, Any]) -> bool:
    return "input" in body and ("model" in body or _has_input_parts(body["input"]))


def _has_input_parts(given: object) -> bool:
    """Whether contents are parts as the Responses API has them, which a chat request has not."""
    contents = [one.get("content") for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    parts = [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]
    return any(str(part.get("type")).startswith(("input_", "output_")) for part in parts)


def _body(row: dict[str, Any]) -> dict[str, Any] | None:
    """The request in a line: the line itself, or the field that holds it, also as JSON text."""
    if isinstance(row.get("messages"), list):
        return row
    for key in _HOLDERS:
        held: Any = row.get(key)
        if isinstance(held, str) and held.lstrip().startswith("{"):
            try:
                held = json.loads(held)
            except (ValueError, RecursionError):
                continue
        if isinstance(held, dict):
            inner = held.get("body") if isinstance(held.get("body"), dict) else held
            if isinstance(inner, dict) and (isinstance(inner.get("messages"), list) or key == "body"):
                return inner
        if key == "input" and _has_input_parts(held):
            return row
        if key == "input" and isinstance(held, list) and all(isinstance(m, dict) and "role" in m for m in held):
            return {**row, "messages": held, "input": None}
    return row if _is_responses(row) else None


def _text(content: object) -> str | None:
    """A text, or a list of parts that are texts; None for anything else, such as images."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    return None if any(not isinstance(one, str) for one in texts) else "".join(map(str, texts))


def _with_system(body: dict[str, Any]) -> dict[str, Any]:
    """Requests of the Messages kind hold the system text next to the messages."""
    text = _text(body.get("system")) if isinstance(body.get("messages"), list) else None
    if not text:
        return body
    rest = {key: value for key, value in body.items() if key != "system"}
    return {**rest, "messages": [{"role": "system", "content": text}, *body["messages"]]}


def _responses(body: dict[str, Any]) -> dict[str, Any] | None:
    """A request of the Responses API as a chat request; None when its input is not a conversation of texts."""
    given = body["input"]
    messages: list[Any] = [{"role": "user", "content": given}] if isinstance(given, str) else []
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict) or one.get("role") not in ROLES:
            return None
        content = _text(one.get("content"))
        if content is None:
            return None
        messages.append({"role": one["role"], "content": content})
    if isinstance(body.get("instructions"), str):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    rest = {key: value for key, value in body.items() if key not in ("input", "instructions", "max_output_tokens")}
    return {**rest, "messages": messages, "max_tokens": body.get("max_output_tokens")} if messages else None


def _read(reading: Reading) -> Iterator[Entry]:
    with open_binary(reading.path) as file:
        start = file.read(1 << 16)
    for line, row in objects(reading, start):
        body = _body(row)
        url = row.get("url") if isinstance(row.get("url"), str) else None
        elsewhere = url is not None and not url.rstrip("/").endswith(("chat/completions", "responses"))
        if elsewhere or body is None or not ("messages" in body or _is_responses(body)):
            if url or (body is not None and ("prompt" in body or "input" in body)):
                reading.leave_out(line, f"no chat request ({url or 'a prompt without messages'})")
            else:
                reading.bad(line, "no request with `messages`")
            continue
        if "messages" not in body:
            chat = _responses(body)
            if chat is None:
                reading.leave_out(line, "a Responses request whose input is not a conversation of texts")
                continue
            body = chat
        beside = row if body is not row and body.get("messages") is not row.get("input") else {}
        body = {key: value for key, value in body.items() if key not in _IDS or beside}
        if isinstance(beside.get("metadata"), dict) and "metadata" not in body:
            body = {**body, "metadata": beside["metadata"]}
        data = request(reading, line, _with_system(body))
        if data is None:
            continue
        for key in beside:
            if key not in _BESIDE and key not in _HOLDERS:
                reading.lose(line, f"field `{key}` next to the request")
        name = next((row[key] for key in _IDS if isinstance(row.get(key), str | int)), None)
        yield Entry(line, data, None if name is None else str(name))


IMPORTER = Importer(
    kind="openai",
    title="OpenAI chat requests: `messages` lines, batch files, fine-tuning files, logged requests",
    carries="messages, tools, tool_choice, response_format, temperature and other sampling fields, max_tokens, stop, "
    "short metadata (as tags), custom_id or id",
    drops="the assistant's last turn; model, n, user, logprobs; replies next to the request; other endpoints",
    sniff=_sniff,
    read=_read,
)

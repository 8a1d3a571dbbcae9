"""ShareGPT: conversations as lists of turns with `from` and `value`, in an array or a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.chat import as_tools, cut
from evalkit.importers.stream import objects, open_binary

_LISTS = ("conversations", "conversation")
_ROLES = {
    "human": "user", "user": "user", "prompter": "user", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bot": "assistant", "bard": "assistant", "bing": "assistant", "claude": "assistant",
    "model": "assistant", "system": "system", "developer": "developer", "tool": "tool", "observation": "tool",
    "function": "tool", "function_call": "call",
}  # fmt: skip


def _sniff(head: Head) -> bool:
    return isinstance(head.first, dict) and any(isinstance(head.first.get(key), list) for key in _LISTS)


def _read(reading: Reading) -> Iterator[Entry]:
    with open_binary(reading.path) as file:
        start = file.read(1 << 16)
    for line, row in objects(reading, start):
        turns = next((row[key] for key in _LISTS if isinstance(row.get(key), list)), None)
        if turns is None:
            reading.bad(line, "no `conversations`")
            continue
        messages = _messages(reading, line, turns)
        if messages is None:
            continue
        system = row.get("system")
        if isinstance(system, str) and system.strip() and not any(m["role"] == "system" for m in messages):
            messages.insert(0, {"role": "system", "content": system})
        kept = cut(reading, line, messages)
        if kept is None:
            continue
        data: dict[str, Any] = {"messages": kept}
        tools = as_tools(row.get("tools"))
        if tools:
            data["tools"] = tools
        for key in row:
            if key not in (*_LISTS, "id", "system") and not (key == "tools" and (tools or not row[key])):
                reading.lose(line, f"field `{key}`")
        yield Entry(line, data, str(row["id"]) if isinstance(row.get("id"), str | int) else None)


def _messages(reading: Reading, line: int, turns: list[Any]) -> list[dict[str, Any]] | None:
    messages: list[dict[str, Any]] = []
    calls = 0
    for turn in turns:
        said = turn if isinstance(turn, dict) else {}
        who, text = said.get("from", said.get("role", said.get("user"))), said.get("value", said.get("content"))
        text = said.get("text") if text is None else text
        role = _ROLES.get(str(who).lower())
        if role is None or not isinstance(text, str):
            what = f"a turn has `from` and `value`; found {who!r}" if isinstance(turn, dict) else "no object as a turn"
            reading.bad(line, what)
            return None
        if role == "call":
            calls += 1
            call = _call(text)
            if call is None:
                reading.bad(line, "a function_call whose value is not JSON with name and arguments")
                return None
            function = {"name": call[0], "arguments": call[1]}
            messages.append({
                "role": "assistant", "content": None,
                "tool_calls": [{"id": f"call_{calls}", "type": "function", "function": function}],
            })  # fmt: skip
        elif role == "tool":
            messages.append({"role": "tool", "tool_call_id": f"call_{max(calls, 1)}", "content": text})
        elif text.strip() or role == "assistant":
            messages.append({"role": role, "content": text})
    return messages


def _call(text: str) -> tuple[str, str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    return value["name"], arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


IMPORTER = Importer(
    kind="sharegpt",
    title="ShareGPT conversations (JSON array or JSON lines)",
    carries="all turns up to the last of the user, system text, tools and tool calls, id",
    drops="the assistant's last turn; other fields",
    sniff=_sniff,
    read=_read,
)

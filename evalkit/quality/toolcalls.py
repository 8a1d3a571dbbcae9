"""What became of a request with tools: a call, text, a malformed call, or a reply that was cut off.

Only text is abstention. A reply whose call could not be read is not an abstention, and neither is a reply that was cut
before it could call; counting either as "no call wanted, none made" is how broken decoding gets full marks
(https://github.com/ShishirPatil/gorilla/issues/1362).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.client.types import Exchange, ToolCall
from evalkit.quality import jsontext, schemas
from evalkit.quality.facts import ToolOutcome
from evalkit.text import one_line

MAX_CALLS = 64
#: texts that tool formats put around a call; they reach the reply when no parser took them
_MARKER = re.compile(
    r"</?tool_calls?>|<function=|</function>|<function_calls?>|\[/?TOOL_CALLS?\]|<\|tool▁calls?▁begin\|>|<\|tool_calls?\w*\|>"
    r"|<\|python_tag\|>|<\|?tool_call_(?:begin|start)\|?>|<TOOLCALL>|\bfunctools\[|<tool_code>|<invoke\b",
    re.IGNORECASE,
)
#: how a call in marks begins, and how it ends
_WRAPPED = (
    (re.compile(r"<tool_call>\s*+(?=\{)"), re.compile(r"\}(?=\s*+</tool_call>)")),
    (re.compile(r"<TOOLCALL>\s*+(?=\[)"), re.compile(r"\](?=\s*+</TOOLCALL>)")),
)
_BARE_CALL = re.compile(r'"name"\s*:\s*"[^"]{1,128}"[^{}\[\]]{0,200}"(?:arguments|parameters)"\s*:')
_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```\s*$", re.DOTALL)


@dataclass(frozen=True)
class ReadCall:
    """A reported call; `problem` says why it is malformed, None if it is good."""

    name: str
    arguments: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class ToolReading:
    outcome: ToolOutcome
    calls: tuple[ReadCall, ...] = ()
    reason: str = ""
    #: call-like text in the reply: a whole call (the server has no parser for it) or the remains of one
    residue: Literal["intact", "broken"] | None = None

    @property
    def good(self) -> tuple[ReadCall, ...]:
        return tuple(call for call in self.calls if call.problem is None)


def declared(tools: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name -> parameter schema of each declared function."""
    result = {}
    for tool in tools:
        function = tool.get("function", tool)
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            parameters = function.get("parameters")
            result[function["name"]] = parameters if isinstance(parameters, dict) else {}
    return result


def read_call(call: ToolCall, functions: dict[str, dict[str, Any]], *, coerce: bool = False) -> ReadCall:
    """Reads a call's arguments and checks them against the declared schema."""
    raw = call.arguments.strip()
    if functions and call.name not in functions:
        return ReadCall(call.name, {}, f"unknown function {one_line(call.name, limit=60)!r}")
    schema = functions.get(call.name, {})
    try:
        arguments = jsontext.parse(raw) if raw else {}
    except jsontext.BadJson as error:
        return ReadCall(call.name, {}, f"arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        return ReadCall(call.name, {}, f"arguments are {_kind(arguments)}, not an object")
    if not raw and schema.get("required"):
        return ReadCall(call.name, {}, "arguments are empty")
    if coerce:
        arguments = {key: _coerced(value, schema, key) for key, value in arguments.items()}
    problem = _schema_problem(schema, arguments)
    return ReadCall(call.name, arguments, problem)


def _schema_problem(schema: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    known = schema.get("properties")
    if isinstance(known, dict) and schema.get("additionalProperties") in (None, False):
        unknown = [key for key in arguments if key not in known]
        if unknown:
            return f"unknown parameter {one_line(unknown[0], limit=60)!r}"
    try:
        broken = schemas.errors(schema, arguments, limit=1) if schema else []
    except schemas.Unchecked as error:
        return str(error)
    return broken[0] if broken else None


def _coerced(value: Any, schema: dict[str, Any], key: str) -> Any:
    """Text that spells the declared number or boolean becomes it (opt-in)."""
    declared_type = schema.get("properties", {}).get(key, {}).get("type")
    if not isinstance(value, str) or declared_type not in ("integer", "number", "boolean"):
        return value
    try:
        read = jsontext.parse(value.strip().lower())
    except jsontext.BadJson:
        return value
    wanted: dict[str, type | tuple[type, ...]] = {"integer": int, "number": (int, float), "boolean": bool}
    if isinstance(read, bool) != (declared_type == "boolean"):
        return value
    return read if isinstance(read, wanted[declared_type]) else value


def read(reply: Exchange, tools: Sequence[dict[str, Any]], *, coerce: bool = False) -> ToolReading:
    """One of the four outcomes, with the calls as read. `finish_reason` alone decides nothing but truncation."""
    functions = declared(tools)
    calls = tuple(read_call(call, functions, coerce=coerce) for call in reply.tool_calls[:MAX_CALLS])
    if len(reply.tool_calls) > MAX_CALLS:
        return ToolReading("malformed", calls, f"{len(reply.tool_calls)} calls in one reply")
    residue = residue_of(reply, functions)
    bad = next((call for call in calls if call.problem), None)
    cut = reply.finish_reason == "length"
    if bad is not None:
        unread = bad.problem is not None and ("not JSON" in bad.problem or "empty" in bad.problem)
        if cut and unread and calls[-1] is bad:
            return ToolReading("truncated", calls, f"cut off inside a call of {bad.name}", residue)
        return ToolReading("malformed", calls, f"{one_line(bad.name, limit=60)}: {bad.problem}", residue)
    if calls:
        if residue is not None:
            return ToolReading("malformed", calls, "parts of another call are in the text", residue)
        return ToolReading("call", calls)
    if cut:
        return ToolReading("truncated", (), "cut off before a call or an answer was complete", residue)
    if residue is None and _called_in_prose(reply.text[:200_000], functions):
        residue = "broken"
    if residue is not None:
        return ToolReading("malformed", (), "a call is in the text, unparsed", residue)
    if reply.finish_reason in ("tool_calls", "function_call"):
        return ToolReading("malformed", (), f"finish_reason is {reply.finish_reason}, but there is no call")
    if not reply.text.strip():
        return ToolReading("malformed", (), "neither text nor a call")
    return ToolReading("text", ())


def residue_of(reply: Exchange, functions: dict[str, dict[str, Any]]) -> Literal["intact", "broken"] | None:
    """Whether the text holds a call that a parser should have taken, and whether it is whole."""
    text = reply.text[:200_000]
    if not text.strip():
        text = reply.reasoning[-20_000:]
        if not _MARKER.search(text):
            return None
    if any(_is_call(one, functions) for one in _wrapped(text)):
        return "intact"
    stripped = text.strip()
    fence = _FENCE.match(stripped)
    body = fence.group(1).strip() if fence else stripped
    if body[:1] in ("{", "[") and _is_call(body, functions):
        return "intact"
    if _MARKER.search(text) or _BARE_CALL.search(text) or _spelled_call(body, functions):
        return "broken"
    return None


def _wrapped(text: str) -> Iterator[str]:
    """What stands between marks of a call; each mark is read once, however many there are that nothing closes."""
    for begins, ends in _WRAPPED:
        closers = [found.end() for found in ends.finditer(text)]
        past = 0
        for found in begins.finditer(text):
            place = bisect_left(closers, found.end() + 2)
            if found.start() >= past and place < len(closers):
                past = closers[place]
                yield text[found.end() : past]


def _is_call(text: str, functions: dict[str, dict[str, Any]]) -> bool:
    try:
        value = jsontext.parse(text)
    except jsontext.BadJson:
        return False
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(
        isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and ("arguments" in item or "parameters" in item)
        and (not functions or item["name"] in functions)
        for item in items
    )


def _spelled_call(text: str, functions: dict[str, dict[str, Any]]) -> bool:
    """A reply that is nothing but `name(arguments)` or `[name(arguments), …]` of a declared function."""
    body = text.strip().removeprefix("[").removesuffix("]").strip()
    name, bracket, _ = body.partition("(")
    return bool(bracket) and body.endswith(")") and name.strip() in functions


def _called_in_prose(text: str, functions: dict[str, dict[str, Any]]) -> bool:
    """Whether prose holds a call of a declared function with arguments: `f(city='Oslo')`, `f: {"city": …}`, ReAct's
    `Action: f`. A function that is only mentioned is not called.
    """
    for name, schema in functions.items():
        if name not in text:
            continue
        mark = re.escape(name)
        given = r"\s{0,4}(?:\w{1,60}\s{0,4}[=:](?!=)|[\"'{\[]|-?\d|(?:true|false|null|None)\b)"
        empty = "" if schema.get("required") else r"|\s{0,4}\)"
        forms = (
            rf"(?<![\w.]){mark}\((?:{given}{empty})",
            rf"(?<![\w.]){mark}[`*\"']{{0,3}}\s{{0,4}}(?::|=>|->|with)?\s{{0,4}}(?:arguments|args|parameters)?:?\s{{0,4}}\{{\s{{0,4}}[\"']",
            rf"^[ \t*#>-]{{0,12}}(?i:Action|Tool|Function|Tool call|Function call)\s{{0,4}}:\s{{0,4}}`?{mark}\b",
        )
        if any(re.search(form, text, re.MULTILINE) for form in forms):
            return True
    return False


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {type(value).__name__}"

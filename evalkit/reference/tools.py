"""Which tool to call and with what: arguments are read off the question, or made to fit the schema."""

from __future__ import annotations

import json
import re
from typing import Any

from evalkit.reference.question import Question, Reply, call_reply

_PLACE = re.compile(r"\b(?:in|of|for|to|at) ((?:[A-Z][\w'-]*)(?: [A-Z][\w'-]*)*)")
_STOP_WORDS = {"the", "what", "is", "a", "an", "in", "of", "for", "to", "please", "me", "get", "tell", "give"}


def tool_reply(question: Question) -> Reply | None:
    """A call of the tool that the question needs; None when it needs none.

    A named or required tool is always called. Otherwise a tool is called when its name shares a word with the question.
    """
    functions = [tool.get("function", tool) for tool in question.tools]
    if not functions or question.tool_choice == "none" or question.role == "tool":
        return None
    if question.tool_choice not in ("auto", "required"):
        functions = [f for f in functions if f.get("name") == question.tool_choice]
    best = max(functions, key=lambda f: _shared(f, question), default=None)
    if best is None or (question.tool_choice == "auto" and not _shared(best, question)):
        return None
    schema = {"type": "object", "properties": {}, **(best.get("parameters") or {})}
    return call_reply(str(best.get("name")), fill(schema, question.tail))


def fill(schema: dict[str, Any], text: str) -> Any:
    """The smallest instance of a JSON schema that also says what the text says: enums, places, numbers."""
    choices = schema.get("enum")
    if choices:
        return next((c for c in choices if str(c).lower() in text.lower()), choices[0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        names = schema.get("required") or list(schema.get("properties", {}))
        return {name: fill(schema.get("properties", {}).get(name, {}), text) for name in names}
    if kind == "array":
        return [fill(schema.get("items", {}), text)] * max(1, int(schema.get("minItems", 1)))
    if kind in ("integer", "number"):
        number = re.search(r"-?\d+", text)
        return int(number.group()) if number else int(schema.get("minimum", 1))
    if kind in ("boolean", "null"):
        return True if kind == "boolean" else None
    place = _PLACE.search(text)
    return place.group(1) if place else " ".join(text.split()[:4])


def schema_reply(schema: dict[str, Any], text: str) -> Reply:
    """A reply that fits a JSON schema."""
    return Reply(json.dumps(fill(schema, text), ensure_ascii=False), "json")


def _shared(function: dict[str, Any], question: Question) -> int:
    asked = set(re.findall(r"[a-z]+", question.text.lower())) - _STOP_WORDS
    return len(asked & set(re.findall(r"[a-z]+", str(function.get("name", "")).lower())))

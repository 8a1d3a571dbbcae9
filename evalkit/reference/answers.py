"""Where replies come from: given prompts, then one's own rules, then built-in skills, then filler prose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Self

import yaml

from evalkit.errors import InputFileError
from evalkit.reference.prose import prose
from evalkit.reference.question import Question, Reply, call_reply
from evalkit.reference.rules import BUILT_IN, Rule

Told = str | Reply


class Answers:
    """Deterministic replies. A prompt is found by its exact text, or behind a salt put in front of it."""

    def __init__(self, replies: Mapping[str, Told] | None = None, rules: Sequence[Rule] = ()) -> None:
        """`replies` maps a prompt (the last user turn) to its reply; `rules` are asked before the built-in ones."""
        self._replies: dict[str, Reply] = {}
        self._rules = [*rules]
        for prompt, reply in (replies or {}).items():
            self.add(prompt, reply)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Replies from a YAML or JSON file: `prompt: reply` pairs, or a list of {prompt, reply | tool_call, wrong}.

        Raises:
            InputFileError: the file is missing, not YAML, or an entry lacks a prompt or a reply.
        """
        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputFileError(f"replies cannot be read: {error}", where=str(path)) from error
        if isinstance(data, dict):
            data = [{"prompt": prompt, "reply": reply} for prompt, reply in data.items()]
        if not isinstance(data, list):
            raise InputFileError("replies must be a mapping or a list", where=str(path))
        answers = cls()
        for number, entry in enumerate(data, 1):
            try:
                answers.add(str(entry["prompt"]), _told(entry))
            except (KeyError, TypeError) as error:
                hint = "an entry is {prompt, reply} or {prompt, tool_call: {name, arguments}}"
                raise InputFileError(f"entry {number} is not a reply", where=str(path), hint=hint) from error
        return answers

    def add(self, prompt: str, reply: Told) -> None:
        """Answer `prompt` with `reply` from now on."""
        self._replies[prompt.strip()] = Reply(reply, _kind(reply)) if isinstance(reply, str) else reply

    def add_rule(self, rule: Rule) -> None:
        """Ask `rule` before the built-in rules; it returns None for what it does not know."""
        self._rules.append(rule)

    def reply(self, question: Question) -> Reply:
        """The answer of a model without faults, at temperature 0."""
        if question.tool_choice not in ("auto", "none"):
            forced = tool_reply(question)
            if forced:
                return forced
        told = self._told(question)
        if told is None and question.tools:
            told = tool_reply(question)
        for rule in (*self._rules, *BUILT_IN):
            told = told or rule(question)
        if question.schema is not None and (told is None or not _is_json(told.text)):
            told = schema_reply(question.schema, question.text)
        if told:
            return told
        rng = Random(question.text)
        return Reply(prose(rng.randint(20, 200), rng))

    def _told(self, question: Question) -> Reply | None:
        exact = self._replies.get(question.text)
        if exact or question.role != "user":
            return exact
        behind_salt = [p for p in self._replies if question.text.endswith(p) and not _joined(question.text, p)]
        return self._replies[max(behind_salt, key=len)] if behind_salt else None


def _told(entry: dict[str, Any]) -> Reply:
    if "tool_call" in entry:
        return call_reply(entry["tool_call"]["name"], dict(entry["tool_call"].get("arguments") or {}))
    reply = entry["reply"]
    text = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)
    return Reply(text, _kind(text), entry.get("wrong"))


def _joined(text: str, prompt: str) -> bool:
    """Whether the prompt begins in the middle of a word."""
    return text[-len(prompt) - 1].isalnum()


def _kind(text: str) -> Any:
    if _is_json(text):
        return "json"
    return "exact" if "\n" in text else "prose"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


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

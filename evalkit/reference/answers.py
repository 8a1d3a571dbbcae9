"""Where replies come from: given prompts, then one's own rules, then built-in skills, then filler prose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Self

import yaml

from evalkit.errors import InputFileError
from evalkit.reference.prose import prose
from evalkit.reference.question import Question, Reply, call_reply
from evalkit.reference.rules import BUILT_IN, Rule
from evalkit.reference.tools import schema_reply, tool_reply

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

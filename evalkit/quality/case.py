"""A suite and its cases, as they are after loading: checked, with their graders built."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evalkit.client.types import ChatRequest
from evalkit.text import plainly

Kind = Literal["chat", "tools", "long", "structured", "custom"]
Severity = Literal["critical", "normal", "minor"]


@dataclass(frozen=True)
class Expectation:
    """One grader with its checked parameters (an instance of the grader's own model)."""

    grader: str
    params: Any
    weight: float = 1.0


@dataclass(frozen=True)
class Case:
    """One task. `request` is complete: what is sent, streamed, in every mode."""

    id: str
    request: ChatRequest
    expect: tuple[Expectation, ...]
    cluster: str | None = None
    repeats: int = 1
    severity: Severity = "normal"
    tags: tuple[str, ...] = ()
    line: int | None = None
    #: whether closed reasoning in the text is part of what is graded
    reasoning: Literal["drop", "keep"] = "drop"
    #: what its tool calls are answered with, for a second request
    tool_result: str | None = None

    @property
    def tools(self) -> tuple[dict[str, Any], ...]:
        return self.request.tools

    @property
    def prompt_text(self) -> str:
        """All text of the messages, for previews and for tokens that the prompt itself contains."""
        return "\n".join(texts_of(self.request.messages))

    @property
    def characters(self) -> int:
        """Of all text that is sent: messages and tools. An image is not text."""
        tools = len(json.dumps(self.tools, ensure_ascii=False)) if self.tools else 0
        return len(self.prompt_text) + tools

    @property
    def uses(self) -> frozenset[str]:
        """Names of the graders at the top level."""
        return frozenset(expectation.grader for expectation in self.expect)


@dataclass(frozen=True)
class Suite:
    """A checked suite. `name` is unique within a run."""

    name: str
    kind: Kind
    path: str
    sha256: str
    cases: tuple[Case, ...]
    version: str = "1"
    shipped: bool = False
    tags: tuple[str, ...] = ()
    #: kind of another tool's file that it was imported from, and the hash of that file
    imported: str | None = None
    source_sha256: str | None = None
    #: the baseline answers each case once more: equality of its two replies is the noise floor
    noise_floor: bool = True
    by_id: dict[str, Case] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.by_id.update({case.id: case for case in self.cases})

    @property
    def repeats(self) -> int:
        return max(case.repeats for case in self.cases)

    def asked(self, repeats: int) -> Suite:
        """The suite with each case asked at least so many times."""
        more = tuple(replace(case, repeats=max(case.repeats, repeats)) for case in self.cases)
        return replace(self, cases=more, by_id={})

    @property
    def critical(self) -> tuple[str, ...]:
        return tuple(case.id for case in self.cases if case.severity == "critical")


def request_sha256(request: ChatRequest) -> str:
    """Hash of what is sent, without the model's served name, which may differ from mode to mode."""
    body = request.body("")
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def asked_sha256(request: ChatRequest) -> str:
    """Hash of what is asked alone: cases that differ in blanks, seed, temperature or length allowed ask the same."""
    asked = [plainly(request.messages), request.tools, request.tool_choice, request.response_format]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def request_for(case: Case, repeat: int = 0, *, streamed: bool = True) -> ChatRequest:
    """What is sent for one repeat of a case. Where the case has a seed, each repeat has its own."""
    request = case.request if streamed else replace(case.request, stream=False)
    return replace(request, seed=request.seed + repeat) if request.seed is not None and repeat else request


def texts_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The texts of messages, in order."""
    return [text for message in messages for text in _texts(message.get("content"))]


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [str(part["text"]) for part in content if isinstance(part, dict) and "text" in part]
    return []

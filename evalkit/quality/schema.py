"""The file format of task suites: strict, as the checklist is. Reference: docs/tasks.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from evalkit.checklist.base import Extra
from evalkit.checklist.schema import Section
from evalkit.quality.case import Kind, Severity

Name = Annotated[str, Field(pattern=r"^[^|\x00-\x1f\x7f]{1,120}$")]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=50)]
Repeats = Annotated[int, Field(ge=1, le=100)]
Stop = Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=16)]


def _version(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class RequestParams(Section):
    """What a suite or a case changes of production's request."""

    system: str | None = None
    """System message in place of production's."""
    max_tokens: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    """Longest reply, in tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature."""
    seed: int | None = None
    """Seed of the request, for servers that take one."""
    stop: Stop | None = None
    """Texts that end a reply."""
    response_format: dict[str, Any] | None = None
    """As the chat completions API takes it: JSON, or JSON of a schema."""
    extra_body: Extra | None = None
    """Further fields of the request body."""


class Defaults(RequestParams):
    """For every case of the suite that does not say otherwise."""

    tools: list[dict[str, Any]] | None = None
    """Tools on offer, as the chat completions API takes them."""
    tool_choice: str | dict[str, Any] | None = None
    """As the chat completions API takes it."""
    expect: list[Any] | None = None
    """Graders that the reply has to pass."""


class SuiteHead(Section):
    name: Name
    """Name of the suite, once a run."""
    kind: Kind
    """What it tests; the margin and the minimum pass rate depend on it."""
    version: Annotated[str, BeforeValidator(_version)] = "1"
    """Version of the cases; results of two versions are not mixed."""
    defaults: Defaults = Defaults()
    """What holds for every case that does not say otherwise."""
    tags: Tags = []  # noqa: RUF012  pydantic copies defaults
    """Labels by which the report groups cases."""
    cluster: str | None = None
    """Cases of one cluster count as one piece of evidence."""
    repeats: Repeats = 1
    """How often each case is asked."""
    severity: Severity = "normal"
    """critical, normal or minor: a critical case that is lost stops an adoption."""
    reasoning: Literal["drop", "keep"] = "drop"
    """keep: reasoning between <think> and </think> is graded too; drop: the answer alone is."""
    bulk: Annotated[str | None, Field(alias="import")] = None
    """A JSONL file of further cases, one a line."""


class RawCase(Section):
    """One case as written. `expect` is checked by each grader's own model."""

    id: Name
    """Name of the case, once a suite."""
    prompt: Annotated[str, Field(min_length=1)] | None = None
    """The user message; or give `messages`."""
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    """A conversation as the chat completions API takes it."""
    images: Annotated[list[str], Field(min_length=1, max_length=16)] | None = None
    """Image files in the suite's folder that go with `prompt`."""
    tools: list[dict[str, Any]] | None = None
    """Tools on offer, as the chat completions API takes them."""
    tool_choice: str | dict[str, Any] | None = None
    """As the chat completions API takes it."""
    tool_result: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    """What every tool call of the reply is answered with, such as an error. The next reply is read for the same calls
    again; it is not graded."""
    params: RequestParams = RequestParams()
    """What the case changes of the request."""
    repeats: Repeats | None = None
    """How often this case is asked."""
    cluster: str | None = None
    """Cases of one cluster count as one piece of evidence."""
    tags: Tags = []  # noqa: RUF012  pydantic copies defaults
    """Labels by which the report groups cases."""
    severity: Severity | None = None
    """Severity of this case."""
    expect: list[Any] = []  # noqa: RUF012  pydantic copies defaults
    """Graders that the reply has to pass."""
    source: Annotated[str, Field(max_length=500)] | None = None
    """FILE:LINE that the case was imported from."""

    @model_validator(mode="after")
    def _asks(self) -> RawCase:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("a case has either prompt or messages")
        if self.images and self.messages is not None:
            raise ValueError("images go with prompt; with messages, write image_url parts")
        return self


class RawSuite(Section):
    suite: SuiteHead
    """What holds for the whole suite."""
    cases: Annotated[list[Any], Field(max_length=20_000)] = []  # noqa: RUF012  pydantic copies defaults
    """The cases."""

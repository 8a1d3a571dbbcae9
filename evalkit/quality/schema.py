"""The file format of task suites: strict, as the checklist is. Reference: docs/tasks.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

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
    max_tokens: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: int | None = None
    stop: Stop | None = None
    response_format: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None


class Defaults(RequestParams):
    """For every case of the suite that does not say otherwise."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    expect: list[Any] | None = None


class SuiteHead(Section):
    name: Name
    kind: Kind
    version: Annotated[str, BeforeValidator(_version)] = "1"
    defaults: Defaults = Defaults()
    tags: Tags = []  # noqa: RUF012  pydantic copies defaults
    cluster: str | None = None
    repeats: Repeats = 1
    severity: Severity = "normal"
    #: `keep`: reasoning between <think> and </think> is graded too; its answer alone is otherwise
    reasoning: Literal["drop", "keep"] = "drop"
    #: a JSONL file of further cases, one a line
    bulk: Annotated[str | None, Field(alias="import")] = None


class RawCase(Section):
    """One case as written. `expect` is checked by each grader's own model."""

    id: Name
    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    images: Annotated[list[str], Field(min_length=1, max_length=16)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    params: RequestParams = RequestParams()
    repeats: Repeats | None = None
    cluster: str | None = None
    tags: Tags = []  # noqa: RUF012  pydantic copies defaults
    severity: Severity | None = None
    expect: list[Any] = []  # noqa: RUF012  pydantic copies defaults
    #: FILE:LINE that the case was imported from
    source: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _asks(self) -> RawCase:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("a case has either prompt or messages")
        if self.images and self.messages is not None:
            raise ValueError("images go with prompt; with messages, write image_url parts")
        return self


class RawSuite(Section):
    suite: SuiteHead
    cases: Annotated[list[Any], Field(max_length=20_000)] = []  # noqa: RUF012  pydantic copies defaults

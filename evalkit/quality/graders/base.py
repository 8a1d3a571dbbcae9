"""What a grader is: metadata, a model of its parameters, a pure function, and an example that a test runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import MAX_CHARS, Grade
from evalkit.quality.fences import closed
from evalkit.text import one_line

GradeFunction = Callable[[Exchange, Case, Any], Grade]


class Params(BaseModel):
    """Base of all parameters: no unknown keys, no bool for a number, no number for a text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Count = Annotated[int, Field(ge=0)]


def listed(value: object) -> object:
    """A single text where a list is taken is a list of one."""
    return [value] if isinstance(value, str) else value


class NoParams(Params):
    """Takes no parameters: write the grader's name alone."""


@dataclass(frozen=True)
class Reply:
    """A reply in an example."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"


@dataclass(frozen=True)
class Example:
    """`expect` is one entry of a case's `expect`, in YAML."""

    expect: str
    passes: Reply
    fails: Reply


@dataclass(frozen=True)
class Grader:
    """One grader. `short` names the parameter that a bare value means (`number: 42`)."""

    name: str
    family: str
    summary: str
    params: type[Params]
    grade: GradeFunction
    example: Example
    short: str | None = None
    notes: tuple[str, ...] = field(default=())
    #: its parameters hold further expectations, in these keys
    nested: tuple[str, ...] = ()


def grade(
    name: str, passed: bool | None, reason: str = "", *, score: float | None = None, counts: bool = True, **detail: Any
) -> Grade:
    """A `Grade`; the score follows from `passed` unless given."""
    if score is None and passed is not None:
        score = 1.0 if passed else 0.0
    return Grade(grader=name, passed=passed, score=score, reason=reason, detail=detail, counts=counts)


def text_of(reply: Exchange) -> str:
    return reply.text[:MAX_CHARS].removeprefix("\ufeff")


def by_thirds(scores: list[float]) -> list[float]:
    """Mean score of the first, middle and last third of a reply's parts; fewer than three parts: no thirds."""
    n = len(scores)
    if n < 3:
        return []
    cuts = [0, n // 3, 2 * n // 3, n]
    return [round(sum(scores[a:b]) / (b - a), 4) for a, b in pairwise(cuts)]


def fenced_blocks(text: str) -> list[str]:
    """Contents of the closed code fences, in order."""
    return [fence.body for fence in closed(text)]


def shown(value: object, limit: int = 80) -> str:
    """A value for a reason: short, on one line."""
    return one_line(str(value), limit=limit)

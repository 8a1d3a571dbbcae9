"""Length asked against length achieved, and why the reply ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Count, Example, Grader, Params, Reply, grade, listed, text_of
from evalkit.quality.prose import words


class Length(Params):
    """`target` passes within `tolerance` of it. Tokens are those that the server counted."""

    unit: Literal["words", "chars", "tokens", "lines"] = "words"
    min: Count | None = None
    max: Count | None = None
    target: Annotated[int, Field(ge=1)] | None = None
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _bounds(self) -> Length:
        if self.min is None and self.max is None and self.target is None:
            raise ValueError("length needs min, max or target")
        low, high = self.min or 0, self.max
        if high is not None and low > high:
            raise ValueError(f"contradiction: min {low} is above max {high}")
        if self.target is not None and (self.target < low or (high is not None and self.target > high)):
            raise ValueError("contradiction: target lies outside min and max")
        return self


def measured(reply: Exchange, unit: str) -> int | None:
    """The reply's length; None where the server counted no tokens."""
    text = text_of(reply)
    if unit == "tokens":
        return reply.completion_tokens
    if unit == "words":
        return words(text)
    return len([line for line in text.splitlines() if line.strip()]) if unit == "lines" else len(text)


def length_score(asked: int, achieved: int) -> float:
    """1 at the length asked for, linear to 0 at four times or at a third of it (LongBench-Write, arXiv 2408.07055)."""
    if achieved <= 0:
        return 0.0
    over = achieved > asked
    return max(0.0, 1 - (achieved / asked - 1) / 3) if over else max(0.0, 1 - (asked / achieved - 1) / 2)


def length(reply: Exchange, _case: Case, params: Length) -> Grade:
    got = measured(reply, params.unit)
    if got is None:
        return grade("length", None, "the server did not count the tokens")
    detail: dict[str, Any] = {"achieved": got, "asked": params.target, "unit": params.unit}
    score = length_score(params.target, got) if params.target else None
    if params.min is not None and got < params.min:
        return grade("length", False, f"{got} {params.unit}, at least {params.min} asked", score=score, **detail)
    if params.max is not None and got > params.max:
        return grade("length", False, f"{got} {params.unit}, at most {params.max} asked", score=score, **detail)
    if params.target is not None and abs(got - params.target) > params.tolerance * params.target:
        return grade("length", False, f"{got} {params.unit}, {params.target} asked", score=score, **detail)
    return grade("length", True, score=score, **detail)


class Finish(Params):
    any: Annotated[list[str], Field(min_length=1)]

    _one = field_validator("any", mode="before")(listed)


def finish_reason(reply: Exchange, _case: Case, params: Finish) -> Grade:
    good = reply.finish_reason in params.any
    return grade("finish_reason", good, "" if good else f"finish_reason is {reply.finish_reason}")


GRADERS = (
    Grader(
        name="length",
        family="length",
        short="target",
        summary="The reply's length in words, characters, lines or tokens: within bounds, or near a target.",
        params=Length,
        grade=length,
        example=Example("length: {unit: words, min: 3, max: 6}", Reply("one two three four"), Reply("one two")),
        notes=("With a target the score falls linearly to 0 at four times, or a third, of the length asked for.",),
    ),
    Grader(
        name="finish_reason",
        family="length",
        short="any",
        summary="The server ended the reply for this reason (`stop`, `length`, `tool_calls`).",
        params=Finish,
        grade=finish_reason,
        example=Example("finish_reason: stop", Reply("Done."), Reply("Cut", finish="length")),
    ),
)

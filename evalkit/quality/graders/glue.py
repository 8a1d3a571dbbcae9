"""Graders made of other graders."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, model_validator

from evalkit.client.types import Exchange
from evalkit.quality.case import Case, Expectation
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, grade
from evalkit.text import cut


class Of(Params):
    """A list of expectations."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)

    of: tuple[Expectation, ...]

    @model_validator(mode="after")
    def _some(self) -> Of:
        if not self.of:
            raise ValueError("an empty list expects nothing")
        return self


class AtLeast(Of):
    n: int

    @model_validator(mode="after")
    def _reachable(self) -> AtLeast:
        if not 1 <= self.n <= len(self.of):
            raise ValueError(f"at_least {self.n} of {len(self.of)} expectations can never be decided")
        return self


def grades_of(reply: Exchange, case: Case, expectations: tuple[Expectation, ...]) -> list[Grade]:
    from evalkit.quality.graders import grade_one

    return [grade_one(expectation, reply, case) for expectation in expectations]


def combined(grades: list[Grade], need: int, weights: list[float]) -> tuple[bool | None, float | None]:
    """Passed when `need` passed, failed when that can no longer happen, else unscored; and the weighted mean score."""
    passed = sum(1 for one in grades if one.passed)
    failed = sum(1 for one in grades if one.passed is False)
    scores = [(one.score, weight) for one, weight in zip(grades, weights, strict=True) if one.score is not None]
    total = sum(weight for _, weight in scores)
    score = sum(value * weight for value, weight in scores) / total if total else None
    if passed >= need:
        return True, score
    return (False if failed > len(grades) - need else None), score


def _glue(name: str, reply: Exchange, case: Case, params: Of, need: int) -> Grade:
    grades = grades_of(reply, case, params.of)
    passed, score = combined(grades, need, [expectation.weight for expectation in params.of])
    reasons = [f"{one.grader}: {one.reason}" for one in grades if not one.passed and one.reason]
    detail: dict[str, Any] = {"holding": [one.grader for one in grades if one.passed]}
    return grade(name, passed, "" if passed else cut("; ".join(reasons), 300), score=score, **detail)


def all_(reply: Exchange, case: Case, params: Of) -> Grade:
    return _glue("all", reply, case, params, len(params.of))


def any_(reply: Exchange, case: Case, params: Of) -> Grade:
    return _glue("any", reply, case, params, 1)


def at_least(reply: Exchange, case: Case, params: AtLeast) -> Grade:
    return _glue("at_least", reply, case, params, params.n)


def not_(reply: Exchange, case: Case, params: Of) -> Grade:
    grades = grades_of(reply, case, params.of)
    if any(one.passed for one in grades):
        return grade("not", False, f"{next(one.grader for one in grades if one.passed)} holds and must not")
    if any(one.passed is None for one in grades):
        return grade("not", None, next(one.reason for one in grades if one.passed is None))
    return grade("not", True)


GRADERS = (
    Grader(
        name="all", family="glue", short="of", nested=("of",), params=Of, grade=all_,
        summary="Every one of these expectations holds. The score is their weighted mean.",
        example=Example("all: [contains: Paris, {length: {max: 5}}]", Reply("It is Paris."), Reply("It is Rome.")),
        notes=("`weight: 2` next to a grader counts it twice in the score.",),
    ),
    Grader(
        name="any", family="glue", short="of", nested=("of",), params=Of, grade=any_,
        summary="One of these expectations holds.",
        example=Example("any: [equals: 'yes', equals: 'ja']", Reply("ja"), Reply("nein")),
    ),
    Grader(
        name="at_least", family="glue", nested=("of",), params=AtLeast, grade=at_least,
        summary="At least n of these expectations hold.",
        example=Example(
            "at_least: {n: 2, of: [contains: red, contains: green, contains: blue]}",
            Reply("red and blue"),
            Reply("red only")
        ),
    ),
    Grader(
        name="not", family="glue", short="of", nested=("of",), params=Of, grade=not_,
        summary="None of these expectations holds.",
        example=Example("not: {contains: sorry}", Reply("Here it is."), Reply("I am sorry.")),
        notes=("What could not be graded stays unscored: it does not prove absence.",),
    ),
)  # fmt: skip

"""Graders that ask another model. Off unless a judge is configured, and never what decides a case.

The judge is asked once all replies are there (`evalkit.quality.judging`), because `prefer` needs the baseline's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, grade

OFF = "information: the judge, where one is configured, is asked apart"


class Rubric(Params):
    """Questions that are answered with yes or no; all yes is a pass."""

    questions: Annotated[list[Annotated[str, Field(min_length=3, max_length=500)]], Field(min_length=1, max_length=12)]


class Prefer(Params):
    """What makes one reply better than the other. Both orders are asked; a verdict that flips is a tie."""

    criterion: Annotated[str, Field(min_length=3, max_length=1000)]


def rubric(_reply: Exchange, _case: Case, params: Rubric) -> Grade:
    return grade("rubric", None, OFF, counts=False, questions=params.questions)


def prefer(_reply: Exchange, _case: Case, params: Prefer) -> Grade:
    return grade("prefer", None, OFF, counts=False, criterion=params.criterion)


_NOTE = (
    "Information only: a case needs another grader as well. Configure `items: {quality: {judge: {endpoint, model,"
    " api_key_env}}}`; judge model and prompt hash are recorded."
)
_GUARD = (
    "The text under test is quoted between marks that it cannot know, and a control question catches a judge that was"
    " talked round. What is not an exact verdict stays unscored."
)

GRADERS = (
    Grader(
        name="rubric", family="judge", short="questions", params=Rubric, grade=rubric,
        summary="A judge answers yes-or-no questions about the reply.",
        example=Example("rubric: ['Is the tone friendly?']", Reply("Gladly!"), Reply("No.")),
        notes=(_NOTE, _GUARD),
    ),
    Grader(
        name="prefer", family="judge", short="criterion", params=Prefer, grade=prefer,
        summary="A judge compares the reply with the baseline's, in both orders.",
        example=Example("prefer: 'clearer for a new customer'", Reply("Press the red button."), Reply("Button.")),
        notes=(_NOTE, _GUARD),
    ),
)  # fmt: skip

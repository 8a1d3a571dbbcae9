"""A number in the reply."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field

from evalkit.client.types import Exchange
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, grade, text_of

#: digits with optional thousands marks (comma, thin, narrow or no-break space between groups of three)
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+|\d{1,40})(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?(?![\w])"
)


class Number(Params):
    """`pick`: which number of the reply counts. `only` fails when there is more than one."""

    value: float | int
    abs_tol: Annotated[float, Field(ge=0)] = 0.0
    rel_tol: Annotated[float, Field(ge=0, le=1)] = 0.0
    pick: Literal["last", "first", "only"] = "last"


def numbers(text: str) -> list[float]:
    """Numbers in `text`, in order. Thousands marks are read, a percent sign is ignored, a decimal comma is not read."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = re.sub("[,\u00a0\u2009\u202f]", "", match.group()).replace("−", "-")
        found.append(float(digits))
    return found


def number(reply: Exchange, case: Case, params: Number) -> Grade:
    del case
    found = numbers(text_of(reply))
    if not found:
        return grade("number", False, "no number in the reply")
    if params.pick == "only" and len(found) > 1:
        return grade("number", False, f"{len(found)} numbers where one was asked for")
    value = found[0] if params.pick == "first" else found[-1]
    good = math.isclose(value, params.value, rel_tol=max(params.rel_tol, 1e-12), abs_tol=params.abs_tol)
    return grade("number", good, "" if good else f"{value:g}, expected {params.value:g}", found=value)


GRADERS = (
    Grader(
        name="number",
        family="number",
        short="value",
        summary="The last (or first, or only) number of the reply has this value.",
        params=Number,
        grade=number,
        example=Example("number: {value: 1234.5, abs_tol: 0.1}", Reply("The total is 1,234.5."), Reply("About 1,240.")),
        notes=(
            "Thousands marks are read (`1,234`). A percent sign is ignored: `12%` is 12.",
            "A decimal comma is not read: `1,5` is the numbers 1 and 5.",
        ),
    ),
)

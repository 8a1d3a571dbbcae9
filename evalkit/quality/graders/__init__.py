"""The registry of graders: built in, and from plugins under the entry point `evalkit.graders`."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

from evalkit.client.types import Exchange
from evalkit.errors import UsageError
from evalkit.quality.case import Case, Expectation
from evalkit.quality.facts import Grade
from evalkit.quality.graders import (
    execution,
    glue,
    instructions,
    judge,
    length,
    long,
    number,
    sequence,
    structure,
    text,
    tools,
)
from evalkit.quality.graders.base import Grader
from evalkit.quality.reasoning import behind
from evalkit.text import one_line

ENTRY_POINT = "evalkit.graders"
_FAMILIES = (text, number, structure, tools, length, long, instructions, sequence, glue, judge, execution)


@cache
def registry() -> dict[str, Grader]:
    """All graders by name. A plugin is an object with `GRADERS`, or a `Grader`; it may not replace a built-in one.

    Raises:
        UsageError: a plugin cannot be loaded or takes a name that is in use.
    """
    found = {grader.name: grader for family in _FAMILIES for grader in family.GRADERS}
    for entry in metadata.entry_points(group=ENTRY_POINT):
        try:
            loaded: Any = entry.load()
        except Exception as error:
            raise UsageError(f"the grader plugin {entry.name!r} cannot be loaded: {one_line(str(error))}") from error
        for grader in getattr(loaded, "GRADERS", (loaded,)):
            if not isinstance(grader, Grader) or grader.name in found:
                raise UsageError(f"the grader plugin {entry.name!r} contains no grader with a new name")
            found[grader.name] = grader
    return found


def grade_one(expectation: Expectation, reply: Exchange, case: Case, *, allow_exec: bool = False) -> Grade:
    """What one grader says of the answer in a reply; a reply without an answer meets no expectation.

    A grader that fails by itself leaves the reply unscored: no crash, no zero.
    """
    grader = registry()[expectation.grader]
    function = grader.grade
    if allow_exec and expectation.grader == "python_tests":
        function = execution.run_python_tests
    try:
        seen, missing = behind(reply, keep=case.reasoning == "keep")
        given = function(seen, case, expectation.params)
        if missing is None or not given.counts:
            return given
        return given.model_copy(update={"passed": False, "score": 0.0, "reason": missing})
    except Exception as error:  # noqa: BLE001  a plugin, or a bug of ours, must not end the run
        return Grade(grader=grader.name, passed=None, reason=f"the grader failed: {one_line(repr(error), limit=160)}")


__all__ = ["Grader", "grade_one", "registry"]

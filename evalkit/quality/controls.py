"""Replies that answer nothing, graded when a suite is loaded: what they pass asks for nothing. Pure."""

from __future__ import annotations

from evalkit.client.types import Exchange
from evalkit.quality.case import Case, Suite
from evalkit.quality.graders import grade_one

#: the same to every case, whatever it asks; none of them is in a format that a suite may ask for and nothing else
CONTROLS = ("OK.", "I do not know.")
#: share of a suite's cases that a control may fail before it is given up
_GIVEN_UP = 0.5


def passed_by_any(suite: Suite) -> int:
    """Cases that the most successful of the controls passes; 0 where none passes half of them."""
    most = 0
    for text in CONTROLS:
        reply = Exchange(ok=True, text=text, finish_reason="stop")
        failed = passed = 0
        for case in suite.cases:
            good = _passes(case, reply)
            passed, failed = passed + good, failed + (not good)
            if failed > _GIVEN_UP * len(suite.cases):
                passed = 0
                break
        most = max(most, passed)
    return most


def _passes(case: Case, reply: Exchange) -> bool:
    grades = [grade_one(one, reply, case) for one in case.expect]
    deciding = [one for one in grades if one.counts]
    return bool(deciding) and all(one.passed is True for one in deciding)

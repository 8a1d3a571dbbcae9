"""Findings on tool calls: whether the server takes tools, what became of each request, and what a stream loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from evalkit.analysis import exchanges as step
from evalkit.analysis.pairs import Answers
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.quality import checks
from evalkit.items.quality import reply_words as words
from evalkit.items.quality.loss import SEEN
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.text import cut

MAX_CONFUSED = 10
_MAX_LISTED = 50
#: how a server answers a request with tools that it does not take
_REFUSED = (400, 404, 405, 422, 500, 501)
#: replies without a call or an attempt at one from which tools do not seem to reach the model
_FEWEST = 3


def tools_available(answers: Answers, suite: SuiteFacts, mode: str) -> Finding | None:
    """Whether the server takes tools at all. None when the suite asks for none."""
    replies = [one for one in answers.first(suite.name, mode).values() if one.wants_call]
    if not replies:
        return None
    errors = [error for one in replies if (error := one.exchange.error) is not None and error.status in _REFUSED]
    if len(errors) == len(replies):
        values = words.ToolsAvailable(
            outcome="refused", suite=suite.name, cases=len(replies), status=errors[0].status,
            message=cut(errors[0].message, 160),
        )  # fmt: skip
        return checks.TOOLS.found(values, mode=mode, known_by=SEEN)
    answered = [one for one in replies if one.exchange.ok]
    calls = sum(one.tool_outcome == "call" for one in answered)
    intact = sum(one.signals is not None and one.signals.residue == "intact" for one in answered)
    known = SEEN
    outcome: Literal["available", "not-parsed", "not-reached"] = "available"
    if answered and intact and intact >= len(answered) / 2:
        outcome = "not-parsed"
    elif len(answered) >= _FEWEST and not calls and all(one.tool_outcome == "text" for one in answered):
        outcome, known = "not-reached", KnownBy.INFERRED
    values = words.ToolsAvailable(
        outcome=outcome, suite=suite.name, cases=len(replies), answered=len(answered), calls=calls, intact=intact
    )
    return checks.TOOLS.found(values, mode=mode, known_by=known)


def stream_parity(answers: Answers, suite: SuiteFacts, mode: str, margin: float) -> Finding | None:
    """Streamed against unstreamed replies to the same tool cases. None without both."""
    streamed, whole = answers.first(suite.name, mode), answers.first(suite.name, mode, streamed=False)
    both = [c for c in streamed if c in whole and streamed[c].passed is not None and whole[c].passed is not None]
    if not both:
        return None
    lost = [c for c in both if whole[c].passed and not streamed[c].passed]
    gained = [c for c in both if streamed[c].passed and not whole[c].passed]
    worse = (len(lost) - len(gained)) / len(both) > margin
    values = words.StreamParity(
        outcome="lost-in-stream" if worse else "alike", suite=suite.name, pairs=len(both),
        lost_in_stream=tuple(lost[:_MAX_LISTED]), lost_unstreamed=tuple(gained[:_MAX_LISTED]), lost=len(lost),
        gained=len(gained),
    )  # fmt: skip
    return checks.STREAM_PARITY.found(values, mode=mode, known_by=SEEN)


def outcomes(answers: Answers, suite: SuiteFacts, mode: str, baseline: str) -> Finding | None:
    """The four outcomes beside the baseline's, and what was right of the calls. None without tools. Information."""
    mine, base = _with_tools(answers, suite, mode), _with_tools(answers, suite, baseline)
    if not mine:
        return None
    rates, before = _rates(mine), _rates(base)
    worse = bool(base) and rates.malformed * len(base) > before.malformed * len(mine)
    values = words.ToolOutcomes(
        outcome="more-malformed" if worse else "as-sound", suite=suite.name, replies=len(mine), rates=rates,
        baseline=before if mode != baseline else None, baseline_replies=len(base),
    )  # fmt: skip
    return checks.TOOL_OUTCOMES.found(values, mode=mode, known_by=SEEN, counts=False)


def loops(facts: Facts, mode: str, baseline: str) -> Finding | None:
    """What follows a call that failed. None where no case feeds a result back. Information."""
    mine, base = step.loops(facts, mode), step.loops(facts, baseline)
    if not mine.steps:
        return None
    outcome: Literal["none-repeated", "some-repeated", "repeats-more"] = (
        "some-repeated" if mine.repeated else "none-repeated"
    )
    if mode != baseline and step.more_than(facts, mode, baseline):
        outcome = "repeats-more"
    values = words.ToolLoops(
        outcome=outcome, steps=mine.steps, repeated=mine.repeated, otherwise=mine.otherwise, text=mine.text,
        baseline=baseline if mode != baseline and base.steps else None, baseline_steps=base.steps,
        baseline_repeated=base.repeated,
    )  # fmt: skip
    return checks.TOOL_LOOPS.found(values, mode=mode, known_by=SEEN, counts=False)


def _with_tools(answers: Answers, suite: SuiteFacts, mode: str) -> list[Answer]:
    return [one for one in answers.first(suite.name, mode).values() if one.tool_outcome is not None]


def _rates(replies: Iterable[Answer]) -> words.ToolRates:
    """Counts over replies; the confusion list names what was asked and what was called instead."""
    found: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    for one in replies:
        found[str(one.tool_outcome)] += 1
        for grade in one.grades:
            detail = grade.detail
            if grade.grader == "no_tool_call":
                found["none_wanted"] += 1
                found["abstained"] += bool(grade.passed)
            if grade.grader != "tool_calls":
                continue
            found["asked"] += 1
            for key in ("schema_valid", "right_function", "right_arguments"):
                found[key] += bool(detail.get(key))
            if detail.get("right_function") is False:
                names = [" + ".join(map(str, detail.get(key) or ())) for key in ("asked", "called")]
                confused[names[0], names[1] or str(one.tool_outcome)] += 1
    listed = tuple({"asked": a, "got": b, "times": n} for (a, b), n in confused.most_common(MAX_CONFUSED))
    return words.ToolRates(
        **{key: n for key, n in found.items() if key in words.ToolRates.model_fields}, confused=listed
    )

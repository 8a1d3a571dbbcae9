"""Findings on tool calls: whether the server takes tools, what became of each request, and what a stream loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from evalkit.analysis.pairs import Answers
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.items.quality.loss import percent, points
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.text import cut

SEEN = KnownBy.OBSERVED
OUTCOMES = ("call", "text", "malformed", "truncated")
MAX_CONFUSED = 10


def tools_available(answers: Answers, suite: SuiteFacts, mode: str) -> Finding | None:
    """Whether the server takes tools at all. None when the suite asks for none."""
    replies = [one for one in answers.first(suite.name, mode).values() if one.wants_call]
    if not replies:
        return None
    make = checks.TOOLS.finding
    info: dict[str, object] = {"suite": suite.name, "cases": len(replies)}
    refused = [
        one
        for one in replies
        if one.exchange.error is not None and one.exchange.error.status in (400, 404, 405, 422, 500, 501)
    ]
    if len(refused) == len(replies):
        error = refused[0].exchange.error
        what = f"HTTP {error.status}: {cut(error.message, 160)}" if error else "an error"
        return make(
            Status.ERROR,
            f"{suite.name}: the server refuses requests with tools ({what}).",
            mode=mode,
            known_by=SEEN,
            data=dict(info),
        )
    answered = [one for one in replies if one.exchange.ok]
    calls = sum(one.tool_outcome == "call" for one in answered)
    intact = sum(one.signals is not None and one.signals.residue == "intact" for one in answered)
    text = f"{suite.name}: {calls} calls in {len(answered)} replies that should hold one"
    if answered and intact and intact >= len(answered) / 2:
        text = (
            f"{suite.name}: {intact} of {len(answered)} replies hold a whole call as text:"
            " the server parses no tool calls"
        )
        return make(Status.ERROR, f"{text}.", mode=mode, known_by=SEEN, data={**info, "intact": intact})
    if len(answered) >= 3 and not calls and all(one.tool_outcome == "text" for one in answered):
        text = (
            f"{suite.name}: no reply of {len(answered)} calls a tool or tries to: tools do not seem to reach the model"
        )
        return make(Status.ERROR, f"{text}.", mode=mode, known_by=KnownBy.INFERRED, data=dict(info))
    return make(Status.PASS, f"{text}.", mode=mode, known_by=SEEN, data={**info, "calls": calls})


def stream_parity(answers: Answers, suite: SuiteFacts, mode: str, margin: float) -> Finding | None:
    """Streamed against unstreamed replies to the same tool cases. None without both."""
    streamed, whole = answers.first(suite.name, mode), answers.first(suite.name, mode, streamed=False)
    both = [c for c in streamed if c in whole and streamed[c].passed is not None and whole[c].passed is not None]
    if not both:
        return None
    lost = [c for c in both if whole[c].passed and not streamed[c].passed]
    gained = [c for c in both if streamed[c].passed and not whole[c].passed]
    text = (
        f"{suite.name}: {len(lost)} of {len(both)} cases pass unstreamed and fail streamed"
        f" ({len(gained)} the other way)"
    )
    info: dict[str, object] = {
        "suite": suite.name,
        "pairs": len(both),
        "lost_in_stream": lost[:50],
        "lost_unstreamed": gained[:50],
    }
    loss = (len(lost) - len(gained)) / len(both)
    status = Status.WARN if loss > margin else Status.PASS
    end = ": the stream's tool parser loses calls" if status is Status.WARN else ""
    return checks.STREAM_PARITY.finding(
        status, f"{text}{end}.", mode=mode, observed=points(-loss), known_by=SEEN, data=info
    )


def outcomes(answers: Answers, suite: SuiteFacts, mode: str, baseline: str) -> Finding | None:
    """The four outcomes beside the baseline's, and what was right of the calls. None without tools. Information."""
    mine, base = _with_tools(answers, suite, mode), _with_tools(answers, suite, baseline)
    if not mine:
        return None
    info, before = _rates(mine), _rates(base)
    said = ", ".join(f"{info[name]} {name}" for name in OUTCOMES)
    text = f"{suite.name}: {said} in {len(mine)} replies"
    if base and mode != baseline:
        text += f" (baseline {', '.join(str(before[name]) for name in OUTCOMES)})"
    if info["asked"]:
        parts = [
            f"{percent(info[key] / info['asked'])} {words}"
            for key, words in (
                ("schema_valid", "are valid calls"),
                ("right_function", "of the right function"),
                ("right_arguments", "with the right arguments"),
            )
        ]
        text += f"; of {info['asked']} that should call, {', '.join(parts)}"
    if info["none_wanted"]:
        text += f"; {info['abstained']} of {info['none_wanted']} that should not call abstain"
    worse = base and info["malformed"] * len(base) > before["malformed"] * len(mine)
    data: dict[str, object] = {"suite": suite.name, "replies": len(mine), **info}
    if mode != baseline:
        data["baseline"] = before
    return checks.TOOL_OUTCOMES.finding(
        Status.WARN if worse else Status.PASS, f"{text}.", mode=mode, known_by=SEEN, counts=False, data=data,
        observed=percent(info["malformed"] / len(mine)),
    )  # fmt: skip


def _with_tools(answers: Answers, suite: SuiteFacts, mode: str) -> list[Answer]:
    return [one for one in answers.first(suite.name, mode).values() if one.tool_outcome is not None]


def _rates(replies: Iterable[Answer]) -> dict[str, Any]:
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
    keys = (*OUTCOMES, "asked", "schema_valid", "right_function", "right_arguments", "none_wanted", "abstained")
    listed = [{"asked": a, "got": b, "times": n} for (a, b), n in confused.most_common(MAX_CONFUSED)]
    return {**{key: found[key] for key in keys}, "confused": listed}

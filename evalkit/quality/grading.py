"""From a reply to its grades; and again from stored replies, with changed graders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.client.types import Exchange
from evalkit.quality.case import Case, Suite, asked_sha256, request_for, request_sha256
from evalkit.quality.degeneration import signals
from evalkit.quality.facts import Answer, Grade, Signals, ToolOutcome
from evalkit.quality.graders import grade_one
from evalkit.quality.reasoning import behind
from evalkit.quality.toolcalls import read
from evalkit.text import one_line


@dataclass(frozen=True)
class Graded:
    """What is known of one reply. `passed` None: unscored."""

    grades: tuple[Grade, ...] = ()
    passed: bool | None = None
    score: float | None = None
    tool_outcome: ToolOutcome | None = None
    signals: Signals | None = None
    reply_sha256: str = ""


def grade_exchange(case: Case, reply: Exchange, *, allow_exec: bool = False) -> Graded:
    """All grades of one reply. A request that failed is unscored: it says nothing about the text."""
    if not reply.ok:
        return Graded()
    grades = tuple(grade_one(one, reply, case, allow_exec=allow_exec) for one in case.expect)
    weights = {id(one): expectation.weight for one, expectation in zip(grades, case.expect, strict=True)}
    deciding = [one for one in grades if one.counts]
    return Graded(
        grades=grades,
        passed=_verdict(deciding),
        score=_score(deciding, weights),
        tool_outcome=read(behind(reply)[0], case.tools).outcome if case.tools else None,
        signals=signals(reply, case),
        reply_sha256=reply_sha256(reply),
    )


def _verdict(grades: list[Grade]) -> bool | None:
    if any(one.passed is False for one in grades):
        return False
    return None if not grades or any(one.passed is None for one in grades) else True


def _score(grades: list[Grade], weights: dict[int, float]) -> float | None:
    if not grades or any(one.score is None for one in grades):
        return None
    total = sum(weights[id(one)] for one in grades)
    return round(sum((one.score or 0.0) * weights[id(one)] for one in grades) / total, 6)


def reply_sha256(reply: Exchange) -> str:
    """Hash of what the reply says: text and tool calls."""
    said = [reply.text, [[call.name, call.arguments] for call in reply.tool_calls]]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def answer(
    mode: str,
    suite: Suite,
    case: Case,
    reply: Exchange,
    *,
    repeat: int = 0,
    streamed: bool = True,
    allow_exec: bool = False,
) -> Answer:
    """The stored form of one reply, graded."""
    request = request_for(case, repeat, streamed=streamed)
    return Answer(
        mode=mode,
        suite=suite.name,
        case_id=case.id,
        repeat=repeat,
        streamed=streamed,
        request_sha256=request_sha256(request),
        asked_sha256=asked_sha256(request),
        exchange=reply,
        seed=request.seed,
        **_described(suite, case),
        **_parts(grade_exchange(case, reply, allow_exec=allow_exec)),
    )


def _described(suite: Suite, case: Case) -> dict[str, Any]:
    return {
        "kind": suite.kind,
        "cluster": case.cluster,
        "severity": case.severity,
        "tags": case.tags,
        "prompt_preview": one_line(case.prompt_text, limit=200),
        "wants_call": bool(case.uses & {"tool_calls", "calls_any"}),
        "max_tokens": case.request.max_tokens,
        "temperature": case.request.temperature,
    }


def _parts(graded: Graded) -> dict[str, Any]:
    return {name: getattr(graded, name) for name in Graded.__dataclass_fields__}


def _without_execution(graded: Graded) -> Graded:
    """A case whose tests were run before is not decided without them."""
    grades = tuple(
        Grade(grader=one.grader, passed=None, reason="its tests were run before; grading it again needs permission")
        if one.grader == "python_tests"
        else one
        for one in graded.grades
    )
    return replace(graded, grades=grades, passed=_verdict([one for one in grades if one.counts]), score=None)


def regrade(answers: Iterable[Answer], suites: Sequence[Suite], *, allow_exec: bool = False) -> list[Answer]:
    """The same replies under the graders of `suites`; nothing is sent.

    Suites that are not given keep their grades. A case that is gone is dropped; one whose request has changed since is
    unscored, because its stored reply answers another question.
    """
    by_name = {suite.name: suite for suite in suites}
    result = []
    for old in answers:
        suite = by_name.get(old.suite)
        if suite is None:
            result.append(old)
            continue
        case = suite.by_id.get(old.case_id)
        if case is None:
            continue
        request = request_for(case, old.repeat, streamed=old.streamed)
        if request_sha256(request) != old.request_sha256:
            changed = Grade(
                grader="request", passed=None, reason="the case's request has changed since the reply was stored"
            )
            graded = Graded(grades=(changed,), signals=old.signals, reply_sha256=old.reply_sha256)
        else:
            graded = grade_exchange(case, old.exchange, allow_exec=allow_exec)
            if not allow_exec and any(grade.grader == "python_tests" and grade.counts for grade in old.grades):
                graded = _without_execution(graded)
        result.append(old.model_copy(update={**_described(suite, case), **_parts(graded)}))
    return result

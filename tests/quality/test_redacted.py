"""A pack without texts decides quality as the run did: what deciding reads of an answer survives."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunStart
from evalkit.items.quality.decide import decide
from evalkit.quality.grading import answer
from evalkit.quality.suite import facts_of
from evalkit.quality.ties import divergences
from evalkit.redaction import redacted
from tests.quality.support import said, suite_file

AR, DLM, SPEC = "autoregressive", "diffusion", "self-speculation"
TOOL = "{type: function, function: {name: get, parameters: {type: object, properties: {n: {type: integer}}}}}"
SUITE = "suite: {name: s, kind: long}\ncases:\n" + "".join(
    f"  - {{id: l{i}, prompt: 'list {i}', expect: [{{sections: {{numbered: 6}}}}, {{max_repetition: 0.2}}]}}\n"
    f"  - {{id: t{i}, prompt: 'call {i}', tools: [{TOOL}], expect: [{{tool_calls: [{{name: get, args: {{n: {i}}}}}]}}]}}\n"
    for i in range(30)
)


def reply(case, mode, i):
    if case.tools:
        n = i if mode != DLM or i % 9 else 99
        return said("", ("get", json.dumps({"n": n})), finish="tool_calls", completion_tokens=9)
    words = "over and over and over again" if mode == DLM and i % 7 == 0 else f"one thing, then {i} others, and a last"
    lines = [f"{k}. {words} {k if mode != DLM or i % 7 else ''}" for k in range(1, 7)]
    return said("\n".join(lines) + (" indeed" if mode == SPEC and i % 10 == 0 else ""), completion_tokens=60)


def test_a_redacted_pack_decides_every_finding_of_quality_as_the_run_did(tmp_path):
    suite = suite_file(tmp_path, SUITE)
    answers = [
        answer(mode, suite, case, reply(case, mode, int(case.id[1:])), repeat=repeat)
        for mode in (AR, DLM, SPEC)
        for repeat in ((0, 1) if mode == AR else (0,))
        for case in suite.cases
    ]
    parted = {one.key: one for one in divergences(answers, [], [AR, DLM, SPEC], AR)}
    assert parted
    start = RunStart(run_id="r", started_at="", evalkit_version="0", plan_sha256="", checklist_sha256="")
    facts = Facts(start=start, suites=(facts_of(suite),), answers=tuple(answers), divergences=parted)
    without = redacted(facts, b"key")
    checklist = Checklist.model_validate({"modes": {AR: {}, DLM: {}, SPEC: {}}})
    now = datetime(2026, 11, 24, tzinfo=UTC)
    told = [(f.id, f.mode, f.status, f.observed) for f in decide(checklist, facts, now)]
    again = [(f.id, f.mode, f.status, f.observed) for f in decide(checklist, without, now)]
    assert again == told
    assert {"quality.by-position", "quality.tool-outcomes", "quality.equivalence"} <= {one[0] for one in told}

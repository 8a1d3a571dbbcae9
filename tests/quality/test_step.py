"""A run over sockets in virtual time in which timed prompts are task cases too: what was timed is what is scored, and asked once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.reference import Script
from evalkit.report.document.build import build
from evalkit.run.collect import collect
from evalkit.run.setup import prepare
from evalkit.stored.folder import RunFolder
from evalkit.verdict.decide import decide
from tests.support.show import Plain
from tests.support.virtual_world import worlds

AR, DLM = "autoregressive", "diffusion"
FAST = {"ttft_ms": 0, "ms_per_forward": 0.05}


def _generated(*servers):
    return sum(request.generates for server in servers for _, request in server.requests)


@pytest.mark.slow
def test_timed_replies_are_the_answers_of_their_cases_and_a_second_session_asks_nothing(tmp_path):
    texts = [f"Give the record of Town{i} as JSON." for i in range(24)]
    rows = [{"id": f"p{i}", "prompt": text, "max_tokens": 100} for i, text in enumerate(texts)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cases = [
        {"id": f"case-{i}", "prompt": text, "params": {"max_tokens": 100 if i < 20 else 90}, "expect": ["json"]}
        for i, text in enumerate(texts)
    ]
    suite = {"suite": {"name": "records", "kind": "structured"}, "cases": cases}
    (tmp_path / "tasks.yaml").write_text(json.dumps(suite))
    with worlds() as world:
        ar, dlm = world.serve(Script(**FAST), Script(mode="diffusion", **FAST))
        checklist = {
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "items": {"modes": {"warmup": 1}, "quality": {"margin": {"structured": 0.25}}},
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        setup = prepare(loaded, skip=dict.fromkeys(("license", "hardware", "context"), "not looked at"))
        run = tmp_path / "run"
        run.mkdir()
        folder = RunFolder.create(run, loaded, setup.document())
        facts = collect(setup, folder, Plain())
        before = _generated(ar, dlm)
        again = collect(setup, folder, Plain())
        probes = _generated(ar, dlm) - before
    timed = {(s.mode, s.prompt_id, s.repeat): s.exchange for s in facts.timed if not s.salted}
    assert timed
    same = [
        one
        for one in facts.answers
        if timed.get((one.mode, one.case_id.replace("case-", "p"), one.repeat)) == one.exchange
    ]
    assert {one.case_id for one in same} == {f"case-{i}" for i in range(20)}
    assert len(same) == 20 * 3  # the baseline's two readings and the mode's one
    assert len(facts.answers) == 24 * 3
    assert {one.passed for one in facts.answers} == {True}
    assert again.answers == facts.answers
    assert probes < 30  # a new session looks at its servers again, and asks no case


@pytest.mark.slow
def test_cases_that_met_a_hanging_server_are_asked_again_once_it_is_mended(tmp_path):
    schema = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
    cases = [
        {
            "id": f"c{i}",
            "prompt": f"Give the record of Town{i} as JSON.",
            "params": {"response_format": schema},
            "expect": ["json"],
        }
        for i in range(6)
    ]
    (tmp_path / "tasks.yaml").write_text(
        json.dumps({"suite": {"name": "records", "kind": "structured"}, "cases": cases})
    )
    with worlds() as world:
        ar, dlm = world.serve(Script(**FAST), Script(mode="diffusion", hang_on_schema=True, **FAST))
        checklist = {
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "tasks": ["tasks.yaml"],
            "limits": {"first_byte_s": 1, "total_s": 2},
            "items": {"quality": {"margin": {"structured": 0.7}}},
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        skip = dict.fromkeys(("license", "modes", "hardware", "context"), "not looked at")
        setup = prepare(loaded, skip=skip)
        (tmp_path / "run").mkdir()
        folder = RunFolder.create(tmp_path / "run", loaded, setup.document())
        first = collect(setup, folder, Plain())
        dlm.become(Script(mode="diffusion", **FAST))
        second = collect(setup, folder, Plain())
    assert {a.passed for a in first.answers if a.mode == DLM} == {None}
    last = {a.key: a.passed for a in second.answers}
    assert set(last.values()) == {True}
    assert len(second.answers) == len(first.answers) + 6


@pytest.mark.slow
def test_the_incumbent_is_asked_and_timed_beside_the_modes_and_the_first_screen_says_which_is_better(tmp_path):
    texts = [f"What is {i} + {2 * i}?" for i in range(80)]
    rows = [{"id": f"p{i}", "prompt": text, "max_tokens": 60} for i, text in enumerate(texts[:20])]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cases = [{"id": f"c{i}", "prompt": text, "expect": [{"number": 3 * i}]} for i, text in enumerate(texts)]
    (tmp_path / "tasks.yaml").write_text(json.dumps({"suite": {"name": "sums", "kind": "chat"}, "cases": cases}))
    slow = Script(ttft_ms=20, ms_per_forward=2, error_rate=0.3, model="incumbent-7b")
    with worlds() as world:
        plain = Script(ttft_ms=0, ms_per_forward=1)
        ar, dlm, today = world.serve(plain, Script(mode="diffusion", **FAST), slow)
        checklist = {
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "incumbent": {"endpoint": today.base_url, "required": True},
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "items": {
                **{item: {"required": False} for item in ("license", "hardware", "context")},
                "modes": {"required": False, "warmup": 1},
                "serving": {"allow": ["release", "pre-release", "fork"]},
            },
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        setup = prepare(loaded, skip=dict.fromkeys(("license", "hardware", "context"), "not looked at"))
        (tmp_path / "run").mkdir()
        facts = collect(setup, RunFolder.create(tmp_path / "run", loaded, setup.document()), Plain())
    now = datetime(2026, 11, 24, tzinfo=UTC)
    decision = decide(loaded.checklist, facts, now)
    document = build(loaded.checklist, facts, decision)
    assert decision.incumbent.startswith("better: diffusion, sums")
    assert {a.mode for a in facts.answers} == {AR, DLM, "incumbent"}
    found = next(f for i in decision.items for f in i.findings if f.id == "quality.incumbent" and f.mode == DLM)
    assert found.counts
    assert found.data["difference"] > 0.15
    theirs, mine = document["incumbent"], next(m for m in document["modes"] if m["mode"] == DLM)
    assert theirs["levels"][0]["e2e_ms"]["p50"] > mine["levels"][0]["e2e_ms"]["p50"] > 0
    rows_ = {row["mode"]: row for row in document["quality"]["suites"]}
    assert rows_["incumbent"]["share"] < rows_[DLM]["share"] == 1.0


@pytest.mark.slow
def test_a_budget_of_requests_leaves_cases_open_and_says_so(tmp_path):
    cases = [{"id": f"c{i}", "prompt": f"What is {i} + 1?", "expect": [{"number": i + 1}]} for i in range(20)]
    (tmp_path / "tasks.yaml").write_text(json.dumps({"suite": {"name": "sums", "kind": "chat"}, "cases": cases}))
    with worlds() as world:
        ar, dlm = world.serve(Script(**FAST), Script(mode="diffusion", **FAST))
        checklist = {
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "tasks": ["tasks.yaml"],
            "budget": {"requests": 45},
            "items": {"quality": {"margin": {"default": 0.3}}},
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        setup = prepare(loaded, skip=dict.fromkeys(("license", "modes", "hardware", "context"), "not looked at"))
        (tmp_path / "run").mkdir()
        facts = collect(setup, RunFolder.create(tmp_path / "run", loaded, setup.document()), Plain())
    assert len(facts.answers) == 45
    assert facts.end.stopped_by == "budget: requests used up"
    found = decide(loaded.checklist, facts, datetime(2026, 11, 24, tzinfo=UTC))
    scored = next(f for i in found.items for f in i.findings if f.id == "quality.scored" and f.mode == DLM)
    assert (scored.outcome, scored.data["never_asked"]) == ("open", 15)

"""Servers with one fault each, over real sockets in virtual time and through the whole way: collected, stored, decided, verdict."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.findings import Status
from evalkit.reference import Answers, Reply, Script
from evalkit.run.collect import collect
from evalkit.run.setup import prepare
from evalkit.stored.folder import RunFolder
from evalkit.verdict.decide import decide
from tests.support.show import Plain
from tests.support.virtual_world import worlds

pytestmark = pytest.mark.slow
AR, DLM = "autoregressive", "diffusion"
FAST = {"ttft_ms": 0, "ms_per_forward": 0.02, "tool_call_parser": "qwen", "long_tokens": 64}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def structured(n=130):
    return "structured", [
        {
            "id": f"record-{i}",
            "prompt": f"Give the record of Town{i} as JSON.",
            "expect": ["json", {"json_match": {"city": f"Town{i}", "country": "Nowhere"}}],
        }
        for i in range(n)
    ]


def tools(n=160):
    return "tools", [
        {
            "id": f"weather-{i}",
            "prompt": f"What is the weather in Town{i}?",
            "tools": [WEATHER],
            "expect": [{"tool_calls": [{"name": "get_weather", "args": {"city": f"Town{i}"}}]}],
        }
        for i in range(n)
    ]


def long(n=60):
    return "long", [
        {
            "id": f"list-{i}",
            "prompt": f"Write a numbered list of {40 + i} lines.",
            "params": {"max_tokens": 900},
            "expect": [{"sections": {"numbered": 40 + i}}, "clean_end", "no_loop"],
        }
        for i in range(n)
    ]


def chat(n=400):
    return "chat", [
        {"id": f"sum-{i}", "prompt": f"What is {i} + {i % 7}?", "expect": [{"number": i + i % 7}]} for i in range(n)
    ]


def decided(folder, suites, *, temperature=0.0, judge=None, judged=None, limits=None, **faults):
    """The decision on a baseline without faults and a diffusion mode with `faults`; speed is left out. `judged`: what a
    judge of this machine says.
    """
    paths = []
    for kind, cases in suites:
        paths.append(folder / f"{kind}.yaml")
        paths[-1].write_text(json.dumps({"suite": {"name": kind, "kind": kind}, "cases": cases}))
    with worlds() as world:
        ar, dlm = world.serve(Script(**FAST), Script(mode="diffusion", **FAST, **faults))
        if judged:
            (asked,) = world.serve(Script(**FAST), answers=judged)
            judge = {"endpoint": asked.base_url, "model": "judge-1"}
        checklist = {
            "request": {"temperature": temperature},
            "limits": limits or {},
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "tasks": [path.name for path in paths],
            "items": {
                **{item: {"required": False} for item in ("license", "modes", "hardware", "context")},
                "quality": {"concurrency": 8, "judge": judge},
                "serving": {"allow": ["release", "pre-release", "fork"]},
            },
        }
        path = folder / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        setup = prepare(loaded, skip=dict.fromkeys(("license", "modes", "hardware", "context"), "not looked at"))
        run = folder / "run"
        run.mkdir()
        facts = collect(setup, RunFolder.create(run, loaded, setup.document()), Plain())
    return decide(loaded.checklist, facts, datetime(2026, 11, 24, tzinfo=UTC)), facts


def findings(decision, check, mode=DLM):
    return [f for item in decision.items for f in item.findings if f.id == check and f.mode == mode]


def test_a_lossless_server_is_a_go_and_nothing_is_blamed(tmp_path):
    decision, _ = decided(tmp_path, [structured(), tools(), long()])
    assert decision.verdict == "go", decision.reasons
    assert decision.recommended_mode == DLM
    assert {f.status for f in findings(decision, "quality.non-inferiority")} == {Status.PASS}
    assert {f.status for f in findings(decision, "quality.degeneration")} == {Status.PASS}
    assert {f.data["harmed"] for f in findings(decision, "quality.harm")} == {0}


def test_a_server_that_is_five_points_worse_is_no_go_and_its_cases_are_named(tmp_path):
    decision, _ = decided(tmp_path, [chat(600)], error_rate=0.06)
    (loss,) = findings(decision, "quality.non-inferiority")
    assert loss.data["difference"] == pytest.approx(-0.06, abs=0.02)
    assert loss.status is Status.FAIL
    assert decision.verdict == "no-go"
    (harm,) = findings(decision, "quality.harm")
    assert len(harm.data["cases_harmed"]) == harm.data["harmed"] == round(-loss.data["difference"] * 600)
    assert "number:" in harm.data["cases_harmed"][0]["why"]


def test_five_points_worse_on_few_cases_is_never_let_through(tmp_path):
    decision, _ = decided(tmp_path, [chat(120)], error_rate=0.06)
    assert decision.verdict in ("no-go", "inconclusive")
    assert not findings(decision, "quality.non-inferiority")[0].status.carries


def test_corrupted_json_is_named_and_no_go(tmp_path):
    decision, _ = decided(tmp_path, [structured()], corrupt_json_rate=0.33)
    assert decision.verdict == "no-go"
    (harm,) = findings(decision, "quality.harm")
    assert all(case["why"].startswith("json:") for case in harm.data["cases_harmed"])
    assert harm.data["harmed"] > 20


def test_loops_on_long_output_are_named_and_no_go(tmp_path):
    decision, _ = decided(tmp_path, [long()], loop_on_long=0.4)
    (fault,) = findings(decision, "quality.degeneration")
    assert fault.status is Status.FAIL
    assert fault.data["mode_counts"]["loops"] > 10
    assert decision.verdict == "no-go"


def test_ignored_temperature_is_named_and_no_go(tmp_path):
    decision, facts = decided(tmp_path, [structured()], temperature=0.7, ignore_temperature=True)
    (fault,) = findings(decision, "serving.sampling-honoured")
    assert fault.status is Status.FAIL
    assert findings(decision, "serving.sampling-honoured", AR)[0].status is Status.PASS
    asked = {probe.mode: probe.distinct_at_asked for probe in facts.sampling}
    assert asked[DLM] == 1 < asked[AR]
    assert decision.verdict == "no-go"


def test_leaked_mask_tokens_are_named_even_where_every_case_passes(tmp_path):
    decision, _ = decided(tmp_path, [long()], leak_mask_tokens=0.3)
    (fault,) = findings(decision, "quality.degeneration")
    assert fault.status is Status.FAIL
    assert fault.data["mode_counts"]["special tokens"] > 8
    assert fault.data["cases"][0]["tokens"] == ["<|mask|>"]
    assert decision.verdict == "no-go"


def test_malformed_tool_calls_are_the_modes_fault_and_no_abstention(tmp_path):
    decision, facts = decided(tmp_path, [tools()], malformed_tool_calls=0.3)
    (fault,) = findings(decision, "quality.degeneration")
    assert fault.status is Status.FAIL
    assert fault.data["mode_counts"]["malformed calls"] > 20
    assert findings(decision, "quality.tools-available")[0].status is Status.PASS
    outcomes = {a.tool_outcome for a in facts.answers if a.mode == DLM}
    assert outcomes == {"call", "malformed"}
    assert decision.verdict == "no-go"


def test_a_judge_beside_it_is_asked_over_sockets_and_changes_no_verdict(tmp_path):
    kind, cases = chat(120)
    for case in cases[:4]:
        case["expect"].append({"prefer": "clearer"})
    told = Answers()
    told.add_rule(lambda question: Reply('{"better": "B"}', "exact"))
    decision, facts = decided(tmp_path, [(kind, cases)], judged=told)
    assert len(facts.judgements) == 4
    (said,) = findings(decision, "quality.judge")
    assert not said.counts
    assert said.data["flipped"] == 4
    assert decision.verdict == "go"


def test_calls_lost_in_the_stream_are_told_from_calls_the_mode_cannot_make(tmp_path):
    decision, _ = decided(tmp_path, [tools()], lose_streamed_arguments=True)
    (parity,) = findings(decision, "quality.stream-parity")
    assert parity.outcome == "lost-in-stream"
    assert parity.data["pairs"] == 160
    assert decision.verdict == "no-go"  # production streams: the calls are lost to it all the same


def test_a_suite_that_hangs_the_server_meets_its_deadline_says_so_and_lets_the_next_one_go_on(tmp_path):
    schema = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
    _, cases = structured(20)
    forced = ("custom", [{**case, "params": {"response_format": schema}} for case in cases])
    decision, facts = decided(tmp_path, [forced, long()], limits={"first_byte_s": 1, "total_s": 2}, hang_on_schema=True)
    scored = {f.data["suite"]: f for f in findings(decision, "quality.scored")}
    assert (scored["custom"].status, scored["custom"].outcome) == (Status.ERROR, "failed")
    assert any(why.startswith("timeout") for why in scored["custom"].data["unscored"])
    assert scored["long"].status is Status.PASS
    assert {f.data["suite"]: f.status for f in findings(decision, "quality.non-inferiority")}["long"] is Status.PASS
    sent = [
        a for a in facts.answers if a.suite == "custom" and a.mode == DLM and "not sent" not in a.exchange.error.message
    ]
    assert len(sent) <= 3 + 8  # so many were on their way when the suite was given up
    assert decision.verdict == "inconclusive"


def test_a_judge_whose_key_is_missing_blocks_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("EVALKIT_NO_SUCH_KEY", raising=False)
    kind, cases = chat(120)
    cases[0]["expect"].append({"rubric": ["Is it right?"]})
    judge = {"endpoint": "http://127.0.0.1:9", "model": "judge-1", "api_key_env": "EVALKIT_NO_SUCH_KEY"}
    decision, facts = decided(tmp_path, [(kind, cases)], judge=judge)
    assert facts.judgements == ()
    assert findings(decision, "quality.judge")[0].outcome == "not-asked"
    assert decision.verdict == "go"

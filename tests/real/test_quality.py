"""The small trained model's own tasks on a real SGLang, in four ways of decoding: known accuracies, and a real hang.

How many of the 200 answers are right in each mode was measured once, apart from evalkit
(tests/fixtures/tiny_trimode/PROVENANCE.md). The findings must say the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from evalkit.checklist.schema import Checklist, Request
from evalkit.client.types import Limits, Target
from evalkit.client.wire import WireClient
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.quality.decide import decide
from evalkit.quality import ties
from evalkit.quality.collect import plan, run_cases
from evalkit.quality.suite import facts_of, load_suite, load_suites
from tests.real import servers

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.skipif(servers.available() is not None, reason=str(servers.available())),
]
FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_trimode"
AR, NGRAM, TRAINED, UNTRAINED = "autoregressive", "speculative", "diffusion", "diffusion@b32-t0.5"
#: label -> (how it is served, right of 200)
MODES = {AR: ("ar", 175), NGRAM: ("ngram", 175), TRAINED: ("diffusion", 173), UNTRAINED: ("diffusion:b32-t0.5", 123)}
#: batches change greedy text: a few answers may differ from one request at a time
NEAR = 3


@cache
def suites():
    """With shorter replies allowed: the longest right answer has about 250 tokens, and lists that do not end are wrong."""
    return [
        replace(
            suite, cases=tuple(replace(c, request=replace(c.request, max_tokens=300)) for c in suite.cases), by_id={}
        )
        for suite in load_suites(sorted((FIXTURE / "tasks").glob("*.yaml")), Request())
    ]


def ask(label, server, asked, *, baseline, limits=None):
    found = []

    async def go():
        client = WireClient()
        target = Target(label, server.base_url, servers.MODEL, limits=limits or Limits())
        try:
            planned = [
                one for one in plan(asked, [label], baseline=baseline) if not one.repeat or one.suite.kind == "custom"
            ]
            await run_cases({label: target}, planned, client, done=set(), on_answer=found.append, concurrency=8)
        finally:
            await client.aclose()

    begun = time.monotonic()
    asyncio.run(go())
    print(f"{label}: {len(found)} answers in {time.monotonic() - begun:.0f} s")
    return found


def read_again(server, first):
    """Twenty of the baseline's replies with logprobs."""
    found = []
    short = next(suite for suite in suites() if suite.name == "tiny short answers")

    async def go():
        client = WireClient()
        try:
            target = Target(AR, server.base_url, servers.MODEL)
            cases = [(short, case) for case in short.cases[::6]]
            await ties.read_ties(cases, ties.first_greedy(first), target, client, found.append, concurrency=4)
        finally:
            await client.aclose()

    asyncio.run(go())
    return found


@cache
def collected(label):
    """All answers of one mode, and readings of the baseline; its server is started once."""
    served, _ = MODES[label]
    with servers.RealSglang(served) as server:
        print(f"{label}: ready in {server.ready_after_s:.0f} s")
        found = ask(label, server, suites(), baseline=AR)
        return found, read_again(server, found) if label == AR else []


@cache
def findings():
    answers = [one for label in MODES for one in collected(label)[0]]
    checklist = Checklist.model_validate(
        {"modes": {label: {} for label in MODES}, "items": {"quality": {"margin": {"default": 0.05, "tools": 0.15}}}}
    )
    start = RunStart(run_id="r", started_at="", evalkit_version="0", plan_sha256="", checklist_sha256="")
    facts = Facts(start=start, suites=tuple(facts_of(suite) for suite in suites()), answers=tuple(answers))
    return decide(checklist, facts, datetime(2026, 11, 24, tzinfo=UTC))


def of(check, mode):
    return {f.data.get("suite"): f for f in findings() if f.id == f"quality.{check}" and f.mode == mode}


@pytest.mark.parametrize("mode", MODES)
def test_as_many_answers_are_right_as_were_measured_without_evalkit(mode):
    first = [one for one in collected(mode)[0] if one.repeat == 0 and one.streamed]
    right = sum(bool(one.passed) for one in first)
    known = MODES[mode][1]
    by_suite = {s.name: sum(bool(o.passed) for o in first if o.suite == s.name) for s in suites()}
    print(f"{mode}: {right} of {len(first)} right (measured apart: {known}); {by_suite}")
    assert len(first) == 200
    assert {one.exchange.ok for one in first} == {True}
    assert right == pytest.approx(known, abs=NEAR)


def test_ngram_speculation_gives_the_baselines_text():
    (finding,) = of("equivalence", NGRAM).values()
    print(finding.summary)
    assert finding.status is Status.PASS
    assert {f.status for f in of("harm", NGRAM).values()} <= {Status.PASS, Status.WARN}


def test_the_trained_block_is_no_worse_and_the_untrained_one_is_shown_to_be():
    short = "tiny short answers"
    for mode in (NGRAM, TRAINED):
        assert of("non-inferiority", mode)[short].status is Status.PASS
    worse = of("non-inferiority", UNTRAINED)
    for finding in worse.values():
        print(finding.summary)
    assert worse[short].status is Status.FAIL
    calls = of("harm", UNTRAINED)["tiny weather calls"]
    assert calls.data["harmed"] >= 10
    parity = of("stream-parity", UNTRAINED)["tiny weather calls"]
    print(parity.summary)


def test_the_baselines_lead_is_read_byte_for_byte_in_the_text_that_it_gave_before():
    readings = collected(AR)[1]
    sizes = [(one.size, one.common, len(one.close)) for one in readings]
    print(f"readings with logprobs (bytes, in common, close tokens): {sizes}")
    assert len(readings) == 20
    assert all(one.size > 0 and one.common == one.size for one in readings)


def test_long_answers_have_no_valid_baseline_and_the_finding_says_so():
    """15 of 40: the model does not stop counting where it should."""
    long = of("baseline-valid", TRAINED)["tiny long answers"]
    assert (long.status, long.outcome) == (Status.INCONCLUSIVE, "below-floor")


def test_json_schema_hangs_a_diffusion_server_and_the_next_suite_is_answered_all_the_same(tmp_path):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    forced = {
        "suite": {"name": "forced json", "kind": "structured"},
        "cases": [
            {
                "id": f"record-{i}",
                "prompt": f"Give the record of {city} as JSON.",
                "params": {
                    "response_format": {"type": "json_schema", "json_schema": {"name": "record", "schema": schema}}
                },
                "expect": ["json"],
            }
            for i, city in enumerate(("Paris", "Rome", "Oslo", "Lima", "Cairo", "Tokyo"))
        ],
    }
    path = tmp_path / "forced.yaml"
    path.write_text(json.dumps(forced))
    hanging = load_suite(path, Request())
    easy = next(suite for suite in suites() if suite.kind == "structured")
    with servers.RealSglang("diffusion") as server:
        begun = time.monotonic()
        found = ask(TRAINED, server, [hanging, easy], baseline=AR, limits=Limits(first_byte_s=6, idle_s=6, total_s=12))
        print(f"both suites took {time.monotonic() - begun:.0f} s")
    lost = [one for one in found if one.suite == "forced json"]
    assert len(lost) == 6
    assert {one.passed for one in lost} == {None}
    assert all(one.exchange.error is not None for one in lost)
    print([one.exchange.error.message for one in lost])
    answered = [one for one in found if one.suite == easy.name]
    assert sum(bool(one.passed) for one in answered) >= 19

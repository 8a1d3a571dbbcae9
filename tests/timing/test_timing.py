"""From prompts to a decision: files, order, execution over real sockets, and what the samples then say."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from evalkit.checklist.schema import Checklist, ModesItem, Request
from evalkit.client import run
from evalkit.client.types import Exchange, ExchangeError, Target
from evalkit.client.wire import WireClient
from evalkit.errors import InputFileError
from evalkit.findings import Status
from evalkit.items import modes as item
from evalkit.run.facts import Facts, PromptFacts, RunStart
from evalkit.run.steps.timing import chunk_rate
from evalkit.serving.facts import EndpointFacts, TokenDeltas
from evalkit.stats.sequential import look_sizes
from evalkit.timing import execute
from evalkit.timing.calibrate import client_error
from evalkit.timing.facts import ClientError, Look, TimedSample
from evalkit.timing.looks import Question
from evalkit.timing.prompts import load_prompts
from evalkit.timing.schedule import estimate, make_plan
from evalkit.timing.summary import summarise_mode
from tests.client.rawserver import FAST, HEAD, LAST, chunk, event, serving

AR, DLM = "autoregressive", "diffusion"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def prompts(tmp_path, count=6):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{i}", "prompt": f"Say {i}."}) + "\n" for i in range(count)))
    return load_prompts([path], Request())


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
        (b'{"id":"a","id":"b","prompt":"x"}\n', "a key stands twice"),
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


def test_the_estimate_counts_warm_ups_and_starts(tmp_path):
    some = prompts(tmp_path).prompts
    plan = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[2], warmup=3))
    got = estimate(plan, some, start_s=60)
    assert got.requests == 24 + 3 * 2 * 2
    assert got.seconds > 60


def script(pause):
    return [
        HEAD, pause, chunk(event("a", usage=1)), pause, chunk(event("b", usage=2)), pause,
        chunk(event("c", usage=3, finish="stop")), chunk(b"data: [DONE]\n\n"), LAST,
    ]  # fmt: skip


def execute_on(tmp_path, scripts, *, count=6, settings=None, item=None, **kw):
    some = prompts(tmp_path, count)
    plan = make_plan(some.prompts, [AR, DLM], AR, item or ModesItem(warmup=1))
    samples, events = [], []

    async def main():
        async with serving(scripts[0]) as one, serving(scripts[1]) as two:
            client = WireClient()
            targets = {m: Target(m, s.url, "m", limits=FAST) for m, s in ((AR, one), (DLM, two))}
            await execute.run_modes(
                targets, some, plan, client, on_sample=samples.append, on_event=events.append,
                settings=settings or execute.Settings(), **kw,
            )  # fmt: skip
            await client.aclose()
            return one, two

    servers = run(main())
    return samples, events, plan, servers


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


def test_a_load_beyond_this_machine_is_said():
    fine = ClientError(
        streams=200, events_per_s=20_000, ttft_error_ms=1, e2e_error_ms=1, e2e_error_share=0.01, itl_error_share=0,
        lag_p99_ms=1, events=1, cpu_share=0.5,
    )  # fmt: skip
    assert fine.warning is None
    assert "20,000 events a second" in fine.model_copy(update={"e2e_error_share": 0.06}).warning
    assert "capacity" in fine.model_copy(update={"cpu_share": 0.97}).warning


# -- decisions ---------------------------------------------------------------------------------------------------------


def sample(mode, prompt, repeat, e2e_ms, position=0, *, ok=True, text="x", tokens=32, level=1, chunks=None, **kw):
    at = NOW + timedelta(seconds=position)
    error = None if ok else ExchangeError(kind="http", message="HTTP 503", status=503)
    us = int(e2e_ms * 1000)
    exchange = Exchange(
        ok=ok, error=error, text=text, completion_tokens=tokens, prompt_tokens=10, cached_tokens=0, first_chunk_us=us // 3,
        last_chunk_us=us, done_us=us, chunks=chunks or ((us // 3, tokens // 2), (us, tokens)), written_at=at.isoformat(), finish_reason="stop",
    )  # fmt: skip
    return TimedSample(
        mode=mode,
        concurrency=level,
        prompt_id=prompt,
        repeat=repeat,
        position=position,
        exchange=exchange,
        loop_lag_p99_ms=0.1,
        cpu_share=0.05,
        **kw,
    )


def simulated(ratio, n=80, *, seed=1, noise=0.05, modes=(DLM,), **kw):
    rng, out, place = random.Random(seed), [], 0
    for i in range(n):
        base = math.exp(rng.gauss(6, 0.8))
        for repeat in range(2):
            for mode in (AR, *modes):
                true = base if mode == AR else base / ratio
                out.append(
                    sample(
                        mode, f"p{i}", repeat, true * math.exp(rng.gauss(0, noise)), place, **(kw if mode != AR else {})
                    )
                )
                place += 1
    return out


def facts(timed, **kw):
    start = RunStart(run_id="r", started_at="t", evalkit_version="0", plan_sha256="", checklist_sha256="")
    error = ClientError(
        streams=1,
        events_per_s=50,
        ttft_error_ms=0.3,
        e2e_error_ms=0.3,
        e2e_error_share=0.001,
        itl_error_share=0.0,
        lag_p99_ms=0.2,
        events=50,
    )
    own = PromptFacts(path="p", sha256="", count=80, shipped=False, longest_chars=9, max_tokens=9)
    return Facts(**{"start": start, "timed": tuple(timed), "client_errors": (error,), "prompts": (own,), **kw})


def checklist(*modes, **settings):
    return Checklist.model_validate(
        {"modes": {m: {"endpoint": "http://a:1"} for m in (modes or (AR, DLM))}, "items": {"modes": settings}}
    )


def found(check, timed, mode=DLM, **kw):
    findings = {(f.id, f.mode): f for f in item.decide(check, facts(timed, **kw), NOW)}
    return lambda name, of=mode: findings[f"modes.{name}", of]


@pytest.mark.parametrize(
    ("true", "at_least", "status"),
    [(2.0, 1.5, Status.PASS), (1.2, 1.5, Status.FAIL), (1.5, 1.5, Status.INCONCLUSIVE)],
)
def test_the_speed_up_is_decided_three_ways(true, at_least, status):
    got = found(checklist(speedup={"at_least": at_least}), simulated(true, seed=4))("speedup")
    assert got.status is status
    assert got.data["low"] <= true <= got.data["high"]
    if status is Status.INCONCLUSIVE:
        assert got.remedy


def test_equal_speed_in_blocks_is_no_gain():
    """64 tokens one by one or in two blocks of 32, in the same time: the ratio is 1, whatever the gaps say."""
    blocks = ((257_000, 32), (415_000, 64))
    singles = tuple((100_000 + 5000 * i, i + 1) for i in range(64))
    rng, timed = random.Random(2), []
    for i in range(40):
        for repeat in range(2):
            timed += [
                sample(m, f"p{i}", repeat, 415 * math.exp(rng.gauss(0, 0.01)), len(timed), tokens=64, chunks=c)
                for m, c in ((AR, singles), (DLM, blocks))
            ]
    got = found(checklist(speedup={"at_least": 1.1}), timed)("speedup")
    assert got.status is Status.FAIL
    assert got.data["low"] <= 1 <= got.data["high"]


def test_below_twenty_prompts_there_is_no_verdict():
    got = found(checklist(), simulated(3.0, n=19))("speedup")
    assert got.status is Status.INCONCLUSIVE
    assert "no verdict below 20" in got.summary


def test_no_sample_is_an_error_with_a_way_forward():
    got = found(checklist(), [])("measured")
    assert got.status is Status.ERROR
    assert got.remedy


def test_only_the_baseline_is_nothing_to_compare_and_adopting_it_drops_the_speed_up():
    timed = [s for s in simulated(1.0) if s.mode == AR]
    assert found(checklist(AR), timed)("speedup", None).status is Status.INCONCLUSIVE
    got = found(checklist(AR, adopt=[AR], latency={"e2e_p50_ms": 100_000}), timed, AR)
    assert got("speedup").status is Status.NOT_APPLICABLE
    assert got("latency-e2e-p50").status is Status.PASS


def test_percentile_targets_need_their_prompts():
    target = checklist(latency={"e2e_p95_ms": 1e6, "e2e_p99_ms": 1e6, "ttft_p50_ms": 0.001})
    got = found(target, simulated(1.5, n=60))
    assert got("latency-e2e-p95").status is Status.PASS
    assert got("latency-e2e-p99").status is Status.INCONCLUSIVE
    assert "299" in got("latency-e2e-p99").summary
    assert got("latency-ttft-p50").status is Status.FAIL


def test_failures_are_counted_and_unequal_shares_forbid_a_pass():
    timed = simulated(2.0)
    broken = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"ok": False})})
        if (s.mode == DLM and i % 10 == 0) or (s.mode == DLM and i % 7 == 0)
        else s
        for i, s in enumerate(timed)
    ]
    assert found(checklist(), timed)("failures").status is Status.PASS
    assert found(checklist(), broken)("failures").status is Status.INCONCLUSIVE


def test_empty_answers_in_one_mode_are_failures_not_speed():
    timed = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"text": ""})})
        if s.mode == DLM and s.position % 3 == 1
        else s
        for s in simulated(2.0)
    ]
    assert found(checklist(), timed)("failures").status is Status.INCONCLUSIVE


def test_an_unknown_or_large_own_error_leaves_the_claim_open():
    timed = simulated(2.0)
    assert found(checklist(speedup={"at_least": 1.5}), timed)("client-error").status is Status.PASS
    assert found(checklist(), timed, client_errors=())("client-error").status is Status.INCONCLUSIVE
    large = ClientError(
        streams=1,
        events_per_s=50,
        ttft_error_ms=90,
        e2e_error_ms=90,
        e2e_error_share=0.2,
        itl_error_share=0,
        lag_p99_ms=1,
        events=9,
    )
    assert (
        found(checklist(speedup={"at_least": 1.5}), timed, client_errors=(large,))("client-error").status
        is Status.INCONCLUSIVE
    )


def test_a_warm_cache_for_one_mode_leaves_it_open():
    timed = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": 9})}) if s.mode == DLM else s
        for s in simulated(1.5)
    ]
    assert found(checklist(), timed)("cache-state").status is Status.INCONCLUSIVE
    unknown = [s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": None})}) for s in timed]
    assert found(checklist(), unknown)("cache-state").status is Status.WARN


def test_shorter_answers_are_flagged():
    assert found(checklist(), simulated(1.5, tokens=16))("length-honesty").status is Status.WARN
    assert found(checklist(), simulated(1.5))("length-honesty").status is Status.PASS


def test_modes_timed_one_after_the_other_from_one_start_are_warned_about():
    timed = simulated(1.5)
    apart = [
        s.model_copy(
            update={
                "exchange": s.exchange.model_copy(
                    update={"written_at": (NOW + timedelta(days=s.mode == DLM, seconds=s.position)).isoformat()}
                )
            }
        )
        for s in timed
    ]
    assert found(checklist(), timed)("launches").status is Status.PASS
    assert found(checklist(), apart)("launches").status is Status.WARN


def test_a_baseline_that_disagrees_with_itself_is_said():
    timed = simulated(1.1)
    cached = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"done_us": s.exchange.done_us // 2})})
        if s.mode == AR and s.repeat
        else s
        for s in timed
    ]
    assert found(checklist(), timed)("noise-floor").status is Status.PASS
    assert found(checklist(), cached)("noise-floor").status is Status.INCONCLUSIVE


def test_holm_asks_more_of_two_claims_than_of_one():
    alone = [checklist(AR, DLM, "self-speculation", adopt=[m]) for m in (DLM, "self-speculation")]
    both = checklist(AR, DLM, "self-speculation")
    rng, timed = random.Random(3), []
    for s in simulated(1.0, n=60, modes=(DLM, "self-speculation"), seed=9, noise=0.0001):
        factors = {AR: 1.0, DLM: math.exp(rng.gauss(-0.024, 0.1)), "self-speculation": math.exp(rng.gauss(0.05, 0.1))}
        slower = int(s.exchange.done_us * factors[s.mode])
        timed.append(s.model_copy(update={"exchange": s.exchange.model_copy(update={"done_us": slower})}))
    modes = (DLM, "self-speculation")
    one_by_one = [found(c, timed, m)("speedup").status is Status.PASS for c, m in zip(alone, modes, strict=True)]
    together = [found(both, timed, m)("speedup").status is Status.PASS for m in modes]
    assert sum(one_by_one) == 1, "the example lies where it matters"
    assert sum(together) == 0


@pytest.mark.slow
def test_equal_modes_rarely_pass_as_faster():
    wrong = 0
    for seed in range(60):
        got = found(checklist(speedup={"at_least": 1.05}), simulated(1.0, n=30, seed=seed))("speedup")
        wrong += got.status is Status.PASS
    assert wrong <= 3


def test_the_summary_holds_what_the_report_needs():
    timed = simulated(2.0, n=40) + [
        sample(m, f"p{i}", 0, 100 if m == AR else 130, level=8) for i in range(40) for m in (AR, DLM)
    ]
    check = checklist(concurrency=[1, 8])
    got = summarise_mode(DLM, facts(timed), check)
    assert [level.concurrency for level in got.levels] == [1, 8]
    assert got.speedup.ratio == pytest.approx(2.0, rel=0.05)
    assert got.speedup.status == "pass"
    assert got.crossover == 8
    assert got.levels[0].ttft_ms.p50 < got.levels[0].e2e_ms.p50
    assert got.levels[0].tokens_per_forward is None
    assert got.levels[0].tokens_per_forward_reason
    assert got.levels[0].output_tokens_per_second.system > 0
    base = summarise_mode(AR, facts(timed), check)
    assert base.speedup is None
    assert base.levels[0].tokens_per_forward.value == 1.0


def test_the_own_error_is_measured_at_the_chunk_rate_that_the_servers_showed():
    def seen(deltas, seconds):
        shown = TokenDeltas(deltas=deltas, seconds=seconds)
        return EndpointFacts(label=AR, endpoint="http://a:1", reachable=True, deltas=shown)

    assert chunk_rate([]) == 50
    assert chunk_rate([seen((1,) * 100, 1.0), seen((32, 32), 1.0)]) == 100
    assert chunk_rate([seen((1,) * 100, 100.0)]) == 50
    assert chunk_rate([seen((1,) * 100, 0.01)]) == 400
    assert chunk_rate([seen((5,), 0.001), seen((1, 1), None)]) == 50

"""What samples say: decided three ways, and what forbids a pass."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest

from evalkit.analysis.levels import summarise_modes
from evalkit.findings import Status
from evalkit.run.steps.timing import chunk_rate
from evalkit.serving.facts import EndpointFacts, TokenDeltas
from evalkit.timing.facts import CacheState, ClientError
from tests.timing.support import AR, DLM, NOW, checklist, facts, found, sample, simulated


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


def test_too_few_prompts_in_flight_together_say_how_many_are_needed():
    timed = [s.model_copy(update={"concurrency": 16}) for s in simulated(1.02, n=24)]
    got = found(checklist(concurrency=[16]), timed, client_errors=())("speedup")
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "too-few-groups")
    assert got.data["prompts_needed"] >= 32


def test_below_twenty_prompts_there_is_no_verdict():
    got = found(checklist(), simulated(3.0, n=19))("speedup")
    assert (got.status, got.outcome) == (Status.INCONCLUSIVE, "too-few-prompts")


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
    assert got("latency-e2e-p95").outcome == "within"
    assert (got("latency-e2e-p99").outcome, got("latency-e2e-p99").data["needed"]) == ("too-few", 299)
    assert got("latency-ttft-p50").outcome == "beyond"


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
    for loop, helps in (("asyncio", True), ("uvloop", False), (None, False)):
        timed_on = large.model_copy(update={"loop": loop})
        finding = found(checklist(speedup={"at_least": 1.5}), timed, client_errors=(timed_on,))("client-error")
        assert ("uvloop" in finding.remedy) is helps
        assert finding.data.get("loop") == loop
    short = large.model_copy(update={"e2e_error_ms": 0.1, "e2e_error_share": 0.0, "reached_per_s": 20.0})
    finding = found(checklist(speedup={"at_least": 1.5}), timed, client_errors=(short,))("client-error")
    assert (finding.status, finding.outcome) == (Status.INCONCLUSIVE, "not-known")


def test_a_warm_cache_for_one_mode_leaves_it_open():
    timed = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": 9})}) if s.mode == DLM else s
        for s in simulated(1.5)
    ]
    assert found(checklist(), timed)("cache-state").status is Status.INCONCLUSIVE
    unknown = [s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": None})}) for s in timed]
    assert found(checklist(), unknown)("cache-state").status is Status.WARN


def test_a_gain_in_spite_of_less_help_from_the_cache_is_a_lower_bound_and_a_loss_is_open():
    """Pages of a whole block hold less of a short shared prefix than pages of one token."""

    def timed(ratio):
        return [
            s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": 9})})
            if s.mode == AR
            else s.model_copy(update={"exchange": s.exchange.model_copy(update={"cached_tokens": 0})})
            for s in simulated(ratio)
        ]

    kept = {m: CacheState(mode=m, method="flush") for m in (AR, DLM)}
    assert found(checklist(), timed(1.5), caches=kept)("cache-state").outcome == "helped-less"
    assert found(checklist(), timed(0.7), caches=kept)("cache-state").outcome == "unequal"
    left = kept | {DLM: CacheState(mode=DLM, method="none", detail="no admin key")}
    assert found(checklist(), timed(1.5), caches=left)("cache-state").outcome == "unequal"


def test_a_flush_that_empties_the_n_gram_store_is_told_as_a_lower_bound():
    flushed = {m: CacheState(mode=m, method="flush") for m in (AR, DLM)}
    ngram = EndpointFacts(label=DLM, endpoint="http://a:1", reachable=True, settings={"speculative_algorithm": "NGRAM"})
    got = found(checklist(), simulated(1.5), caches=flushed, endpoints={DLM: ngram})("cache-state")
    assert (got.status, got.outcome) == (Status.WARN, "lower-bound")
    eagle = EndpointFacts(label=DLM, endpoint="http://a:1", reachable=True, settings={"speculative_algorithm": "EAGLE"})
    got = found(checklist(), simulated(1.5), caches=flushed, endpoints={DLM: eagle})("cache-state")
    assert got.status is Status.PASS


def test_shorter_answers_are_flagged():
    # half as long and 1.5x as fast: slower at equal length
    assert found(checklist(), simulated(1.5, tokens=16))("length-honesty").status is Status.INCONCLUSIVE
    assert found(checklist(), simulated(3.0, tokens=16))("length-honesty").status is Status.WARN
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
    for given, servers in ((timed, "in-turn"), (apart, "apart")):
        got = found(checklist(), given)("launches")
        assert (got.status, got.data["servers"]) == (Status.WARN, servers)
        assert got.data["tipping"] > 0.03


@pytest.mark.parametrize("mode", [AR, DLM])
def test_a_mode_whose_second_readings_differ_is_shown_and_the_difference_is_not_credited(mode):
    """Second readings take half the time: of the mode it would double the gain of half the readings."""
    timed = simulated(1.1)
    cached = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"done_us": s.exchange.done_us // 2})})
        if s.mode == mode and s.repeat
        else s
        for s in timed
    ]
    assert found(checklist(), timed)("noise-floor").status is Status.PASS
    got = found(checklist(speedup={"at_least": 1.3}), cached)
    assert got("noise-floor").status is Status.WARN
    assert got("noise-floor").data["subtracted"] == pytest.approx(
        math.log(2) / 2 * (1 if mode == DLM else -1), abs=0.02
    )
    assert got("speedup").data["ratio"] < 1.13
    assert got("speedup").status is not Status.PASS
    assert got("speedup").data["low"] <= 1.1 <= got("speedup").data["high"]


def test_holm_asks_more_of_two_claims_than_of_one():
    alone = [checklist(AR, DLM, "self-speculation", adopt=[m]) for m in (DLM, "self-speculation")]
    both = checklist(AR, DLM, "self-speculation")
    rng, timed = random.Random(3), []
    for s in simulated(1.0, n=60, modes=(DLM, "self-speculation"), seed=9, noise=0.0001):
        factors = {AR: 1.0, DLM: math.exp(rng.gauss(-0.096, 0.1)), "self-speculation": math.exp(rng.gauss(0.05, 0.1))}
        slower = int(s.exchange.done_us * factors[s.mode])
        timed.append(s.model_copy(update={"exchange": s.exchange.model_copy(update={"done_us": slower})}))
    modes = (DLM, "self-speculation")
    one_by_one = [found(c, timed, m)("speedup").status is Status.PASS for c, m in zip(alone, modes, strict=True)]
    together = [found(both, timed, m)("speedup").status is Status.PASS for m in modes]
    assert sum(one_by_one) == 1, "the example lies where it matters"
    assert sum(together) == 0


def test_the_summary_holds_what_the_report_needs():
    timed = simulated(2.0, n=40) + [
        sample(m, f"p{i}", 0, 100 if m == AR else 130, level=8) for i in range(40) for m in (AR, DLM)
    ]
    check = checklist(concurrency=[1, 8])
    got = summarise_modes([DLM], facts(timed), check)[DLM]
    assert [level.concurrency for level in got.levels] == [1, 8]
    assert got.speedup.ratio == pytest.approx(2.0, rel=0.05)
    assert got.speedup.status == "pass"
    assert got.crossover == 8
    assert got.levels[0].ttft_ms.p50 < got.levels[0].e2e_ms.p50
    assert got.levels[0].tokens_per_forward is None
    assert got.levels[0].tokens_per_forward_reason
    assert got.levels[0].output_tokens_per_second.system > 0
    base = summarise_modes([AR], facts(timed), check)[AR]
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


@pytest.mark.parametrize("own", [(AR, DLM), (DLM,), (AR,)])
@pytest.mark.parametrize("true", [0.5, 3.0])
def test_times_of_a_reference_implementation_decide_nothing_and_carry_its_label(own, true):
    served = {
        label: EndpointFacts(
            label=label, endpoint="http://h", reachable=True, engine="remote-code" if label in own else "x"
        )
        for label in (AR, DLM)
    }
    asked = checklist(speedup={"at_least": 1.5}, latency={"e2e_p50_ms": 1e6, "ttft_p50_ms": 0.001}, goodput=0.5)
    got = found(asked, simulated(true), endpoints=served)
    assert (got("speedup").status, got("speedup").outcome) == (Status.INCONCLUSIVE, "reference")
    assert got("speedup").data["ratio"] > 0  # shown, not decided
    assert "explain support" in got("speedup").remedy
    mine = "reference" if DLM in own else None
    assert got("latency-e2e-p50").outcome == (mine or "within")
    assert got("latency-ttft-p50").outcome == (mine or "beyond")
    if mine:
        assert got("goodput").outcome == mine
        assert got("reference-implementation").observed == "reference implementation: not a serving speed"
    if DLM in own:
        (summary,) = [summarise_modes([DLM], facts(simulated(true), endpoints=served), asked)[DLM]]
        assert summary.speedup.status == "inconclusive"

"""What requests and right answers cost, against values by hand; what is not known has no cost, and none is free."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.analysis.money import Against, Spent, against, spent
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.quality.facts import Answer
from evalkit.serving.facts import EndpointFacts
from evalkit.stats.proportions import wilson
from evalkit.timing.facts import LoadBlock
from tests.timing.support import AR, DLM, facts, sample

INC = "incumbent"
HOUR = {"usd_per_gpu_hour": 6.0}
TOKENS = {"usd_per_million_input": 2.0, "usd_per_million_output": 10.0}


def asked(cost=None, incumbent=None, mode=None, **items):
    data = {
        "modes": {AR: {"endpoint": "http://a:1"}, DLM: {"endpoint": "http://a:2", "cost": mode or {}}},
        "incumbent": {"endpoint": "http://a:3", "cost": incumbent or {}},
        "items": {"modes": {"start_sd": 0.0, **items}},
    }
    return Checklist.model_validate(data | ({"cost": cost} if cost else {}))


def answers(mode, passed, n=100, **kw):
    return [
        Answer(mode=mode, suite="s", kind="custom", case_id=f"c{i}", request_sha256=f"asks {i}", passed=i < passed, exchange=Exchange(ok=True), **kw)
        for i in range(n)
    ]  # fmt: skip


def timed(times, n=30, **kw):
    """Prompts that take `times` ms in each mode."""
    return [sample(mode, f"p{i}", 0, ms, i, **kw) for i in range(n) for mode, ms in times.items()]


def cost_of(check, seen, mode=DLM):
    return spent(check, seen, Readings(seen.timed), mode)


def beside(check, seen, mode=DLM):
    return against(check, seen, Readings(seen.timed), mode)


def test_an_hour_is_shared_by_the_requests_in_flight_and_multiplied_by_the_gpus():
    two = {DLM: EndpointFacts(label=DLM, endpoint="http://a:2", reachable=True, settings={"tp_size": 2})}
    seen = facts(timed({DLM: 3000}, level=4), endpoints=two)
    got = cost_of(asked(HOUR, concurrency=[4]), seen)
    # 4 requests in 3 s: 4800 an hour for 12 USD
    assert got.rate.value == pytest.approx(4 / 3)
    assert (got.hourly, got.gpus) == (12.0, 2)
    assert got.per_1000.value == pytest.approx(1000 * 12 / 4800)
    assert got.per_1000_right is None


@pytest.mark.parametrize(("gpus", "counted"), [(8, 8), (1, 2)])
def test_gpus_are_at_least_those_that_the_server_reports(gpus, counted):
    two = {DLM: EndpointFacts(label=DLM, endpoint="http://a:2", reachable=True, settings={"tp_size": 2})}
    got = cost_of(asked({**HOUR, "gpus": gpus}), facts(timed({DLM: 1000}), endpoints=two))
    assert (got.gpus, got.hourly) == (counted, 6.0 * counted)


def test_usage_is_billed_by_tokens_and_by_request():
    seen = facts(timed({DLM: 3000}, tokens=300))
    got = cost_of(asked(mode={**TOKENS, "usd_per_request": 0.001}), seen)
    # 10 tokens at 2 USD and 300 at 10 USD a million, and 0.001 USD
    assert got.per_1000.value == pytest.approx(1000 * (10 * 2e-6 + 300 * 10e-6 + 0.001))
    assert (got.hourly, got.kind) == (None, "usage")


def test_a_request_price_needs_no_counts_and_a_token_price_does():
    seen = facts(timed({DLM: 3000}, tokens=0))
    bare = facts(
        [
            s.model_copy(update={"exchange": s.exchange.model_copy(update={"completion_tokens": None})})
            for s in seen.timed
        ]
    )
    assert cost_of(asked(mode={"usd_per_request": 0.002}), bare).per_1000.value == pytest.approx(2.0)
    assert cost_of(asked(mode=TOKENS), bare) == "no-counts"


def test_right_answers_cost_what_wrong_ones_add_with_the_interval_of_the_share():
    seen = facts(timed({DLM: 3600}), answers=tuple(answers(DLM, 80)))
    got = cost_of(asked({"usd_per_gpu_hour": 1.0}), seen)
    share = wilson(80, 100)
    assert got.per_1000.value == pytest.approx(1.0)
    assert got.per_1000_right.value == pytest.approx(1.25)
    # all prompts take equally long: what is uncertain is the share alone
    assert got.per_1000_right.low == pytest.approx(1.0 / share.high)
    assert got.per_1000_right.high == pytest.approx(1.0 / share.low)


def test_the_time_adds_to_the_interval_and_so_do_starts_that_were_not_repeated():
    rng = random.Random(1)
    seen = facts(
        [sample(DLM, f"p{i}", 0, 1000 * math.exp(rng.gauss(0, 0.5)), i) for i in range(40)],
        answers=tuple(answers(DLM, 80)),
    )
    sure, start = cost_of(asked(HOUR), seen), cost_of(asked(HOUR, start_sd=0.2), seen)
    assert sure.per_1000.low < sure.per_1000.value < sure.per_1000.high
    assert sure.per_1000_right.up > sure.per_1000.up
    assert start.per_1000.up == pytest.approx(math.hypot(sure.per_1000.up, 1.96 * 0.2), rel=1e-3)


def test_cases_of_one_cluster_are_one_piece_of_evidence():
    apart = cost_of(asked(HOUR), facts(timed({DLM: 1000}), answers=tuple(answers(DLM, 50))))
    grouped = [a.model_copy(update={"cluster": f"k{i // 10}"}) for i, a in enumerate(answers(DLM, 50))]
    together = cost_of(asked(HOUR), facts(timed({DLM: 1000}), answers=tuple(grouped)))
    assert (apart.scored, together.scored) == (100, 10)
    assert apart.per_1000_right.value == pytest.approx(together.per_1000_right.value)
    assert together.per_1000_right.up > 2 * apart.per_1000_right.up


def test_no_right_answer_has_no_price_and_no_price_is_no_cost():
    seen = facts(timed({DLM: 1000}), answers=tuple(answers(DLM, 0)))
    got = cost_of(asked(HOUR), seen)
    assert (got.per_1000_right, got.right.value, got.scored) == (None, 0.0, 100)
    assert cost_of(asked(), seen) is None
    assert cost_of(asked(HOUR), seen, INC) is None  # the incumbent's prices are its own
    assert cost_of(asked(HOUR), facts([])) == "not-timed"


def test_a_price_of_another_kind_takes_the_place_of_the_one_above():
    seen = facts(timed({AR: 1000, DLM: 1000}))
    check = asked({**HOUR, "gpus": 4}, mode=TOKENS)
    assert (cost_of(check, seen).kind, cost_of(check, seen, AR).hourly) == ("usage", 24.0)
    cheaper = asked({**HOUR, "gpus": 4}, mode={"usd_per_gpu_hour": 1.0})
    assert cost_of(cheaper, seen).hourly == 4.0


def block(mode, n, answered, number=1, **kw):
    return LoadBlock(
        load="rate 2", mode=mode, block=number, rate=2.0, seconds=60.0, planned=n, intended_ms=tuple(map(float, range(n))),
        late_ms=(0.0,) * n, ttft_ms=(5.0,) * n, e2e_ms=(9.0,) * n, tokens=(8,) * n, ends="a" * answered + "s" * (n - answered),
        prompts=tuple(range(n)), after_ms=5.0, **kw,
    )  # fmt: skip


def test_under_an_open_load_the_answered_requests_share_the_hour():
    check = asked(HOUR, decide_at="load", load=[{"rate": 2.0, "seconds": 60}])
    name = check.items.modes.load[0].key
    blocks = tuple(block(DLM, 120, 90, n).model_copy(update={"load": name}) for n in range(8))
    got = cost_of(check, facts(timed({DLM: 1000}), loads=blocks, answers=tuple(answers(DLM, 50))))
    assert got.rate.value == pytest.approx(1.5)
    assert got.per_1000.value == pytest.approx(1000 * 6 / (1.5 * 3600))
    assert got.per_1000.low is None
    assert got.per_1000_right.low == pytest.approx(got.per_1000.value / wilson(50, 100).high)
    assert cost_of(check, facts(timed({DLM: 1000}))) == "not-timed"


def test_the_prompts_of_a_trace_are_not_kept_so_their_tokens_are_not_billed():
    check = asked(mode=TOKENS, decide_at="load", load=[{"trace": "t.jsonl"}])
    assert cost_of(check, facts(timed({DLM: 1000}))) == "trace"


def test_twice_as_slow_at_one_price_costs_twice_as_much_and_the_pairs_show_it():
    rng = random.Random(5)
    both = []
    for i in range(40):
        base = 1000 * math.exp(rng.gauss(0, 0.9))
        both += [sample(DLM, f"p{i}", 0, base, i), sample(INC, f"p{i}", 0, 2 * base * math.exp(rng.gauss(0, 0.02)), i)]
    got = beside(asked(HOUR, incumbent=HOUR), facts(both))
    assert got.requests.value == pytest.approx(2.0, rel=0.03)
    assert got.answer == "cheaper"
    assert got.requests.up < 0.1 < got.mine.per_1000.up  # prompts differ, their ratio does not
    assert got.even is None


def test_twice_the_price_at_one_speed_costs_twice_as_much():
    both = facts(timed({DLM: 1000, INC: 1000}), answers=(*answers(DLM, 90), *answers(INC, 45)))
    got = beside(asked({"usd_per_gpu_hour": 4.0}, incumbent={"usd_per_gpu_hour": 2.0}), both)
    assert (got.requests.value, got.answer) == (pytest.approx(0.5), "dearer")
    assert got.right.value == pytest.approx(1.0)  # it is right twice as often
    assert got.right.low < 1 < got.right.high


def test_equal_costs_are_undecided():
    same = facts(
        [sample(m, f"p{i}", 0, 1000 + 7 * ((i * k) % 11), i) for i in range(30) for m, k in ((DLM, 3), (INC, 5))]
    )
    assert beside(asked(HOUR, incumbent=HOUR), same).answer == "undecided"


def test_break_even_is_the_rate_at_which_the_hour_costs_what_its_requests_would_be_billed():
    seen = facts(timed({DLM: 1000, INC: 4000}, tokens=99))
    check = asked({"usd_per_gpu_hour": 3.6}, incumbent={"usd_per_request": 0.002})
    got = beside(check, seen)
    # 3.6 USD an hour at 0.002 USD a request: 1800 requests an hour, and one server answers 3600
    assert got.even.hosted == DLM
    assert got.even.per_hour.value == pytest.approx(1800)
    assert (got.even.within, got.answer) == (True, "cheaper")
    dear = beside(asked({"usd_per_gpu_hour": 36}, incumbent={"usd_per_request": 0.002}), seen)
    assert (dear.even.per_hour.value, dear.even.within, dear.answer) == (pytest.approx(18_000), False, "dearer")


def test_break_even_of_a_hosted_mode_beside_a_self_hosted_incumbent():
    seen = facts(timed({DLM: 1000, INC: 1000}))
    got = beside(asked(mode={"usd_per_request": 0.001}, incumbent={"usd_per_gpu_hour": 1.8}), seen)
    assert (got.even.hosted, got.even.per_hour.value) == (INC, pytest.approx(1800))


@pytest.mark.parametrize(
    ("cost", "incumbent"), [(HOUR, None), (None, HOUR), (HOUR, {"usd_per_gpu_hour": 0.0}), ({"usd_per_gpu_hour": 0.0}, HOUR)]
)  # fmt: skip
def test_without_two_prices_nothing_is_compared(cost, incumbent):
    assert beside(asked(cost, incumbent=incumbent), facts(timed({DLM: 1000, INC: 1000}))) is None


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 100), st.floats(0.1, 50), st.integers(0, 30),
    st.lists(st.floats(50, 5000), min_size=2, max_size=12),
)  # fmt: skip
def test_cost_scales_with_the_price_and_intervals_hold_their_figures(price, factor, passed, times):
    seen = facts(
        [sample(DLM, f"p{i}", 0, ms, i) for i, ms in enumerate(times)], answers=tuple(answers(DLM, passed, 30))
    )
    one, more = (cost_of(asked({"usd_per_gpu_hour": usd}), seen) for usd in (price, price * factor))
    assert isinstance(one, Spent)
    assert more.per_1000.value == pytest.approx(factor * one.per_1000.value)
    assert more.per_1000.down == pytest.approx(one.per_1000.down)
    for amount in filter(None, (one.per_1000, one.per_1000_right)):
        assert amount.low <= amount.value * (1 + 1e-12)
        assert amount.high is None or amount.high >= amount.value * (1 - 1e-12)
    assert (one.per_1000_right is None) == (passed == 0)
    assert passed == 0 or one.per_1000_right.value >= one.per_1000.value * (1 - 1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(50, 5000), st.floats(50, 5000)), min_size=2, max_size=12), st.floats(0.1, 10))
def test_a_ratio_is_that_of_the_two_costs_and_turns_over_with_the_sides(times, factor):
    seen = facts(
        [sample(m, f"p{i}", 0, ms, i) for i, both in enumerate(times) for m, ms in zip((DLM, INC), both, strict=True)]
    )
    got = beside(asked(HOUR, incumbent={"usd_per_gpu_hour": 6.0 * factor}), seen)
    assert isinstance(got, Against)
    assert got.requests.value == pytest.approx(got.theirs.per_1000.value / got.mine.per_1000.value)
    turned = facts([s.model_copy(update={"mode": {DLM: INC, INC: DLM}[s.mode]}) for s in seen.timed])
    back = beside(asked({"usd_per_gpu_hour": 6.0 * factor}, incumbent=HOUR), turned)
    assert back.requests.value == pytest.approx(1 / got.requests.value)
    assert {got.answer, back.answer} in ({"undecided"}, {"cheaper", "dearer"})


def test_the_interval_of_right_answers_covers_about_what_it_says():
    rng, held, worlds = random.Random(11), 0, 400
    check, truth = asked({"usd_per_gpu_hour": 3.6}), math.exp(0.5**2 / 2) / 0.8
    for _ in range(worlds):
        seen = facts(
            [sample(DLM, f"p{i}", 0, 1000 * math.exp(rng.gauss(0, 0.5)), i) for i in range(30)],
            answers=tuple(a.model_copy(update={"passed": rng.random() < 0.8}) for a in answers(DLM, 0, 60)),
        )
        right = cost_of(check, seen).per_1000_right
        held += right.low <= truth <= right.high
    assert 0.92 <= held / worlds <= 0.99

"""Blocks of open load in simulated time: the service level, the search, ratios, and how servers give way."""

from __future__ import annotations

import math

import pytest

from evalkit.analysis.capacity import Bounds, bounds, capacity, search
from evalkit.analysis.load import CAPACITY, behaviour, kept, pairs, shown
from evalkit.analysis.load_claims import allowance, capacity_ratio
from evalkit.checklist.load import CapacityAsked, Slo
from evalkit.stats.edge import Edge, mean_log
from evalkit.stats.ratio import Allowance
from evalkit.timing.arrivals import starts
from tests.support.queues import Server, searched, true_edge

SLO = Slo(e2e_ms=2500, share=0.9)
ASKED = CapacityAsked.model_validate({"slo": {"e2e_ms": 2500, "share": 0.9}, "seconds": 20, "blocks": 8})
WITHIN = Bounds(2.0, 0.3, 200.0)
SLOW, FAST = Server(), Server(mean_ms=600)


#: mean log edge of 800 blocks, by `true_edge`
SLOW_EDGE, FAST_EDGE = 2.0661, 2.6579


def test_searches_cover_the_capacity_and_the_ratio_where_both_are_known():
    held = ratios = 0
    for i in range(12):
        one, blocks = searched(SLOW, "a", ASKED, seed=f"{i}", within=WITHIN, number=i)
        other, _ = searched(FAST, "b", ASKED, seed=f"{i}", within=WITHIN, number=i)
        mine = capacity(one.edges, ASKED, 0.95)
        held += math.log(mine.low) <= SLOW_EDGE <= math.log(mine.high)
        ratio = capacity_ratio(other.edges, one.edges, 0.95, Allowance(), 10**9)
        ratios += math.log(ratio.low) <= FAST_EDGE - SLOW_EDGE <= math.log(ratio.high)
        assert len(blocks) < 50
    assert held >= 9  # of 12 seeded searches
    assert ratios >= 9


def test_the_truth_that_searches_are_held_against_takes_no_search():
    edge, error = true_edge(SLOW, ASKED, low=7.0, high=9.0, blocks=60)
    assert edge == pytest.approx(SLOW_EDGE, abs=5 * error)


def test_the_same_blocks_lead_to_the_same_next_trial_in_whatever_order_they_are_read():
    _, blocks = searched(SLOW, "a", ASKED, within=WITHIN)
    for cut in range(0, len(blocks), 7):
        found = search(reversed(blocks[:cut]), "a", ASKED, WITHIN, 1)
        assert found.next == (blocks[cut].block, pytest.approx(blocks[cut].rate))
    assert search(blocks, "a", ASKED, WITHIN, 1).next is None
    assert search(blocks, "another", ASKED, WITHIN, 1).next == (0, pytest.approx(2.0, rel=0.06))


def test_a_server_better_than_could_be_tried_has_no_upper_bound():
    within = Bounds(1.0, 0.5, 3.0)
    found, _ = searched(SLOW, "a", ASKED, within=within)
    mine = capacity(found.edges, ASKED, 0.95)
    assert mine.above == 8
    assert math.isinf(mine.high)
    exact = tuple(Edge(2.0 * 1.01**i, "found") for i in range(8))
    assert math.isinf(capacity_ratio(found.edges, exact, 0.95, Allowance(), 100).high)
    assert capacity_ratio(found.edges, exact, 0.95, Allowance(), 100).low > 1
    assert capacity_ratio(exact, found.edges, 0.95, Allowance(), 100).low == 0


def test_a_service_level_that_is_never_kept_bounds_from_above_alone():
    asked = CapacityAsked.model_validate({"slo": {"e2e_ms": 100}, "seconds": 20})
    found, _ = searched(SLOW, "a", asked, within=Bounds(2.0, 1.0, 50.0))
    mine = capacity(found.edges, asked, 0.95)
    assert mine.below == mine.blocks == 8
    assert mine.low == 0


def test_the_lower_bound_of_a_capacity_allows_for_blocks_with_edges_far_below():
    edges = tuple(Edge(4.0 * 1.02 ** (i % 4), "found") for i in range(8))
    mine, plain = capacity(edges, ASKED, 0.95), mean_log([math.log(one.rate) for one in edges], 0.95)
    assert (mine.rate, mine.high) == (plain.value, plain.high)
    assert 1.1 < math.log(mine.rate / mine.low) / math.log(plain.value / plain.low) < 1.25
    many, few = (mean_log([0.1 * (i % 4) for i in range(n)], 0.95, lean=0.5) for n in (800, 8))
    share = [math.log(one.value / one.low) / math.log(one.high / one.value) for one in (many, few)]
    assert 1.0 < share[0] < share[1]


def test_allowances_widen_the_lower_bound_of_a_ratio_more():
    mine, theirs = (tuple(Edge(r * 1.02 ** (i % 3), "found") for i in range(8)) for r in (4.0, 2.0))
    bare = capacity_ratio(mine, theirs, 0.95, Allowance(), 100)
    wide = capacity_ratio(mine, theirs, 0.95, allowance(0.03, 0.95), 20)
    assert bare.ratio == wide.ratio == pytest.approx(2.0)
    assert wide.low < bare.low
    assert wide.high > bare.high
    assert bare.low / wide.low > wide.high / bare.high


def test_the_search_begins_below_one_request_at_a_time_and_never_beyond_the_client():
    found = bounds(ASKED, 5.0, 100.0)
    assert found.most == 5.0
    assert found.start == 5.0
    assert bounds(ASKED, 500.0, 100.0).start == 5.0
    assert bounds(ASKED, 500.0, None).start == 1.0


def test_latency_from_the_intended_start_is_that_of_the_queue():
    """M/M/1 at half load: the mean time in the system is 1 / (mu - lambda), which a closed loop of one never shows."""
    server = Server(slots=1, mean_ms=100, exponential=True)
    values = [v for n in range(12) for v in server.block("a", n, 5.0, 200, load="x", ramp=0.1).e2e_ms[100:]]
    assert sum(values) / len(values) == pytest.approx(200, rel=0.12)


@pytest.mark.parametrize(
    ("changes", "rate", "said"),
    [({}, 3.0, "keeps up"), ({}, 16.0, "queues"), ({"shed_at": 4}, 16.0, "sheds"), ({}, 7.9, "slows")],
)
def test_servers_give_way_in_their_own_ways(changes, rate, said):
    assert behaviour(Server(**changes).block("a", 3, rate, 30), Slo(e2e_ms=2000, share=0.95)) == said


def test_a_server_that_goes_down_is_no_queue():
    block = Server().block("a", 0, 4.0, 30)
    down = block.model_copy(update={"ends": "a" * 40 + "x" * 10 + "r" * (len(block.ends) - 50), "after_ms": None})
    assert behaviour(down, SLO) == "dies"
    assert not kept(down, SLO)


def test_a_block_that_was_cut_short_or_is_empty_keeps_nothing():
    block = Server().block("a", 0, 2.0, 30)
    assert kept(block, SLO)
    assert not kept(block.model_copy(update={"stopped": True}), SLO)
    assert not kept(block.model_copy(update={"full": True}), SLO)
    assert not kept(block.model_copy(update={"counted_from_ms": 1e9}), SLO)


@pytest.mark.parametrize("limit", ["ttft_ms", "e2e_ms", "tpot_ms"])
def test_each_limit_counts_and_what_has_no_answer_misses_all(limit):
    block = Server().block("a", 0, 2.0, 30)
    assert kept(block, Slo(**{limit: 1e6}))
    assert not kept(block, Slo(**{limit: 1e-3}))
    shed = block.model_copy(update={"ends": "s" * len(block.ends)})
    assert not kept(shed, Slo(**{limit: 1e6}))


def test_pairs_compare_the_same_request_and_count_what_is_unfinished():
    theirs = [SLOW.block("ar", n, 4.0, 30, load="x", ramp=0) for n in range(8)]
    mine = [FAST.block("dlm", n, 4.0, 30, load="x", ramp=0) for n in range(8)]
    found = pairs([*theirs, *mine], "x", "ar", "dlm")
    assert len(found.logs) == 8
    assert mean_log(found.logs, 0.95).value == pytest.approx(1 / 0.6, rel=0.15)
    cut = mine[0].model_copy(update={"ends": "u" + mine[0].ends[1:]})
    assert pairs([*theirs, cut], "x", "ar", "dlm").mode_unfinished == 1
    assert pairs([*theirs, *mine], CAPACITY, "ar", "dlm").logs == ()


def test_percentiles_put_what_was_not_answered_beyond_every_limit():
    block = Server(shed_at=0, slots=1).block("a", 0, 8.0, 30, load="x", ramp=0)
    found = shown([block])
    assert found.failed == block.ends.count("s") > 0.5 * found.requests
    assert found.e2e_ms["p95"] is None
    assert found.ttft_ms["p50"] is None


@pytest.mark.parametrize("arrivals", ["poisson", "constant", "gamma(2)", "gamma(0.5)"])
def test_arrivals_have_the_asked_rate_and_stretch_with_it(arrivals):
    many = list(starts(50.0, 200.0, arrivals, "n"))
    assert len(many) == pytest.approx(10_000, rel=0.08)
    assert many == sorted(many)
    slower = list(starts(25.0, 200.0, arrivals, "n"))
    assert slower == pytest.approx([2 * at for at in many[: len(slower)]])
    assert list(starts(50.0, 1.0, arrivals, "other")) != many[:50]

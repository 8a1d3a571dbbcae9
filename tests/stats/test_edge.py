"""The search for the edge of a block, and what its mean over blocks says."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.edge import Tried, edge, grid, mean_log, most_of, next_rate

RATES = st.floats(0.3, 300.0)


def walk(truth, on, stride):
    tried = []
    while (rate := next_rate(tried, on, stride=stride)) is not None:
        assert on.least * 0.99 <= rate <= on.most * 1.01
        assert all(abs(math.log(rate / one.rate)) > 1e-6 for one in tried)
        tried.append(Tried(rate, rate <= truth))
    return tried, edge(tried, on, stride=stride)


@given(RATES, RATES, st.sampled_from([1, 4]), st.integers(0, 999))
def test_the_edge_is_found_within_one_cell_from_any_start(truth, centre, stride, seed):
    on = grid(centre, 1.1, 0.2, 400.0, f"{seed}")
    tried, found = walk(truth, on, stride)
    assert found.kind == "found"
    assert abs(math.log(found.rate / truth)) <= 0.5 * math.log(1.1) + 1e-9
    assert len(tried) <= 18


@pytest.mark.parametrize(("truth", "kind", "rate"), [(1000.0, "above", 50.0), (0.01, "below", 1.0)])
def test_an_edge_beyond_what_may_be_tried_is_said_to_be_there(truth, kind, rate):
    _, found = walk(truth, grid(10.0, 1.1, 1.0, 50.0, "x"), 4)
    assert found.kind == kind
    assert abs(math.log(found.rate / rate)) <= math.log(1.1)


def test_no_edge_before_the_search_is_over():
    on = grid(10.0, 1.1, 1.0, 50.0, "x")
    assert edge([], on, stride=1) is None
    assert edge([Tried(on.rate(0), kept=True)], on, stride=1) is None


def test_the_drawn_place_of_the_grid_keeps_the_mean_free_of_bias():
    truth = math.log(7.3)
    found = [math.log(walk(7.3, grid(6.0, 1.3, 0.2, 400.0, f"{i}"), 1)[1].rate) for i in range(400)]
    assert abs(fmean(found) - truth) < 4 * math.log(1.3) / math.sqrt(12 * 400)


def test_the_interval_of_a_geometric_mean_covers_as_often_as_it_says():
    rng, held = random.Random(3), 0
    for _ in range(400):
        found = mean_log([rng.gauss(1.0, 0.2) for _ in range(8)], 0.95)
        held += found.low <= math.e <= found.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("met", "n", "said"),
    [
        (8, 8, "most"),
        (7, 8, "most"),
        (6, 8, "open"),
        (2, 8, "open"),
        (1, 8, "few"),
        (0, 8, "few"),
        (0, 0, "open"),
        (4, 4, "open"),
    ],
)
def test_a_sign_test_on_blocks(met, n, said):
    assert most_of(met, n, 0.95) == said

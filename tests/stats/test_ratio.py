"""The speed-up's interval: what it covers, and that it does not claim what is not there."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats import percentiles, ratio, sequential, trend


def _logs(rng, n, mean, sd=0.18):
    return {str(i): rng.gauss(mean, sd) for i in range(n)}


def test_repeats_are_averaged_before_the_ratio():
    got = ratio.log_ratios({"a": [100, 400], "b": [50], "only": [1]}, {"a": [100, 100], "b": [25], "other": [1]})
    assert got == {"a": pytest.approx(math.log(2)), "b": pytest.approx(math.log(2))}


def test_one_prompt_gives_no_interval():
    assert ratio.estimate({"a": 0.5}) is None
    assert ratio.estimate({"a": 0.5, "b": 0.1}, clusters={"a": "talk", "b": "talk"}) is None


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=8))
def test_the_t_interval_against_the_textbook(values):
    logs = {str(i): v for i, v in enumerate(values)}
    got = ratio.estimate(logs)
    mean = sum(values) / len(values)
    error = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    table = {2: 12.706, 3: 4.3027, 4: 3.1824, 5: 2.7764, 6: 2.5706, 7: 2.4469, 8: 2.3646}
    assert got.low <= math.exp(mean - table[len(values)] * error * 0.999) * (1 + 1e-9)
    assert got.high >= math.exp(mean + table[len(values)] * error * 0.999) * (1 - 1e-9)
    assert got.low <= got.ratio <= got.high


def test_clusters_widen_the_interval():
    rng = random.Random(3)
    means = [rng.gauss(0.3, 0.3) for _ in range(15)]
    logs = {f"{i}-{j}": m + rng.gauss(0, 0.02) for i, m in enumerate(means) for j in range(6)}
    alone = ratio.estimate(logs)
    together = ratio.estimate(logs, clusters={key: key.split("-")[0] for key in logs})
    assert math.log(together.high / together.low) > 1.5 * math.log(alone.high / alone.low)
    assert together.clusters == 15


def test_spread_between_launches_widens_the_interval():
    logs = _logs(random.Random(1), 60, 0.3)
    plain = ratio.estimate(logs)
    spread, df = ratio.launch_variance([[1.0, 1.1], [1.3, 1.2]])
    wide = ratio.estimate(logs, spreads=[ratio.Spread(spread, df)])
    assert wide.high > plain.high
    assert (spread, df) == (pytest.approx(0.02), 1)


@given(
    st.lists(st.floats(-1, 1), min_size=20, max_size=40), st.floats(0, 0.1), st.floats(0, 4), st.floats(0, 0.2),
    st.floats(-0.3, 0.3),
)  # fmt: skip
def test_an_allowance_only_ever_widens(values, start_sd, rare, apart, moved):
    """Property: what was not sampled never narrows the interval, and the estimate lies within it."""
    logs = {str(i): v for i, v in enumerate(values)}
    plain = ratio.estimate(logs)
    shift = ratio.Shift(low=max(moved, 0.0), high=min(moved, 0.0), below=ratio.Spread(0.0001, 30))
    got = ratio.estimate(logs, shift=shift, allowance=ratio.Allowance(start_sd=start_sd, rare=rare, apart=apart))
    assert got.low <= plain.low + 1e-12
    assert got.high >= plain.high - 1e-12
    assert got.low <= got.ratio <= got.high


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "two kinds"])
def test_equal_modes_are_rarely_called_different(kind):
    rng, trials, wrong = random.Random(7), 400, 0
    for _ in range(trials):
        if kind == "normal":
            logs = _logs(rng, 30, 0.0)
        else:
            logs = {str(i): rng.gauss(0.25 if rng.random() < 0.5 else -0.25, 0.1) for i in range(30)}
        got = ratio.estimate(logs)
        wrong += not got.low <= 1 <= got.high
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_a_true_gain_lies_in_its_interval_and_is_found():
    got = ratio.estimate(_logs(random.Random(11), 60, math.log(2.0)))
    assert got.low <= 2.0 <= got.high
    assert got.low > 1.5
    assert ratio.p_at_most(got, 1.5) < 0.001
    assert ratio.p_at_most(got, 2.6) > 0.99


def test_who_got_slower_is_said():
    got = ratio.estimate({str(i): (-0.5 if i < 3 else 0.5) for i in range(30)})
    assert got.slower_share == pytest.approx(0.1)
    assert got.worst_decile == pytest.approx(math.exp(-0.5))


def test_percentile_bounds_need_59_and_299():
    assert percentiles.needed(0.95) == 59
    assert percentiles.needed(0.99) == 299
    assert percentiles.bounds(list(range(58)), 0.95).high is None
    assert percentiles.bounds(list(range(59)), 0.95).high == 58
    assert percentiles.bounds(list(range(299)), 0.99).high == 298


def test_percentile_bounds_against_enumeration():
    """Each bound holds with at least its confidence, over all patterns of values below or above the percentile."""
    for n in range(1, 9):
        for share in (0.3, 0.5, 0.8):
            covered_high = covered_low = 0.0
            for below in itertools.product((True, False), repeat=n):
                chance = math.prod(share if b else 1 - share for b in below)
                values = [0.0 if b else 2.0 for b in below]  # the percentile itself lies at 1
                got = percentiles.bounds(values, share, 0.9)
                covered_high += chance * (got.high is None or got.high > 1)
                covered_low += chance * (got.low is None or got.low < 1)
            assert covered_high >= 0.9 - 1e-9
            assert covered_low >= 0.9 - 1e-9


def test_percentiles_interpolate_and_take_infinity():
    assert percentiles.percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentiles.percentile([1.0, 2.0], 0.75) == 1.75
    assert math.isinf(percentiles.bounds([1.0] * 58 + [math.inf], 0.95).high)


def test_holm_steps_down():
    assert sequential.holm_levels({"a": 0.01, "b": 0.02}, 0.05) == {"a": 0.025, "b": 0.05}


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (4, 2.024), (5, 2.040)])
def test_obrien_fleming_matches_the_table(looks, constant):
    """Jennison & Turnbull 2000, table 2.3, alpha 0.05."""
    bounds = sequential.obrien_fleming(tuple((i + 1) / looks for i in range(looks)), 0.05)
    assert bounds[-1] == pytest.approx(constant, abs=0.004)
    assert bounds[0] == pytest.approx(constant * math.sqrt(looks), abs=0.01)


def test_bounds_refuse_senseless_looks():
    for shares in [(), (0.5, 0.5, 1.0), (0.0, 1.0), (0.5, 1.2)]:
        with pytest.raises(ValueError, match="shares"):
            sequential.obrien_fleming(shares, 0.05)


def test_looks_start_at_forty():
    assert sequential.look_sizes(30) == (30,)
    assert sequential.look_sizes(160) == (40, 80, 120, 160)


def test_a_drift_is_found_and_noise_is_not():
    rng = random.Random(5)
    still = trend.trend(range(60), [rng.gauss(0, 0.1) for _ in range(60)])
    drift = trend.trend(range(60), [0.1 * i / 59 + rng.gauss(0, 0.03) for i in range(60)])
    assert still.p > 0.05
    assert drift.p < 0.001
    assert drift.change == pytest.approx(1.1, abs=0.06)
    assert trend.trend([1, 2], [0, 0]) is None

"""The speed-up against sums done by hand, against every resample there is, and under shift, scale and mirror."""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left
from statistics import NormalDist, fmean, stdev

import pytest

from evalkit.stats import ratio
from evalkit.stats.distributions import t_cdf, t_quantile


def _named(values):
    return {f"p{i}": float(v) for i, v in enumerate(values)}


def _even(n, mean=0.3, sd=0.2):
    """Values of no skew: the quantiles of a normal distribution."""
    return [NormalDist(mean, sd).inv_cdf((i + 0.5) / n) for i in range(n)]


def _two_kinds(high, n=100, at=3.0, by=0.1):
    """`high` of n values one step above the others: their skewness is (1 - 2s) / sqrt(s (1 - s)), s the share."""
    return [at + by] * high + [at] * (n - high)


def _ends(got):
    return math.log(got.low), math.log(got.high)


def test_a_prompt_without_times_in_either_mode_is_left_out():
    assert ratio.log_ratios({"a": [], "b": [2.0], "c": [2.0]}, {"a": [1.0], "b": [], "c": [1.0]}) == {
        "c": pytest.approx(math.log(2))
    }
    assert ratio.log_ratios({"a": [1.0]}, {"a": [0.0]})["a"] == pytest.approx(math.log(1e9))


def test_fifty_even_prompts_are_the_plain_t_interval():
    values = _even(50)
    got = ratio.estimate(_named(values), confidence=0.9)
    sd = stdev(values)
    error = sd / math.sqrt(50)
    assert (got.sd, got.error, got.df) == (pytest.approx(sd), pytest.approx(error), 49)
    assert (got.pairs, got.clusters, got.confidence) == (50, 50, 0.9)
    assert math.log(got.ratio) == pytest.approx(0.3)
    assert _ends(got) == pytest.approx((0.3 - t_quantile(0.95, 49) * error, 0.3 + t_quantile(0.95, 49) * error))
    assert "bootstrap" not in got.method
    assert ratio.estimate(_named(values)).high > got.high  # 95% unless told otherwise
    assert ratio.estimate(_named(values)).confidence == 0.95


def test_below_fifty_clusters_the_bootstrap_is_asked_too():
    assert "bootstrap" in ratio.estimate(_named(_even(49))).method
    paired = _named(_even(98))
    talks = {name: f"talk {i % 49}" for i, name in enumerate(paired)}
    assert "bootstrap" in ratio.estimate(paired, clusters=talks).method


@pytest.mark.parametrize(("high", "skewed"), [(27, True), (28, False), (72, False), (73, True)])
@pytest.mark.parametrize(("at", "by"), [(3.0, 0.1), (-1.0, 2.0)])
def test_strong_skew_to_either_side_asks_the_bootstrap(high, skewed, at, by):
    share = high / 100
    assert (abs((1 - 2 * share) / math.sqrt(share * (1 - share))) > 1) == skewed
    got = ratio.estimate(_named(_two_kinds(high, at=at, by=by)))
    assert ("bootstrap" in got.method) == skewed


def test_unequal_clusters_by_hand():
    logs = {"a": 0.1, "b": 0.5, "c": 0.6, "d": 1.0}
    got = ratio.estimate(logs, clusters={"b": "talk", "c": "talk", "d": None})
    # each of {a}, {b, c}, {d} counts once: 0.1, 0.55, 1.0
    assert math.log(got.ratio) == pytest.approx(0.55)
    assert got.error == pytest.approx(0.45 / math.sqrt(3))
    assert (got.clusters, got.pairs, got.df) == (3, 4, 2)
    assert got.sd == pytest.approx(stdev(logs.values()))


def test_a_conversation_named_as_a_prompt_does_not_take_that_prompt():
    assert ratio.estimate({"a": 0.1, "b": 0.4, "c": 0.5}, clusters={"b": "a", "c": "a"}).clusters == 2
    assert ratio.estimate({"a": 0.1, "b": 0.4}, clusters={"a": "", "b": ""}).clusters == 2


def test_starts_bring_their_variance_and_their_own_quantile():
    values = _even(60)
    plain = ratio.estimate(_named(values))
    within = plain.error**2
    got = ratio.estimate(_named(values), spreads=[ratio.Spread(2 * within, 4)])
    assert got.error == pytest.approx(math.sqrt(3 * within))
    half = math.hypot(t_quantile(0.975, 59) * plain.error, t_quantile(0.975, 4) * plain.error * math.sqrt(2))
    assert _ends(got) == pytest.approx((0.3 - half, 0.3 + half))
    one = ratio.estimate(_named(values), spreads=[ratio.Spread(within, 1)])
    assert math.log(one.high) - 0.3 > t_quantile(0.975, 1) * plain.error


def test_only_starts_differ():
    got = ratio.estimate(_named([0.5] * 8), spreads=[ratio.Spread(0.01, 3)])
    assert got.error == pytest.approx(0.1)
    assert _ends(got) == pytest.approx((0.5 - 0.1 * t_quantile(0.975, 3), 0.5 + 0.1 * t_quantile(0.975, 3)))


def test_what_was_not_sampled_by_hand():
    allowed = ratio.Allowance(start_sd=0.03, starts=2, rare=3, apart=0.01)
    start = NormalDist().inv_cdf(0.975) * 0.03 * math.sqrt(2)
    unseen = 3 / 20 * (0.3 + math.log(2))
    got = ratio.estimate(_named([0.3] * 20), allowance=allowed)
    assert (got.start, got.unseen) == (pytest.approx(start), pytest.approx(unseen))
    assert _ends(got) == pytest.approx((0.3 - unseen - 0.01, 0.3 + start + 0.01))
    many = ratio.estimate(_named([0.3] * 200), allowance=allowed)
    assert _ends(many) == pytest.approx((0.3 - start - 0.01, 0.3 + start + 0.01))
    slower = ratio.estimate(_named([-1.0] * 20), allowance=ratio.Allowance(rare=3))
    assert _ends(slower) == pytest.approx((-1.0, -1.0))  # what was drawn is slower already


def test_what_the_order_explains_is_taken_from_the_bound_that_it_flatters():
    values = _named([0.3] * 20)
    flattered = ratio.estimate(values, shift=ratio.Shift(low=0.1))
    assert _ends(flattered) == pytest.approx((0.2, 0.3))
    assert math.log(flattered.ratio) == pytest.approx(0.2)
    hindered = ratio.estimate(values, shift=ratio.Shift(high=-0.1, above=ratio.Spread(0.0001, 10)))
    half = t_quantile(0.975, 10) * 0.01
    assert _ends(hindered) == pytest.approx((0.3, 0.4 + half))


def test_what_the_order_may_explain_and_what_was_not_sampled_are_not_added():
    values, careful = _named([0.3] * 200), ratio.Shift(low=0.1, high=-0.05)
    start = NormalDist().inv_cdf(0.975) * 0.03 * math.sqrt(2)
    allowed = ratio.estimate(values, careful=careful, allowance=ratio.Allowance(start_sd=0.03))
    assert _ends(allowed) == pytest.approx((0.3 - max(0.1, start), 0.3 + max(0.05, start)))
    assert math.log(allowed.ratio) == pytest.approx(0.3)
    assert _ends(ratio.estimate(values, careful=careful)) == pytest.approx((0.2, 0.35))


def test_where_a_pass_tips_by_hand():
    got = ratio.estimate(_named([0.5] * 30), allowance=ratio.Allowance(start_sd=0.03))
    z = NormalDist().inv_cdf(0.975)
    assert ratio.tipping(got, 1.5) == pytest.approx((0.5 - math.log(1.5)) / z / math.sqrt(2))
    assert ratio.tipping(got, 1.5, starts=1.5) == pytest.approx((0.5 - math.log(1.5)) / z / math.sqrt(1.5))
    assert ratio.tipping(got, 1.7) is None


def test_within_batches_the_spread_between_them_is_left_out():
    values = {f"{g}-{i}": 0.3 + (0.2 if g else -0.2) + 0.01 * (i - 4.5) for g in (0, 1) for i in range(10)}
    group = {name: int(name[0]) for name in values}
    got = ratio.estimate(values, batches=group)
    inner = math.sqrt(2 * sum((0.01 * (i - 4.5)) ** 2 for i in range(10)) / 18 / 20)
    assert (got.error, got.df) == (pytest.approx(inner), 18)
    assert ratio.estimate(values).error > 5 * got.error


def test_launch_variance_by_hand():
    # means 1, 2, 6: squares about 3 are 4, 1, 9
    assert ratio.launch_variance([[0.0, 2.0], [2.0], [5.0, 6.0, 7.0]]) == (pytest.approx(7.0), 2)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, -0.7, 1e-9])
@pytest.mark.parametrize("n", [2, 3, 7, 20, 49, 60])
def test_equal_prompts_give_their_own_ratio(value, n):
    got = ratio.estimate(_named([value] * n))
    assert got.ratio == pytest.approx(math.exp(value))
    assert (got.low, got.high) == pytest.approx((got.ratio, got.ratio))
    assert got.sd == pytest.approx(0.0, abs=1e-12)
    assert got.df == n - 1


def test_ratios_beyond_all_bounds_stay_numbers():
    got = ratio.estimate(_named([1e4, -1e4] * 30))
    assert (got.low, got.high) == (math.exp(-50), math.exp(50))
    assert got.worst_decile == math.exp(-50)


def test_the_slowest_tenth_and_who_got_slower():
    few = ratio.estimate(_named([0.3, -0.2, 0.0, 0.1, 0.5]))
    assert (few.slower_share, few.worst_decile) == (pytest.approx(0.2), pytest.approx(math.exp(-0.2)))
    many = ratio.estimate(_named([0.1 * i for i in range(-2, 27)] + [5.0]))
    assert many.slower_share == pytest.approx(2 / 30)  # the prompt at 0 is not slower
    assert many.worst_decile == pytest.approx(math.exp(-0.1))  # the mean of -0.2, -0.1, 0
    nineteen = ratio.estimate(_named([0.1 * i for i in range(19)]))
    assert nineteen.worst_decile == pytest.approx(1.0)


def test_the_p_value_is_that_of_the_t_statistic():
    got = ratio.estimate(_named(_even(50)))
    for target in (0.9, 1.2, 1.5):
        t = (0.3 - math.log(target)) / got.error
        assert ratio.p_at_most(got, target) == pytest.approx(1 - t_cdf(t, 49))
    assert ratio.p_at_most(got, got.ratio) == pytest.approx(0.5)


def test_the_p_value_without_any_spread_is_all_or_nothing():
    sure = ratio.estimate(_named([0.5] * 4))
    assert [ratio.p_at_most(sure, target) for target in (1.0, sure.ratio, 2.0)] == [0.0, 1.0, 1.0]


def _resampled(groups, mean):
    """Every draw of as many clusters with replacement, by its t statistic; those without spread give none."""
    k, found = len(groups), []
    for drawn in itertools.product([fmean(group) for group in groups], repeat=k):
        spread = stdev(drawn)
        if spread > 1e-9:
            found.append((fmean(drawn) - mean) / (spread / math.sqrt(k)))
    return sorted(found)


@pytest.mark.parametrize(
    "groups",
    [
        [[0.0], [0.01], [0.05], [0.2], [0.9]],
        [[-0.9], [-0.2], [-0.1], [0.0], [0.05]],
        [[0.1, 0.3], [0.2], [0.8, 0.9, 0.7], [0.15], [0.3]],
        [[0.1, 0.3], [0.2, 0.25], [0.8, 0.9, 0.7, 0.75, 0.8, 0.85, 0.9], [0.15, 0.1, 0.12], [0.3, 0.35]],
        [[0.1, 0.1, 0.12], [0.3, 0.2, 0.25], [0.9, 0.7, 0.8], [0.0, 0.05, 0.3], [0.2, 0.22, 0.21]],
    ],
)
@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_the_bootstrap_against_every_resample(groups, confidence):
    logs, clusters = {}, {}
    for i, group in enumerate(groups):
        for j, value in enumerate(group):
            logs[f"{i}-{j}"], clusters[f"{i}-{j}"] = value, str(i)
    got = ratio.estimate(logs, clusters=clusters, confidence=confidence)
    mean = math.log(got.ratio)
    found, tail, slack = _resampled(groups, mean), (1 - confidence) / 2, 0.02  # three standard errors of 2000 draws

    def at(share):
        return found[min(len(found) - 1, max(0, round(share * len(found))))]

    plain = t_quantile(1 - tail, len(groups) - 1)
    low, high = ((end - mean) / got.error for end in _ends(got))
    assert min(-plain, -at(1 - tail + slack)) - 1e-9 <= low <= min(-plain, -at(1 - tail - slack)) + 1e-9
    assert max(plain, -at(tail + slack)) - 1e-9 <= high <= max(plain, -at(tail - slack)) + 1e-9
    # one side at least is the bootstrap's, or nothing was tested
    assert max(-low, high) > plain * (1 + 1e-9)
    assert bisect_left(found, 0.0) > 0


def _skewed(n=30, seed=4):
    rng = random.Random(seed)
    return [rng.expovariate(2.0) for _ in range(n)]


def _talks(n):
    return {f"p{i}": f"talk {i % 11}" for i in range(n)}


@pytest.mark.parametrize("clusters", [None, _talks(30)])
def test_the_interval_follows_a_shift_a_scale_and_the_exchange_of_the_modes(clusters):
    values = _skewed()
    low, high = _ends(ratio.estimate(_named(values), clusters=clusters))
    assert math.log(ratio.estimate(_named(values), clusters=clusters).ratio) - low != pytest.approx(high - low, rel=0.1)
    shifted = ratio.estimate(_named([v + 0.7 for v in values]), clusters=clusters)
    assert _ends(shifted) == pytest.approx((low + 0.7, high + 0.7))
    scaled = ratio.estimate(_named([v * 0.01 for v in values]), clusters=clusters)
    assert _ends(scaled) == pytest.approx((low * 0.01, high * 0.01))
    mirrored = ratio.estimate(_named([-v for v in values]), clusters=clusters)
    assert _ends(mirrored) == pytest.approx((-high, -low))


def test_the_same_prompts_give_the_same_interval_and_another_seed_nearly_the_same():
    logs = _named(_skewed())
    one, again, other = ratio.estimate(logs, seed=5), ratio.estimate(logs, seed=5), ratio.estimate(logs, seed=6)
    assert one == again
    assert one.high != other.high
    assert math.log(other.high) == pytest.approx(math.log(one.high), rel=0.1)


def test_conversations_of_one_prompt_are_prompts():
    logs = _named(_skewed())
    own = ratio.estimate(logs, clusters={name: f"talk of {name}" for name in logs})
    assert _ends(own) == pytest.approx(_ends(ratio.estimate(logs)))


def test_many_skewed_prompts_are_widened_to_the_long_side():
    values = _skewed(400)
    got = ratio.estimate(_named(values))
    mean, half = math.log(got.ratio), t_quantile(0.975, 399) * got.error
    low, high = _ends(got)
    assert low == pytest.approx(mean - half)
    assert mean + half * 1.02 < high < mean + half * 1.3

"""What one interval may assume: units, batches, starts and the order of the readings, by hand."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.comparison import Terms, batch_spread, by_launch, compare, enough, log_ratios
from evalkit.analysis.order import CAREFUL, Contrast, Reading, contrasts, shift
from evalkit.analysis.readings import Readings, light
from evalkit.checklist.schema import ModesItem
from evalkit.run.plan.schedule import make_plan
from tests.timing.support import AR, DLM, prompts, sample

SPEC = "self-speculation"
PLAIN = Terms(start_sd=0.0)


def read(order, times, group=0):
    """Readings of one prompt in the given order of modes; `times`: mode -> log ms of its readings, in turn."""
    left = {mode: list(values) for mode, values in times.items()}
    count = dict.fromkeys(times, 0)
    out = []
    for mode in order:
        out.append(Reading(mode, f"p{group}", left[mode].pop(0), count[mode], group, 0, 100 * group + len(out), "t"))
        count[mode] += 1
    return out


def drawn(n=40, *, after=0.0, again=0.0, noise=0.0, seed=1):
    """A B B A or B A A B, drawn; the mode is slower by `after` after the baseline and by `again` in later readings."""
    rng, out, before = random.Random(seed), [], None
    for i in range(n):
        order = [AR, DLM, DLM, AR] if rng.random() < 0.5 else [DLM, AR, AR, DLM]
        seen = 0
        for place, mode in enumerate(order):
            log = 5.0 + rng.gauss(0, noise)
            if mode == DLM:
                log += after * (before == AR) + again * (seen > 0) - 0.5
                seen += 1
            stamp = f"{i:04}{place}"
            out.append(Reading(mode, f"p{i}", log, place // 2, i, 0, 4 * i + place, stamp))
            before = mode
    return out


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_both_effects_are_told_apart_where_the_direction_is_drawn(after, again):
    """Property: without noise each effect comes back as it was put in, whatever the other one is."""
    found = contrasts(drawn(after=after, again=again), (AR, DLM), single=True, in_turn=True)
    assert found.after[DLM].mean == pytest.approx(after, abs=1e-9)
    assert found.again[DLM].mean == pytest.approx(again, abs=1e-9)
    assert found.after[AR].mean == pytest.approx(0, abs=1e-9)
    assert found.again[DLM].share == 0.5
    assert found.after[DLM].share > 0.5, "also behind the baseline's reading of the prompt before"


def test_what_flatters_the_mode_is_taken_out_of_the_ratio():
    plain = compare(drawn(noise=0.02), AR, DLM, PLAIN)
    flattered = compare(drawn(noise=0.02, again=-0.4, after=-0.2), AR, DLM, PLAIN)
    hindered = compare(drawn(noise=0.02, again=0.4), AR, DLM, PLAIN)
    assert plain.estimate.shift == 0
    after = contrasts(drawn(noise=0.02), (AR, DLM), single=True, in_turn=True).after[DLM].share
    assert flattered.estimate.shift == pytest.approx(0.2 + 0.2 * after, abs=0.02)
    assert math.log(flattered.estimate.ratio) == pytest.approx(0.5, abs=0.02)
    assert flattered.estimate.low <= math.exp(0.5) <= flattered.estimate.high
    assert hindered.estimate.shift == pytest.approx(-0.2, abs=0.02)
    assert math.log(hindered.estimate.ratio) == pytest.approx(0.3, abs=0.02)
    assert hindered.estimate.low <= math.exp(0.5) <= hindered.estimate.high


def test_a_cache_of_one_mode_is_not_hidden_by_the_noise_of_the_other():
    """The mode reads again 8% faster, at a tenth of the baseline's noise."""
    found = []
    for seed in range(12):
        readings = drawn(noise=0.02, again=-0.08, seed=seed)
        rng = random.Random(seed)
        noisy = [r._replace(log=r.log + rng.gauss(0, 0.3)) if r.mode == AR else r for r in readings]
        order = contrasts(noisy, (AR, DLM), single=True, in_turn=True)
        found.append(order.again[DLM].found)
        own = -order.again[DLM].mean / 2
        assert shift(order, AR, DLM, CAREFUL).low >= 0.9 * own or order.again[AR].mean < 0
    assert all(found)


@pytest.mark.parametrize(("error", "counted"), [(0.0, 1.0), (0.02, 0.84), (0.0501, 0.0), (0.1, 0.0)])
def test_little_is_taken_of_what_is_barely_beyond_chance(error, counted):
    """A large sample's half-width is 1.96 errors: of a mean of 2.5 half-widths 84% count."""
    one = Contrast(mean=0.05 * 1.96, error=error, share=0.5, n=10**6)
    assert one.beyond(1.0) == pytest.approx(counted, abs=0.001)
    assert one.found == (counted > 0)
    assert Contrast(one.mean, error, 0.5, 1).beyond(1.0) == 0, "one prompt says nothing"


def test_a_fixed_order_leaves_the_later_reading_to_blame():
    """A B A B each time: the baseline's second reading is always the one after the mode."""
    logs = {AR: [5.0, 4.0], DLM: [4.5, 4.5]}
    fixed = [r for i in range(20) for r in read([AR, DLM, AR, DLM], logs, i)]
    found = contrasts(fixed, (AR, DLM), single=True, in_turn=True)
    assert found.after[AR] is None
    assert found.again[AR].mean == pytest.approx(-1.0)
    moved = shift(found, AR, DLM)
    assert (moved.low, moved.high) == (0.0, pytest.approx(-0.5))


def test_modes_that_were_not_in_turn_have_no_carry_over():
    assert contrasts(drawn(), (AR, DLM), single=True, in_turn=False).after == {AR: None, DLM: None}


def test_the_spread_of_batches_by_hand():
    """Two groups of two prompts, read twice: the batch means of the mode differ by 0.2 and 0.4, the baseline's not."""
    out = []
    for group in (0, 1):
        for repeat in (0, 1):
            for mode in (AR, DLM):
                for prompt in (0, 1):
                    log = 5.0 + (0.2 * (group + 1) * repeat if mode == DLM else 0.0) + prompt
                    out.append(Reading(mode, f"p{group}{prompt}", log, repeat, group, 0, len(out), f"{len(out):03}"))
    logs = log_ratios(out, AR, DLM)
    got = batch_spread(out, logs, {r.unit: r.group for r in out})
    assert got.variance == pytest.approx(0.5**2 / 2 * (0.2**2 / 2 + 0.4**2 / 2))
    assert got.df == pytest.approx(4)


def test_above_concurrency_one_two_full_groups_are_the_least():
    def at(prompts_each, groups):
        rng, out = random.Random(1), []
        for group in range(groups):
            for repeat, mode in ((0, AR), (0, DLM), (1, DLM), (1, AR)):
                for i in range(prompts_each):
                    log = 5.0 - (0.7 if mode == DLM else 0.0) + rng.gauss(0, 0.01)
                    out.append(Reading(mode, f"p{group}-{i}", log, repeat, group, 0, len(out), f"{len(out):05}"))
        return compare(out, AR, DLM, Terms(level=16))

    assert enough(at(16, 2), 16)
    assert not enough(at(20, 1), 16)
    assert not enough(at(12, 3), 16)


def test_declared_clusters_have_equal_weight():
    clustered = [r._replace(cluster="talk") if int(r.unit[1:]) >= 20 else r for r in drawn(80)]
    clustered = [r._replace(log=r.log - 1.0) if r.cluster and r.mode == DLM else r for r in clustered]
    got = compare(clustered, AR, DLM, PLAIN).estimate
    assert (got.pairs, got.clusters) == (80, 21)
    assert math.log(got.ratio) == pytest.approx((20 * 0.5 + 1.5) / 21)


def started(*plan, drift=0.0):
    """Samples of starts one after the other, each with one reading of 30 prompts; the machine gets faster by `drift`."""
    rng, out, seen = random.Random(2), [], {}
    for turn, mode in enumerate(plan):
        launch = seen[mode] = seen.get(mode, -1) + 1
        for i in range(30):
            log = 5.0 - (0.5 if mode == DLM else 0.0) - drift * turn + rng.gauss(0, 0.01)
            out.append(Reading(mode, f"p{i}", log, launch, i, launch, len(out), f"{len(out):05}"))
    return out


def test_starts_are_replicated_bracketed_or_apart():
    kinds = {
        (AR, DLM, DLM, AR): ("replicated", 1.0),
        (AR, DLM, AR): ("bracketed", 1.5),
        (AR, DLM): ("apart", 2.0),
        (AR, DLM, DLM): ("apart", 1.5),
    }
    for plan, expected in kinds.items():
        got = compare(started(*plan), AR, DLM, Terms())
        assert (got.servers, got.starts) == (expected[0], pytest.approx(expected[1])), plan


def test_a_machine_that_got_faster_between_two_starts_of_the_baseline_widens_the_interval():
    still, moved = (compare(started(AR, DLM, AR, drift=d), AR, DLM, Terms()) for d in (0.0, 0.1))
    assert moved.bracket == pytest.approx(-0.2, abs=0.01)
    assert moved.estimate.low < still.estimate.low / math.exp(0.05)
    assert moved.estimate.low <= math.exp(0.5) <= moved.estimate.high
    assert len(by_launch(started(AR, DLM, AR), AR)) == 2


def test_a_journal_without_groups_still_tells_its_batches():
    """0.1 sent four times the concurrency of one mode in a row, and did not say which."""
    samples = [
        sample(mode, f"p{8 * group + i}", repeat, 100, position=0, level=2)
        for group in (0, 1)
        for repeat, mode in ((0, AR), (0, DLM), (1, DLM), (1, AR))
        for i in range(8)
    ]
    samples = [s.model_copy(update={"position": place}) for place, s in enumerate(samples)]
    groups = {}
    for r in light(samples, 2):
        groups.setdefault(r.group, set()).add(r.unit)
    assert sorted(len(units) for units in groups.values()) == [8, 8]
    assert len(Readings(samples).read(2)) == 64


def test_the_plan_draws_who_goes_first_and_sends_one_batch_at_a_time(tmp_path):
    some = prompts(tmp_path, 48).prompts
    plan = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[1, 4]))
    firsts, sizes = {}, {}
    for p in plan.requests:
        firsts.setdefault((p.concurrency, p.group), p.mode)
        sizes.setdefault((p.concurrency, p.group, p.mode, p.repeat), []).append(p.prompt_id)
    single = [mode for (level, _), mode in firsts.items() if level == 1]
    assert 12 <= single.count(AR) <= 36
    assert single != [AR, DLM] * 24
    assert {len(ids) for (level, *_), ids in sizes.items() if level == 4} == {4}
    again = make_plan(some, [AR, DLM], AR, ModesItem(concurrency=[1, 4], seed=2))
    assert [p.mode for p in again.requests] != [p.mode for p in plan.requests]

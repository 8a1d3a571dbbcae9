"""What each prompt and each case says by itself: nothing that failed is left out, and the figures are the verdict's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.each import cases, prompts, worst
from evalkit.analysis.suites import summarise
from evalkit.harness.facts import HarnessFacts
from tests.support.quality_run import DECIDING, MODES, answer, run_facts


@pytest.fixture(scope="module")
def facts():
    return run_facts(cases=12, prompts=9, faults=("special",))


def test_every_case_is_there_once_and_counts_as_its_suite_does(facts) -> None:
    rows = cases(DECIDING, facts).rows
    assert len(rows) == len({(row.suite, row.case_id) for row in rows}) == 24
    for one in summarise(facts, DECIDING):
        mine = [row.results[one.mode] for row in rows if row.suite == one.suite]
        assert sum(result == 1 for result in mine) == one.passed
        assert sum(one.mode in row.lost for row in rows if row.suite == one.suite) == len(one.harmed)


def test_a_case_that_the_baseline_alone_fails_is_listed_with_its_reply(facts) -> None:
    wrong = answer(MODES[0], "c3", "a wrong reply", passed=False)
    kept = [a for a in facts.answers if (a.mode, a.suite, a.case_id) != (MODES[0], "s-long", "c3")]
    rows = cases(DECIDING, facts.model_copy(update={"answers": (*kept, wrong)})).rows
    found = next(row for row in rows if (row.suite, row.case_id) == ("s-long", "c3"))
    assert found.results[MODES[0]] == 0
    assert not found.clean
    assert found.lost == ()
    assert found.replies[MODES[0]].exchange.text == "a wrong reply"


def test_losses_come_first_and_cases_that_all_pass_last(facts) -> None:
    rows = cases(DECIDING, facts).rows
    assert [bool(row.lost) for row in rows] == sorted((bool(row.lost) for row in rows), reverse=True)
    assert rows[-1].clean
    assert len(rows[0].lost) >= len(rows[1].lost)


def test_of_many_cases_the_worst_are_kept_and_all_are_counted(facts) -> None:
    every, few = cases(DECIDING, facts), cases(DECIDING, facts, 5)
    assert few.rows == every.rows[:5]
    assert (few.total, few.not_clean) == (every.total, every.not_clean) == (24, sum(not r.clean for r in every.rows))


def test_cases_of_another_harness_are_listed_with_the_share_of_their_samples() -> None:
    def reported(mode: str, scores: tuple[float | None, ...]) -> HarnessFacts:
        return HarnessFacts(
            entry=0, task="gsm", kind="custom", mode=mode, reader="lm-eval", cases=("a", "a", "b", "c"),
            repeats=(0, 1, 0, 0), scores=scores,
        )  # fmt: skip

    known = [reported(MODES[0], (1, 1, 0, 1)), reported(MODES[1], (1, 0, 0, None))]
    facts = run_facts(cases=1, prompts=1).model_copy(
        update={"answers": (), "suites": (), "harness": {f"0|gsm|{one.mode}": one for one in known}}
    )
    found = cases(DECIDING, facts)
    assert [(row.case_id, tuple(row.results.values()), row.lost) for row in found.rows] == [
        ("a", (1.0, 0.5), (MODES[1],)), ("b", (0.0, 0.0), ()), ("c", (1.0, None), ()),
    ]  # fmt: skip
    assert (found.total, found.not_clean) == (3, 3)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20))
def test_of_the_worst_a_quarter_is_kept_for_cases_that_fail_without_being_lost(
    lost: int, others: int, most: int
) -> None:
    found = worst(list(range(lost)), list(range(100, 100 + others)), most)
    assert len(found) == min(most, lost + others)
    assert found == sorted(set(found))
    assert sum(one >= 100 for one in found) >= min(others, most // 4)


def test_the_mean_of_the_prompts_is_the_speed_up_of_the_mode_and_the_least_gain_comes_first(facts) -> None:
    rows = prompts(DECIDING, facts)
    assert len(rows) == 9
    for mode in MODES[1:]:
        ratios = [row.speedup[mode] for row in rows]
        means = [row.e2e_ms[MODES[0]] / row.e2e_ms[mode] for row in rows]
        assert ratios == pytest.approx(means)
    middle = [math.sqrt(math.prod(row.speedup.values())) for row in rows]
    assert middle[0] < middle[-1]
    assert rows[0].tags in (("short",), ("long",))

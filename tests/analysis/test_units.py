"""What counts as one piece of evidence: questions are the mean of their cases, clusters that of their questions."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.pairs import Answers, reading, sample, table
from evalkit.quality.facts import SuiteFacts
from tests.support.quality_run import MODES, answer

AR, DIFFUSION, _ = MODES
SHARES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
CASES = st.lists(st.tuples(st.integers(0, 9), SHARES, SHARES), max_size=12)


def means(groups: dict) -> list[tuple[float, float]]:
    return [(fmean(mode for mode, _ in each), fmean(base for _, base in each)) for each in groups.values()]


@given(CASES, st.sampled_from([1, 2, 10]))
def test_a_unit_is_the_mean_of_its_questions_and_a_question_that_of_its_cases(cases, clusters):
    questions: dict[int, list] = {}
    for asked, mode, base in cases:
        questions.setdefault(asked, []).append((mode, base))
    units: dict[int, list] = {}
    for asked, shares in zip(questions, means(questions), strict=True):
        units.setdefault(asked % clusters, []).append(shares)
    drawn = sample((reading(str(a), str(a % clusters), mode, base) for a, mode, base in cases), 0.05)
    assert [(unit.mode, unit.base) for unit in drawn.units] == means(units)
    assert sum(drawn.counts()) == len(units)
    assert drawn.fractional == any(mode - base not in (-1, 0, 1) for mode, base in means(units))


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("passed", [(True,), (False,), (None,), (True, False), (False, True), (None, True), ()])
def test_only_planned_repeats_count_and_an_unscored_one_is_no_share(passed, repeats):
    replies = [
        answer(mode, "c", "words", repeat=repeat).model_copy(update={"passed": verdict})
        for mode, verdicts in ((AR, (True, True)), (DIFFUSION, passed))
        for repeat, verdict in enumerate(verdicts)
    ]
    suite = SuiteFacts(name="s-long", kind="long", path="p", sha256="", cases=1, repeats=repeats)
    found = table(Answers(replies), suite, DIFFUSION, AR, 0.05)
    counted = [verdict for verdict in passed[:repeats] if verdict is not None]
    (pair,) = found.pairs
    assert pair.mode == (fmean(counted) if counted else None)
    assert pair.mode_most == (counted[0] if counted else None)
    assert found.scored_share == (len(counted) / len(passed[:repeats]) if passed else 0.0)
    assert (pair.base, pair.base_most) == (1.0, True)

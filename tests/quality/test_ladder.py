"""Ladders: the size from which a mode's pass rate falls is found where it was scripted, and nowhere else."""

from __future__ import annotations

import random
import re

import pytest

from evalkit.analysis.ladder import Rung, axis_of, knee, rungs
from evalkit.analysis.pairs import Answers, table
from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Request
from evalkit.items.quality.probes import ladder
from evalkit.quality.facts import Answer
from evalkit.quality.grading import answer
from evalkit.quality.suite import facts_of, load_suite
from evalkit.reference import preset
from evalkit.reference.model import Ask, Model
from tests.quality.support import said

LADDER = load_suite(shipped_folder("prompts") / "tasks" / "length-ladder.yaml", Request())
DISTANCE = load_suite(shipped_folder("prompts") / "tasks" / "distance.yaml", Request())


def replies(mode: str, suite=LADDER, **script) -> list[Answer]:
    """The reference model's graded replies to a suite."""
    model = Model(preset(mode, **script))
    found = []
    for one in suite.cases:
        prompt = f"<|im_start|>user\n{one.prompt_text}<|im_end|>\n<|im_start|>assistant\n"
        text = "".join(model.generate(Ask(prompt, 1024)).tokens)
        found.append(answer(mode, suite, one, said(text)))
    return found


def test_the_ladders_are_what_they_say():
    sizes = {len(re.findall(r",", one.prompt_text.partition(". Reply")[0])) + 1 for one in LADDER.cases}
    assert sizes == {2, 4, 8, 16, 32}
    for one in LADDER.cases:
        listed = one.prompt_text.removeprefix("Reverse the list: ").partition(". Reply")[0].split(", ")
        assert f"items:{len(listed)}" in one.tags
    for one in DISTANCE.cases:
        (lines,) = [int(tag.partition(":")[2]) for tag in one.tags]
        *told, question = one.prompt_text.split("\n")
        asked = re.search(r"code of the (.+?)\?", question)
        assert asked
        assert asked.group(1) in told[-lines]


@pytest.mark.parametrize("suite", [LADDER, DISTANCE], ids=["items", "distance"])
def test_a_model_without_faults_has_no_knee(suite):
    found = replies("autoregressive", suite)
    points = rungs(found, axis_of(found))
    assert len(points) >= 3
    assert all(one.share == 1.0 for one in points)
    assert knee(points) is None


@pytest.mark.parametrize(("at", "holds"), [(32, 16), (16, 8), (8, 4), (4, 2)])
def test_a_scripted_knee_is_found_in_seeded_runs(at, holds):
    """Seeded: the counts are the same in every run. benchmarks/ladder.py prints rates over many more."""
    hits, runs = 0, 12
    for seed in range(runs):
        found = knee(rungs(replies("diffusion", seed=seed, error_items=at, error_items_rate=0.5), "items"))
        hits += found is not None and (found.holds, found.falls) == (holds, at)
    assert hits == runs


def test_noise_alone_is_no_knee():
    rng = random.Random(5)
    false = 0
    for _ in range(400):
        points = [Rung(size, sum(rng.random() < 0.85 for _ in range(30)), 30) for size in (2, 4, 8, 16, 32)]
        false += knee(points) is not None
    assert false <= 20  # 2% are expected


def test_a_rate_that_rises_has_no_knee():
    assert knee([Rung(2, 10, 30), Rung(4, 20, 30), Rung(8, 30, 30)]) is None


def test_the_finding_warns_of_a_knee_that_the_baseline_does_not_have():
    given = replies("autoregressive") + replies("diffusion", seed=3, error_items=16, error_items_rate=0.8)
    answers, suite = Answers(given), facts_of(LADDER)
    found = ladder(answers, table(answers, suite, "diffusion", "autoregressive", 0.05))
    assert found is not None
    assert (found.outcome, found.counts) == ("falls-earlier", False)
    assert found.data["knee"]["falls"] == 16
    assert found.data["baseline_knee"] is None
    assert [one["size"] for one in found.data["rungs"]] == [2, 4, 8, 16, 32]
    own = ladder(answers, table(answers, suite, "autoregressive", "autoregressive", 0.05))
    assert own is not None
    assert own.outcome == "holds"


def test_a_suite_without_sizes_is_no_ladder():
    plain = [one.model_copy(update={"tags": ("json",)}) for one in replies("autoregressive")[:9]]
    assert axis_of(plain) is None

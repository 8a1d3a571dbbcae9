"""A pilot of very few prompts: it shows nothing, and says so."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import ModesItem
from evalkit.run.plan.pilot import Means, of_baseline, words
from evalkit.run.plan.schedule import make_plan
from evalkit.stats.planning import Sought
from evalkit.stored.journal import encode
from tests.timing.support import prompts as drawn


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_pilot_of_few_prompts_can_be_journalled_and_said(tmp_path, count):
    prompts = drawn(tmp_path, count).prompts
    plan = make_plan(prompts, ["autoregressive"], "autoregressive", ModesItem(), launched=["autoregressive"])
    times = {p.id: [100.0, 101.0] for p in prompts}
    made = of_baseline(plan, "autoregressive", times, [10], count, sought=Sought(at_least=1.5), means=Means())
    assert encode(made.model_dump(mode="json"))
    assert words(made)

"""A profile with a budget plans no more than the budget, and says what it left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.checklist.loader import load_checklist
from evalkit.run.fit import PROFILE_MINUTES, least_margin, stratified
from evalkit.run.setup import prepare
from evalkit.run.sizing import sizing
from evalkit.stats.proportions import least_cases

UP = "{autoregressive: {endpoint: 'http://127.0.0.1:1'}, diffusion: {endpoint: 'http://127.0.0.1:2'}}"
LAUNCHED = "{autoregressive: {launch: [s, '{port}']}, diffusion: {launch: [s, '{port}']}}"


def setup(tmp_path, profile: str, modes: str = UP, prompts: int = 200, cases: int = 300, **items: str):
    lines = [
        {"id": f"p{n}", "prompt": f"Say {n}.", "max_tokens": 256, "tags": ["a" if n % 4 else "b"]}
        for n in range(prompts)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = "".join(
        f"  - {{id: c{n}, prompt: 'Count to {n}.', params: {{max_tokens: 128}}, expect: [{{contains: '{n}'}}]}}\n"
        for n in range(cases)
    )
    (tmp_path / "t.yaml").write_text(f"suite: {{name: t, kind: chat}}\ncases:\n{rows}")
    more = "".join(f"  {name}: {text}\n" for name, text in items.items())
    text = f"profile: {profile}\nmodes: {modes}\nprompts: [p.jsonl]\ntasks: [t.yaml]\n" + (
        f"items:\n{more}" if more else ""
    )
    (tmp_path / "c.yaml").write_text(text)
    return prepare(load_checklist(tmp_path / "c.yaml"))


@pytest.mark.parametrize("profile", sorted(PROFILE_MINUTES))
@pytest.mark.parametrize("modes", [UP, LAUNCHED], ids=["up", "launched"])
def test_no_profile_plans_beyond_its_own_budget(tmp_path, profile, modes):
    made = setup(tmp_path, profile, modes, serving="{stability: {minutes: 2}}", context="{probe: true}")
    from datetime import date

    assert made.split is not None
    assert made.split.total <= PROFILE_MINUTES[profile] * 60
    assert sizing(made, date(2026, 11, 28))["cost"]["minutes"] <= PROFILE_MINUTES[profile]


def test_decide_plans_everything(tmp_path):
    made = setup(tmp_path, "decide")
    assert made.split is None
    assert (len(made.prompts.prompts), len(made.suites[0].cases)) == (200, 300)


def test_what_does_not_fit_is_counted_and_strata_keep_their_shares(tmp_path):
    made = setup(tmp_path, "afternoon")
    kept, given_ = made.split.prompts
    assert kept < given_ == 200
    tags = [prompt.tags[0] for prompt in made.prompts.prompts]
    assert abs(tags.count("b") / kept - 0.25) < 0.05


def test_a_small_plan_is_left_whole(tmp_path):
    made = setup(tmp_path, "afternoon", prompts=24, cases=64)
    assert made.split.prompts == (24, 24)
    assert made.split.cases == (64, 64)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=200))
@settings(max_examples=50)
def test_every_beginning_of_the_drawn_order_holds_the_strata(rows):
    drawn = stratified(list(enumerate(rows)), lambda row: (row[1],))
    assert sorted(drawn) == list(enumerate(rows))
    half = drawn[: len(drawn) // 2]
    for name in set(rows):
        share = rows.count(name) / len(rows)
        assert abs(sum(row[1] == name for row in half) - share * len(half)) <= len(set(rows))


@given(st.integers(5, 500), st.sampled_from([0.05, 0.05 / 2, 0.05 / 3]))
def test_the_margin_that_fits_is_the_least_that_the_cases_can_show(cases, alpha):
    margin = least_margin(cases, alpha)
    assert least_cases(margin, alpha) <= cases
    if margin > 0.011:
        assert least_cases(margin - 0.01, alpha) > cases

"""What is shipped can decide what it asks: no set of cases or prompts is too small for its own checklist."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from evalkit.analysis.pairs import alpha_of
from evalkit.checklist.loader import load_checklist, shipped_folder, shipped_names
from evalkit.checklist.schema import Checklist, Request
from evalkit.quality.case import asked_sha256
from evalkit.quality.suite import load_suite
from evalkit.run.fit import PROFILE_MINUTES
from evalkit.run.setup import merged, prepare
from evalkit.run.sizing import sizing
from evalkit.scaffold.detect import Found
from evalkit.scaffold.write import Wanted, scaffold
from evalkit.stats.proportions import least_cases

MODES = {mode: {"endpoint": f"http://127.0.0.1:{port}"} for port, mode in enumerate(
    ("autoregressive", "diffusion", "self-speculation"), 30000)}  # fmt: skip
TODAY = date(2026, 11, 28)


def too_small(document: dict) -> list[str]:
    sets = [*document["suites"], *document["targets"], *([document["speedup"]] if document["speedup"] else [])]
    return [one["text"] for one in sets if not one["can_decide"]]


@pytest.mark.parametrize("name", shipped_names())
def test_no_set_of_a_shipped_checklist_is_too_small(name):
    loaded = load_checklist(shipped_folder("checklists") / f"{name}.yaml")
    if not loaded.checklist.modes:
        loaded = merged(loaded, {"modes": MODES})
    setup = prepare(loaded)
    document = sizing(setup, TODAY)
    assert document["suites"]
    assert too_small(document) == []
    assert {suite.repeats for suite in setup.suites} == {1}


@pytest.mark.parametrize("profile", ["first-look", "afternoon"])
@pytest.mark.parametrize("launched", [False, True])
@pytest.mark.parametrize("name", shipped_names())
def test_no_profile_plans_beyond_its_own_budget_and_each_says_how_it_is_split(name, launched, profile):
    loaded = load_checklist(shipped_folder("checklists") / f"{name}.yaml")
    started = {mode: {"launch": ["serve", mode, "{port}"]} for mode in MODES}
    changes = {"profile": profile, "budget": {}, "modes": started if launched else MODES}
    setup = prepare(merged(loaded, changes))
    document = sizing(setup, TODAY)
    assert document["cost"]["minutes"] <= PROFILE_MINUTES[profile]
    assert len(document["cost"]["starts"]) <= len(setup.plan.starts)
    (split,) = (note for note in document["notes"] if "is split at most as" in note)
    assert ("server starts" in split) is launched


def test_the_defaults_alone_can_decide_with_three_modes(tmp_path):
    path = tmp_path / "checklist.yaml"
    path.write_text("schema_version: 1\nname: defaults\n")
    modes = {**MODES, "speculative": {"endpoint": "http://127.0.0.1:30009"}}
    setup = prepare(merged(load_checklist(path), {"modes": modes}))
    assert too_small(sizing(setup, TODAY)) == []
    assert len(setup.prompts.distinct) >= 64


def test_what_init_writes_can_decide(tmp_path):
    written = scaffold(tmp_path / "mine", Found(servers=(), gpus=()), Wanted()).written
    setup = prepare(load_checklist(next(path for path in written if path.name == "checklist.yaml")))
    assert len(setup.checklist.adopted) == 2
    assert too_small(sizing(setup, TODAY)) == []
    (suite,) = setup.suites
    assert suite.shipped
    assert len(suite.cases) >= least_cases(setup.checklist.items.quality.match_margin, alpha_of(setup.checklist))


@pytest.mark.parametrize("path", sorted(shipped_folder("prompts").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_suite_exceeds_the_least_for_two_modes(path):
    suite = load_suite(path, Request())
    margins = Checklist().items.quality.margin
    margin = 0.1 if path.parent.name == "demo" or path.stem == "example" else margins.of(suite.kind)
    assert len({asked_sha256(case.request) for case in suite.cases}) >= least_cases(margin, 0.025)


def test_a_suite_under_its_least_is_asked_three_times_whole_and_no_other(tmp_path):
    lines = "".join(
        f"  - {{id: c{n}, prompt: 'Say {n}.', repeats: {5 if n == 0 else 1}, expect: [{{contains: x}}]}}\n"
        for n in range(40)
    )
    for kind in ("structured", "chat"):
        (tmp_path / f"{kind}.yaml").write_text(f"suite: {{name: {kind}, kind: {kind}}}\ncases:\n{lines}")
    (tmp_path / "c.yaml").write_text(
        "schema_version: 1\nname: c\ntasks: [structured.yaml, chat.yaml]\n"
        "modes: {autoregressive: {endpoint: 'http://h:1'}, diffusion: {endpoint: 'http://h:2'}}\n"
        "items: {quality: {margin: {default: 0.03, structured: 0.1}}}\n"
    )
    suites = {suite.name: suite for suite in prepare(load_checklist(Path(tmp_path / "c.yaml"))).suites}
    assert {case.repeats for case in suites["chat"].cases} == {3, 5}
    assert {case.repeats for case in suites["structured"].cases} == {1, 5}
    assert suites["chat"].by_id["c1"].repeats == 3

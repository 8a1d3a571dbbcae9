from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist, Incumbent
from evalkit.findings import ITEM_IDS, Finding, Status
from evalkit.verdict.decide import settle

MODES = ("autoregressive", "diffusion", "self-speculation")
CHECKLIST = Checklist.model_validate({"modes": {mode: {"endpoint": "http://127.0.0.1:1"} for mode in MODES}})


def finding(item, status, mode=None):
    return Finding(id=f"{item}.x", item=item, status=status, summary="s", mode=mode)


def all_pass():
    return {item: [finding(item, Status.PASS, m) for m in (MODES if item in ("modes", "serving", "quality") else (None,))]
            for item in ITEM_IDS}  # fmt: skip


@given(
    st.fixed_dictionaries(
        {
            item: st.lists(
                st.builds(finding, st.just(item), st.sampled_from(list(Status)), st.sampled_from([None, *MODES])),
                max_size=6,
            )
            for item in ITEM_IDS
        }
    )
)
def test_a_go_has_a_recommended_mode_and_only_a_go_has_one(findings):
    decision = settle(CHECKLIST, findings)
    assert (decision.verdict == "go") == (decision.recommended_mode is not None)
    assert decision.exit_code == {"go": 0, "no-go": 1, "inconclusive": 3}[decision.verdict]
    if decision.verdict == "go":
        mine = [f for fs in findings.values() for f in fs if f.mode in (None, decision.recommended_mode)]
        assert all(f.status.carries for f in mine)
        assert all(item.findings for item in decision.items)


def test_everything_passed_is_a_go():
    assert settle(CHECKLIST, all_pass()).verdict == "go"


def test_no_go_from_two_modes_that_each_pass_half():
    findings = all_pass()
    findings["quality"] = [
        finding("quality", Status.PASS, "diffusion"),
        finding("quality", Status.FAIL, "self-speculation"),
    ]
    findings["modes"] = [finding("modes", Status.FAIL, "diffusion"), finding("modes", Status.PASS, "self-speculation")]
    assert settle(CHECKLIST, findings).verdict == "no-go"


def test_a_checklist_that_asks_nothing_is_inconclusive():
    assert settle(Checklist(), {item: [] for item in ITEM_IDS}).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("modes", "margins", "verdict"),
    [
        ({"speedup": {"at_least": 0.01}}, (0.99,), "inconclusive"),
        ({"speedup": {"at_least": 0.9}}, (0.25, 0.3), "inconclusive"),
        ({"speedup": {"at_least": 0.9}}, (0.3, 0.02), "go"),  # no worse on one suite at least
        ({"speedup": {"at_least": 1.0}}, (0.99,), "go"),  # a faster mode is asked for
        ({"speedup": {"at_least": 0.5}, "latency": {"e2e_p95_ms": 900}}, (0.99,), "go"),
        ({"speedup": {"at_least": 0.5}}, (), "go"),  # answers are held to something else than a margin
    ],
)
def test_a_checklist_that_lets_a_mode_be_slower_and_worse_adopts_nothing(modes, margins, verdict):
    findings = all_pass()
    findings["quality"] += [
        Finding(id="quality.x", item="quality", status=Status.PASS, summary="s", mode=mode, data={"margin": margin})
        for margin in margins
        for mode in MODES
    ]
    asked = CHECKLIST.model_dump(mode="json", exclude_unset=True) | {"items": {"modes": modes}}
    assert settle(Checklist.model_validate(asked), findings).verdict == verdict


def test_a_mode_of_which_nothing_is_known_stays_open():
    findings = all_pass()
    for item in ("modes", "serving", "quality"):
        findings[item] = [f for f in findings[item] if f.mode != "diffusion"]
    diffusion = next(m for m in settle(CHECKLIST, findings).modes if m.mode == "diffusion")
    assert diffusion.qualified == "inconclusive"


def test_a_first_look_never_ends_go():
    checklist = CHECKLIST.model_copy(update={"profile": "first-look"})
    assert settle(checklist, all_pass()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["better", "better"], "better"),
        (["better", "no-worse"], "better"),
        (["no-worse"], "no worse"),
        (["better", "worse"], "worse"),
        (["better", "worse-for-information"], "worse"),
        (["better", "within-margin"], "worse"),
        (["undecided", "undecided-worse"], "worse"),
        (["better", "undecided"], "NOT COMPARED"),
        (["no-pairs"], "NOT COMPARED"),
        ([], "NOT COMPARED"),
    ],
)
def test_the_first_screen_calls_better_only_what_is(outcomes, said):
    findings = all_pass()
    findings["quality"] += [
        Finding(
            id="quality.incumbent", item="quality", status=Status.PASS, summary=f"suite {i}", mode="diffusion",
            counts=False, outcome=outcome,
        )
        for i, outcome in enumerate(outcomes)
    ]  # fmt: skip
    with_incumbent = CHECKLIST.model_copy(
        update={
            "incumbent": Incumbent(endpoint="http://127.0.0.1:1"),
            "modes": {m: CHECKLIST.modes[m] for m in MODES[:2]},
        }
    )
    assert settle(with_incumbent, findings).incumbent.split(":")[0] == said

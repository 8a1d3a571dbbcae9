"""Which mode, how much faster and how sure, what is lost, may we use it, what next: answered by the first screen alone.

Each outcome is decided from facts; nothing here is read from anything below the first screen.
"""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunEnd
from evalkit.hub.facts import CandidateFacts, CardLicense
from evalkit.report.document.build import build
from evalkit.report.formats import html, markdown, terminal
from evalkit.report.words.first_screen import FirstScreen, first_screen
from evalkit.verdict.decide import decide
from tests.support.quality_run import COMMIT, DECIDING, run_facts

LICENSED = Checklist.model_validate(
    DECIDING.model_dump(mode="json") | {"items": DECIDING.model_dump(mode="json")["items"] | {"license": {}}}
)
MODES = ("diffusion", "self-speculation")


def licensed(name: str) -> tuple[CandidateFacts, ...]:
    return (CandidateFacts(model="org/model", revision=COMMIT, card=CardLicense(license=(name,))),)


@pytest.fixture(scope="module")
def documents() -> dict[str, dict]:
    good = run_facts(cases=80, prompts=60).model_copy(update={"candidates": licensed("apache-2.0")})
    lossy = run_facts(cases=80, prompts=60, faults=("special",))
    near = run_facts(cases=80, prompts=30, speeds=(1.0, 1.31, 1.28))
    stopped = RunEnd(finished_at="2026-11-24T10:00:00+00:00", interrupted=True)

    def of(facts: Facts) -> dict:
        return build(LICENSED, facts, decide(LICENSED, facts, facts.as_of))

    return {
        "go": of(good),
        "license": of(good.model_copy(update={"candidates": licensed("cc-by-nc-4.0")})),
        "quality": of(lossy.model_copy(update={"candidates": good.candidates})),
        "noise": of(near.model_copy(update={"candidates": good.candidates})),
        "interrupted": of(good.model_copy(update={"end": stopped, "timed": good.timed[:120], "answers": ()})),
    }


@pytest.fixture(scope="module")
def screens(documents) -> dict[str, FirstScreen]:
    return {name: first_screen(doc) for name, doc in documents.items()}


def row(screen: FirstScreen, mode: str):
    return next(one for one in screen.rows if one.mode == mode)


def figure(doc: dict, mode: str) -> dict:
    return next(m for m in doc["modes"] if m["mode"] == mode)["speedup"]


def test_the_five_outcomes_are_what_they_are_called(documents, screens) -> None:
    verdicts = {name: doc["verdict"] for name, doc in documents.items()}
    assert verdicts | {"interrupted": ""} == {
        "go": "go", "license": "no-go", "quality": "no-go", "noise": "inconclusive", "interrupted": "",
    }  # fmt: skip
    words = ["GO", "NO-GO", "NO-GO", "INCONCLUSIVE", "INTERRUPTED"]
    assert [screen.headline for screen in screens.values()] == words


def test_which_mode(screens) -> None:
    assert screens["go"].decision.startswith("Adopt self-speculation: ")
    assert screens["go"].rows[0][:2] == ("self-speculation", "recommended")
    for name in ("quality", "noise", "interrupted"):
        assert all(mode in screens[name].decision for mode in MODES), name
    for name in ("license", "quality", "noise", "interrupted"):
        assert not [one for one in screens[name].rows if one.role == "recommended"], name


def test_how_much_faster_and_how_sure(documents, screens) -> None:
    for name, screen in screens.items():
        assert any("60 prompts" in line or "30 prompts" in line for line in screen.certainty), name
        for mode in MODES:
            assert row(screen, mode).cells["modes"].figure == f"{figure(documents[name], mode)['ratio']:.2f}×", name
    best = figure(documents["go"], "self-speculation")
    for part in (f"{best['ratio']:.2f}×", f"95% CI {best['low']:.2f} to {best['high']:.2f}"):
        assert part in screens["go"].decision
    for mode, said in zip(MODES, screens["noise"].why, strict=True):
        open_one = figure(documents["noise"], mode)
        assert f"{open_one['low']:.2f} to {open_one['high']:.2f}" in said


def test_what_is_lost(documents, screens) -> None:
    assert "no loss beyond 10 points" in screens["go"].decision
    for mode in MODES:
        differences = [s["difference"] for s in documents["quality"]["quality"]["suites"] if s["mode"] == mode]
        lost = f"{100 * min(differences):+.1f} points".replace("-", "−")
        assert lost in screens["quality"].decision
        assert row(screens["quality"], mode).cells["quality"] == ("fail", lost)
        assert row(screens["go"], mode).cells["quality"].status == "pass"
        assert row(screens["interrupted"], mode).cells["quality"] == ("inconclusive", "")


def test_a_loss_that_is_not_settled_is_not_in_the_decision() -> None:
    few = run_facts(cases=8, prompts=60).model_copy(update={"candidates": licensed("apache-2.0")})
    doc = build(LICENSED, few, decide(LICENSED, few, few.as_of))
    assert doc["verdict"] == "inconclusive"
    assert "not settled on quality" in first_screen(doc).decision
    assert "points" not in first_screen(doc).decision


def test_may_we_use_it(screens) -> None:
    assert [screen.may_use.split(":")[0].split(",")[0] for screen in screens.values()] == [
        "Yes",
        "No",
        "Yes",
        "Yes",
        "Yes",
    ]
    assert "does not allow commercial use" in screens["license"].decision
    assert "would pass" not in screens["license"].decision  # the license holds for every mode
    assert "Plain autoregressive decoding would pass." in screens["quality"].decision


def test_what_next(documents, screens) -> None:
    for name, screen in screens.items():
        assert 1 <= len(screen.next_steps) <= 3, name
        assert all(step[0].isupper() and step[-1] in ".`" for step in screen.next_steps), name
    assert "evalkit gate" in screens["go"].next_steps[0]
    assert "--resume" in screens["interrupted"].next_steps[0]


def test_every_format_has_every_answer_above_the_first_table_of_figures(documents, screens) -> None:
    for name, doc in documents.items():
        screen = screens[name]
        heads = [
            markdown.render(doc).split("## Speed of the modes")[0],
            html.render(doc, charts={}).split('<h2 id="speed">')[0],
            terminal.render(doc, width=160),
        ]
        for head in heads:
            flat = " ".join(head.replace("\\", "").split())
            for words in (screen.headline, "May we use it?", "How sure are we?"):
                assert words in flat, (name, words)
            assert all(mode in flat for mode in MODES)


def test_before_any_mode_is_configured_the_table_says_how_far_each_item_is() -> None:
    checklist = Checklist.model_validate({"candidate": {"model": "org/model"}, "items": {"license": {}}})
    facts = run_facts(cases=10, prompts=10).model_copy(update={"candidates": licensed("apache-2.0"), "samples": ()})
    document = build(checklist, facts, decide(checklist, facts, facts.as_of))
    (only,) = first_screen(document).rows
    assert {name: cell.status for name, cell in only.cells.items()} == {
        one["id"]: one["status"] for one in document["items"]
    }
    assert len(only.cells) == 6

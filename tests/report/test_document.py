from __future__ import annotations

import json
from importlib.resources import files
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from evalkit.checklist.schema import Checklist
from evalkit.findings import ITEM_IDS, Finding, Status
from evalkit.quality.facts import SuiteFacts
from evalkit.report.document.build import build, scrub
from evalkit.report.formats import html, junit, markdown, terminal
from evalkit.secrets import Secret
from tests.stored.test_stored import facts
from tests.support.report_doc import document

SCHEMA = Draft202012Validator(json.loads(files("evalkit").joinpath("data/report.schema.json").read_text()))


def decision(**changed) -> SimpleNamespace:
    items = tuple(
        SimpleNamespace(
            id=name,
            status=Status.INCONCLUSIVE,
            required=True,
            summary="not shown",
            findings=(
                Finding(
                    id=f"{name}.x",
                    item=name,
                    status=Status.ERROR,
                    summary="nothing was measured",
                    data={"text": "a long private text"},
                ),
            ),
        )
        for name in ITEM_IDS
    )
    known = {
        "verdict": "inconclusive",
        "exit_code": 3,
        "recommended_mode": None,
        "reasons": ("nothing was measured",),
        "items": items,
        "modes": (),
        "waivers": (),
        "strict": False,
        "next_steps": (),
        "profile": "decide",
        "incumbent": "NOT COMPARED: no incumbent is configured",
    }
    return SimpleNamespace(**{**known, **changed})


CHECKLIST = Checklist.model_validate(
    {"modes": {"autoregressive": {"endpoint": "http://127.0.0.1:1"}, "diffusion": {"endpoint": "http://127.0.0.1:2"}}}
)


def test_the_shipped_schema_takes_what_is_written() -> None:
    SCHEMA.check_schema(SCHEMA.schema)
    SCHEMA.validate(document())
    SCHEMA.validate(json.loads(json.dumps(build(CHECKLIST, facts(), decision()), allow_nan=False)))


@pytest.mark.parametrize("changed", [{"verdict": "maybe"}, {"recommended_mode": None}, {"exit_code": 2}, {"items": []}])
def test_the_schema_refuses_what_breaks_the_contract(changed) -> None:
    assert not SCHEMA.is_valid(document(**changed))


def test_a_run_that_measured_little_renders_everywhere() -> None:
    doc = build(CHECKLIST, facts(end=None), decision())
    for render in (markdown.render, html.render, junit.render, terminal.render):
        assert "INTERRUPTED" in render(doc) or render is junit.render
    assert "NOT COMPARED" in markdown.render(doc)


def test_redacted_documents_hold_no_text_of_prompts_or_replies() -> None:
    replies = facts().answers
    suite = SuiteFacts(name=replies[0].suite, kind=replies[0].kind, path="p", sha256="0", cases=1)
    harmed = facts(answers=(replies[0], replies[1].model_copy(update={"passed": False})), suites=(suite,))
    shown = json.dumps(build(CHECKLIST, harmed, decision()))
    hidden = json.dumps(build(CHECKLIST, harmed, decision(), redact_prompts=True))
    assert "the secret words" in shown
    for text in ("the secret words", "the private prompt", "a long private text"):
        assert text not in hidden


def test_secrets_and_figures_that_are_no_numbers_are_never_written() -> None:
    Secret("canary-value-123")
    assert scrub({"a": [float("nan"), float("inf"), "x canary-value-123"]}) == {"a": [None, None, "x ***"]}


def test_no_folder_of_this_machine_is_in_a_report() -> None:
    from evalkit.hub.facts import CandidateFacts
    from evalkit.quality.facts import SuiteFacts
    from evalkit.report.formats import rendered
    from evalkit.verdict.decide import decide
    from tests.support.quality_run import NOW

    local = CandidateFacts(model="/srv/team/models/tri-8B", kind="folder", revision="sha256:" + "a" * 64)
    suite = SuiteFacts(name="s", kind="chat", path="/srv/team/eval/tasks/long.yaml", sha256="d" * 64, cases=1)
    shipped = suite.model_copy(update={"name": "t", "path": "/usr/lib/evalkit/quick.yaml", "shipped": True})
    made = facts(candidates=(local,), suites=(suite, shipped))
    checklist = CHECKLIST.model_copy(update={"tasks": ["tasks/long.yaml", "/usr/lib/evalkit/quick.yaml"]})
    doc = build(checklist, made, decide(checklist, made, NOW))
    assert doc["candidate"]["model"] == "tri-8B"
    assert [s["path"] for s in doc["provenance"]["suites"]] == ["tasks/long.yaml", "quick.yaml"]
    for name in ("markdown", "json", "html", "junit", "terminal", "github", "directory"):
        assert "/srv/" not in rendered(name, doc), name

from __future__ import annotations

import json

import pytest

from evalkit.report.formats import directory, html, markdown, terminal, write_all
from evalkit.report.formats.report_json import render as to_json
from evalkit.report.words import tables, view
from evalkit.report.words.first_screen import first_screen
from tests.support.report_doc import document, finding


def test_simulated_is_on_the_first_line_everywhere() -> None:
    doc = document(simulated=True)
    for text in (markdown.render(doc), terminal.render(doc), directory.render(doc).split("---\n\n", 1)[1]):
        assert "SIMULATED" in text.splitlines()[0]
    assert "SIMULATED" in directory.render(doc).splitlines()[1]
    assert "SIMULATED" in html.render(doc)


def test_reports_are_private_whole_and_the_same_twice(tmp_path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write_all(folder, document())
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert {str(n) for n in names} >= {"report.md", "report.json", "report.html", "junit.xml", "charts/speedup.svg"}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).stat().st_mode & 0o777 == 0o600
    assert json.loads((first / "report.json").read_text()) == document()
    assert to_json(document()).endswith("}\n")
    assert "<script" not in (first / "charts/speedup.svg").read_text()


def test_the_first_screen_says_that_the_plain_baseline_would_pass() -> None:
    doc = document(verdict="no-go", recommended_mode=None, exit_code=1)
    for entry in doc["modes"]:
        entry["qualified"] = "pass" if entry["mode"] == "autoregressive" else "fail"
        entry["adopted"] = entry["mode"] != "autoregressive"
    assert "Plain autoregressive decoding would pass." in first_screen(doc).decision


def test_every_reason_against_a_mode_is_in_the_details() -> None:
    doc = document()
    doc["modes"][1] |= {"qualified": "fail", "reasons": ["modes.speedup: slower.", "quality.floor: below."]}
    for text in (markdown.render(doc), html.render(doc)):
        assert "quality.floor: below" in text.split("Details", 1)[1]


def test_the_first_screen_has_three_next_steps_and_counts_the_rest() -> None:
    steps = [f"Take step number {n} (modes.x for diffusion)" for n in range(1, 10)]
    doc = document(verdict="inconclusive", recommended_mode=None, exit_code=3, next_steps=steps)
    screen = first_screen(doc)
    assert [step[17] for step in screen.next_steps] == ["1", "2", "3"]
    assert screen.more_steps == 6
    for text in (markdown.render(doc), html.render(doc), terminal.render(doc)):
        head = text.split("Speed of the modes", 1)[0]
        assert "step number 3" in head
        assert "step number 4" not in head
    assert json.loads(to_json(doc))["next_steps"] == steps


def test_after_a_go_the_steps_are_the_gate_and_what_is_optional() -> None:
    screen = first_screen(document())
    assert "evalkit gate" in screen.next_steps[0]
    assert all(step.startswith("Optional: ") for step in screen.next_steps[1:])


def test_of_tokens_that_arrive_together_mean_and_median_are_told() -> None:
    doc = document()
    doc["modes"][1]["levels"][0]["tokens_per_chunk"] = {"mean": 2.04, "p50": 1.0, "p90": 5.0, "most": 6, "first": 1.0}
    doc["modes"][2]["levels"][0]["tokens_per_chunk"] = {"mean": None, "p50": None}
    head, rows = tables.blocks_table(doc)
    column = head.index("Tokens per chunk, mean (p50)")
    assert [row[column] for row in rows[1:3]] == ["2.04 (1)", "–"]


def test_which_modes_were_up_for_adoption_is_told_beside_the_checklist() -> None:
    doc = document()
    told = "Candidates for adoption: diffusion, self-speculation. Also measured, for comparison: autoregressive."
    for text in (markdown.render(doc), html.render(doc)):
        assert told in text.split("Speed of the modes", 1)[0]
    assert tables.blocks_table(doc)[1][0][-1].endswith(", baseline")
    doc["modes"][1]["adopted"] = False
    assert tables.blocks_table(doc)[1][1][-1] == "inconclusive ?, not to be adopted"


def test_what_the_offer_differs_in_and_a_machine_that_was_shared_are_on_the_first_screen() -> None:
    differs = finding(
        "serving.same-settings",
        "warn",
        outcome="declared",
        mode="self-speculation",
        summary="Started with tp_size 2 against 1.",
    )
    shared = finding("modes.witness", "inconclusive", mode="self-speculation", summary="GPU 0 of a server was shared.")
    doc = document()
    before = first_screen(doc).certainty
    serving = next(one for one in doc["items"] if one["id"] == "serving")
    serving["findings"] += [differs, {**differs, "outcome": "forced", "summary": "forced"}]
    next(one for one in doc["items"] if one["id"] == "modes")["findings"].append(shared)
    said = [line for line in first_screen(doc).certainty if line not in before]
    assert said == ["GPU 0 of a server was shared.", "self-speculation: Started with tp_size 2 against 1."]
    for text in (markdown.render(doc), html.render(doc), terminal.render(doc)):
        head = text.split("Speed of the modes", 1)[0]
        assert all(line.rstrip(".") in " ".join(head.split()).replace("\\_", "_").replace("`", "") for line in said)
    differs["mode"] = "diffusion"
    assert "diffusion: Started with tp_size 2 against 1." not in first_screen(doc).certainty, (
        "another mode is recommended"
    )


@pytest.mark.parametrize(
    ("label", "other"),
    [("speculative", True), ("autoregressive@vllm", True), ("diffusion@t0.9", False), ("something", False)],
)
def test_a_recommended_mode_of_another_method_is_said_not_to_be_diffusion(label: str, other: bool) -> None:
    doc = document(recommended_mode=label)
    doc["modes"][2] |= {"mode": label}
    decision = first_screen(doc).decision
    assert decision.startswith(f"Adopt {label}: ")
    assert ("not diffusion decoding" in decision) is other


def test_findings_are_told_worst_first_and_those_for_information_last() -> None:
    doc = document()
    found = [
        finding("quality.fine", "pass"),
        finding("quality.aside", "fail", counts=False, variant="org/vlm", summary="small."),
        finding("quality.open", "inconclusive", mode="diffusion", summary="thin.", observed=None),
        finding("quality.bad", "fail", observed=None, threshold=None, known_by=None),
    ]
    doc["items"][4]["findings"] = found
    told = view.findings(doc["items"][4])
    assert [t.finding["id"].split(".")[1] for t in told] == ["bad", "open", "fine", "aside"]
    assert [(t.where, t.summary) for t in told[1:]] == [
        ("in diffusion", "thin."), ("", "quality.fine was looked at."), ("for org/vlm", "small."),
    ]  # fmt: skip
    assert [t.figures for t in told[:3]] == [
        "", "Threshold at least 1.3× (observed)", "Observed 1.86×, threshold at least 1.3× (observed)",
    ]  # fmt: skip
    text = markdown.render(doc)
    assert "**inconclusive ?** `quality.open` in diffusion: thin." in text
    assert "**fail ✗** (for information) `quality.aside` for org/vlm: small." in text


def test_settings_that_all_servers_share_are_told_once() -> None:
    doc = document()
    servers = [
        {"mode": m, "endpoint": "e", "release": "release", "settings": {"dtype": "bf16", "mode": m}} for m in "ab"
    ]
    doc["provenance"]["servers"] = servers
    for text in (markdown.render(doc), html.render(doc)):
        assert text.count("dtype=bf16") == 1
        assert "mode=a" in text
        assert "mode=b" in text
    doc["provenance"]["servers"] = servers[:1]
    for text in (markdown.render(doc), html.render(doc)):
        assert text.count("dtype=bf16") == 1
        assert "All servers alike" not in text


@pytest.mark.parametrize("stamp", ["", "no date", "2026-13-01T00:00:00Z"])
def test_a_run_without_a_date_that_can_be_read_is_rendered(stamp: str) -> None:
    """A stranger's pack may hold any text there."""
    doc = document(started_at=stamp)
    assert markdown.render(doc)
    assert html.render(doc)

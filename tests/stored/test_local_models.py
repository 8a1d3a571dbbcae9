"""A model that is read from a folder or a snapshot file: its run holds in the gate wherever it is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.hub import write_snapshot
from evalkit.hub.facts import CandidateFacts
from evalkit.stored.gate import same_candidate
from tests.cli.command import evalkit

CHECKLIST = "name: local\ncandidate: {model: MODEL, variants: []}\nitems: {license: {required: true}}\n"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A model's folder, a snapshot of it and an empty folder `evaluation`, beside each other."""
    for name in ("model", "elsewhere/model"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "evaluation").mkdir()
    write_snapshot(str(tmp_path / "model"), tmp_path / "evaluation/kept.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(place: Path, capsys, model: str, checklist: str = "evaluation/checklist.yaml") -> str:
    (place / checklist).parent.mkdir(exist_ok=True, parents=True)
    (place / checklist).write_text(CHECKLIST.replace("MODEL", model.replace("PLACE", str(place))))
    evalkit(capsys, "run", checklist, "--only", "license", "--output-dir", "run", "--json")
    return "run"


def doubts(capsys, *arguments: str) -> list[str]:
    document = json.loads(evalkit(capsys, "gate", *arguments, "--json").out)
    return [reason for reason in document["reasons"] if "asks for" in reason]


@pytest.mark.parametrize(
    "model",
    ["../model", "./../model/", "../evaluation/../model", "./kept.json", "kept.json", "PLACE/model", "PLACE/./model"],
)
def test_a_local_model_is_the_one_that_the_checklist_asks_for(place, capsys, model) -> None:
    run = evaluate(place, capsys, model)
    for redact in ((), ("--redact",)):
        evalkit(capsys, "pack", run, "-o", f"run{len(redact)}.pack", *redact)
    for one in (run, "run0.pack", "run1.pack"):
        assert doubts(capsys, one) == [], one
        assert doubts(capsys, one, "--checklist", "evaluation/checklist.yaml") == [], one
        (place / "copy").mkdir(exist_ok=True)
        (place / "copy/checklist.yaml").write_text((place / "evaluation/checklist.yaml").read_text())
        assert doubts(capsys, one, "--checklist", "copy/checklist.yaml") == [], one


@pytest.mark.parametrize(
    "other", ["../evaluation", "org/model", "model", "./other.json", "../elsewhere/model", "/models/x"]
)
def test_another_model_is_not(place, capsys, other) -> None:
    run = evaluate(place, capsys, "../model")
    asked = place / "evaluation/other.yaml"
    asked.write_text(CHECKLIST.replace("MODEL", other))
    assert len(doubts(capsys, run, "--checklist", str(asked))) == 1


@pytest.mark.parametrize(
    ("model", "read_from", "before"),
    [("../model", "/eng/evaluation/../model", True), ("./kept.json", "/eng/evaluation/./kept.json", True),
     ("../model", "evaluation/../model", True), ("../elsewhere/model", "/eng/evaluation/../model", False)],
)  # fmt: skip
def test_a_run_that_kept_whole_paths_alone_holds_too(model, read_from, before) -> None:
    """As 0.1.0 wrote them."""
    read = CandidateFacts(model=read_from, kind="folder")
    if read_from.endswith(".json"):
        read = CandidateFacts(model="org/model", kind="snapshot", asked=read_from)
    assert same_candidate(model, Path("/another"), read) is before


@pytest.mark.parametrize("model", ["../model", "PLACE/model"])
def test_no_folder_of_the_machine_is_in_the_report_or_the_evidence(place, capsys, model) -> None:
    run = evaluate(place, capsys, model)
    assert [p.name.rpartition("-")[0] for p in (place / "run/evidence/hub").iterdir()] == ["model"]
    evalkit(capsys, "pack", run, "-o", "run.pack", "--redact")
    for source in (run, "run.pack"):
        for name in ("markdown", "html", "json"):
            told = evalkit(capsys, "report", source, "--format", name).out
            assert str(place) not in told.partition("Reproduce")[0].partition('"reproduce"')[0], (source, name)
            assert "../model" not in told.partition("Reproduce")[0].partition('"reproduce"')[0], (source, name)


@pytest.mark.parametrize(("asked", "holds"), [("sha256:", False), ("sha256:0", False), ("", False), ("REV", True)])
def test_a_folder_is_pinned_by_its_content_hash(place, capsys, asked, holds) -> None:
    run = evaluate(place, capsys, "../model")
    revision = json.loads((place / "run/report.json").read_text())["candidate"]["revision"]
    asked = asked.replace("REV", revision[:20])
    told = json.loads(evalkit(capsys, "gate", run, "--revision", asked, "--json").out)
    assert any("run again at that commit" in reason for reason in told["reasons"]) is not holds

"""Without the Hub: the packaged records of seven repositories answer, marked, and never for a GO."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from evalkit.checklist.schema import Checklist, Use
from evalkit.data import load_variants
from evalkit.facts import Facts, RunStart
from evalkit.gpu.survey import from_candidate
from evalkit.hub.candidate import from_record
from evalkit.hub.facts import CandidateFacts
from evalkit.hub.source import SourceProblem
from evalkit.items.license.record import record
from evalkit.verdict.decide import decide

NOW = datetime(2026, 11, 28, tzinfo=UTC)
VLM = "nvidia/Nemotron-Labs-Diffusion-VLM-8B"
TEXT = "nvidia/Nemotron-Labs-Diffusion-8B"
OFFLINE = SourceProblem("offline", "HF_HUB_OFFLINE is set", "unset it")


def shipped(model: str, problem: SourceProblem = OFFLINE) -> CandidateFacts | None:
    return from_record(model, problem, role="candidate", revision="main", at=NOW.isoformat())


def evalkit(*arguments: str, tmp_path):
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)


def test_every_variant_answers_with_its_license_and_a_mark():
    assert len(load_variants()) == 7
    for variant in load_variants():
        facts = shipped(variant.id.upper())
        assert facts.model == variant.id
        assert facts.error is None
        assert facts.revision is None
        assert facts.record_note == f"shipped record of {variant.date}, not this commit"
        asked = record(Use(), facts)
        assert asked["status"] == ("fail" if variant.id == VLM else "inconclusive")
        assert asked["record"] == variant.date
        assert any(variant.date in reason for reason in asked["reasons"])


@pytest.mark.parametrize("kind", ["missing", "gated", "auth", "revision", "invalid", "disabled"])
def test_what_the_hub_did_say_is_never_replaced_by_a_record(kind):
    assert shipped(TEXT, SourceProblem(kind, "x", "y")) is None


@pytest.mark.parametrize("model", ["nvidia/Nemotron-Labs-Diffusion-8B-Instruct", "who/knows", ""])
def test_a_model_without_a_record_has_none(model):
    assert shipped(model) is None


@pytest.mark.parametrize(("model", "billions"), [("3B", 3.83), ("8B", 8.49), ("14B", 13.51), ("VLM-8B", 8.92)])
def test_parameters_and_window_come_from_the_record(model, billions):
    sized = from_candidate(shipped(f"nvidia/Nemotron-Labs-Diffusion-{model}"))
    row = next(v for v in load_variants() if v.id.endswith(f"Diffusion-{model}"))
    assert round(sized.weights.params / 1e9, 2) == billions
    assert sized.weights.params == row.params
    assert sized.shape.max_positions == 262144
    assert "not this commit" in sized.source


def test_a_base_whose_configuration_was_not_seen_says_what_is_known():
    sized = from_candidate(shipped("nvidia/Nemotron-Labs-Diffusion-8B-Base"))
    assert sized.shape is None
    assert "8.49 B parameters" in sized.error
    assert "4,096" in sized.error


START = RunStart(run_id="r", started_at=NOW.isoformat(), evalkit_version="1", plan_sha256="p", checklist_sha256="c")


def go_as_far_as_records_can(facts: CandidateFacts, monkeypatch):
    """A decision in which every other finding passes."""
    from evalkit.findings import Finding, Status
    from evalkit.verdict import decide as deciding

    def passing(item, checklist, facts, now):
        modes = ("autoregressive", "diffusion") if item in ("modes", "serving", "quality") else (None,)
        return [Finding(id=f"{item}.x", item=item, status=Status.PASS, summary="x", mode=mode) for mode in modes]

    monkeypatch.setattr(deciding, "gather", passing)
    checklist = Checklist.model_validate(
        {
            "candidate": {"model": TEXT},
            "modes": {m: {"endpoint": "http://h:1"} for m in ("autoregressive", "diffusion")},
        }
    )
    return decide(checklist, Facts(start=START, candidates=(facts,)), NOW)


def test_a_record_never_ends_in_a_go_even_where_everything_else_passes(monkeypatch):
    facts = shipped(TEXT)
    decision = go_as_far_as_records_can(facts, monkeypatch)
    assert decision.verdict == "inconclusive"
    assert decision.profile == "first-look"
    read = facts.model_copy(update={"record": None, "revision": "a" * 40})
    assert go_as_far_as_records_can(read, monkeypatch).verdict == "go"


def test_license_answers_offline_that_the_vlm_is_for_research(tmp_path):
    done = evalkit("license", VLM, "--json", tmp_path=tmp_path)
    assert done.returncode == 1
    (one,) = json.loads(done.stdout)
    assert one["facets"]["purpose"] == "research-evaluation"
    assert one["revision"] is None
    assert evalkit("license", VLM, "--purpose", "research", "--no-commercial", tmp_path=tmp_path).returncode == 3
    assert evalkit("license", TEXT, tmp_path=tmp_path).returncode == 3


def test_hardware_answers_offline_for_a_card(tmp_path):
    done = evalkit("hardware", TEXT, VLM, "--gpu", "H100-80GB", "--json", tmp_path=tmp_path)
    assert done.returncode == 0
    fit = json.loads(done.stdout)["fit"]
    assert {row["model"] for row in fit} == {TEXT, VLM}
    assert all(row["fits"] is True for row in fit)


def test_a_license_text_that_is_given_is_kept_and_a_short_name_is_known(tmp_path):
    (tmp_path / "LICENSE").write_text("NVIDIA Source Code License")
    asked = ("license", "Nemotron-Labs-Diffusion-VLM-8B", "--license-text", "LICENSE", "--json")
    (one,) = json.loads(evalkit(*asked, tmp_path=tmp_path).stdout)
    assert one["model"] == VLM
    assert [e["origin"] for e in one["evidence"] if "sha256" in e] == ["given"]
    (tmp_path / "nemotron-labs-diffusion-8b").mkdir()  # a folder of that name comes first
    done = evalkit("license", "nemotron-labs-diffusion-8b", "--json", tmp_path=tmp_path)
    assert json.loads(done.stdout)[0]["status"] == "error"


def test_no_snapshot_is_written_of_a_record(tmp_path):
    assert evalkit("snapshot", TEXT, "-o", "snap.json", tmp_path=tmp_path).returncode != 0
    assert not (tmp_path / "snap.json").exists()

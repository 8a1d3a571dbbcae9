"""The shipped hosted checklist: only OpenAI-style endpoints, the incumbent as the baseline, terms as declared evidence."""

from __future__ import annotations

from datetime import date

import pytest
import yaml

from evalkit.checklist.loader import find_checklist, load_checklist
from evalkit.checklist.schema import Checklist
from evalkit.reference import preset
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from evalkit.verdict.decide import decide
from tests.support.small_run import write_inputs
from tests.support.start import NOW
from tests.support.virtual_world import worlds

#: what a hosted service does not show
HIDDEN = ("/server_info", "/get_server_info", "/model_info", "/get_model_info", "/metrics", "/v1/loads", "/get_load",
          "/health_generate", "/flush_cache")  # fmt: skip
TERMS = {"url": "https://provider.example/terms", "commercial": True, "by": "jd", "date": date(2026, 11, 24)}


def shipped():
    return yaml.safe_load(find_checklist("hosted").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """The report and the folder of a run of the shipped checklist against two servers, with keys of their own."""
    folder = tmp_path_factory.mktemp("hosted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVIDER_KEY", "canary-provider")
        patch.setenv("INCUMBENT_KEY", "canary-incumbent")
        common = {"hide": HIDDEN, "disable_radix_cache": True}
        provider = preset("diffusion", model="provider-diffusion-model", api_key="canary-provider", **common)
        today = preset("autoregressive", model="our-model-of-today", api_key="canary-incumbent", **common)
        with worlds() as world:
            fast, plain = world.serve(provider, today)
            document = shipped()
            document["modes"]["diffusion"]["endpoint"] = f"{fast.base_url}/v1"
            document["incumbent"]["endpoint"] = f"{plain.base_url}/v1"
            document |= {"prompts": ["prompts.jsonl"], "tasks": ["suite.yaml"]}
            document["items"]["license"]["provider_terms"] = TERMS
            document["items"]["modes"] |= {"speedup": {"at_least": 1.0}}
            document["items"]["quality"] = {"margin": {"default": 0.1}, "concurrency": 8}
            write_inputs(folder, {})
            (folder / "checklist.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
            report = run(Flags(checklist=str(folder / "checklist.yaml"), output_dir=folder / "run", as_json=True))
    return report, folder / "run"


def test_nothing_is_claimed_for_the_reader_before_the_terms_are_read():
    checklist = load_checklist(find_checklist("hosted")).checklist
    assert checklist.items.license.provider_terms is None
    assert checklist.incumbent.required
    assert (checklist.baseline.speed, checklist.baseline.quality) == ("incumbent", "incumbent")


@pytest.mark.slow
def test_a_faster_hosted_model_that_answers_as_well_is_a_go_against_the_incumbent(hosted):
    report, _folder = hosted
    assert report["verdict"] == "go", report["reasons"]
    assert report["recommended_mode"] == "diffusion"
    assert not report["versus_incumbent"].startswith("NOT COMPARED")
    items = {item["id"]: item for item in report["items"]}
    assert items["hardware"]["status"] == "not-applicable"
    assert "provider owns the hardware" in items["hardware"]["findings"][0]["summary"]
    assert {f["known_by"] for f in items["license"]["findings"] if f["status"] == "pass"} == {"declared"}
    assert not items["serving"]["required"]


@pytest.mark.slow
def test_keys_of_the_services_are_in_no_file_of_the_run(hosted):
    _report, folder = hosted
    leaks = [path for path in folder.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert leaks == []


def again(folder, change):
    stored = RunFolder.open(folder)
    document = stored.checklist().checklist.model_dump(mode="python", exclude_unset=True)
    change(document)
    return decide(Checklist.model_validate(document), stored.facts(), NOW)


@pytest.mark.slow
def test_without_terms_or_with_terms_that_forbid_the_use_there_is_no_go(hosted):
    decision = again(hosted[1], lambda d: d["items"]["license"].pop("provider_terms"))
    assert decision.verdict == "inconclusive"
    assert any("provider_terms" in step for step in decision.next_steps)
    decision = again(hosted[1], lambda d: d["items"]["license"].update(provider_terms={**TERMS, "commercial": False}))
    assert decision.verdict == "no-go"


@pytest.mark.slow
def test_a_speed_up_that_the_hosted_model_does_not_reach_is_a_no_go(hosted):
    decision = again(hosted[1], lambda d: d["items"]["modes"].update(speedup={"at_least": 50.0}))
    assert decision.verdict == "no-go"

from __future__ import annotations

import re

import pytest
import yaml

from evalkit.data import load_related, load_vendor_claims
from evalkit.errors import UsageError
from evalkit.report.document.vendor import vendor_claims
from evalkit.report.formats import directory, html, markdown, terminal
from tests.cli.command import evalkit
from tests.support.quality_run import DECIDING, run_facts
from tests.support.report_doc import document
from tests.support.stored_run import write_run

MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"verdict": "go"}, "candidate"),
        ({"verdict": "no-go"}, "rejected"),
        ({"verdict": "inconclusive"}, "watch"),
        ({"verdict": "go", "simulated": True}, "watch"),
        ({"verdict": "no-go", "simulated": True}, "watch"),
        ({"verdict": "go", "adopted": {"by": "A. Person", "on": "2026-11-24"}}, "adopted"),
        ({"verdict": "go", "adopted": {"by": "A. Person", "on": ""}}, "candidate"),
        ({"verdict": "no-go", "adopted": {"by": "A. Person", "on": "2026-11-24"}}, "rejected"),
        ({"verdict": "go", "simulated": True, "adopted": {"by": "A. Person", "on": "2026-11-24"}}, "watch"),
    ],
)
def test_status_follows_the_stated_rule(changed, expected) -> None:
    record = yaml.safe_load(directory.render(document(**changed)))
    assert record["status"] == expected
    assert record["status_rule"] == directory.RULE
    assert (record["adopted"] is not None) == (expected == "adopted")


def test_adoption_takes_a_person_a_date_and_a_candidate() -> None:
    doc = document()
    assert directory.adopted(doc, " A. Person ", "2026-11-24") == {"by": "A. Person", "on": "2026-11-24"}
    for by, on in ((None, "2026-11-24"), ("  ", "2026-11-24"), ("A", None), ("A", "yesterday")):
        with pytest.raises(UsageError):
            directory.adopted(doc, by, on)
    with pytest.raises(UsageError, match="watch"):
        directory.adopted(document(verdict="inconclusive"), "A. Person", "2026-11-24")


def test_the_command_writes_an_adopted_record(tmp_path, capsys) -> None:
    run = write_run(tmp_path / "run", DECIDING, run_facts(cases=40, prompts=22)).path
    asked = ("report", run, "--format", "directory")
    assert yaml.safe_load(evalkit(capsys, *asked).out)["status"] == "candidate"
    assert yaml.safe_load(evalkit(capsys, *asked, "--adopted-by", "A", "--adopted-on", "2026-11-24").out)["adopted"]
    assert evalkit(capsys, *asked, "--adopted-by", "A").code == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Nemotron-Labs-Diffusion-8B", "Nemotron-Labs-Diffusion"),
        ("Nemotron-Labs-Diffusion-VLM-8B", "Nemotron-Labs-Diffusion"),
        ("Nemotron-Labs-Diffusion-8B-Base", "Nemotron-Labs-Diffusion"),
        ("LLaDA-8B-Instruct", "LLaDA"),
        ("Mercury", "Mercury"),
        ("8B", "8B"),
    ],
)
def test_family_is_the_name_without_size_and_kind(name, expected) -> None:
    assert directory.family(name) == expected


def test_vendor_figures_stand_apart_and_say_so() -> None:
    doc = document()
    doc["vendor_claims"] = vendor_claims(MODEL, run_facts(cases=1, prompts=1), doc["modes"])
    record = yaml.safe_load(directory.render(doc))
    assert record["vendor_reported"]
    for row in record["vendor_reported"]:
        assert row["note"].startswith("vendor-reported, unverified")
        assert ("not time" in row["note"]) == ("forward" in row["unit"])
    assert {row["mode"] for row in record["measured"]} == {m["mode"] for m in doc["modes"]}
    assert f"https://huggingface.co/{MODEL}" in record["sources"]


def test_cross_links_cover_the_family_stacks_hosts_and_cache_tools() -> None:
    record = yaml.safe_load(directory.render(document()))
    relations = {row["relation"] for row in record["related"]}
    assert relations >= {"family", "engine", "provider", "kv-cache", "compare", "code"}
    assert all(row["source"] and row["date"] for row in record["related"])
    other = document()
    other["candidate"]["model"] = "org/other-dlm-7B"
    kin = {row["relation"] for row in yaml.safe_load(directory.render(other))["related"]}
    assert not kin & {"family", "code", "report", "derivative"}
    assert len(load_related()) > len(record["related"])


def test_a_local_folder_has_no_provider_and_shows_no_path() -> None:
    doc = document()
    doc["candidate"] |= {"model": "/data/models/Trident-8B", "kind": "folder"}
    record = yaml.safe_load(directory.render(doc))
    assert (record["model"], record["provider"], record["family"]) == ("Trident-8B", None, "Trident")


def test_two_point_six_and_six_are_counts_of_tokens_per_forward_pass_never_time() -> None:
    claims = [row for row in load_vendor_claims() if row.value in (2.57, 2.6, 5.9, 5.99, 6.0, 6.38, 6.4)]
    assert len(claims) >= 6
    assert all(row.unit == "tokens per forward pass" for row in claims)
    doc = document()
    doc["vendor_claims"] = vendor_claims(MODEL, run_facts(cases=1, prompts=1), doc["modes"])
    texts = (markdown.render(doc), html.render(doc), terminal.render(doc), directory.render(doc))
    for text in texts:
        for match in re.finditer(r"\b(?:2\.6|6|5\.9)\s?(?:x|×)", text):
            assert "tokens per forward pass" in text[match.start() : match.end() + 200], match
    assert "work per step inside the server, not time" in texts[0]


def test_claims_stand_beside_our_figures_with_what_differs() -> None:
    doc = document()
    rows = vendor_claims(MODEL, run_facts(cases=1, prompts=1, simulated=True), doc["modes"])
    measured = [row for row in rows if row["measured"]]
    assert {row["unit"] for row in measured} >= {"tokens per forward pass", "output tokens per second"}
    for row in measured:
        assert row["value"] != row["measured"]["value"]
        assert "here simulated" in row["differs"]
    speed = next(row for row in measured if row["unit"] == "output tokens per second")
    assert any(line.startswith("hardware:") for line in speed["differs"])
    assert any(line.startswith("prompts:") for line in speed["differs"])
    assert vendor_claims("org/other", run_facts(cases=1, prompts=1), doc["modes"]) == []

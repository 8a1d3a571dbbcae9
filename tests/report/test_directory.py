from __future__ import annotations

import json
import re
from datetime import date

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.data import demo_path, load_related, load_vendor_claims
from evalkit.data.records import families
from evalkit.docs.__main__ import DATA
from evalkit.errors import UsageError
from evalkit.report import directory as entries
from evalkit.report.document.vendor import vendor_claims
from evalkit.report.formats import directory, html, markdown, terminal
from tests.cli.command import evalkit
from tests.support.quality_run import DECIDING, run_facts
from tests.support.report_doc import document
from tests.support.stored_run import write_run

MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"


TOPICS = ("access", "independent_benchmarks", "production_deployment")
SETTLED = dict.fromkeys(TOPICS, "https://example.org/source")
TODAY = date(2026, 11, 28)


def front(text):
    """The front matter of a page."""
    begin, matter, body = text.split("---\n", 2)
    assert begin == ""
    assert body.strip()
    return yaml.safe_load(matter)


@pytest.mark.parametrize(
    ("changed", "outcome"),
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
def test_a_run_settles_its_own_outcome_and_none_of_the_three_questions(changed, outcome) -> None:
    record = front(directory.render(document(**changed)))
    assert record["own_evaluation"]["outcome"] == outcome
    assert (record["own_evaluation"]["adopted"] is not None) == (outcome == "adopted")
    assert record["status"] == "watch"
    assert record["status_rule"] == entries.RULE
    assert [record["settled"][topic]["settled"] for topic in TOPICS] == [False] * 3
    every = entries.entry(MODEL, run=document(**changed), settled=SETTLED, today=TODAY)
    assert every["status"] == ("candidate" if outcome == "watch" else outcome)


@pytest.mark.parametrize("missing", TOPICS)
def test_one_open_question_keeps_the_status_at_watch(missing) -> None:
    given = {topic: url for topic, url in SETTLED.items() if topic != missing}
    assert entries.entry(MODEL, settled=given, today=TODAY)["status"] == "watch"
    made = entries.entry(MODEL, settled=SETTLED, today=TODAY)
    assert made["status"] == "candidate"
    assert made["settled"][missing]["by"] == {
        "source": "https://example.org/source", "date": "2026-11-28", "known_by": "stated",
    }  # fmt: skip


def test_the_three_modes_of_the_first_candidate_are_known_without_a_run_or_a_network(capsys) -> None:
    done = evalkit(capsys, "directory", MODEL.lower())
    assert done.code == 0
    record = front(done.out)
    assert record["model"] == MODEL
    assert record["provider"] == "nvidia"
    assert record["architecture"]["tags"] == ["diffusion-language-model", "parallel-decoding", "self-speculation"]
    assert [(m["mode"], m["exists"]) for m in record["decoding_modes"]] == [
        ("autoregressive", "yes"), ("diffusion", "yes"), ("self-speculation", "yes"),
    ]  # fmt: skip
    assert all(m["supported_by"] and m["measured"] == [] for m in record["decoding_modes"])
    licenses = {row["model"]: row["license"] for row in record["licenses"]}
    assert licenses[MODEL] != licenses["nvidia/Nemotron-Labs-Diffusion-VLM-8B"]
    assert record["licenses"][0]["model"] == MODEL
    assert any("Nemotron-3" in row["id"] for row in record["related"] if row["relation"] == "family")
    assert record["status"] == "watch"
    assert record["own_evaluation"] is None
    assert front(evalkit(capsys, "directory", MODEL).out) == json.loads(
        evalkit(capsys, "directory", MODEL, "--json").out
    )


@pytest.mark.parametrize("model", [name for one in families() for name in one.ids[:1]])
def test_every_claim_has_a_source_and_the_entry_fits_its_schema(model) -> None:
    made = entries.entry(model, today=TODAY)
    schema = json.loads((DATA / "directory.schema.json").read_text())
    Draft202012Validator(schema).validate(directory.clean(made))
    claims = list(attributed(made))
    assert len(claims) > 2
    for by in claims:
        assert by["source"].startswith("https://") or by["source"] == "none"
        assert (by["source"] == "none") == (by["known_by"] == "unknown")
    assert directory.page(made).count("\n## ") >= 3


def attributed(value):
    if isinstance(value, dict):
        if set(value) == {"source", "date", "known_by"}:
            yield value
        for one in value.values():
            yield from attributed(one)
    elif isinstance(value, list):
        for one in value:
            yield from attributed(one)


def test_a_model_that_nothing_is_known_of_has_no_tag_and_unknown_modes() -> None:
    made = entries.entry("org/other-dlm-7B", today=TODAY)
    assert made["architecture"]["tags"] == []
    assert made["decoding_modes"] == []
    assert "unknown is not the same as absent" in directory.page(made)


def test_a_model_folder_and_a_snapshot_are_read(tmp_path, capsys) -> None:
    where = tmp_path / "Own-DLM-4B"
    where.mkdir()
    (where / "README.md").write_text("---\nlicense: mit\n---\nx\n")
    (where / "config.json").write_text('{"architectures": ["SDARForCausalLM"], "model_type": "sdar"}')
    record = front(evalkit(capsys, "directory", where).out)
    assert (record["model"], record["provider"], record["licenses"][0]["license"]) == ("Own-DLM-4B", None, "MIT")
    assert "diffusion" in [m["mode"] for m in record["decoding_modes"]]
    assert str(tmp_path) not in evalkit(capsys, "directory", where).out
    record = front(evalkit(capsys, "directory", demo_path("trident-8b")).out)
    assert record["model"] == "acme-labs/Trident-8B"


@pytest.mark.parametrize(
    "words", [("--settled", "access"), ("--settled", "access=here"), ("--settled", "mood=https://example.org/")]
)
def test_a_question_needs_its_name_and_an_address(words, capsys) -> None:
    done = evalkit(capsys, "directory", MODEL, *words)
    assert (done.code, done.out) == (2, "")


def test_adoption_takes_a_person_a_date_and_a_candidate() -> None:
    doc = document()
    assert entries.adopted(doc, " A. Person ", "2026-11-24") == {"by": "A. Person", "on": "2026-11-24"}
    for by, on in ((None, "2026-11-24"), ("  ", "2026-11-24"), ("A", None), ("A", "yesterday")):
        with pytest.raises(UsageError):
            entries.adopted(doc, by, on)
    with pytest.raises(UsageError, match="watch"):
        entries.adopted(document(verdict="inconclusive"), "A. Person", "2026-11-24")


def test_both_commands_write_the_entry_of_a_run(tmp_path, capsys) -> None:
    run = write_run(tmp_path / "run", DECIDING, run_facts(cases=40, prompts=22)).path
    asked = ("report", run, "--format", "directory")
    record = front(evalkit(capsys, *asked).out)
    assert record["own_evaluation"]["outcome"] == "candidate"
    assert record == front(evalkit(capsys, "directory", run).out)
    measured = {m["mode"]: m["measured"] for m in record["decoding_modes"] if m["measured"]}
    assert measured["diffusion"][0]["by"]["source"].startswith("run ")
    both = front(evalkit(capsys, *asked, "--adopted-by", "A", "--adopted-on", "2026-11-24").out)
    assert both["own_evaluation"]["adopted"]
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
    assert entries.family(name) == expected


def test_vendor_figures_say_so_and_are_never_what_was_measured() -> None:
    record = front(directory.render(document()))
    assert record["vendor_reported"]
    assert {row["by"]["known_by"] for row in record["vendor_reported"]} == {"vendor-reported"}
    known = {m["by"]["known_by"] for mode in record["decoding_modes"] for m in mode["measured"]}
    assert known == {"observed"}
    assert f"https://huggingface.co/{MODEL}" in record["sources"]


def test_cross_links_cover_the_family_stacks_hosts_and_cache_tools() -> None:
    record = front(directory.render(document()))
    relations = {row["relation"] for row in record["related"]}
    assert relations >= {"family", "engine", "provider", "kv-cache", "compare", "code"}
    kin = {row["relation"] for row in entries.entry("org/other-dlm-7B", today=TODAY)["related"]}
    assert not kin & {"family", "code", "report", "derivative"}
    assert len(load_related()) > len(record["related"])


def test_a_local_folder_has_no_provider_and_shows_no_path() -> None:
    doc = document()
    doc["candidate"] |= {"model": "/data/models/Trident-8B", "kind": "folder"}
    record = front(directory.render(doc))
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

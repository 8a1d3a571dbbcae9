"""`evalkit license`: exit codes, the JSON contract, and the page for legal."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
import typer
from typer.testing import CliRunner

from evalkit.cli.license import license_command
from evalkit.data import demo_path
from evalkit.errors import InputFileError, UsageError
from tests.support.cards import folder
from tests.support.hub_client import evalkit

APP = typer.Typer()
APP.command()(license_command)
KEYS = {
    "model", "revision", "license", "license_name", "license_link", "spdx", "facets", "obligations", "status", "reasons",
    "evidence",
}  # fmt: skip
HOUSE = "House license. You may use it."


def run(*arguments: str):
    return CliRunner().invoke(APP, [str(a) for a in arguments])


@pytest.fixture
def models(tmp_path):
    """Folders: one that passes, one that fails, one that stays open."""
    return {
        "free": folder(tmp_path / "free", "padded", "instruct-8b"),
        "closed": folder(tmp_path / "closed", "vlm-8b", "vlm-8b"),
        "open": folder(tmp_path / "open", "no-license", "instruct-8b", LICENSE=HOUSE),
    }


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("free",), 0),
        (("closed",), 1),
        (("open",), 3),
        (("free", "closed"), 1),
        (("free", "open"), 3),
        (("open", "closed"), 1),
    ],
)
def test_exit_codes_are_those_of_the_contract(models, asked, code):
    assert run(*(models[name] for name in asked)).exit_code == code


def test_a_model_that_cannot_be_read_is_neither_pass_nor_fail(tmp_path):
    result = run(tmp_path / "gone.json", "--json")
    assert result.exit_code == 3
    (record,) = json.loads(result.stdout)
    assert set(record) == KEYS
    assert record["status"] == "error"


def test_the_json_has_the_fields_of_the_contract_and_nothing_else(models):
    document = json.loads(run(*models.values(), "--json").stdout)
    assert [set(record) for record in document] == [KEYS] * 3
    free, closed, _ = document
    assert (free["spdx"], free["license"], free["status"]) == ("Apache-2.0", "Apache-2.0", "warn")
    assert (closed["license"], closed["license_name"], closed["license_link"]) == ("other", "nscl-v1", None)
    assert closed["facets"]["commercial"] == "no"
    assert {"user_cap", "revenue_cap", "use_restrictions", "output_terms", "patent_litigation", "revocable"} <= set(
        closed["facets"]
    )
    assert closed["obligations"]
    assert {e["how_read"] for e in closed["evidence"] if "how_read" in e} == {"read"}
    assert all(len(e["sha256"]) == 64 for e in closed["evidence"] if "sha256" in e)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--no-commercial", "--purpose", "evaluation"), 0),
        (("--no-commercial",), 1),
        (("--no-commercial", "--purpose", "evaluation", "--modify", "--redistribute"), 0),
    ],
)
def test_the_use_is_asked_for_by_options(models, options, code):
    assert run(models["closed"], *options).exit_code == code


def test_a_limit_is_decided_by_options(tmp_path):
    card = folder(tmp_path / "m", None, "instruct-8b", README__md="---\nlicense: llama2\n---\n")
    assert run(card).exit_code == 3
    assert run(card, "--monthly-users", "800000000").exit_code == 1


def test_a_text_that_is_handed_over_is_hashed_and_kept(models, tmp_path):
    text = tmp_path / "terms.txt"
    text.write_text("Terms that legal has.")
    result = run(models["open"], "--license-text", text, "--evidence", tmp_path / "kept", "--json")
    (given,) = [e for e in json.loads(result.stdout)[0]["evidence"] if e.get("origin") == "given"]
    assert given["sha256"] == hashlib.sha256(b"Terms that legal has.").hexdigest()
    assert given["date"]
    assert (tmp_path / given["path"]).read_text() == "Terms that legal has."


@pytest.mark.parametrize("content", [None, b"", b"x" * (5 << 20)])
def test_a_text_that_cannot_be_used_is_a_usage_error(models, tmp_path, content):
    text = tmp_path / "terms.txt"
    if content is not None:
        text.write_bytes(content)
    assert isinstance(run(models["open"], "--license-text", text).exception, InputFileError)


def test_nothing_is_fetched_unless_it_is_asked_for_and_only_from_public_addresses(tmp_path):
    card = "---\nlicense: other\nlicense_name: x\nlicense_link: https://127.0.0.1/terms\n---\n"
    where = folder(tmp_path / "m", None, "instruct-8b", README__md=card)
    page = run(where, "--fetch-license", "--format", "markdown").stdout
    assert "not a public address" in page
    assert "not a public address" not in run(where, "--format", "markdown").stdout


def test_readings_and_use_of_a_checklist_count(models, tmp_path):
    sha256 = hashlib.sha256(HOUSE.encode()).hexdigest()
    (tmp_path / "c.yaml").write_text(
        f"candidate: {{model: open, variants: [free]}}\nuse: {{modify: true}}\nitems:\n  license:\n    readings:\n"
        f"      - {{text_sha256: {sha256}, commercial: true, modify: true, by: jane, date: 2026-11-01, note: asked the authors}}\n"
    )
    result = run("--checklist", tmp_path / "c.yaml", "--format", "markdown")
    assert result.exit_code == 0, result.output
    assert "jane on 2026-11-01" in result.stdout
    assert "changed weights yes" in result.stdout
    assert "the text at hand" in result.stdout
    assert "stale" not in result.stdout


def test_a_reading_of_a_text_that_no_model_has_is_stale(models, tmp_path):
    reading = f"{{text_sha256: {'b' * 64}, commercial: true, by: jane, date: 2026-11-01}}"
    (tmp_path / "c.yaml").write_text(f"candidate: {{model: free}}\nitems: {{license: {{readings: [{reading}]}}}}\n")
    result = run("--checklist", tmp_path / "c.yaml", "--json")
    assert result.exit_code == 3
    assert any(reason.startswith("license.reading") for reason in json.loads(result.stdout)[0]["reasons"])


def test_no_model_at_all_is_a_usage_error():
    assert isinstance(run().exception, UsageError)


def test_the_packet_names_every_part_with_hash_date_facets_and_duties_and_what_was_not_read(tmp_path):
    weights = "Apache License. Version 2.0, January 2004"
    where = folder(tmp_path / "m", "padded", "instruct-8b", LICENSE=weights)
    (where / "linear_spec_lora").mkdir()
    (where / "linear_spec_lora" / "adapter_model.safetensors").write_bytes(b"0")
    page = run(where, "--format", "markdown").stdout
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for part in ("weights", "adapter", "code", "upstream base", "engine"):
        assert any(row.startswith(f"| {part} |") for row in rows), part
    assert hashlib.sha256(weights.encode()).hexdigest() in page
    assert "sha256:" in page
    for heading in ("### Answer", "### Parts", "### Duties", "### Texts", "### Readings by people", "### Not read"):
        assert page.count(heading) == 1, heading
    assert "State the changes made to files." in page
    assert re.search(r"licenses of \d{4}-\d\d-\d\d \(\d+ days old\)", page)
    for table in ("vendor claims of", "support of", "variants of"):
        assert table in page


@pytest.mark.parametrize("options", [(), ("--format", "markdown")])
def test_it_is_said_once_that_this_is_no_legal_advice(options):
    result = run(demo_path("trident-8b"), demo_path("trident-vlm-8b"), *options)
    assert result.stdout.count("legal advice") == 1


def test_a_hostile_card_stays_text_in_the_page(tmp_path):
    card = '---\nlicense: "<script>alert(1)</script> | [x](javascript:1) `a` @team"\n---\n[a|b](https://x/license)\n'
    where = folder(tmp_path / "m", None, "instruct-8b", README__md=card)
    page = run(where, "--format", "markdown").stdout
    assert "<script>" not in re.sub(r"`+[^`\n]*`+", "", page)
    tables = [line for line in page.splitlines() if line.startswith("| ")]
    widths = {line.count("|") for line in tables}
    assert widths <= {3, 7, 8, 10}


@pytest.mark.slow
def test_a_run_keeps_the_given_text_as_evidence_and_a_reading_of_it_decides(tmp_path):
    folder(tmp_path / "m", "no-license", "instruct-8b")
    (tmp_path / "terms.txt").write_text(HOUSE)
    sha256 = hashlib.sha256(HOUSE.encode()).hexdigest()
    reading = f"{{text_sha256: {sha256}, commercial: true, by: jane, date: 2026-11-01}}"
    checklist = tmp_path / "c.yaml"

    def license_findings(items: str, run_folder: str) -> dict[str, dict[str, object]]:
        checklist.write_text(f"candidate: {{model: m}}\nitems: {{license: {{{items}}}}}\n")
        done = evalkit(
            "http://127.0.0.1:9", tmp_path, "run", str(checklist), "--output-dir", str(tmp_path / run_folder), "--json",
            "--only", "license",
        )  # fmt: skip
        (item,) = [i for i in json.loads(done.stdout)["items"] if i["id"] == "license"]
        return {f["id"]: f for f in item["findings"]}

    without = license_findings(f"readings: [{reading}]", "a")
    assert without["license.commercial-use"]["status"] == "inconclusive"
    assert without["license.reading"]["status"] == "inconclusive"
    found = license_findings(f"text: terms.txt, readings: [{reading}]", "b")
    assert found["license.commercial-use"]["status"] == "pass"
    assert "license.reading" not in found
    (evidence,) = found["license.text-pinned"]["evidence"]
    assert evidence["sha256"] == sha256
    assert (tmp_path / "b" / evidence["path"]).read_text() == HOUSE

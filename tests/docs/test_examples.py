"""The examples of the guide come from their stored runs, and the README quotes the demo's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalkit.report.words.first_screen import headline
from evalkit.stored.again import document_of
from evalkit.stored.open import open_source

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.parametrize(("name", "verdict"), [("no-go", "no-go"), ("real-cpu", "no-go")])
def test_an_example_is_what_its_run_decides_and_names_no_folder_of_a_machine(name: str, verdict: str) -> None:
    pack = EXAMPLES / name / "run.pack"
    document = document_of(pack)
    assert (document["verdict"], document["integrity"]) == (verdict, [])
    assert (EXAMPLES / name / "report.md").read_text(encoding="utf-8").startswith(f"# {headline(document)}\n")
    source = open_source(pack)
    texts = source.facts().model_dump_json() + source.checklist().checklist.model_dump_json()
    assert not re.findall(r'/(?:home|root|tmp|work|Users)/[^"\\ ]*', texts)


def test_the_readme_quotes_the_decision_of_the_demo() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = re.search(r"<!-- report-excerpt -->\n(.*?)<!-- /report-excerpt -->", readme, re.DOTALL)
    assert quoted
    lines = [line.removeprefix("> ") for line in quoted[1].splitlines() if line.startswith("> ")]
    report = (EXAMPLES / "demo-report.md").read_text(encoding="utf-8").splitlines()
    assert f"# {lines[0].strip('*')}" == report[0]
    assert lines[1] in report
    assert len(lines) <= 10


@pytest.mark.parametrize("page", ["demo-report.md", "no-go/report.md", "real-cpu/report.md"])
def test_every_picture_of_an_example_is_there(page: str) -> None:
    file = EXAMPLES / page
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", file.read_text(encoding="utf-8"))
    assert pictures
    assert [one for one in pictures if not (file.parent / one).is_file()] == []

from __future__ import annotations

import difflib

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from evalkit.docs.schemas import report_schema
from evalkit.report.document.model import Report
from evalkit.stored.again import document_of
from tests.golden.replay import EXPECTED, NAMES, expected, outputs, sha256, unpacked

HINT = "if the change is meant: python -m tests.golden, and say in the changelog what users see"


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_run_gives_the_same_bytes_in_every_format(tmp_path, name) -> None:
    texts = dict(outputs(unpacked(name, tmp_path)))
    before = (EXPECTED / f"{name}.md").read_text(encoding="utf-8")
    changed = difflib.unified_diff(
        before.splitlines(), texts["markdown"].splitlines(), "before", "now", lineterm="", n=0
    )
    assert texts["markdown"] == before, "\n".join([HINT, *(line[:400] for line in list(changed)[:80])])
    found = {output: sha256(text) for output, text in texts.items()}
    assert sorted(found.items() ^ expected(name).items()) == [], HINT
    for output, text in texts.items():
        assert text.strip(), output


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_report_of_a_stored_run_is_what_its_types_and_its_schema_say(tmp_path, name, redact) -> None:
    document = document_of(unpacked(name, tmp_path), redact_prompts=redact)
    assert TypeAdapter(Report).validate_python(document, strict=True) == document
    assert [one.message for one in Draft202012Validator(report_schema()).iter_errors(document)] == []

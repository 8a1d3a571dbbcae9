"""Pages that are written from metadata are up to date, and the metadata leaves nothing unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.checklist.keys import keys, meanings
from evalkit.checklist.schema import Checklist
from evalkit.docs.__main__ import DATA, main, pages
from evalkit.docs.commands import commands
from evalkit.docs.schemas import report_schema, schemas
from evalkit.quality.schema import Defaults, RawCase, RawSuite, RequestParams, SuiteHead
from evalkit.stored.again import document_of
from evalkit.verdict.waivers import State, WaiverUse

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_what_the_code_says_now(name):
    assert (ROOT / "docs" / name).read_bytes() == pages()[name].encode(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_shipped_schema_is_what_the_models_say_now(name):
    assert (DATA / name).read_bytes() == schemas()[name].encode(), "run `make docs`"


def test_the_schemas_for_editors_take_what_is_shipped_and_refuse_a_wrong_key():
    def problems(schema, path):
        document = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
        return [f"{path.name} {one.json_path}: {one.message[:200]}" for one in schema.iter_errors(document)]

    names = ("checklist", "suite", "matrix-file")
    checklist, suite, matrix = (Draft202012Validator(json.loads(schemas()[f"{name}.schema.json"])) for name in names)
    page = (ROOT / "docs" / "matrix.md").read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert list(matrix.iter_errors(yaml.safe_load(page))) == []
    assert not matrix.is_valid({**yaml.safe_load(page), "sweeep": {"mode": "diffusion"}})
    found = [one for path in (ROOT / "checklists").glob("*.yaml") for one in problems(checklist, path)]
    found += [one for path in (ROOT / "prompts").rglob("*.yaml") for one in problems(suite, path)]
    assert found == []
    assert not checklist.is_valid({"candidate": {"modle": "org/model"}})
    assert not suite.is_valid({"suite": {"name": "s", "kind": "chat"}, "cases": [{"id": "a", "expects": []}]})


@pytest.mark.parametrize("schema", [Checklist, RawSuite, RawCase, RequestParams, Defaults, SuiteHead])
def test_every_key_of_a_suite_and_a_checklist_has_a_description(schema):
    assert [name for name in schema.model_fields if not meanings(schema).get(name)] == []


def test_a_stale_page_is_named_and_writing_mends_it(tmp_path, capsys):
    assert main(["--check", str(tmp_path)]) == 1
    assert "commands.md" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


def test_every_key_of_a_checklist_says_what_it_means():
    assert [key.path for key in keys() if not key.meaning] == []


def test_the_keys_are_those_of_the_schema_with_their_defaults():
    by_path = {key.path: key for key in keys()}
    assert by_path["items.quality.margin.tools"].default == "`0.02`"
    assert by_path["candidate.model"].default == "required"
    assert by_path["modes.NAME.endpoint"].kind == "http(s) address"
    assert by_path["items.modes.adopt"].kind == "`any` or list of texts"
    assert {path for path in by_path if "." not in path} == set(Checklist.model_fields)


def test_every_argument_and_option_has_a_help_text():
    silent = [
        (name, parameter.name)
        for name, command in commands().items()
        for parameter in command.params
        if parameter.name != "help" and not parameter.help
    ]
    assert silent == []
    assert [name for name, command in commands().items() if not command.help] == []


def _silent(shape, path=""):
    for name, inner in shape.get("properties", {}).items():
        if "description" not in inner:
            yield f"{path}.{name}"
        for one in (inner, inner.get("items", {}), *inner.get("anyOf", ())):
            yield from _silent(one, f"{path}.{name}")
    for name, inner in shape.get("$defs", {}).items():
        for one in (inner, *inner.get("anyOf", ())):
            yield from _silent(one, name)


def test_every_field_of_the_reports_schema_says_what_it_means():
    assert list(_silent(report_schema())) == []


SCHEMA = report_schema()


def _unnamed(value, shape, path=""):
    """Fields of a document that its schema does not name, where it names any."""
    shape = SCHEMA["$defs"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
    for one in shape.get("anyOf", ()):
        yield from _unnamed(value, one, path)
    if isinstance(value, list):
        for one in value:
            yield from _unnamed(one, shape.get("items", {}), f"{path}[]")
    elif isinstance(value, dict) and shape.get("properties"):
        for name, inner in value.items():
            if name in shape["properties"]:
                yield from _unnamed(inner, shape["properties"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"


def test_every_field_of_a_report_is_on_its_page():
    document = document_of(ROOT / "tests" / "fixtures" / "runs" / "small.pack")
    assert sorted(set(_unnamed(document, SCHEMA))) == []


def test_every_field_and_state_of_a_waiver_is_on_the_page():
    shape = report_schema()["$defs"]["Waiver"]["properties"]
    assert set(shape) == set(WaiverUse.model_fields)
    assert set(shape["state"]["enum"]) == set(get_args(State))

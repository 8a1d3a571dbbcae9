"""The JSON Schemas that are shipped for editors and readers, generated from the models of each document."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter

from evalkit.checklist.keys import meanings
from evalkit.checklist.schema import Checklist
from evalkit.matrix.model import MatrixReport
from evalkit.matrix.schema import Matrix
from evalkit.quality.graders import registry
from evalkit.quality.schema import RawCase, RawSuite
from evalkit.report.document.model import Report
from evalkit.report.document.model.directory import Entry

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SHARED = "In a suite: one entry of `expect`. A grader alone, or the grader with its parameters, and perhaps a weight."


def schemas() -> dict[str, str]:
    """Texts by file name in `evalkit/data`; the same for the same code."""
    found = {"report": report_schema(), "checklist": checklist_schema(), "suite": suite_schema(),
             "directory": directory_schema(), "matrix": matrix_schema(),
             "matrix-file": matrix_file_schema()}  # fmt: skip
    return {f"{name}.schema.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in found.items()}


def report_schema() -> dict[str, Any]:
    """report.json: `recommended_mode` is a text exactly when the verdict is go."""
    go = {"properties": {"verdict": {"const": "go"}}}
    text, none = ({"properties": {"recommended_mode": {"type": kind}}} for kind in ("string", "null"))
    schema = _plain(_json_schema(Report), closed=False)
    return _headed("evalkit report", {**schema, "allOf": [{"if": go, "then": text, "else": none}]})


def _json_schema(kind: Any) -> dict[str, Any]:
    """The schema of a typed dictionary, whose docstrings pydantic parses from source.

    CPython 3.11 keeps the depth of `ast.parse` for the whole interpreter: code that the collector runs in between can
    change it, which ends in a SystemError that a second call does not meet (github.com/python/cpython/issues/106905).
    """
    try:
        return TypeAdapter(kind).json_schema()
    except SystemError:
        return TypeAdapter(kind).json_schema()


def directory_schema() -> dict[str, Any]:
    """The entry of a model directory: front matter of the page, and what `evalkit directory --json` prints."""
    return _headed("evalkit directory entry", _plain(_json_schema(Entry), closed=False))


def matrix_schema() -> dict[str, Any]:
    """matrix-report.json: there is a cell to take exactly when the exit code is 0."""
    go = {"properties": {"exit_code": {"const": 0}}}
    some, none = ({"properties": {"take": shape}} for shape in ({"type": "object"}, {"type": "null"}))
    schema = _plain(_json_schema(MatrixReport), closed=False)
    return _headed("evalkit matrix report", {**schema, "allOf": [{"if": go, "then": some, "else": none}]})


def checklist_schema() -> dict[str, Any]:
    """A checklist, with the meaning of every key. What one key asks of another is checked by `evalkit validate`."""
    schema = _plain(_described(Checklist), closed=True)
    schema["properties"]["modes"].pop("propertyNames", None)  # NVIDIA's names of modes are taken too
    schema["properties"]["baseline"] = {"anyOf": [schema["properties"]["baseline"], {"type": "string"}]}
    return _headed("evalkit checklist", schema)


def matrix_file_schema() -> dict[str, Any]:
    """matrix.yaml, with the meaning of every key."""
    schema = _plain(_described(Matrix), closed=True)
    for axis, what in (("variants", "A model's id."), ("engines", "An engine's name.")):
        shown = schema["$defs"]["Axes"]["properties"][axis]
        shown["items"] = {"anyOf": [shown["items"], {"type": "string", "description": what}]}
    schema["$defs"]["Recipe"]["properties"]["modes"].pop("propertyNames", None)
    return _headed("evalkit matrix", schema)


def suite_schema() -> dict[str, Any]:
    """A task suite, with every grader's parameters."""
    suite, case = _described(RawSuite), _described(RawCase)
    defs: dict[str, Any] = {**suite.pop("$defs", {}), **case.pop("$defs", {})}
    entry = {"$ref": "#/$defs/Expectation"}
    names = sorted(registry())
    defs["Expectation"] = {
        "description": _SHARED,
        "anyOf": [
            {"enum": names},
            {"type": "object", "properties": {name: _grader(name, defs) for name in names} | {"weight": _WEIGHT}},
        ],
    }
    case["properties"]["expect"]["items"] = entry
    defs["Case"] = case
    suite["properties"]["cases"]["items"] = {"$ref": "#/$defs/Case"}
    defaults = defs["Defaults"]["properties"]["expect"]
    for shape in defaults.get("anyOf", [defaults]):
        if shape.get("type") == "array":
            shape["items"] = entry
    return _headed("evalkit task suite", _plain({**suite, "$defs": defs}, closed=True))


_WEIGHT = {"type": "number", "description": "Of this entry in the case's score."}


def _grader(name: str, defs: dict[str, Any]) -> dict[str, Any]:
    """What may be behind a grader's name: its parameters, or the value of its short form."""
    grader = registry()[name]
    if grader.nested:
        return {"description": grader.summary}
    params = grader.params.model_json_schema()
    defs |= params.pop("$defs", {})
    rewritten = "function-before" in repr(grader.params.__pydantic_core_schema__)
    if grader.short or rewritten:  # further forms, which `evalkit validate` knows
        return {"description": grader.summary, "anyOf": [params, {}]}
    bare: list[dict[str, Any]] = [{"type": ["null", "boolean"]}] if not params.get("required") else []
    return {"description": grader.summary, "anyOf": [params, *bare]}


def _described(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model with the text under each of its fields, and of the sections inside, as description."""
    schema = model.model_json_schema(by_alias=True)
    for kind in _kinds(model):
        shape = schema if kind is model else schema.get("$defs", {}).get(kind.__name__)
        for name, text in meanings(kind).items() if shape else ():
            field = kind.model_fields.get(name)
            shown = shape["properties"].get((field.alias if field else None) or name) if shape else None
            if shown is not None and text:
                shown["description"] = text
    return schema


def _kinds(model: type[BaseModel]) -> list[type[BaseModel]]:
    """`model` and the models that its fields hold."""
    found: list[type[BaseModel]] = []
    waiting: list[Any] = [model]
    while waiting:
        kind = waiting.pop()
        waiting.extend(getattr(kind, "__args__", ()))
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.append(kind)
            waiting.extend(field.annotation for field in kind.model_fields.values())
    return found


def _headed(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _DRAFT, "title": title, **{key: one for key, one in schema.items() if key != "title"}}


def _plain(value: Any, *, closed: bool, names: bool = False) -> Any:
    """Without titles, which only repeat a name; `X or null` as a list of types; `closed`: unknown keys are wrong."""
    if isinstance(value, list):
        return [_plain(one, closed=closed) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = () if names else (("title",) if closed else ("title", "additionalProperties"))
    found = {
        key: _plain(one, closed=closed, names=key in ("properties", "$defs"))
        for key, one in value.items()
        if key not in dropped or (key == "additionalProperties" and isinstance(one, dict))
    }
    return found if names else _merged(found)


def _merged(shape: dict[str, Any]) -> dict[str, Any]:
    parts = shape.get("anyOf", [])
    if not parts or any(set(one) != {"type"} or not isinstance(one["type"], str) for one in parts):
        return shape
    return {"type": [one["type"] for one in parts], **{key: one for key, one in shape.items() if key != "anyOf"}}

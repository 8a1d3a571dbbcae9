"""docs/report-json.md, directory.md and matrix-json.md: every field, from the shipped JSON Schemas."""

from __future__ import annotations

import json
from typing import Any

from evalkit.docs.schemas import directory_schema, matrix_schema, report_schema
from evalkit.docs.table import cell, table

_INTRO = """# report.json

To look up: every field. Generated from the types of the report, as is the JSON Schema that is shipped as
`evalkit/data/report.schema.json`
(with those of a checklist and of a task suite, for editors). `evalkit run --json` prints this document, and
`evalkit report RUN --format json` writes it again from a stored run.

Compatibility: within `schema_version` 1 fields are only added. Read the fields that you know and ignore the rest. Times
are milliseconds and shares lie between 0 and 1 unless a name or a row says otherwise. Figures have six significant
digits; what is not known is null.
"""


_DIRECTORY = """# The entry of a model directory

To look up: the fields of the entry that `evalkit directory MODEL` writes. Generated from its types, as is the JSON
Schema that is shipped as `evalkit/data/directory.schema.json`.

    evalkit directory nvidia/Nemotron-Labs-Diffusion-8B > nemotron-8b.md
    evalkit directory runs/first > nemotron-8b.md
    evalkit directory nvidia/Nemotron-Labs-Diffusion-8B --json
    evalkit directory nvidia/Nemotron-Labs-Diffusion-8B --settled access=https://example.org/access

The page is YAML front matter, which holds every field below, and Markdown for people. `--json` prints the fields alone.
A known model is described from the records that evalkit ships, without network. A model folder, a snapshot file and a
run are read where they are; another Hub id, or a known one with `--hub`, is read from the Hub. Exit code 0, or 2 when
nothing can be said.

Three things are kept apart for each decoding mode: that it exists, that a program supports it, and that somebody
measured it. Every claim has its source, a date and how it is known. Figures of the vendor are listed as such and are
never evidence.

The status is `watch` until three questions are each settled by a source that you give with `--settled`: access,
independent benchmarks and production deployment. A run of your team, whatever its verdict, settles none of them: it is
shown as `own_evaluation`, for your use alone. That a person adopted a candidate is recorded by

    evalkit report runs/first --format directory --adopted-by "A. Person" --adopted-on 2026-11-24
"""


_MATRIX = """# matrix-report.json

To look up: every field of the report of a [matrix](matrix.md), which `matrix report` writes and prints with `--json`.
Generated from its types, as is the JSON Schema that is shipped as `evalkit/data/matrix.schema.json`. Within
`schema_version` 1 fields are only added. Times are milliseconds, shares lie between 0 and 1, and what is not known is
null.
"""


def matrix_json_markdown() -> str:
    """The page about the report of a matrix."""
    return _page(_MATRIX, matrix_schema())


def directory_markdown() -> str:
    """The page about the entry of a model directory."""
    return _page(_DIRECTORY, directory_schema())


def report_json_markdown() -> str:
    """The page about report.json."""
    return _page(_INTRO, report_schema())


def _page(intro: str, schema: dict[str, Any]) -> str:
    """The fields at the top, nested objects, then the shapes that are used more than once."""
    parts = [intro, "## Top level\n", _fields(schema), *_nested("", schema)]
    for name, shape in schema["$defs"].items():
        chosen = _object(shape)
        parts += [f"## {name}\n", _fields(chosen), *_nested(f"{name}.", chosen)]
    return "\n".join(parts).rstrip() + "\n"


def _nested(prefix: str, shape: dict[str, Any]) -> list[str]:
    parts = []
    for name, inner in shape.get("properties", {}).items():
        chosen = _object(inner.get("items", inner))
        if chosen.get("properties"):
            parts += [f"### {prefix}{name}\n", _fields(chosen), *_nested(f"{prefix}{name}.", chosen)]
    return parts


def _object(shape: dict[str, Any]) -> dict[str, Any]:
    """The object among the alternatives of a shape."""
    return next((one for one in shape.get("anyOf", ()) if one.get("properties")), shape)


def _fields(shape: dict[str, Any]) -> str:
    required = shape.get("required", ())
    rows = [
        (f"`{name}`", _kind(inner), "yes" if name in required else "", cell(inner["description"]))
        for name, inner in shape.get("properties", {}).items()
    ]
    return table(("field", "is", "always there", "meaning"), rows)


def _kind(shape: dict[str, Any]) -> str:
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in shape:
        return f"`{json.dumps(shape['const'])}`"
    if "enum" in shape:
        return " or ".join(f"`{json.dumps(value)}`" for value in shape["enum"])
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_kind(one) for one in shape["anyOf"]))
    kinds = shape.get("type", "anything")
    if kinds == "array" and "items" in shape:
        return f"array of {_kind(shape['items'])}"
    return " or ".join([kinds] if isinstance(kinds, str) else kinds)

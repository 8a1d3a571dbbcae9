"""Graders of structured replies: JSON, schemas, code."""

from __future__ import annotations

import ast
import warnings
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality import jsontext, schemas
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.graders.base import Example, Grader, Params, Reply, by_thirds, fenced_blocks, grade, shown, text_of
from evalkit.quality.graders.compare import Options, compare

#: entries of a list that are looked at one by one
MAX_PLACES = 2000
Where = Literal["whole", "fenced", "auto", "anywhere"]


class Json(Params):
    """`whole`: nothing but JSON. `fenced`: in a code fence. `auto`: either. `anywhere`: the first value in the text."""

    where: Where = "whole"
    type: Literal["object", "array", "any"] = "any"


class JsonSchema(Params):
    definition: Annotated[dict[str, Any], Field(alias="schema")]
    where: Where = "auto"

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        """A schema may stand alone, without `schema:` around it."""
        return value if isinstance(value, dict) and "schema" in value else {"schema": value}

    @field_validator("definition")
    @classmethod
    def _usable(cls, value: dict[str, Any]) -> dict[str, Any]:
        schemas.check_schema(value)
        return value


class JsonMatch(Params):
    """`value` is compared recursively; keys beyond it are fine unless `exact`."""

    value: Any
    where: Where = "auto"
    exact: bool = False
    unordered: bool = False
    normalize: list[Literal["casefold", "whitespace"]] = []  # noqa: RUF012  pydantic copies defaults

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return value if isinstance(value, dict) and "value" in value else {"value": value}


def found_json(text: str, where: Where) -> Any:
    """The JSON value of a reply.

    Raises:
        BadJson: there is none where it was asked for.
    """
    text = text.strip()
    if where == "anywhere":
        return jsontext.first_value(text)
    blocks = fenced_blocks(text) if where in ("fenced", "auto") else []
    if blocks:
        return jsontext.parse(blocks[0].strip())
    if where == "fenced":
        raise jsontext.BadJson("no closed code fence in the reply")
    return jsontext.parse(text)


def json_(reply: Exchange, case: Case, params: Json) -> Grade:
    del case
    try:
        value = found_json(text_of(reply), params.where)
    except jsontext.BadJson as error:
        return grade("json", False, f"not JSON: {error}")
    wanted: type | None = {"object": dict, "array": list, "any": None}[params.type]
    if wanted is not None and not isinstance(value, wanted):
        return grade("json", False, f"JSON, but no {params.type}")
    return grade("json", True)


def json_schema(reply: Exchange, case: Case, params: JsonSchema) -> Grade:
    del case
    try:
        value = found_json(text_of(reply), params.where)
        broken = schemas.errors(params.definition, value)
    except jsontext.BadJson as error:
        return grade("json_schema", False, f"not JSON: {error}", json=False)
    except schemas.Unchecked as error:
        return grade("json_schema", None, str(error))
    return grade("json_schema", not broken, shown(broken[0], 200) if broken else "", errors=broken, json=True)


def json_match(reply: Exchange, case: Case, params: JsonMatch) -> Grade:
    del case
    try:
        value = found_json(text_of(reply), params.where)
    except jsontext.BadJson as error:
        return grade("json_match", False, f"not JSON: {error}", json=False)
    options = Options(subset=not params.exact, unordered=params.unordered, normalize=tuple(params.normalize))
    try:
        result = compare(params.value, value, options)
    except RecursionError:
        return grade("json_match", False, "nested too deeply", json=True)
    score = result.right / result.total if result.total else 1.0
    place: dict[str, Any] = (
        {"by_third": _places(params.value, value, options)} if isinstance(params.value, list) else {}
    )
    reason = result.differences[0] if result.differences else ""
    return grade(
        "json_match", result.equal, reason, score=score, json=True, right=result.right, values=result.total,
        differences=result.differences, **place,
    )  # fmt: skip


def _places(expected: list[Any], value: object, options: Options) -> list[float]:
    """Where along a list the entries are right."""
    got = value if isinstance(value, list) else []
    return by_thirds(
        [float(i < len(got) and compare(one, got[i], options).equal) for i, one in enumerate(expected[:MAX_PLACES])]
    )


class CodeParses(Params):
    """Parses and never runs. `defines` are names that the code must define at its top level."""

    language: Literal["python"] = "python"
    defines: list[str] = []  # noqa: RUF012  pydantic copies defaults
    where: Literal["auto", "fenced", "whole"] = "auto"


def code_of(text: str, where: str) -> str | None:
    """The code of a reply: all closed fences, else (unless `fenced`) the whole text."""
    blocks = fenced_blocks(text) if where != "whole" else []
    if blocks:
        return "\n".join(blocks)
    return None if where == "fenced" else text


def code_parses(reply: Exchange, case: Case, params: CodeParses) -> Grade:
    del case
    code = code_of(text_of(reply), params.where)
    if code is None or not code.strip():
        return grade("code_parses", False, "no code in the reply")
    if len(code) > 200_000:
        return grade("code_parses", None, "more than 200,000 characters of code")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return grade("code_parses", False, f"does not parse: {shown(error)}")
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    defined |= {
        n.id for node in tree.body if isinstance(node, ast.Assign) for n in node.targets if isinstance(n, ast.Name)
    }
    missing = [name for name in params.defines if name not in defined]
    return grade("code_parses", not missing, f"does not define {missing[0]}" if missing else "")


GRADERS = (
    Grader(
        name="json",
        family="structure",
        short="where",
        summary="The reply is JSON: the whole of it, or a fenced block.",
        params=Json,
        grade=json_,
        example=Example("json: {where: whole}", Reply('{"city": "Paris"}'), Reply('{"city": "Paris",}')),
        notes=("RFC 8259: no trailing comma, no NaN, no key twice.",),
    ),
    Grader(
        name="json_schema",
        family="structure",
        summary="The reply is JSON that is valid under a JSON Schema (2020-12).",
        params=JsonSchema,
        grade=json_schema,
        example=Example(
            "json_schema: {type: object, properties: {age: {type: integer}}, required: [age]}",
            Reply('{"age": 41}'),
            Reply('{"age": "41"}'),
        ),
        notes=("References stay inside the schema; nothing is fetched.",),
    ),
    Grader(
        name="json_match",
        family="structure",
        summary="The reply is JSON that contains these values; `any_of`, `optional` and `abs_tol` may stand for a"
        " value.",
        params=JsonMatch,
        grade=json_match,
        example=Example(
            "json_match: {city: {any_of: [Paris, París]}, population: {equals: 2100000, abs_tol: 100000}}",
            Reply('{"city": "Paris", "population": 2102650, "country": "France"}'),
            Reply('{"city": "Lyon", "population": 2102650}'),
        ),
        notes=("The score is the share of values that are right. `true` is not 1, and text is not a number.",),
    ),
    Grader(
        name="code_parses",
        family="structure",
        summary="The reply holds Python that parses and defines these names. It is never run.",
        params=CodeParses,
        grade=code_parses,
        example=Example(
            "code_parses: {defines: [add]}",
            Reply("```python\ndef add(a, b):\n    return a + b\n```"),
            Reply("```python\ndef add(a, b)\n    return a + b\n```"),
        ),
    ),
)

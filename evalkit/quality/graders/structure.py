"""Graders of structured replies: JSON, schemas, code."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evalkit.client.types import Exchange
from evalkit.quality import jsontext, schemas
from evalkit.quality.case import Case
from evalkit.quality.facts import Grade
from evalkit.quality.fences import Fence, closed
from evalkit.quality.graders.base import Example, Grader, Params, Reply, by_thirds, grade, shown, text_of
from evalkit.quality.graders.compare import Options, check_rules, compare

#: entries of a list that are looked at one by one
MAX_PLACES = 2000
#: characters of code that are looked at
MAX_CODE = 200_000
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
        """A schema may be alone, without `schema:` around it."""
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
        """A bare value is what is compared, also one with a key `value` of its own next to foreign keys."""
        if not (isinstance(value, dict) and "value" in value):
            return {"value": value}
        others = [key for key in value if key not in cls.model_fields]
        misspelt = [key for key in others if difflib.get_close_matches(str(key), list(cls.model_fields), 1, 0.75)]
        return {"value": value} if others and not misspelt else value

    @field_validator("value")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        check_rules(value)
        return value


def found_json(text: str, where: Where) -> Any:
    """The JSON value of a reply.

    Raises:
        BadJson: there is none where it was asked for.
    """
    text = text.removeprefix("\ufeff").strip()
    if where == "anywhere":
        return jsontext.first_value(text)
    blocks = list(closed(text)) if where in ("fenced", "auto") else []
    if blocks:
        return _fenced_json(blocks)
    if where == "fenced":
        raise jsontext.BadJson("no closed code fence in the reply")
    return jsontext.parse(text)


def _fenced_json(blocks: list[Fence]) -> Any:
    """The first fence that says it is JSON, else the first that is; the content of others does not matter."""
    labelled = [one.body for one in blocks if one.language.startswith("json")]
    if labelled:
        return jsontext.parse(labelled[0].strip())
    unknown = [one.body for one in blocks if not one.language] or [one.body for one in blocks]
    for body in unknown:
        try:
            return jsontext.parse(body.strip())
        except jsontext.BadJson:
            continue
    return jsontext.parse(unknown[0].strip())


def json_(reply: Exchange, _case: Case, params: Json) -> Grade:
    try:
        value = found_json(text_of(reply), params.where)
    except jsontext.BadJson as error:
        return grade("json", False, f"not JSON: {error}")
    wanted: type | None = {"object": dict, "array": list, "any": None}[params.type]
    if wanted is not None and not isinstance(value, wanted):
        return grade("json", False, f"JSON, but no {params.type}")
    return grade("json", True)


def json_schema(reply: Exchange, _case: Case, params: JsonSchema) -> Grade:
    try:
        value = found_json(text_of(reply), params.where)
        broken = schemas.errors(params.definition, value)
    except jsontext.BadJson as error:
        return grade("json_schema", False, f"not JSON: {error}", json=False)
    except schemas.Unchecked as error:
        return grade("json_schema", None, str(error))
    return grade("json_schema", not broken, shown(broken[0], 200) if broken else "", errors=broken, json=True)


def json_match(reply: Exchange, _case: Case, params: JsonMatch) -> Grade:
    try:
        value = found_json(text_of(reply), params.where)
    except jsontext.BadJson as error:
        return grade("json_match", False, f"not JSON: {error}", json=False)
    options = Options(subset=not params.exact, unordered=params.unordered, normalize=tuple(params.normalize))
    wanted = params.value
    if params.model_fields_set == {"value"} and isinstance(value, dict) and "value" in value:
        wanted = {"value": params.value}  # the only key is the data's own
    try:
        result = compare(wanted, value, options)
        if not result.equal and wanted is not params.value:
            result = max(result, compare(params.value, value, options), key=lambda one: one.equal)
    except RecursionError:
        return grade("json_match", False, "nested too deeply", json=True)
    score = result.right / result.total if result.total else 1.0
    place: dict[str, Any] = {"by_third": _places(wanted, value, options)} if isinstance(wanted, list) else {}
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


_PYTHON = ("python", "py", "python3", "py3", "python2", "pycon", "ipython")


def code_candidates(text: str, where: str) -> list[str]:
    """What of a reply may be the code that was asked for, the likeliest first.

    Fences that say Python, together and each alone; without any, fences that say nothing; fences of another language
    only where there are no others. Without a fence (unless `fenced`) the whole text.
    """
    blocks = list(closed(text)) if where != "whole" else []
    if not blocks:
        return [] if where == "fenced" else [text]
    python = [one.body for one in blocks if one.language in _PYTHON]
    bare = [one.body for one in blocks if not one.language]
    chosen = python or bare or [one.body for one in blocks]
    alone = sorted(chosen, key=len, reverse=True) if len(chosen) > 1 else []
    return ["\n".join(chosen), *alone]


def code_of(text: str, where: str, defines: Sequence[str] = ()) -> str | None:
    """The code of a reply: the first candidate that parses and defines what is asked; else that parses; else any."""
    candidates = code_candidates(text, where)
    parsed = [(one, names) for one in candidates if (names := defined(one)) is not None]
    whole = next((one for one, names in parsed if set(defines) <= names), None)
    return whole or (parsed[0][0] if parsed else None) or next(iter(candidates), None)


def parsed_code(code: str) -> ast.Module:
    """The syntax tree of Python code.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code.removeprefix("\ufeff"))


def defined(code: str) -> set[str] | None:
    """Names that code defines at its top level, by definition, assignment or import; None: it does not parse."""
    try:
        tree = parsed_code(code[:MAX_CODE])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return names


def code_parses(reply: Exchange, _case: Case, params: CodeParses) -> Grade:
    code = code_of(text_of(reply), params.where, params.defines)
    if code is None or not code.strip():
        return grade("code_parses", False, "no code in the reply")
    if len(code) > MAX_CODE:
        return grade("code_parses", None, f"more than {MAX_CODE:,} characters of code")
    try:
        parsed_code(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return grade("code_parses", False, f"does not parse: {shown(error)}")
    names = defined(code) or set()
    missing = [name for name in params.defines if name not in names]
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
        summary="The reply is JSON that contains these values; `any_of`, `optional` and `abs_tol` may replace a value.",
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

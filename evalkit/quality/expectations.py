"""From what a suite's `expect` says to checked expectations, and the contradictions between them."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import ValidationError

from evalkit.checklist.errors import suggest
from evalkit.quality import schemas
from evalkit.quality.case import Expectation
from evalkit.quality.graders import Grader, registry
from evalkit.quality.graders.base import NoParams
from evalkit.quality.graders.compare import allowed_values, is_rule
from evalkit.quality.graders.tools import ToolCalls
from evalkit.quality.toolcalls import declared
from evalkit.text import one_line

#: graders that give information, or depend on permission, and so cannot decide a case alone
NEVER_ALONE = frozenset({"rubric", "prefer", "max_repetition", "python_tests"})
TOOL_GRADERS = frozenset({"tool_calls", "no_tool_call", "calls_any", "tool_schema_valid"})


class Problem(ValueError):  # noqa: N818  it is the name of the thing
    """What is wrong inside a case: `at` is the dotted path below the case."""

    def __init__(self, at: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


def expectation(value: Any, at: str) -> Expectation:
    """One entry of `expect`: `name`, `{name: parameters}`, each perhaps with `weight`.

    Raises:
        Problem: unknown grader, wrong parameters, or not one grader.
    """
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict):
        raise Problem(at, "an expectation is a grader's name or {grader: parameters}")
    named = {key: inner for key, inner in value.items() if key != "weight"}
    weight = value.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
        raise Problem(f"{at}.weight", "weight is a number above 0")
    if len(named) != 1:
        many = ", ".join(map(str, named)) or "nothing"
        raise Problem(at, f"one grader an entry, found {many}", "write each grader as its own entry of the list")
    name, raw = next(iter(named.items()))
    grader = registry().get(str(name))
    if grader is None:
        known = sorted(registry())
        raise Problem(
            at,
            f"unknown grader {one_line(str(name), limit=60)!r}",
            suggest(str(name), known) or f"graders: {', '.join(known)}",
        )
    return Expectation(grader.name, _params(grader, _plain(raw), f"{at}.{name}"), float(weight))


def _params(grader: Grader, raw: Any, at: str) -> Any:
    raw = {} if raw is None else raw
    if grader.nested:
        raw = _nested(raw, at)
    elif grader.short is not None and not isinstance(raw, dict):
        raw = {grader.short: raw}
    elif grader.params is NoParams and raw is True:
        raw = {}
    try:
        return grader.params.model_validate(raw)
    except ValidationError as error:
        # a key that is spelt wrong says more than the one that is then missing
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
        message = str(first["msg"]).removeprefix("Value error, ")
        hint = None
        if first["type"] == "extra_forbidden":
            fields = [field.alias or name for name, field in grader.params.model_fields.items()]
            message = f"unknown key {one_line(str(first['loc'][-1]), limit=60)!r}"
            hint = suggest(str(first["loc"][-1]), fields) or f"keys: {', '.join(fields) or 'none'}"
        elif first["type"] == "string_type" or (first["type"] == "list_type" and isinstance(first["input"], bool)):
            hint = "put the text in quotes"
        raise Problem(
            f"{at}.{where}" if where else at, f"{grader.name}: {where + ': ' if where else ''}{message}", hint
        ) from None


def _nested(raw: Any, at: str) -> dict[str, Any]:
    """Parameters of a grader that holds others: a list, one expectation, or the full form with `of`."""
    if isinstance(raw, list) or not (isinstance(raw, dict) and "of" in raw):
        raw = {"of": raw}
        inside = at
    else:
        inside = f"{at}.of"
    items = raw["of"]
    items = items if isinstance(items, list) else [items]
    if at.count(".") > 24:
        raise Problem(at, "expectations nested too deeply")
    built = tuple(expectation(item, f"{inside}.{index}") for index, item in enumerate(items))
    for index, one in enumerate(built):
        if one.grader in NEVER_ALONE:
            raise Problem(
                f"{inside}.{index}", f"{one.grader} gives information and cannot be used inside another grader",
                "write it as its own entry of expect",
            )  # fmt: skip
    return {**raw, "of": built}


def _plain(value: Any) -> Any:
    """Dates become the text that JSON would hold."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


#: keywords of JSON Schema and of rules whose value is true or false
_TRUTHS = frozenset(
    [
        "additionalProperties",
        "uniqueItems",
        "nullable",
        "deprecated",
        "readOnly",
        "writeOnly",
        "strict",
        "any",
        "optional",
    ]
)


def any_value(dotted: str) -> bool:
    """Whether a value of any kind may be at this path of a suite, and so a word of YAML 1.1 would be taken wrongly.

    Switches of a grader (`ignore_case`), of a rule and of a schema take true and false, and other words for them.
    """
    parts = dotted.split(".")
    inside = parts[parts.index("defaults") + 1 :] if "defaults" in parts[:2] else parts[2:]
    if not inside or inside[0] not in (
        "expect",
        "tools",
        "messages",
        "params",
        "tool_choice",
        "extra_body",
        "response_format",
    ):
        return False
    if inside[0] == "params" and not {"extra_body", "response_format"} & set(inside):
        return False
    if parts[-1] in _TRUTHS:
        return False
    return inside[0] != "expect" or _free_parameter(parts)


#: graders that compare data: where they take values, a value may be of any kind
_OF_DATA = frozenset({"json_match", "json_schema", "tool_calls"})


def _free_parameter(parts: list[str]) -> bool:
    """Whether a path leads into the data that a grader compares; other parameters have types that say what they take.

    Graders may be inside of `all`, `any` and their like.
    """
    place = parts.index("expect") + 2
    while place < len(parts):
        grader = registry().get(parts[place])
        if grader is None:
            return False
        if not grader.nested:
            field = grader.params.model_fields.get(parts[-1])
            switch = field is not None and field.annotation is bool and place == len(parts) - 2
            return grader.name in _OF_DATA and not switch
        place += 1
        while place < len(parts) and (parts[place] == "of" or parts[place].isdigit()):
            place += 1
    return False


def check_together(expect: tuple[Expectation, ...], tools: tuple[dict[str, Any], ...]) -> None:
    """Refuses expectations that no reply can meet, and those that cannot decide.

    Raises:
        Problem: with the path of the entry.
    """
    if not expect:
        raise Problem("expect", "a case expects something", "add a grader, such as `expect: [{contains: Paris}]`")
    names = [one.grader for one in expect]
    if set(names) <= NEVER_ALONE:
        raise Problem(
            "expect",
            f"{names[0]} never decides a case alone",
            "add a grader that decides, such as length or code_parses",
        )
    calls = next((name for name in names if name in ("tool_calls", "calls_any")), None)
    if calls and "no_tool_call" in names:
        raise Problem(
            f"expect.{names.index('no_tool_call')}", f"contradiction: {calls} wants a call, no_tool_call none"
        )
    if "clean_end" in names:
        for index, one in enumerate(expect):
            if one.grader == "finish_reason" and one.params.any == ["length"]:
                raise Problem(f"expect.{index}", "contradiction: clean_end wants an end, finish_reason the token limit")
    _one_value(expect)
    for index, one in enumerate(expect):
        if one.grader in TOOL_GRADERS and not tools:
            raise Problem(f"expect.{index}", f"{one.grader} needs tools, and the case has none")
        if isinstance(one.params, ToolCalls):
            _calls_possible(one.params, tools, f"expect.{index}.tool_calls")


def _one_value(expect: tuple[Expectation, ...]) -> None:
    """Two exact expectations of the same thing must have a common value."""
    texts: set[str] | None = None
    numbers: dict[str, float] = {}
    for index, one in enumerate(expect):
        if one.grader == "equals":
            allowed = {one.params.plain(text) for text in one.params.any}
            texts = allowed if texts is None else texts & allowed
            if not texts:
                raise Problem(f"expect.{index}", "contradiction: two equals without a common text")
        if one.grader == "number" and not one.params.abs_tol and not one.params.rel_tol:
            before = numbers.setdefault(one.params.pick, one.params.value)
            if before != one.params.value:
                raise Problem(
                    f"expect.{index}",
                    f"contradiction: the {one.params.pick} number is {before:g} and {one.params.value:g}",
                )


def _calls_possible(params: ToolCalls, tools: tuple[dict[str, Any], ...], at: str) -> None:
    """Expected calls name declared functions and parameters, with values that the schema allows."""
    functions = declared(tools)
    for index, call in enumerate(params.calls):
        where = f"{at}.{index}"
        if call.name not in functions:
            raise Problem(where, f"no tool is called {call.name!r}", suggest(call.name, sorted(functions)))
        properties = functions[call.name].get("properties")
        for key, value in (call.args or {}).items():
            if isinstance(properties, dict) and key not in properties:
                raise Problem(
                    f"{where}.args.{key}", f"{call.name} has no parameter {key!r}", suggest(key, list(properties))
                )
            _value_possible(value, (properties or {}).get(key), f"{where}.args.{key}")
        required = functions[call.name].get("required")
        for key in required if isinstance(required, list) and call.args else ():
            if key not in (call.args or {}):
                raise Problem(
                    f"{where}.args",
                    f"{call.name} requires {key!r}, and no value is expected for it",
                    "give its value, or {any: true}",
                )


def _value_possible(value: Any, schema: Any, at: str) -> None:
    """Every value that is expected, at any depth and behind any rule, must be one that the schema allows."""
    if not isinstance(schema, dict):
        return
    if is_rule(value):
        for one in allowed_values(value) or []:
            _value_possible(one, schema, at)
        return
    if _holds_rule(value):
        _parts_possible(value, schema, at)
        return
    try:
        broken = schemas.errors(schema, value, limit=1)
    except schemas.Unchecked:
        return
    if broken:
        raise Problem(at, f"contradiction: no valid call has this value ({broken[0]})")


def _holds_rule(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(is_rule(one) or _holds_rule(one) for one in parts)


def _parts_possible(value: Any, schema: dict[str, Any], at: str) -> None:
    """Each part of a value that has rules inside, by its own schema."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            _value_possible(one, schema.get("items"), f"{at}.{index}")
        return
    properties = schema.get("properties")
    for key, one in value.items():
        if isinstance(properties, dict) and key not in properties and schema.get("additionalProperties") is False:
            raise Problem(f"{at}.{key}", f"contradiction: the schema allows no {key!r} here")
        _value_possible(one, (properties or {}).get(key), f"{at}.{key}")

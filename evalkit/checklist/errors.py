"""pydantic's errors as one message with file, line and a suggestion."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from evalkit.errors import InputFileError
from evalkit.text import one_line

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "date_type": "a date (YYYY-MM-DD)",
}


def input_error(
    exc: ValidationError, path: Path, lines: dict[str, int], *, schema: type[BaseModel] | None = None
) -> InputFileError:
    """`exc`'s errors in file order as `FILE:LINE: what`, each with a hint: the first, with the others."""
    found: list[InputFileError] = []
    seen: set[str] = set()
    for error in sorted(exc.errors(include_url=False), key=lambda e: _line(_loc(e), lines) or 0):
        dotted = _loc(error)
        if dotted in seen:  # the other types that a value might have had
            continue
        seen.add(dotted)
        message, hint = _words(error, dotted, schema)
        line = _line(dotted, lines)
        found.append(InputFileError(message, where=f"{path}:{line}" if line else str(path), hint=hint))
    first, *others = found
    first.others = tuple(others)
    return first


def suggest(wrong: str, known: list[str]) -> str | None:
    """`did you mean "x"?` for the nearest known word."""
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None


def _loc(error: Any) -> str:
    """The dotted path in the file: parts that pydantic adds for unions and functions are dropped."""
    named = [str(part) for part in error["loc"] if not _synthetic(part)]
    return ".".join([*named, error["ctx"]["key"]] if error["type"] == "key" else named)


def _synthetic(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in ("str", "list", "dict", "constrained-str", "bool"))


def _line(dotted: str, lines: dict[str, int]) -> int | None:
    while dotted:
        if dotted in lines:
            return lines[dotted]
        dotted = dotted.rpartition(".")[0]
    return lines.get("")


def _words(error: Any, dotted: str, schema: type[BaseModel] | None) -> tuple[str, str | None]:
    kind, value = error["type"], error.get("input")
    parent, _, key = dotted.rpartition(".")
    inside = f" in {parent}" if parent else ""
    if kind == "extra_forbidden":
        known = _fields(schema, parent) if schema else []
        return f'unknown key "{one_line(key, limit=80)}"{inside}', suggest(key, known) or _list_hint(known)
    if kind == "missing":
        return f'"{key}" is missing{inside}', None
    if kind in _TYPES:
        return f"{dotted}: expected {_TYPES[kind]}, found {_shown(value)}", _surprise(kind, value)
    if kind == "literal_error":
        expected = [word.strip(" '\"") for word in str(error["ctx"]["expected"]).replace(" or ", ",").split(",")]
        hint = suggest(str(value), expected)
        return f"{dotted}: {_shown(value)} is not one of {', '.join(expected)}", hint
    message = str(error["msg"]).removeprefix("Value error, ")
    return (f"{dotted}: {message}" if dotted else message), None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f'"{one_line(str(value), limit=60)}"'


def _surprise(kind: str, value: object) -> str | None:
    if kind == "string_type" and isinstance(value, bool):
        return "put it in quotes: YAML reads a plain yes, no, on or off as true or false"
    if kind == "string_type" and not isinstance(value, dict | list | type(None)):
        return f'put it in quotes: "{one_line(str(value), limit=60)}"'
    return None


def _list_hint(known: list[str]) -> str | None:
    return f"known keys: {', '.join(known)}" if known else None


def _fields(schema: type[BaseModel], dotted: str) -> list[str]:
    """Names of the keys allowed at `dotted`."""
    current: Any = schema
    named = False
    for part in [p for p in dotted.split(".") if p]:
        # behind a mapping of names, such as `modes`, the next part is a name of the user's
        current, named = (current, False) if named else (_step(current, part), _maps(current, part))
        if current is None:
            return []
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        return []
    return [info.alias or name for name, info in current.model_fields.items()]


def _step(model: Any, part: str) -> Any:
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(part)
        return _model_in(field.annotation) if field else None
    return model if part.isdigit() else None


def _maps(model: Any, part: str) -> bool:
    """Whether the field is a mapping from names to sections."""
    field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
    return field is not None and get_origin(field.annotation) is dict


def _model_in(annotation: Any) -> Any:
    """The model inside `X`, `X | None`, `list[X]`, `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None

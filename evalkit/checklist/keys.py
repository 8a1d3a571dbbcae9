"""Every key of a checklist with its type, default and meaning, read from the schema itself."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from datetime import date
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from evalkit.checklist.base import Section, Url
from evalkit.checklist.schema import Checklist

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", date: "date", Any: "anything"}
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class Key(NamedTuple):
    """One key. `path` is dotted; `kind` says what may be there; `NAME` is a mode's name, `[]` an entry of a list."""

    path: str
    kind: str
    default: str
    meaning: str
    #: the section behind the key, when it holds keys of its own
    section: type[Section] | None = None

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]


@cache
def keys() -> tuple[Key, ...]:
    """All keys, each section right behind the key that holds it."""
    return tuple(_walk(Checklist, ""))


def _walk(section: type[Section], prefix: str) -> Iterator[Key]:
    told = meanings(section)
    for name, info in section.model_fields.items():
        inner, ending = _section_in(info.annotation)
        path = f"{prefix}{info.alias or name}"
        default = "required" if info.is_required() else _default(info.get_default(call_default_factory=True))
        yield Key(path, _field_type(info), default, told.get(name, ""), inner)
        if inner is not None:
            yield from _walk(inner, f"{path}{ending}.")


@cache
def meanings(section: type[Any]) -> dict[str, str]:
    """The text under each field of a class, those of its base classes included."""
    found = dict(meanings(section.__base__)) if section.__base__ not in (None, Section, BaseModel) else {}
    tree = ast.parse(inspect.getsource(section))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _section_in(annotation: Any) -> tuple[type[Section] | None, str]:
    """The section inside `X`, `X | None`, `list[X]` or `dict[str, X]`, and what follows the key's name."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    for inner in arguments[:1] if origin is Annotated else arguments:
        found, ending = _section_in(inner)
        if found is not None:
            return found, ("[]" if origin is list else ".NAME" if origin is dict else "") + ending
    return None, ""


def _field_type(info: FieldInfo) -> str:
    return _limited(_type(info.annotation), info.metadata)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation == Url:
        return "http(s) address"
    if origin is Annotated:
        metadata = [m for one in arguments[1:] for m in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return _limited(_type(arguments[0]), metadata)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in arguments if one is not NoneType))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of {_plural(_type(arguments[0]))}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "mapping"
    return _PLAIN.get(annotation, str(annotation))


def _plural(name: str) -> str:
    simple = {"text": "texts", "whole number": "whole numbers", "mapping": "mappings"}
    head, comma, limits = name.partition(",")
    return simple.get(head, head) + comma + limits


def _limited(name: str, metadata: list[Any]) -> str:
    """The type with its limits: `number, > 0, < 1`."""
    limits = [
        f"{sign} {value:g}"
        for m in metadata
        for at, sign in _SIGNS.items()
        if (value := getattr(m, at, None)) is not None
    ]
    return ", ".join(dict.fromkeys([name, *limits]))


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if value != "" else "empty"

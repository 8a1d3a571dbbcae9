"""JSON Schema at one edge: no remote references, no endless ones, no pattern that backtracks for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from evalkit.text import cut

MAX_SCHEMA_NODES = 20_000
PATTERN_SECONDS = 0.5


class BadSchema(ValueError):  # noqa: N818  it is the name of the thing
    """Why a schema cannot be used; the message is safe to show."""


class Unchecked(Exception):  # noqa: N818  no fault of the value
    """A value could not be checked against a good schema (a pattern ran out of time)."""


def check_schema(schema: Any) -> None:
    """Refuses what cannot be evaluated offline and in bounded time.

    Raises:
        BadSchema: not a schema, a remote reference, a reference to nothing or to itself, `patternProperties`.
    """
    if not isinstance(schema, dict):
        raise BadSchema("a JSON schema is a mapping")
    try:
        text = json.dumps(schema, sort_keys=True)
    except RecursionError:
        raise BadSchema("nested too deeply") from None
    problem = _problem(text)
    if problem is not None:
        raise BadSchema(problem)


@lru_cache(maxsize=512)
def _problem(text: str) -> str | None:
    """What is wrong with a schema; the same tools are in hundreds of cases."""
    try:
        _check(json.loads(text))
    except BadSchema as error:
        return str(error)
    return None


def _check(schema: dict[str, Any]) -> None:
    import jsonschema
    import regex

    for nodes, node in enumerate(_walk(schema), 1):
        if nodes > MAX_SCHEMA_NODES:
            raise BadSchema(f"more than {MAX_SCHEMA_NODES} nodes")
        if "patternProperties" in node:
            raise BadSchema("patternProperties is not supported: name the properties")
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise BadSchema(f"pattern is not a regular expression: {error}") from None
        for key in ("$ref", "$dynamicRef"):
            if isinstance(node.get(key), str):
                _follow(schema, node, node[key])
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise BadSchema(f"not a JSON schema: {cut(error.message, 200)}") from None
    except RecursionError:
        raise BadSchema("nested too deeply") from None


def errors(schema: dict[str, Any], value: Any, *, limit: int = 5) -> list[str]:
    """The first `limit` ways in which `value` breaks a checked schema, each with its place.

    Raises:
        Unchecked: it cannot be known in bounded time and depth.
    """
    validator = _validator(json.dumps(schema, sort_keys=True))
    found: list[str] = []
    try:
        for error in validator.iter_errors(value):
            at = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(".")
            found.append(f"{at or 'value'}: {cut(error.message, 160)}")
            if len(found) >= limit:
                break
    except (RecursionError, TimeoutError) as error:
        raise Unchecked("the schema could not be evaluated in bounded time and depth") from error
    return found


@lru_cache(maxsize=512)
def _validator(text: str) -> Any:
    import jsonschema
    import referencing

    extend: Any = jsonschema.validators.extend
    kind = extend(jsonschema.Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items})
    # an empty registry resolves references inside the schema and fetches nothing
    return kind(json.loads(text), registry=referencing.Registry())


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    import jsonschema
    import regex

    if isinstance(instance, str) and not regex.search(pattern, instance, timeout=PATTERN_SECONDS):
        yield jsonschema.ValidationError(f"{cut(instance, 60)!r} does not match {pattern!r}")


def _unique_items(_validator: Any, unique: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """As the standard says it, in one pass: the library compares every entry with every other."""
    import jsonschema

    if unique and isinstance(instance, list) and len({_hashable(one) for one in instance}) < len(instance):
        yield jsonschema.ValidationError("the list has equal entries")


def _hashable(value: Any) -> Any:
    """Equal for what JSON Schema calls equal: 1 is 1.0 and no true, objects have no order."""
    if isinstance(value, dict):
        return "object", frozenset((key, _hashable(one)) for key, one in value.items())
    if isinstance(value, list):
        return "list", tuple(_hashable(one) for one in value)
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # as text, whose hashes nobody can make collide
    return ("number", str(value)) if isinstance(value, int | float) else value


def _walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside `schema`, without recursion; texts under `const` and `enum` are values, not schemas."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(value for key, value in node.items() if key not in ("const", "enum", "default", "examples"))
        elif isinstance(node, list):
            stack.extend(node)


def _follow(root: dict[str, Any], start: dict[str, Any], ref: str) -> None:
    """Follows references that are applied in place until one leads nowhere, away, or back."""
    seen: set[int] = set()
    stack: list[Any] = [start]
    while stack:
        node = stack.pop()
        if not isinstance(node, dict):
            continue
        if id(node) in seen:
            if node is start:
                raise BadSchema(f"the reference {ref!r} leads back to itself")
            continue
        seen.add(id(node))
        for key in ("allOf", "anyOf", "oneOf"):
            if isinstance(node.get(key), list):
                stack.extend(node[key])
        stack.extend(node[key] for key in ("not", "if", "then", "else") if key in node)
        target = node.get("$ref", node.get("$dynamicRef"))
        if isinstance(target, str):
            stack.append(_resolve(root, target))


def _resolve(root: dict[str, Any], ref: str) -> Any:
    if not ref.startswith("#"):
        raise BadSchema(f"the reference {cut(ref, 80)!r} leaves the schema: remote references are not fetched")
    node: Any = root
    for part in [p for p in ref[1:].split("/") if p]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        else:
            raise BadSchema(f"the reference {cut(ref, 80)!r} leads to nothing")
    return node

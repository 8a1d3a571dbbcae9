"""Recursive comparison of JSON values, with several allowed values, optional keys and tolerances."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.quality.graders.base import shown

#: keys that make a mapping a rule about a value rather than a value
RULE_KEYS = frozenset({"any_of", "equals", "optional", "any", "abs_tol", "normalize"})
NORMALIZERS = ("casefold", "whitespace")
#: names whose values must never be normalised: two ids or paths that differ are two things
_IDENTIFIER = re.compile(r"(^|_)(ids?|path|paths|file|files|filename|url|uri|key|token|hash|code|sku)$", re.IGNORECASE)


@dataclass
class Comparison:
    """Counts over the leaves of the expected value, and the first few differences."""

    right: int = 0
    total: int = 0
    differences: list[str] = field(default_factory=list)

    def wrong(self, at: str, why: str) -> None:
        self.total += 1
        if len(self.differences) < 20:
            self.differences.append(f"{at or 'value'}: {why}")

    def good(self) -> None:
        self.right += 1
        self.total += 1

    @property
    def equal(self) -> bool:
        return self.right == self.total


@dataclass(frozen=True)
class Options:
    """`subset`: keys that were not asked for are fine. `unordered`: lists match in any order."""

    subset: bool = False
    unordered: bool = False
    normalize: tuple[str, ...] = ()


def is_rule(value: object) -> bool:
    """Whether a mapping speaks about a value: it has only rule keys, and one that says which value.

    `{any: true}` and `{optional: true}` are rules; with another value those keys are the data's own.
    """
    return (
        isinstance(value, dict)
        and bool(value)
        and set(value) <= RULE_KEYS
        and bool(set(value) & {"any_of", "equals", "any", "optional"})
        and value.get("any", True) is True
        and isinstance(value.get("optional", True), bool)
        and isinstance(value.get("any_of", []), list)
    )


def check_rules(value: object) -> None:
    """A rule about a value that misses its point is an error, not a strange value."""
    if isinstance(value, list):
        for item in value:
            check_rules(item)
    if not isinstance(value, dict):
        return
    if is_rule(value):
        if "any_of" in value and not (isinstance(value["any_of"], list) and value["any_of"]):
            raise ValueError("any_of takes a list of allowed values")
        if "any_of" in value and "equals" in value:
            raise ValueError("any_of and equals contradict each other: use one")
        wrong = [step for step in value.get("normalize", []) if step not in NORMALIZERS]
        if wrong:
            raise ValueError(f"normalize knows {' and '.join(NORMALIZERS)}, not {wrong[0]!r}")
        return
    if set(value) & {"any_of", "optional"} and set(value) & RULE_KEYS != set(value):
        raise ValueError(f"a rule has only {', '.join(sorted(RULE_KEYS))}; wrap a literal object in equals: {{…}}")
    for item in value.values():
        check_rules(item)


def is_optional(value: object) -> bool:
    return is_rule(value) and isinstance(value, dict) and value.get("optional") is True


def allowed_values(rule: dict[str, Any]) -> list[Any] | None:
    """The values that a rule allows; None: any value."""
    if "any_of" in rule:
        return list(rule["any_of"])
    if "equals" in rule:
        return [rule["equals"]]
    return None


def compare(
    expected: Any, actual: Any, options: Options, *, at: str = "", schema: dict[str, Any] | None = None
) -> Comparison:
    """Compares `actual` with `expected`; `schema` is the declared JSON schema of the value, where there is one."""
    result = Comparison()
    _value(expected, actual, options, at, schema or {}, result)
    return result


def _value(expected: Any, actual: Any, options: Options, at: str, schema: dict[str, Any], out: Comparison) -> None:  # noqa: PLR0917  a recursion passes its state on
    if is_rule(expected):
        _rule(expected, actual, options, at, schema, out)
    elif isinstance(expected, dict):
        _mapping(expected, actual, options, at, schema, out)
    elif isinstance(expected, list):
        _list(expected, actual, options, at, schema, out)
    elif same_scalar(expected, actual, options, name=at.rpartition(".")[2], schema=schema):
        out.good()
    else:
        out.wrong(at, f"{shown(repr(actual), 60)}, expected {shown(repr(expected), 60)}")


def _rule(  # noqa: PLR0917  a recursion passes its state on
    rule: dict[str, Any], actual: Any, options: Options, at: str, schema: dict[str, Any], out: Comparison
) -> None:
    values = allowed_values(rule)
    if values is None:
        out.good()
        return
    if "normalize" in rule:
        options = Options(options.subset, options.unordered, tuple(rule["normalize"]))
    tolerance = rule.get("abs_tol")
    best: Comparison | None = None
    for value in values:
        if tolerance is not None and _number(value) and _number(actual):
            one = Comparison()
            if abs(value - actual) <= tolerance:
                one.good()
            else:
                one.wrong(at, f"{actual}, expected {value} ± {tolerance}")
        else:
            one = compare(value, actual, options, at=at, schema=schema)
        if one.equal:
            out.good()
            return
        best = best or one
    first = (
        best.differences[0]
        if best and len(values) == 1
        else f"{at or 'value'}: {shown(repr(actual), 60)} is not allowed"
    )
    out.wrong("", first.removeprefix("value: ")) if not at else out.wrong(at, first.removeprefix(f"{at}: "))


def _mapping(  # noqa: PLR0917  a recursion passes its state on
    expected: dict[str, Any], actual: Any, options: Options, at: str, schema: dict[str, Any], out: Comparison
) -> None:
    if not isinstance(actual, dict):
        out.wrong(at, f"{shown(repr(actual), 60)}, expected an object")
        return
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    if not expected and not options.subset and actual:
        out.wrong(at, "expected an empty object")
    for key, value in expected.items():
        inside = f"{at}.{key}" if at else str(key)
        if key not in actual:
            out.good() if is_optional(value) else out.wrong(inside, "is missing")
            continue
        child = properties.get(key)
        _value(value, actual[key], options, inside, child if isinstance(child, dict) else {}, out)
    if not options.subset:
        for key in actual:
            if key not in expected:
                out.wrong(f"{at}.{key}" if at else str(key), "was not asked for")


def _list(expected: list[Any], actual: Any, options: Options, at: str, schema: dict[str, Any], out: Comparison) -> None:  # noqa: PLR0917  a recursion passes its state on
    if not isinstance(actual, list):
        out.wrong(at, f"{shown(repr(actual), 60)}, expected a list")
        return
    if len(actual) != len(expected):
        out.wrong(at, f"{len(actual)} entries, expected {len(expected)}")
    items = schema.get("items")
    items = items if isinstance(items, dict) else {}
    if options.unordered and len(expected) <= 200 and len(actual) <= 200:
        edges = [[j for j, b in enumerate(actual) if compare(a, b, options, schema=items).equal] for a in expected]
        matched = sum(1 for j in maximum_matching(edges, len(actual)) if j is not None)
        out.right += matched
        out.total += matched
        for _ in range(len(expected) - matched):
            out.wrong(at, "an entry has no counterpart")
        return
    for index, value in enumerate(expected):
        if index < len(actual):
            _value(value, actual[index], options, f"{at}[{index}]", items, out)
        else:
            out.wrong(f"{at}[{index}]", "is missing")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same_scalar(
    expected: Any, actual: Any, options: Options, *, name: str = "", schema: dict[str, Any] | None = None
) -> bool:
    """JSON equality: true is not 1, text is not a number, and 5.0 is 5 only where no integer was declared."""
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return type(expected) is type(actual) and bool(expected == actual)
    if _number(expected) and _number(actual):
        if isinstance(expected, int) and isinstance(actual, float) and (schema or {}).get("type") == "integer":
            return False
        return bool(expected == actual)
    if isinstance(expected, str) and isinstance(actual, str):
        expected, actual = unicodedata.normalize("NFC", expected), unicodedata.normalize("NFC", actual)
        if options.normalize and not _IDENTIFIER.search(name):
            return normalized(expected, options.normalize) == normalized(actual, options.normalize)
        return bool(expected == actual)
    return False


def normalized(text: str, steps: Sequence[str]) -> str:
    if "whitespace" in steps:
        text = " ".join(text.split())
    return text.casefold() if "casefold" in steps else text


# -- which of several answers which -----------------------------------------------------------------------------------


def maximum_matching(edges: Sequence[Sequence[int]], right: int) -> list[int | None]:
    """For each left node the right node it is matched with, or None; as many pairs as possible.

    `edges[i]` are the right nodes (0 … right − 1) that left node i may take. Augmenting paths (Kuhn 1955), without
    recursion; fine for the few hundred nodes that occur here.
    """
    owner: list[int | None] = [None] * right
    for start in range(len(edges)):
        _augment(start, edges, owner)
    match: list[int | None] = [None] * len(edges)
    for node, left in enumerate(owner):
        if left is not None:
            match[left] = node
    return match


def _augment(start: int, edges: Sequence[Sequence[int]], owner: list[int | None]) -> bool:
    """Breadth-first search for a free right node; on success the owners along the path are changed."""
    came_from: dict[int, int] = {}  # right node -> the left node that reached it
    queue = [start]
    for left in queue:
        for node in edges[left]:
            if node in came_from:
                continue
            came_from[node] = left
            holder = owner[node]
            if holder is None:
                _flip(node, start, came_from, owner)
                return True
            queue.append(holder)
    return False


def _flip(node: int, start: int, came_from: dict[int, int], owner: list[int | None]) -> None:
    while True:
        left = came_from[node]
        before = next((other for other, holder in enumerate(owner) if holder == left), None)
        owner[node] = left
        if left == start or before is None:
            return
        node = before

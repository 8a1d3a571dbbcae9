"""Plain values as JSON with tags: which types cross as copies, and what may go wrong. Standard library only."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

TIMES = {one.__name__: one for one in (dt.datetime, dt.date, dt.time)}
#: modules of the standard library that do something when they are imported are not part of it here
STANDARD = sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "__main__"}
SEQUENCES: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "f", deque: "q"}
MAPPINGS: dict[type, str] = {dict: "d", OrderedDict: "O", Counter: "N"}
Deep = Callable[[Any], Any]
#: other plain values: their tag, and their parts
SIMPLE: dict[type, tuple[str, Callable[[Any, Deep], Any]]] = {
    bytes: ("b", lambda v, _: v.hex()), bytearray: ("B", lambda v, _: v.hex()),
    complex: ("c", lambda v, _: [v.real, v.imag]), Decimal: ("D", lambda v, _: str(v)),
    range: ("r", lambda v, deep: [deep(one) for one in (v.start, v.stop, v.step)]),
    slice: ("S", lambda v, deep: [deep(one) for one in (v.start, v.stop, v.step)]),
    Fraction: ("Q", lambda v, deep: [deep(v.numerator), deep(v.denominator)]),
    dt.timedelta: ("T", lambda v, _: ["timedelta", [v.days, v.seconds, v.microseconds]]),
    **{kind: ("T", lambda v, _: [type(v).__name__, v.isoformat()]) for kind in TIMES.values()},
}  # fmt: skip
CONTAINERS = (list, dict, set, bytearray)


class Broken(BaseException):  # no test may catch it as an error of the code
    """The other side is gone, or does not keep to the protocol."""


class CannotCross(TypeError):  # noqa: N818  it names what happened
    """A value of this side that is neither plain nor something that the other side may refer to."""


def time_of(kind: str, parts: Any) -> Any:
    return dt.timedelta(*parts) if kind == "timedelta" else TIMES[kind].fromisoformat(parts)


def nearest_of(value: Any) -> str | None:
    """The built-in exception class that `value` is or derives from."""
    if not isinstance(value, type) or not issubclass(value, BaseException):
        return None
    return next((one.__name__ for one in value.__mro__ if one.__module__ == "builtins"), None)


def renew(old: Any, new: Any) -> None:
    """Makes a container what the other side made of it."""
    if type(old) is not type(new):
        raise Broken("the code does not keep to the protocol")
    if isinstance(old, list | bytearray):
        old[:] = new
    else:
        old.clear()
        old.update(new)


_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__), (float, float.__float__), (complex, complex), (str, str.__str__), (bytes, bytes),
    (bytearray, bytearray), (list, list), (tuple, tuple), (dict, dict), (set, set), (frozenset, frozenset),
)  # fmt: skip


def plain_of(value: Any) -> Any:
    """The plain value that an object derives from."""
    return next((exact(value) for kind, exact in _EXACT if isinstance(value, kind)), None)

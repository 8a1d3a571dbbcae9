"""Tool calls put together from their deltas, also where servers give all of them one index, or none."""

from __future__ import annotations

import json
from typing import Any

_MOST_INDEX = 1_000_000


class _Call:
    __slots__ = ("arguments", "id", "name", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.id = self.name = ""
        self.arguments: list[str] = []

    def whole(self) -> bool:
        """Whether the arguments so far are complete JSON."""
        try:
            json.loads("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True


class Calls:
    """The calls of one reply. A delta belongs to the call of its index, unless it begins another one there."""

    def __init__(self) -> None:
        self._all: list[_Call] = []
        #: the call that the deltas of an index (or, without one, of a position in their chunk) continue
        self._at: dict[tuple[bool, int], _Call] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, deltas: list[Any]) -> bool:
        """Takes in the deltas of one chunk; whether one of them carried a name or arguments."""
        carried = False
        for position, delta in enumerate(deltas):
            if isinstance(delta, dict) and isinstance(function := delta.get("function"), dict):
                carried |= self._delta(delta, function, position, alone=len(deltas) == 1)
        return carried

    def _delta(self, delta: dict[str, Any], function: dict[str, Any], position: int, *, alone: bool) -> bool:
        name, arguments = _text(function.get("name")), function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        arguments = _text(arguments)
        index, identity = delta.get("index"), _text(delta.get("id"))
        place = index if isinstance(index, int) and not isinstance(index, bool) and 0 <= index <= _MOST_INDEX else None
        told = place is not None
        key = (told, position if place is None else place)
        call = self._all[-1] if not told and alone and self._all else self._at.get(key)
        if call is None or _begins(call, name, identity, arguments):
            call = _Call(key[1] if told else len(self._all))
            self._all.append(call)
        self._at[key] = call
        call.id = call.id or identity
        call.name = call.name or name
        if arguments:
            call.arguments.append(arguments)
        return bool(name or arguments)

    def finished(self) -> list[tuple[str, list[str]]]:
        """Name and pieces of the arguments of each call, by index, then in the order in which they began."""
        return [(call.name, call.arguments) for call in sorted(self._all, key=lambda call: call.place)]


def _begins(call: _Call, name: str, identity: str, arguments: str) -> bool:
    """Whether a delta at the place of `call` begins another call.

    It has a name and another id, or another name; servers that repeat name and id in every chunk, or draw a new id for
    each, continue arguments that are not complete yet.
    """
    if not name:
        return False
    if call.arguments and name == call.name and not call.whole():
        return False
    another = bool(identity and call.id and identity != call.id) or bool(call.name and name != call.name)
    return another or bool(call.arguments and arguments.lstrip().startswith("{"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

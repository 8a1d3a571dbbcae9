"""A reference to an object of another process, which does what Python asks of the object. Standard library only."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_NUMBERS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "lshift", "rshift",
)  # fmt: skip
_ORDER = ("lt", "le", "gt", "ge")
OPS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in (*_NUMBERS, *_ORDER, "eq", "contains")},
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert", "index")},
    **{one.__name__: one for one in (len, bool, str, repr, int, float, iter, next, hash, reversed, round, format)},
    "copy": copy.copy, "deepcopy": copy.deepcopy, "get": getattr, "set": setattr, "del": delattr,
    "isinstance": lambda cls, value: isinstance(value, cls), "issubclass": lambda cls, value: issubclass(value, cls),
    "enter": lambda one: type(one).__enter__(one), "exit": lambda one, *what: type(one).__exit__(one, *what),
}  # fmt: skip


class Other(Protocol):
    """The end of the connection that a proxy asks."""

    def ask(self, what: str, *args: Any) -> Any: ...
    def typed(self, kind: type[T], what: str, *args: Any) -> T: ...
    def plain(self, proxy: Proxy) -> Any: ...
    def guard_operand(self, proxy: Proxy, other: object) -> None: ...
    def guard_attribute(self, proxy: Proxy, name: str, value: object) -> None: ...


class Proxy:
    """An object of the other side."""

    __slots__ = ("_cls", "_id", "_kind", "_peer")

    def __init__(self, peer: Other, ident: int, kind: str, cls: int) -> None:
        self._peer, self._id, self._kind, self._cls = peer, ident, kind, cls

    def __getattr__(self, name: str) -> Any:
        value = self._peer.ask("op", "get", [self, name])
        self._peer.guard_attribute(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Proxy.__slots__:
            object.__setattr__(self, name, value)
        else:
            self._peer.ask("op", "set", [self, name, value])

    def __delattr__(self, name: str) -> None:
        self._peer.ask("op", "del", [self, name])

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._peer.ask("call", self, list(args), named)

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if isinstance(other, Proxy) and other._peer is self._peer:
            return bool(self._peer.ask("op", "eq", [self, other]))
        plain = self._peer.plain(self)
        return False if plain is None else plain == other

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __hash__(self) -> int:
        return self._peer.typed(int, "hash", self)

    def __bool__(self) -> bool:
        return self._peer.typed(bool, "bool", self)

    def __len__(self) -> int:
        return self._peer.typed(int, "len", self)

    def __str__(self) -> str:
        return self._peer.typed(str, "str", self)

    def __repr__(self) -> str:
        return self._peer.typed(str, "repr", self)

    def __format__(self, spec: str) -> str:
        return self._peer.typed(str, "format", self, spec)

    def __int__(self) -> int:
        return self._peer.typed(int, "int", self)

    def __index__(self) -> int:
        return self._peer.typed(int, "index", self)

    def __float__(self) -> float:
        return self._peer.typed(float, "float", self)

    def __iter__(self) -> Any:
        return self._peer.ask("op", "iter", [self])

    def __next__(self) -> Any:
        return self._peer.ask("op", "next", [self])

    def __reversed__(self) -> Any:
        return self._peer.ask("op", "reversed", [self])

    def __contains__(self, value: object) -> bool:
        plain = self._peer.plain(self)
        if plain is not None:
            return value in plain
        self._peer.guard_operand(self, value)
        return self._peer.typed(bool, "contains", self, value)

    def __getitem__(self, key: Any) -> Any:
        return self._peer.ask("op", "getitem", [self, key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._peer.ask("op", "setitem", [self, key, value])

    def __delitem__(self, key: Any) -> None:
        self._peer.ask("op", "delitem", [self, key])

    def __enter__(self) -> Any:
        return self._peer.ask("op", "enter", [self])

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return bool(self._peer.ask("op", "exit", [self, None, None, None])) and kind is None

    def __instancecheck__(self, value: object) -> bool:
        return self._peer.typed(bool, "isinstance", self, value)

    def __subclasscheck__(self, value: object) -> bool:
        return self._peer.typed(bool, "issubclass", self, value)

    def __copy__(self) -> Any:
        return self._peer.ask("op", "copy", [self])

    def __deepcopy__(self, memo: object) -> Any:
        return self._peer.ask("op", "deepcopy", [self])

    def __round__(self, digits: int | None = None) -> Any:
        return self._peer.ask("op", "round", [self] if digits is None else [self, digits])

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("an object of the reply's code cannot be pickled")


def _operators() -> None:
    """Binary and unary operators: the other side's between two references, guarded with a plain value."""

    def binary(name: str, reflected: bool) -> Callable[[Proxy, Any], Any]:
        def method(self: Proxy, other: Any) -> Any:
            left, right = (other, self) if reflected else (self, other)
            if not isinstance(other, Proxy):
                plain = self._peer.plain(self)
                if plain is not None:
                    return OPS[name](*((other, plain) if reflected else (plain, other)))
                self._peer.guard_operand(self, other)
            return self._peer.ask("op", name, [left, right])

        return method

    for name in _NUMBERS:
        short = name.strip("_")
        setattr(Proxy, f"__{short}__", binary(name, reflected=False))
        setattr(Proxy, f"__r{short}__", binary(name, reflected=True))
    for name in _ORDER:
        setattr(Proxy, f"__{name}__", binary(name, reflected=False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Proxy, f"__{name}__", lambda self, name=name: self._peer.ask("op", name, [self]))


_operators()

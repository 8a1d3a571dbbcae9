"""Two processes that use each other's objects: plain values cross as copies, everything else as a reference.

Runs with the standard library alone, on both sides: the examiner has the tests, the subject has the reply's code. A
value from the subject arrives in the examiner as a plain value, which the examiner itself compares, or as a `Proxy`.
"""

from __future__ import annotations

import builtins
import importlib
import json
import socket
import struct
import sys
import types
from collections import Counter, OrderedDict, deque, namedtuple
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from evalkit.quality.sandbox.proxy import OPS, Proxy, T
from evalkit.quality.sandbox.values import CONTAINERS, MAPPINGS, SEQUENCES, SIMPLE, STANDARD, Broken, CannotCross

from evalkit.quality.sandbox.values import nearest_of, plain_of, renew, time_of  # isort: skip

#: bytes of one message, levels of one value, calls inside calls
MAX_MESSAGE, MAX_DEPTH, MAX_NESTED = 16 << 20, 60, 60


class Peer:
    """One end. Subclasses say what the other side may do to objects of this one."""

    #: whether values may be rebuilt from any module: the subject trusts the examiner, never the reverse
    trusting = False

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._own: dict[int, Any] = {}
        self._proxies: dict[int, Any] = {}
        self._nested = 0

    # -- what subclasses decide ------------------------------------------------------------------------------------

    def may(self, what: str, args: list[Any]) -> None:
        """Raises TypeError when the other side may not do this."""

    def guard_operand(self, proxy: Proxy, other: object) -> None:
        """Raises TypeError where the other side would decide what a plain value is compared with."""

    def guard_attribute(self, proxy: Proxy, name: str, value: object) -> None:
        """As `guard_operand`, of an attribute."""

    def handle(self, what: str, args: list[Any]) -> Any:  # noqa: ARG002  what subclasses look at
        raise TypeError(f"{what} is not a request")

    # -- messages --------------------------------------------------------------------------------------------------

    def ask(self, what: str, *args: Any) -> Any:
        """What the other side answers; its exception is raised here."""
        sent: list[Any] = []
        known: dict[int, int] = {}
        message = {"do": what, "with": [self.encode(one, sent, known) for one in args]}
        self._nested += 1
        if self._nested > MAX_NESTED:
            raise RecursionError("too many calls inside calls")
        try:
            self._send(message)
            while True:
                got = self._receive()
                if "do" not in got:
                    return self._answered(got, sent)
                self._send(self._served(got))
        finally:
            self._nested -= 1

    def typed(self, kind: type[T], what: str, *args: Any) -> T:
        """The answer to an operation whose type Python fixes."""
        value: Any = self.ask("op", what, list(args))
        if type(value) is not kind:
            raise TypeError(f"{what}() of an object of the reply's code is no {kind.__name__}")
        return value

    def plain(self, proxy: Proxy) -> Any:
        """The plain value of an object whose class derives from a plain one; None when there is none."""
        return None if proxy._kind == "class" else self.ask("plain", proxy)  # noqa: SLF001  one module

    def _answered(self, got: dict[str, Any], sent: list[Any]) -> Any:
        self.heard(got.get("out", ""))
        for index, value in (got.get("args") or {}).items():
            renew(sent[int(index)], self.decode(value, [], sent))
        if "error" in got:
            raise self._error(got["error"], sent)
        return self.decode(got.get("ok"), [], sent)

    def heard(self, text: str) -> None:
        """What the other side printed meanwhile."""

    def said(self) -> str:
        """What this side printed meanwhile."""
        return ""

    def serve(self) -> None:
        """Answers until the other side is gone."""
        while True:
            self._send(self._served(self._receive()))

    def _served(self, got: dict[str, Any]) -> dict[str, Any]:
        made: list[Any] = []
        answer: dict[str, Any] = {}
        before: list[str] = []
        try:
            what, args = str(got["do"]), [self.decode(one, made, made) for one in got.get("with", [])]
            known = {id(one): index for index, one in enumerate(made)}
            before = [self._shallow(one, known) for one in made]
            self.may(what, args)
            answer["ok"] = self.encode(self._done(what, args), [], dict(known), returned=True)
        except Exception as error:  # noqa: BLE001  the code's own errors are answers
            answer["error"] = self._told(error)
        known = {id(one): index for index, one in enumerate(made)}
        changed = {index: json.loads(now) for index, (one, was) in enumerate(zip(made, before, strict=False))
                   if (now := self._shallow(one, known)) != was}  # fmt: skip
        return {**answer, "args": changed, "out": self.said()}

    def _done(self, what: str, args: list[Any]) -> Any:
        if what == "op":
            return OPS[args[0]](*args[1])
        if what == "call":
            function, given, named = args
            return function(*given, **named)
        if what == "plain":
            return plain_of(args[0])
        return self.handle(what, args)

    def _shallow(self, container: Any, known: dict[int, int]) -> str:
        rest = {key: value for key, value in known.items() if key != id(container)}
        return json.dumps(self.encode(container, [], rest, returned=True))

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        if len(data) > MAX_MESSAGE:
            raise Broken("a value is too large")
        try:
            self._socket.sendall(struct.pack("!I", len(data)) + data)
        except OSError:
            raise Broken("the code ended before the tests were through") from None

    def _receive(self) -> dict[str, Any]:
        size = struct.unpack("!I", self._exactly(4))[0]
        if size > MAX_MESSAGE:
            raise Broken("a value of the code is too large")
        try:
            message = json.loads(self._exactly(size))
        except (ValueError, RecursionError):
            raise Broken("the code does not keep to the protocol") from None
        if not isinstance(message, dict):
            raise Broken("the code does not keep to the protocol")
        return message

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._socket.recv(min(size - len(parts), 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise Broken("the code ended before the tests were through")
            parts += part
        return bytes(parts)

    # -- values out ------------------------------------------------------------------------------------------------

    def encode(
        self, value: Any, sent: list[Any], known: dict[int, int], depth: int = 0, *, returned: bool = False
    ) -> Any:
        """JSON of a value. `sent` collects the containers of a request; `known` are those that the other side has."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            return value if -(1 << 62) < value < 1 << 62 else {"i": hex(value)}
        if depth > MAX_DEPTH:
            raise CannotCross(f"nested deeper than {MAX_DEPTH} levels")
        if id(value) in known:
            return {"a": known[id(value)]}
        if kind in CONTAINERS and not returned:
            known[id(value)] = len(sent)
            sent.append(value)

        def deep(one: Any) -> Any:
            return self.encode(one, sent, known, depth + 1, returned=returned)

        if kind in SEQUENCES:
            return {SEQUENCES[kind]: [deep(one) for one in value]}
        if kind in MAPPINGS:
            return {MAPPINGS[kind]: [[deep(key), deep(one)] for key, one in value.items()]}
        if kind in SIMPLE:
            name, parts = SIMPLE[kind]
            return {name: parts(value, deep)}
        if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
            return {"n": [kind.__name__, list(kind._fields), [deep(one) for one in value]]}
        return self._reference(value)

    def _reference(self, value: Any) -> Any:
        if isinstance(value, Proxy):
            return {"p": value._id}  # noqa: SLF001  one module
        origin = getattr(value, "_evalkit_origin", None) if isinstance(value, type) else None
        if origin is not None:
            return {"p": origin}
        if isinstance(value, BaseException):
            return {"E": self._told(value)}
        if isinstance(value, types.ModuleType):
            return {"m": value.__name__}
        module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", None) or "."
        known = isinstance(value, type) and (module == "builtins" or issubclass(value, Exception))
        shared = (known or (not self.trusting and callable(value))) and module.partition(".")[0] in STANDARD
        if shared and getattr(sys.modules.get(module), name, None) is value:
            return {"g": [module, name, nearest_of(value)]}
        return self._own_reference(value)

    def _own_reference(self, value: Any) -> Any:
        if isinstance(value, type) and issubclass(value, BaseException):
            return {
                "e": self._kept(value),
                "name": value.__name__,
                "bases": [self._reference(b) for b in value.__bases__],
            }
        kind = (
            "class" if isinstance(value, type) else "coroutine" if isinstance(value, types.CoroutineType) else "object"
        )
        return {"o": self._kept(value), "k": kind, "c": id(type(value))}

    def _kept(self, value: Any) -> int:
        self._own[id(value)] = value
        return id(value)

    def _told(self, error: BaseException) -> dict[str, Any]:
        args = [
            one if one is None or type(one) in (str, int, float, bool) else str(one)[:2000] for one in error.args[:20]
        ]
        args = [one[:20_000] if isinstance(one, str) else one for one in args]
        return {"cls": self._reference(type(error)), "args": [self.encode(one, [], {}) for one in args],
                "of": self._kept(error)}  # fmt: skip

    # -- values in -------------------------------------------------------------------------------------------------

    def decode(self, data: Any, made: list[Any], sent: list[Any], depth: int = 0) -> Any:
        """A value from the other side; `made` collects new containers, `sent` are those that the other side had."""
        if not isinstance(data, dict):
            if isinstance(data, list) or depth > MAX_DEPTH:
                raise Broken("the code does not keep to the protocol")
            return data
        try:
            return self._decoded(data, made, sent, depth)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError):
            raise Broken("the code does not keep to the protocol") from None

    def _decoded(self, data: dict[str, Any], made: list[Any], sent: list[Any], depth: int) -> Any:
        name, value = next(iter(data.items()))

        def deep(one: Any) -> Any:
            return self.decode(one, made, sent, depth + 1)

        if name in ("l", "d", "s", "B"):
            new: Any = {"l": list, "d": dict, "s": set, "B": bytearray}[name]()
            made.append(new)
            if name == "B":
                new += bytes.fromhex(value)
            elif name == "d":
                new.update((deep(key), deep(one)) for key, one in value)
            else:
                (new.extend if name == "l" else new.update)([deep(one) for one in value])
            return new
        if name in ("t", "f", "q"):
            return {"t": tuple, "f": frozenset, "q": deque}[name]([deep(one) for one in value])
        if name in ("O", "N"):
            pairs = [(deep(key), deep(one)) for key, one in value]
            return OrderedDict(pairs) if name == "O" else Counter(dict(pairs))
        if name in ("r", "S"):
            return (range if name == "r" else slice)(*(deep(one) for one in value))
        simple: dict[str, Callable[[], Any]] = {
            "i": lambda: int(value, 16), "b": lambda: bytes.fromhex(value), "c": lambda: complex(*value),
            "D": lambda: Decimal(value), "Q": lambda: Fraction(deep(value[0]), deep(value[1])),
            "T": lambda: time_of(*value),
            "n": lambda: self._named_tuple(value[0], value[1], [deep(one) for one in value[2]]),
            "a": lambda: sent[value], "p": lambda: self._own[value], "m": lambda: self._module(value),
            "g": lambda: self._shared(*value), "E": lambda: self._error(value, sent),
            "o": lambda: self._proxy(value, str(data["k"]), int(data["c"])), "e": lambda: self._exception_class(data),
        }  # fmt: skip
        return simple[name]()

    def _proxy(self, ident: int, kind: str, cls: int) -> Any:
        if ident not in self._proxies:
            self._proxies[ident] = proxy = Proxy(self, ident, kind, cls)
            if kind == "coroutine":
                return self._awaitable(proxy)
        return self._proxies[ident]

    async def _awaitable(self, proxy: Proxy) -> Any:
        return self.ask("await", proxy)

    def _named_tuple(self, name: str, fields: list[str], values: list[Any]) -> Any:
        return namedtuple(name, fields)(*values)  # noqa: PYI024  its type is the other side's

    def _module(self, name: str) -> Any:
        if name.partition(".")[0] not in STANDARD:
            raise ImportError(name)
        return importlib.import_module(name)

    def _shared(self, module: str, name: str, nearest: str | None) -> Any:
        """A class of the standard library; for the side that trusts, any of its functions too."""
        if self.trusting:
            return getattr(self._module(module), name)
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and (module == "builtins" or issubclass(found, Exception)):
            return found
        fallback = getattr(builtins, nearest or "", None)
        if isinstance(fallback, type) and issubclass(fallback, Exception):
            return fallback
        raise TypeError(name)

    def _exception_class(self, data: dict[str, Any]) -> type[BaseException]:
        """A class of this side that represents an exception class of the other, with its name and bases."""
        ident = int(data["e"])
        if ident not in self._proxies:
            bases = tuple(self.decode(one, [], []) for one in data["bases"])
            usable = tuple(one for one in bases if isinstance(one, type) and issubclass(one, Exception)) or (Exception,)
            body = {"_evalkit_origin": ident, "__getattr__": _attribute_of, "__str__": _text_of}
            self._proxies[ident] = type(str(data["name"]), usable, body)
        made: type[BaseException] = self._proxies[ident]
        return made

    def _error(self, data: dict[str, Any], sent: list[Any]) -> BaseException:
        cls = self.decode(data["cls"], [], sent)
        args = [self.decode(one, [], sent) for one in data["args"]]
        if isinstance(cls, Proxy) or not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise Broken("the code did not end in an error of its own")
        error: BaseException = cls.__new__(cls, *args)
        error.args = tuple(args)
        if hasattr(cls, "_evalkit_origin"):
            error.__dict__["_evalkit_of"] = Proxy(self, int(data["of"]), "object", 0)
        return error


def _attribute_of(error: Any, name: str) -> Any:
    if name.startswith("_") or "_evalkit_of" not in error.__dict__:
        raise AttributeError(name)
    return getattr(error.__dict__["_evalkit_of"], name)


def _text_of(error: Any) -> str:
    return str(error.__dict__["_evalkit_of"]) if "_evalkit_of" in error.__dict__ else Exception.__str__(error)

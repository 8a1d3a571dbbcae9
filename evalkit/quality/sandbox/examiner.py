"""Runs a case's tests against code that runs in another process, and says over its own descriptor how they ended.

The code knows neither the tests nor the descriptor nor the nonce, so it cannot say that they passed.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import resource
import socket
import sys
import traceback
import types
from typing import Any

from evalkit.quality.sandbox.proxy import Proxy
from evalkit.quality.sandbox.values import Broken, CannotCross
from evalkit.quality.sandbox.wire import Peer

TESTS = "tests"
#: what the code may do to any object that the tests handed over; more only to objects of classes that they define
_HARMLESS = frozenset({"next", "iter", "bool", "len", "hash", "eq", "reversed", "enter", "exit"})
#: methods of plain values whose answer is believed of a plain value, or of a class that the tests name: an object that
#: has them all could answer as the test that asks wants it
_METHODS = frozenset(
    name for kind in (str, bytes, set, frozenset, int, float, tuple) for name in dir(kind) if not name.startswith("_")
) - {"add", "update", "pop", "clear", "remove", "discard", "copy"}  # fmt: skip


class Examiner(Peer):
    """The side of the tests."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.named: set[int] = set()
        self.broken: str | None = None

    def ask(self, what: str, *args: Any) -> Any:
        if self.broken:
            raise Broken(self.broken)
        try:
            return super().ask(what, *args)
        except Broken as error:
            self.broken = str(error)
            raise

    def heard(self, text: str) -> None:
        sys.stdout.write(str(text))

    def guard_operand(self, proxy: Proxy, other: object) -> None:
        if proxy._cls not in self.named:  # noqa: SLF001  the two ends of one protocol
            raise TypeError(f"an object of the reply's own class where the tests compare with {type(other).__name__}")

    def guard_attribute(self, proxy: Proxy, name: str, value: object) -> None:
        unnamed = proxy._kind == "object" and proxy._cls not in self.named  # noqa: SLF001  as above
        if name in _METHODS and unnamed and isinstance(value, Proxy):
            raise TypeError(f"an object of the reply's own class is asked for {name}()")

    def _named_tuple(self, name: str, fields: list[str], values: list[Any]) -> Any:
        if any(isinstance(value, Proxy) and field in _METHODS for field, value in zip(fields, values, strict=True)):
            raise TypeError("a named tuple of the reply hides a method of tuples")
        return super()._named_tuple(name, fields, values)

    def may(self, what: str, args: list[Any]) -> None:
        if what == "call" and id(args[0]) in self._own:
            return
        if what == "op" and self._may_operate(str(args[0]), list(args[1])):
            return
        if what == "plain" and _of_tests(args[0]):
            return
        raise TypeError(f"{what} is not for the reply's code")

    def _may_operate(self, name: str, on: list[Any]) -> bool:
        if name in ("get", "set", "del"):
            known = _of_tests(on[0]) and type(on[1]) is str and not on[1].startswith("_")
            # data may change; what a class of the tests does stays theirs
            fixed = isinstance(on[0], type) or callable(getattr(type(on[0]), str(on[1]), None))
            return known and (name == "get" or not fixed)
        return any(_of_tests(one) for one in on) or (name in _HARMLESS and id(on[0]) in self._own)


def _of_tests(value: Any) -> bool:
    """Whether a value is a class that the tests define, or an object of one."""
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__ == TESTS and not isinstance(value, Proxy)


class Names(dict[str, Any]):
    """The tests' names: their own, then the code's, then Python's."""

    def __init__(self, examiner: Examiner, code: set[str]) -> None:
        super().__init__(__name__=TESTS, __builtins__=builtins)
        self._examiner, self._code = examiner, code

    def __missing__(self, name: str) -> Any:
        if name not in self._code and hasattr(builtins, name):
            raise KeyError(name)
        try:
            value = self._examiner.ask("global", name)
        except NameError:
            raise KeyError(name) from None
        if isinstance(value, Proxy) and value._kind == "class":  # noqa: SLF001  the two ends of one protocol
            self._examiner.named.add(value._id)  # noqa: SLF001
        if isinstance(value, Proxy | types.ModuleType) or (
            isinstance(value, type) and hasattr(value, "_evalkit_origin")
        ):
            self[name] = value
        return value


def examine(examiner: Examiner, code: str, tests: str, result: int) -> dict[str, Any]:
    """How the tests ended: `passed`, `failed`, or `unscored` where they need what cannot be had; and why."""
    try:
        program = compile(tests, TESTS, "exec")
    except (SyntaxError, ValueError) as error:
        return {"outcome": "unscored", "said": f"the tests do not parse: {error}"}
    try:
        examiner.ask("op", "bool", [True])
        os.write(result, b"started\n")
        names = examiner.ask("load", code)
        exec(program, Names(examiner, set(names)))  # noqa: S102  the suite's own tests
    except CannotCross as error:
        return {"outcome": "unscored", "said": f"the tests hand over what cannot cross: {error}"}
    except BaseException as error:  # noqa: BLE001  whatever the tests end with, they did not pass
        said = str(error) if isinstance(error, Broken) else _said(error, tests)
        return {"outcome": "failed", "said": said, "gone": examiner.broken is not None}
    if examiner.broken:
        return {"outcome": "failed", "said": examiner.broken, "gone": True}
    return {"outcome": "passed", "said": ""}


def _said(error: BaseException, tests: str) -> str:
    """The error's last line; for a bare assertion, the line of the tests."""
    last = traceback.format_exception_only(error)[-1].strip()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == TESTS]
    if not isinstance(error, AssertionError) or error.args or not lines or not lines[-1]:
        return last
    return f"{last}: {tests.splitlines()[lines[-1] - 1].strip()}"


def main() -> None:
    """`examiner CONNECTION RESULT MEMORY CPU`; the nonce, the code and the tests come on standard input."""
    connection, result, memory, seconds = (int(word) for word in sys.argv[1:5])
    given = json.loads(sys.stdin.buffer.read())
    hide_from_others()
    for what, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    sys.set_int_max_str_digits(0)
    ended = examine(Examiner(socket.socket(fileno=connection)), given["code"], given["tests"], result)
    ended["said"] = ended["said"][:2000]
    os.write(result, json.dumps({**ended, "nonce": given["nonce"]}).encode() + b"\n")
    os._exit(0)


def hide_from_others() -> None:
    """No other process of this user may read or trace this one."""
    import ctypes

    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE

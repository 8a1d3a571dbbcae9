"""Holds the reply's code and answers the examiner: limits itself, gives up what it needs not, then loads the code."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import struct
import sys
import types
from typing import Any

from evalkit.quality.sandbox.values import Broken
from evalkit.quality.sandbox.wire import Peer

#: printed text that is handed on, in characters
_MOST_PRINTED = 1 << 20
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
#: system calls that the code does not get, by machine: new processes and programs, tracing, signals and limits of
#: others, sockets, namespaces, mounts, keys, other memory, devices, io_uring (a way around the rest)
_REFUSED = {
    "x86_64": (0xC000003E, (
        41, 56, 57, 58, 59, 62, 101, 103, 129, 133, 141, 144, 155, 161, 165, 166, 169, 175, 200, 203,
        234, 246, 248, 249, 250, 251, 259, 272, 297, 298, 302, 304, 308, 310, 311, 313, 314, 320, 321, 322,
        323, 424, 425, 426, 427, 428, 429, 430, 431, 432, 434, 435, 438, 442,
    )),
    "aarch64": (0xC00000B7, (
        30, 33, 39, 40, 41, 51, 97, 104, 105, 116, 117, 119, 122, 129, 130, 131, 138, 140, 142, 198,
        217, 218, 219, 220, 221, 240, 241, 261, 265, 268, 270, 271, 273, 274, 280, 281, 282, 294, 424, 425,
        426, 427, 428, 429, 430, 431, 432, 434, 435, 438, 442,
    )),
}  # fmt: skip


#: `fcntl` and `ioctl` by machine: by them a file's events become signals to any process of the user
_OWNERS = {
    "x86_64": ((72, (8, 15)), (16, (0x8901, 0x8902))),
    "aarch64": ((25, (8, 15)), (29, (0x8901, 0x8902))),
}  # fmt: skip
_ALLOW, _EPERM = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | 1)


class Printed:
    """Standard output of the code: kept until the examiner hears it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def write(self, text: str) -> int:
        if self._size < _MOST_PRINTED:
            self._parts.append(text[: _MOST_PRINTED - self._size])
            self._size += len(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def taken(self) -> str:
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return text


class Subject(Peer):
    """The side of the code. It does whatever the examiner asks."""

    trusting = True

    def __init__(self, connection: socket.socket, printed: Printed) -> None:
        super().__init__(connection)
        self._printed = printed
        self._reply = types.ModuleType("__main__")

    def said(self) -> str:
        return self._printed.taken()

    def handle(self, what: str, args: list[Any]) -> Any:
        if what == "load":
            sys.modules["__main__"] = self._reply
            exec(compile(args[0], "reply", "exec"), self._reply.__dict__)  # noqa: S102  what this process is for
            return list(self._reply.__dict__)
        if what == "global":
            if args[0] not in self._reply.__dict__:
                raise NameError(args[0])
            return self._reply.__dict__[args[0]]
        if what == "await":
            import asyncio

            return asyncio.run(args[0])
        return super().handle(what, args)


def confine(memory: int, seconds: int) -> None:
    """Limits that hold whatever the code does, in a sandbox or without one."""
    for what, limit in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(what, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    machine, numbers = _REFUSED.get(platform.machine(), (0, ()))
    if not numbers:
        return
    # load the machine: another one (32-bit calls) ends the process; load the number; refused ones fail with EPERM
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, machine), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    code += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, 0x80000000)]  # the x32 way to call the same
    for number in sorted(set(numbers)):
        code += [(0x15, 0, 1, number), _EPERM]
    for number, commands in _OWNERS[platform.machine()]:  # load the second argument, refuse what names an owner
        inner = [(0x20, 0, 0, 24), *(one for command in commands for one in ((0x15, 0, 1, command), _EPERM)), _ALLOW]
        code += [(0x15, 0, len(inner), number), *inner]
    code.append(_ALLOW)
    raw = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(raw)
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0)


def main() -> None:
    """`subject CONNECTION MEMORY CPU`."""
    connection, memory, seconds = (int(word) for word in sys.argv[1:4])
    end = socket.socket(fileno=connection)
    sys.set_int_max_str_digits(0)
    confine(memory, seconds)
    printed = Printed()
    sys.stdout = printed
    try:
        Subject(end, printed).serve()
    except Broken:
        os._exit(0)

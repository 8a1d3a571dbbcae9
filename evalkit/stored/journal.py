"""The journal of a run: append-only JSON lines, fsynced one by one, chained by hashes.

Each line is `{"n", "kind", "data", "prev", "hash"}`; `hash` covers the line without itself, `prev` is the hash before.
A torn last line (the process died while writing) is ignored and overwritten on resume; any other damage is reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from evalkit import system
from evalkit.errors import RunFolderError
from evalkit.files import not_writable
from evalkit.findings import Frozen
from evalkit.secrets import redact
from evalkit.text import json_safe, strict_json

MAX_LINE = 64 * 1024 * 1024
GENESIS = "0" * 64


@dataclass(frozen=True)
class Record:
    n: int
    kind: str
    data: Any
    hash: str
    end: int  # offset behind the line


def digest(n: int, kind: str, payload: str, prev: str) -> str:
    """sha256 over everything that a line says."""
    return hashlib.sha256(f"{n}\n{kind}\n{prev}\n{payload}".encode()).hexdigest()


def encode(data: Frozen | dict[str, Any]) -> str:
    """Compact JSON without NaN, keys as the models order them, secrets masked, nothing that a terminal would obey."""
    plain = data.model_dump(mode="json", exclude_defaults=True) if isinstance(data, Frozen) else data
    return json_safe(json.dumps(_masked(plain), ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _masked(value: Any) -> Any:
    """Every text redacted by itself: a pattern that ran over the finished JSON could eat its quotes."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return value


def _framed(n: int, kind: str, payload: str, prev: str, current: str) -> str:
    """The one line of a record."""
    return f'{{"n":{n},"kind":"{kind}","data":{payload},"prev":"{prev}","hash":"{current}"}}\n'


class Journal:
    """Appends to `path`. Open it while holding the run folder's lock."""

    def __init__(self, path: Path) -> None:
        """Continue behind the last whole line; a torn tail is cut off.

        Raises:
            RunFolderError: the file cannot be opened, or a line before the last is damaged.
        """
        self.path = path
        self._writing = Lock()  # samples of requests in flight together are kept by threads
        last: Record | None = None
        if path.exists():
            last = next(iter(deque(read(path), maxlen=1)), None)
        #: number and hash before the next record, and where it begins: one assignment, which no signal can halve
        self._at = (last.n + 1, last.hash, last.end) if last else (0, GENESIS, 0)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | system.NOFOLLOW | system.BINARY, 0o600)
            os.ftruncate(self._fd, self._at[2])
            system.sync_folder(path.parent)
        except OSError as error:
            raise not_writable(path, error) from None

    def append(self, kind: str, data: Frozen | dict[str, Any]) -> None:
        """Write one record and make it durable before returning.

        Raises:
            RunFolderError: the disk is full or gone; what was written before stays readable.
        """
        payload = encode(data)
        with self._writing:
            self._append(kind, payload)

    def _append(self, kind: str, payload: str) -> None:
        n, prev, start = self._at
        current = digest(n, kind, payload, prev)
        line = _framed(n, kind, payload, prev, current).encode()
        raw = memoryview(line)
        try:
            if os.lseek(self._fd, 0, os.SEEK_END) != start:  # Ctrl-C met the record before, which counts as not written
                os.ftruncate(self._fd, start)
                os.lseek(self._fd, start, os.SEEK_SET)
            while raw:
                raw = raw[os.write(self._fd, raw) :]
            os.fsync(self._fd)
        except OSError as error:
            with suppress(OSError):  # what stays is a torn tail, which the next reader cuts off
                os.ftruncate(self._fd, start)
            raise not_writable(self.path, error) from None
        self._at = (n + 1, current, start + len(line))

    def close(self) -> None:
        os.close(self._fd)


def read(path: Path) -> Iterator[Record]:
    """Every whole, chained record; a torn last line ends the reading silently.

    Raises:
        RunFolderError: unreadable, or a line is damaged or breaks the chain that is not a torn last one.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunFolderError(f"cannot be read: {error.strerror}", where=str(path)) from None
    with file:
        prev, n, end = GENESIS, 0, 0
        while line := file.readline(MAX_LINE):
            record = _parse(line, n, prev, end + len(line))
            if record is None:
                if file.read(1) or _is_whole(line):
                    raise RunFolderError(
                        "damaged or changed after it was written",
                        where=f"{path}:{n + 1}",
                        hint="run again: a damaged journal proves nothing",
                    )
                return
            yield record
            prev, n, end = record.hash, n + 1, record.end


_HEAD = re.compile(rb'\{"n":[0-9]+,"kind":"([a-z-]+)","data":')
#: length of a line behind its data
_TAIL = len(f',"prev":"{GENESIS}","hash":"{GENESIS}"}}\n')


def _parse(line: bytes, n: int, prev: str, end: int) -> Record | None:
    """The record of a line, or None when it is torn, damaged, out of the chain or not the line that is written for it.

    What is read is what is under the hash: the data is taken from the hashed bytes, and the whole line has to be the
    one that `Journal` writes for them.
    """
    head = _HEAD.match(line)
    if head is None or not line.endswith(b"\n"):
        return None
    try:
        kind = head[1].decode()
        data = line[head.end() : -_TAIL]
        payload = data.decode()
        current = digest(n, kind, payload, prev)
        if line != _framed(n, kind, payload, prev, current).encode():
            return None
        return Record(n, kind, strict_json(data), current, end)
    except ValueError:
        return None


def _is_whole(line: bytes) -> bool:
    """Whether a line that is not a record is as long as it was written: one that was cut off has no end, or holes."""
    return line.endswith(b"}\n") and b"\0" not in line

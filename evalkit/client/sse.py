"""Server-sent events out of bytes. Pure: no clock, no I/O.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". One deviation: an event that the end of the stream
cuts off is yielded, marked `complete=False`, so that a caller can accept a `[DONE]` without its blank line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_DONE_LINE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\][\r\n]*\Z")
_DONE_TAILS = (b"[DONE]\n\n", b"[DONE]\r\n\r\n", b"[DONE]\n", b"[DONE]\r\n", b"[DONE]\r\r", b"[DONE]")


class Event(NamedTuple):
    """`end` is the offset behind the event's last byte: the byte whose arrival completed it."""

    data: bytes
    end: int
    name: bytes = b""
    complete: bool = True


def ends_with_done(buffer: bytes | bytearray) -> bool:
    """Whether the last line received is `data: [DONE]`. Cheap: called for every read."""
    return buffer.endswith(_DONE_TAILS) and _DONE_LINE.search(buffer[-32:]) is not None


def iter_events(buffer: bytes | bytearray) -> Iterator[Event]:
    """The events of a whole stream, in order. Events without data (comments, ids, retry) are left out."""
    start = len(_BOM) if buffer.startswith(_BOM) else 0
    if b"\r" in buffer:
        yield from _by_line(buffer, start)
        return
    whole = bytes(buffer)  # slices of bytes are copied once, those of a bytearray twice
    find, make = whole.find, tuple.__new__
    while (end := find(b"\n\n", start)) >= 0:
        if whole.startswith(b"data: ", start) and find(b"\n", start, end) < 0:
            yield make(Event, (whole[start + 6 : end], end + 2, b"", True))  # half the cost of Event(...)
        else:
            yield from _by_line(whole[start : end + 2], 0, shift=start)
        start = end + 2
    if start < len(whole):
        yield from _by_line(whole, start)


def _by_line(buffer: bytes | bytearray, start: int, *, shift: int = 0) -> Iterator[Event]:
    data: list[bytes] = []
    name = b""
    for match in _LINE_END.finditer(buffer, start):
        line, start = bytes(buffer[start : match.start()]), match.end()
        if line:
            name = _field(line, data, name)
        else:
            if data:
                yield Event(b"\n".join(data), start + shift, name)
            data, name = [], b""
    rest = bytes(buffer[start:])
    if rest:
        name = _field(rest, data, name)
    if data:
        yield Event(b"\n".join(data), len(buffer) + shift, name, complete=False)


def _field(line: bytes, data: list[bytes], name: bytes) -> bytes:
    """Adds a data line to `data`; returns the event's name."""
    key, _, value = line.partition(b":")
    value = value.removeprefix(b" ")
    if key == b"data":
        data.append(value)
    elif key == b"event":
        return value
    return name

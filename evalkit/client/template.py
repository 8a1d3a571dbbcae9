"""Events of one stream differ in their text and their counts, and in nothing else: the form of the first one reads the
others at a fraction of the cost of JSON, and says so when an event is of another form.
"""

from __future__ import annotations

import json
import re
from typing import Self

_TEXT = re.compile(rb'"content"\s*:\s*"([^"\\\x00-\x1f]+)"')
_TOKENS = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})(?=\s*[,}])')
_TOTAL = re.compile(rb'"total_tokens"\s*:\s*(\d{1,9})(?=\s*[,}])')
_CONTROL = re.compile(r"[\x00-\x1f]")
_PROBE_TEXT, _PROBE_COUNT = "\x7fprobe\x7f", 987_654_321
_MOST_DIGITS = 9

#: a changing place of an event: first and last offset, and what is there (text, tokens or total)
_Place = tuple[int, int, str]


class Template:
    """The form of an event that carries text alone, with cumulative usage or without."""

    __slots__ = ("_add", "_counted", "_head", "_skip", "_start", "_stop", "_sub", "_tail", "_twice")

    def __init__(self, data: bytes, places: list[_Place], tokens: int | None) -> None:
        (first, last, _), *counts = places
        self._head, self._start = data[:first], first
        behind = [*(start for start, _, _ in counts), len(data)]
        pieces = [
            data[last : behind[0]],
            *(data[end:stop] for (_, end, _), stop in zip(counts, behind[1:], strict=True)),
        ]
        self._counted, self._twice = bool(counts), len(counts) == 2
        #: what is constant behind the text, with a place for each count
        self._tail = b"%d".join(piece.replace(b"%", b"%%") for piece in pieces) if counts else pieces[0]
        self._skip = len(pieces[0])
        self._stop = pieces[1][:1] if counts else b""
        values = [int(data[start:end]) for start, end, _ in counts]
        #: from the first count of the event to the second, and to the tokens
        self._add = values[-1] - values[0] if values else 0
        self._sub = values[0] - (tokens or 0) if values else 0

    @classmethod
    def of(cls, data: bytes, text: str, tokens: int | None) -> Self | None:
        """The form of `data`, whose delta was read as `text` and whose usage counted `tokens`; None if it has none.

        Checked by reading a changed copy as JSON: the places found must be the text and the count of that reading.
        """
        texts = [(*match.span(1), "text") for match in _TEXT.finditer(data)]
        counts = [(*match.span(1), "tokens") for match in _TOKENS.finditer(data)]
        totals = [(*match.span(1), "total") for match in _TOTAL.finditer(data)] if counts else []
        if len(texts) != 1 or data.count(b'"content"') != 1 or len(totals) > 1:
            return None
        if len(counts) != (tokens is not None) or data.count(b'"completion_tokens"') != len(counts):
            return None
        places = sorted([*texts, *counts, *totals])
        if places[0][2] != "text" or not _holds(data, places, text, tokens):
            return None
        return cls(data, places, tokens)

    def read(self, data: bytes) -> tuple[str, int | None] | None:
        """Text and count of an event of this form; None: of another form, read it as JSON."""
        if not data.startswith(self._head):
            return None
        start = self._start
        end = data.find(b'"', start)
        tail, tokens = data[end:], None
        if self._counted:
            skip = self._skip
            try:
                value = int(tail[skip : tail.find(self._stop, skip, skip + _MOST_DIGITS + 1)])
            except ValueError:
                return None
            if tail != self._tail % ((value, value + self._add) if self._twice else value):
                return None
            tokens = value - self._sub
        elif tail != self._tail:
            return None
        part = data[start:end]
        try:
            text = str(part, "utf-8")
        except UnicodeDecodeError:
            return None
        if not text or b"\\" in part or (not text.isprintable() and _CONTROL.search(text)):
            return None
        return (text, tokens) if tokens is None or tokens >= 0 else None


def _holds(data: bytes, places: list[_Place], text: str, tokens: int | None) -> bool:
    """Whether the places are what a JSON reader takes as the delta's text and the usage's count."""
    changed, start = b"", 0
    for first, last, what in places:
        changed += data[start:first] + (_PROBE_TEXT.encode() if what == "text" else b"%d" % _PROBE_COUNT)
        start = last
        if what == "text" and data[first:last] != text.encode("utf-8", "replace"):
            return False
    try:
        payload = json.loads(str(changed + data[start:], "utf-8"))
        if [choice["delta"]["content"] for choice in payload["choices"]] != [_PROBE_TEXT]:
            return False
        return tokens is None or bool(payload["usage"]["completion_tokens"] == _PROBE_COUNT)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return False

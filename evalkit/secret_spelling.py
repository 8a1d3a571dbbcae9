"""Finds a known key however it is spelled: escaped, encoded, cut off, in another case, or broken over lines.

Who echoes a key is seldom malicious: an error page escapes it for HTML or JSON, a log wraps it, a gateway shows its
first half. What is looked for are its letters and figures alone, in the text without escapes and other signs.
"""

from __future__ import annotations

import html
import re
from base64 import b32encode, b64encode
from collections.abc import Collection, Iterable
from typing import NamedTuple

#: a shorter piece is met by chance, or is what all keys of a provider begin with
_LEAST = 12
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_ESCAPE = re.compile(
    r"\\u\{?([0-9a-fA-F]{4})\}?|\\x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|\\([0-3][0-7]{2})|(&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});)"
)  # fmt: skip
_SIGNS = ("\\", "%", "&")
_UNIT = re.compile(rf"{_ESCAPE.pattern}|[A-Za-z0-9]")


class Spelling(NamedTuple):
    """Letters and figures that are looked for, and their first and last half."""

    whole: str
    first: str
    last: str


def spellings(value: str) -> frozenset[Spelling]:
    """Of a value, and of what common encodings make of it; none of a value of plain words."""
    raw = value.encode()
    encoded = (value, value[::-1], raw.hex(), b64encode(raw).decode(), b32encode(raw).decode())
    found = (_letters(one) for one in encoded)
    kept = [one for one in found if len(one) >= _LEAST and any(map(str.isdigit, one[:_LEAST]))]
    halves = [max(_LEAST, len(one) // 2) for one in kept]
    return frozenset(Spelling(one, one[:size], one[-size:]) for one, size in zip(kept, halves, strict=True))


def spelled(text: str, spellings: Collection[Spelling]) -> list[tuple[int, int]]:
    """Where one of the spellings is in `text`: all of it, or the first or last half; nowhere: an empty list.

    Time is linear in the text.
    """
    if not spellings:
        return []
    plain = _ESCAPE.sub(_plain, text) if any(sign in text for sign in _SIGNS) else text
    flat = _letters(plain)
    found = [one for one in spellings if one.first in flat or one.last in flat]
    return _places(text, found) if found else []


def _letters(text: str) -> str:
    return _OTHER.sub("", text).lower()


def _plain(found: re.Match[str]) -> str:
    """The character of an escape."""
    wide, narrow, percent, octal, entity = found.groups()[:5]
    if entity is not None:
        return html.unescape(entity)
    return chr(int(octal, 8) if octal else int(wide or narrow or percent, 16))


def _places(text: str, wanted: Iterable[Spelling]) -> list[tuple[int, int]]:
    letters: list[str] = []
    spans: list[tuple[int, int]] = []
    for unit in _UNIT.finditer(text):
        plain = _letters(_plain(unit) if any(unit.groups()) else unit[0])
        letters += plain
        spans += [unit.span()] * len(plain)
    flat = "".join(letters)
    found = []
    for one in wanted:
        for start in _all(flat, one.first):
            size = _shared(one.whole, flat[start : start + len(one.whole)])
            found.append((spans[start][0], spans[start + size - 1][1]))
        for start in _all(flat, one.last):
            end = start + len(one.last)
            before = flat[max(0, end - len(one.whole)) : end]
            size = _shared(one.whole[::-1], before[::-1])
            found.append((spans[end - size][0], spans[end - 1][1]))
    return found


def _shared(one: str, other: str) -> int:
    """How many characters the two begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _all(text: str, part: str) -> list[int]:
    found, at = [], text.find(part)
    while at >= 0:
        found.append(at)
        at = text.find(part, at + len(part))
    return found

"""Closed code fences of a text, in linear time: a reply may be nothing but marks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

_OPENS = re.compile(
    r"^[ \t]*+(?:(?:[-*+]|\d{1,4}[.)])[ \t]++)?(?P<mark>`{3,}+|~{3,}+)[ \t]*+(?P<language>[\w+#.-]*+)[^\n`]*+\n",
    re.MULTILINE,
)
_CLOSES = re.compile(r"^[ \t]*+(?P<mark>`{3,}+|~{3,}+)[`~]*+[ \t]*+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fence:
    """`start` and `end` are those of the whole block; `language` is in small letters, empty where none is named."""

    start: int
    end: int
    language: str
    body: str


def closed(text: str) -> Iterator[Fence]:
    """The closed fences, in order, indented ones too. The closing mark is at least as long as the opening one."""
    closers = [(found.start(), found.end(), found["mark"]) for found in _CLOSES.finditer(text)]
    longest = _longest_from(closers)
    at = past = 0
    for opens in _OPENS.finditer(text):
        if opens.start() < past:
            continue
        while at < len(closers) and closers[at][0] < opens.end():
            at += 1
        mark = opens["mark"]
        if at == len(closers) or longest[at][mark[0]] < len(mark):
            continue  # nothing behind closes it
        while not closers[at][2].startswith(mark):
            at += 1
        body, past, _ = closers[at]
        yield Fence(opens.start(), past, opens["language"].lower(), textwrap.dedent(text[opens.end() : body]))


def _longest_from(closers: list[tuple[int, int, str]]) -> list[dict[str, int]]:
    """For each closer, the longest mark of either kind from it on."""
    found: list[dict[str, int]] = []
    longest = {"`": 0, "~": 0}
    for _, _, mark in reversed(closers):
        if len(mark) > longest[mark[0]]:
            longest = {**longest, mark[0]: len(mark)}
        found.append(longest)
    return found[::-1]

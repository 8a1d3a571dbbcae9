"""Prompts that look like one template filled in many times: they are less evidence than their number says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from evalkit.text import cut

#: words that open (or close) a text and by which it is grouped
_KEY = 3
#: longer ends are not compared
_WORDS = 400
_LEAST = 3
#: share of the words of a text that all of a group have in common
_SHARE = 0.5
_GROUPS = 20_000
_NUMBER = re.compile(r"\d+")


@dataclass
class _Group:
    prefix: list[str]
    suffix: list[str]
    words: int
    count: int = 1
    lines: list[int] = field(default_factory=list)

    def add(self, words: list[str], line: int) -> None:
        self.prefix = _common(self.prefix, words[:_WORDS])
        self.suffix = _common(self.suffix, words[: -_WORDS - 1 : -1])
        self.words += len(words)
        self.count += 1
        if len(self.lines) < 5:
            self.lines.append(line)


def _common(one: list[str], other: list[str]) -> list[str]:
    size = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:size]


@dataclass(frozen=True)
class Template:
    """A group of prompts with the same words around what differs. `lines` are the first few of the source."""

    start: str
    count: int
    lines: tuple[int, ...]

    @property
    def cluster(self) -> str:
        """A name for it."""
        return "-".join(re.findall(r"[a-z0-9]+", self.start.lower())[:4]) or "template"

    def text(self) -> str:
        """One line for people, with what to write."""
        shown = ", ".join(map(str, self.lines)) + (" …" if self.count > len(self.lines) else "")
        return (
            f'{self.count} prompts look like one template, "{self.start} …" (lines {shown}); '
            f'if they are, declare it: "cluster": "{self.cluster}" on each of these lines'
        )


class Alike:
    """Groups texts as they pass, in memory that does not grow with their length."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    def add(self, text: str, line: int) -> None:
        """One text that declares no cluster."""
        words = _NUMBER.sub("0", text[:20_000]).split()
        if len(words) < 2 * _KEY:
            return
        key = " ".join(words[:_KEY]).lower()
        group = self._groups.get(key)
        if group is not None:
            group.add(words, line)
        elif len(self._groups) < _GROUPS:
            self._groups[key] = _Group(words[:_WORDS], words[: -_WORDS - 1 : -1], len(words), lines=[line])

    def templates(self) -> list[Template]:
        """Groups of at least three whose common words are half of what they say, the largest first."""
        found = [
            Template(cut(" ".join(group.prefix[:8]), 80), group.count, tuple(group.lines))
            for group in self._groups.values()
            if group.count >= _LEAST and (len(group.prefix) + len(group.suffix)) * group.count >= _SHARE * group.words
        ]
        return sorted(found, key=lambda one: -one.count)[:20]

"""What an importer is, what it yields, and the account of what could not be carried over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.errors import InputFileError
from evalkit.text import cut, one_line

#: lines that are listed for one reason; the count goes on
LISTED = 10
#: reasons with a name of their own; what comes later is counted under one
MOST_REASONS = 200


@dataclass(frozen=True)
class Options:
    """What the user asks of an import. `columns` maps our keys to the source's columns (`--map prompt=question`)."""

    columns: dict[str, str] = field(default_factory=dict)
    skip_bad: bool = False
    encoding: str | None = None
    grader: str = "contains"
    revision: str | None = None
    split: str | None = None
    limit: int | None = None
    sample: int | None = None


@dataclass(frozen=True)
class Entry:
    """One prompt or case in our keys. `line` is its line (of a table: row) in the source, from 1.

    `data` is a line of a prompts file without `id`; `expect` is a case's, None for a prompt; `name` is the source's id.
    """

    line: int
    data: dict[str, Any]
    name: str | None = None
    expect: list[Any] | None = None


@dataclass
class Count:
    """How often a reason applied, and the first lines."""

    count: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < LISTED:
            self.lines.append(line)


@dataclass
class Tally:
    """What became of a source: entries left out, parts lost, and parts changed, each by reason."""

    left_out: dict[str, Count] = field(default_factory=dict)
    lost: dict[str, Count] = field(default_factory=dict)
    changed: dict[str, Count] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """For JSON: reason, count and first lines."""
        groups = {"left_out": self.left_out, "lost": self.lost, "changed": self.changed}
        listed = {
            name: [{"what": what, "count": one.count, "lines": one.lines} for what, one in group.items()]
            for name, group in groups.items()
        }
        return {**listed, "notes": self.notes}

    def text(self) -> list[str]:
        """One line a reason, for people."""
        said = []
        for word, group in (("left out", self.left_out), ("not carried over", self.lost), ("changed", self.changed)):
            for what, one in group.items():
                shown = ", ".join(map(str, one.lines)) + (" …" if one.count > len(one.lines) else "")
                said.append(f"{word}: {what}: {one.count} (line{'s' if one.count > 1 else ''} {shown})")
        return [*said, *(f"note: {note}" for note in self.notes)]


class Head(NamedTuple):
    """The beginning of a file, for finding its kind. `first`: the first JSON value, None when there is none."""

    path: Path
    start: bytes
    text: str
    first: Any = None


@dataclass
class Reading:
    """One source while it is read."""

    path: Path
    options: Options
    tally: Tally = field(default_factory=Tally)
    #: hint for lines that are not of the kind
    hint: str | None = None

    def at(self, line: int | None) -> str:
        return f"{self.path}:{line}" if line else str(self.path)

    def bad(self, line: int, what: str, hint: str | None = None) -> None:
        """A line that cannot be used: the end, or with --skip-bad one of those left out.

        Raises:
            InputFileError: unless bad lines are skipped.
        """
        if not self.options.skip_bad:
            more = hint or self.hint
            skip = "mend the line, or leave it out with --skip-bad"
            raise InputFileError(what, where=self.at(line), hint=f"{more}; {skip}" if more else skip)
        self.leave_out(line, what)

    def leave_out(self, line: int, what: str) -> None:
        _count(self.tally.left_out, what, line)

    def lose(self, line: int, what: str) -> None:
        _count(self.tally.lost, what, line)

    def change(self, line: int, what: str) -> None:
        _count(self.tally.changed, what, line)

    def note(self, text: str) -> None:
        if text not in self.tally.notes and len(self.tally.notes) < MOST_REASONS:
            self.tally.notes.append(text)


def _count(group: dict[str, Count], what: str, line: int) -> None:
    what = one_line(what, limit=200)
    if what not in group and len(group) >= MOST_REASONS:
        what = "other reasons"
    group.setdefault(what, Count()).add(line)


@dataclass(frozen=True)
class Importer:
    """One kind of source. `carries` and `drops` are its row of the table in docs/import.md."""

    kind: str
    title: str
    carries: str
    drops: str
    #: whether the head of a file is of this kind
    sniff: Callable[[Head], bool]
    read: Callable[[Reading], Iterator[Entry]]


_BAD_ID = re.compile(r"[^\w.:@/+ -]+")


def plain_id(text: str) -> str:
    """`text` as an id of a prompt or case: printable, at most 120 characters, without `|`."""
    text = _BAD_ID.sub("-", " ".join(text.split())).strip("- ")
    return cut(text, 120) if text.isprintable() else ""

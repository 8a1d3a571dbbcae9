"""`python -m tests.gallery` writes docs/tricks.md from the table of kinds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.gallery import kinds
from tests.gallery.kinds import Kind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tricks.md"

_HEAD = """# Servers that look better than they are

<!-- written by `python -m tests.gallery`; do not edit -->

To look up: what the tests play, and the verdict.

A mode can look fast for many reasons that have nothing to do with decoding. Each row is a whole run over real sockets
against scripted servers, in virtual time: 24 prompts (80 where an early end matters), two readings of each in each mode,
and 32 task cases. The tests hold the run to the verdict and to the finding that reports it. The last table has servers that
look strange and are honest: they end in GO.
"""

_GROUPS = (
    ("Replies that are no answers, or shorter ones", kinds.REPLIES),
    ("Caches", kinds.CACHES),
    ("Speed that does not last, or is not decoding's", kinds.SPEED),
    ("Under open load alone", kinds.LOADS),
    ("Another server than it seems", kinds.SERVERS),
    ("Ends, errors and formats", kinds.PROTOCOL),
    ("Checklists and suites that ask for little", kinds.ASKED),
    ("License", kinds.INPUTS),
    ("Strange and honest", kinds.HONEST),
)


def page() -> str:
    """The page in Markdown."""
    lines = [_HEAD]
    for title, group in _GROUPS:
        lines += [f"## {title}", "", "| kind | what the server does | verdict | finding |", "|---|---|---|---|"]
        lines += [*_rows(group), ""]
    count = sum(len(group) for _, group in _GROUPS)
    lines += [f"{count} kinds. Not seen: a mode that slows down after the last request, a cache that knows prompts by",
              "their meaning, holds them from an earlier run and saves less than two thirds of the time, and wrong replies",
              "of the right length in the words of the right ones, where tasks are answered rightly and at the same pace; nor",
              "tasks answered by a part of their prompt, where a suite looks for words that its prompts hold; nor a server",
              "that counts more of a prompt than it reads, a baseline that waits before each timed reply and not before those",
              "to tasks, and a mode that is slower on tasks by less than two times.",
              ""]  # fmt: skip
    return "\n".join(lines)


def _rows(group: Iterable[Kind]) -> Iterable[str]:
    for kind in group:
        ident, status, *outcome = kind.finding
        said = f"`{ident}` {status}{f' ({outcome[0]})' if outcome else ''}"
        yield f"| {kind.name} | {kind.text} | {kind.verdict.upper()} | {said} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

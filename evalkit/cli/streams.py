"""Output that is not a command to the CI runner that reads it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from evalkit.cli.output import opened, put
from evalkit.text import calm

#: the end of a line that the next piece may make a command
_MAY_BECOME = re.compile(r"(?:##?[a-z]{0,8})?\Z")


class CalmStream:
    """A text stream of which no line is a workflow command, in however many pieces it is written.

    One that nobody reads any more swallows the rest. One that is not `needed` swallows what cannot be written, too.
    """

    def __init__(self, stream: IO[str], *, needed: bool = True) -> None:
        self.unguarded = stream
        self._needed = needed
        #: what the line under way begins with, as long as it may become a command
        self._begun = ""

    def write(self, text: str) -> int:
        whole = self._begun + text
        safe = calm(whole)
        begun = safe.startswith(self._begun)
        put(self.unguarded, safe[len(self._begun) :] if begun else f" {calm(text)}", needed=self._needed)
        line = whole.replace("\r", "\n").rpartition("\n")[2]
        self._begun = line if line.strip() in ("", ":") else f".{_MAY_BECOME.search(line)[0]}"  # type: ignore[index]  # matches every line
        return len(text)

    def flush(self) -> None:
        put(self.unguarded, "", needed=self._needed)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


@contextmanager
def calm_output() -> Iterator[None]:
    """Stdout and stderr without commands where no person sits: a runner reads what a pipe or a file takes."""
    before = sys.stdout, sys.stderr
    out, err = map(opened, before)
    sys.stdout = out if out.isatty() else CalmStream(out)
    sys.stderr = err if err.isatty() else CalmStream(err, needed=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_commands(lines: list[str]) -> None:
    """Workflow commands of our own on stderr."""
    put(getattr(sys.stderr, "unguarded", sys.stderr), "".join(f"{line}\n" for line in lines), needed=False)

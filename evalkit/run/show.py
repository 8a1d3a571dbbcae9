"""How a run tells how far it is. Rich belongs to the command line; here is only what a run says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from evalkit.text import one_line


class Show(Protocol):
    """What a run tells while it works, on stderr."""

    def say(self, item: str, text: str) -> None:
        """A step begins."""

    def tell(self, item: str, text: str) -> None:
        """Something that the person must read: it stays, whole."""

    def advance(self, item: str, done: int, planned: int) -> None:
        """`done` of `planned` requests of the step that was said last."""


class Plain:
    """One line a step: for logs and pipes."""

    def say(self, item: str, text: str) -> None:
        print(f"{item:9} {one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201  progress

    def tell(self, item: str, text: str) -> None:
        print(f"{item:9} {one_line(text, limit=1000)}", file=sys.stderr, flush=True)  # noqa: T201  for the person

    def advance(self, item: str, done: int, planned: int) -> None:
        pass


#: shows progress for as long as the block lasts, and is gone before the result is printed
Shown = Callable[[], AbstractContextManager[Show]]


@contextmanager
def plain() -> Iterator[Show]:
    yield Plain()

"""How a run shows how far it is: its base, the state behind it, and lines for logs. Rich belongs to `cli`."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evalkit import system
from evalkit.findings import ITEM_IDS
from evalkit.text import one_line

#: seconds without a line after which a log gets one
HEARTBEAT_S = 30.0
#: characters of a message that must be read whole
_WHOLE = 1000


class Show:
    """What a run shows on stderr while it works: nothing, where a class does not say otherwise. Every text is made safe
    and cut by the one who shows it.
    """

    def say(self, item: str, text: str) -> None:
        """A step of the item begins."""

    def tell(self, item: str, text: str) -> None:
        """Something that the person must read: it stays on the screen, whole."""

    def detail(self, item: str, text: str) -> None:
        """Something for the log, and for `-v`."""

    def advance(self, item: str, done: int, planned: int) -> None:
        """`done` of `planned` requests of the step that began last."""

    def finish(self, item: str, text: str = "") -> None:
        """The item's work is over; `text` says how, where that is not plain."""

    def overall(self, results: Sequence[str], left: str) -> None:
        """The results so far, a line each, and how long the whole run still takes."""


class Quiet(Show):
    """Only what must be read; the base of the others."""

    def tell(self, item: str, text: str) -> None:
        print(f"{item:9} {one_line(text, limit=_WHOLE)}", file=sys.stderr, flush=True)  # noqa: T201  for the person


@dataclass
class Row:
    """One item: what it does, how far it is, and the seconds that it was at work."""

    state: str = "waiting"  # waiting, working, done, skipped
    note: str = ""
    done: int = 0
    planned: int = 0
    seconds: float = 0.0
    since: float | None = None

    def elapsed(self, now: float) -> float:
        return self.seconds + (now - self.since if self.since is not None else 0.0)

    def stop(self, now: float) -> None:
        self.seconds, self.since = self.elapsed(now), None


@dataclass
class Board:
    """The state of a run in view: one row an item, in the order of the report. One item is at work at a time."""

    clock: Callable[[], float] = time.monotonic
    rows: dict[str, Row] = field(default_factory=lambda: {item: Row() for item in ITEM_IDS})
    results: Sequence[str] = ()
    left: str = ""

    def begin(self, item: str, text: str) -> None:
        """The clock of `item` runs and all others stop."""
        now = self.clock()
        for row in self.rows.values():
            row.stop(now)
        row = self.rows[item]
        row.state, row.note, row.since, row.done, row.planned = "working", text, now, 0, 0

    def finish(self, item: str, text: str) -> bool:
        """Whether it was not over yet."""
        row = self.rows[item]
        was = row.state
        row.stop(self.clock())
        row.state = "skipped" if text and was == "waiting" else "done"
        row.note = text
        return was in ("waiting", "working")

    def idle(self, item: str) -> str:
        """What to say of an item that is over and never began: nothing had to be asked for it."""
        return "no requests needed" if self.rows[item].state == "waiting" else ""

    def seconds(self, item: str) -> float:
        return self.rows[item].elapsed(self.clock())

    def summary(self) -> tuple[str, str]:
        """The item at work, and one line about it."""
        at_work = next((item for item, row in self.rows.items() if row.state == "working" and row.since), "run")
        row = self.rows.get(at_work, Row())
        count = f"{row.done:,} of {row.planned:,} requests" if row.planned else row.note
        return at_work, "; ".join(part for part in (f"still at work: {count}", *self.results, self.left) if part)


class Lines(Quiet):
    """One line a step with the time, and one at least every 30 seconds: for logs, pipes and run.log."""

    def __init__(
        self, write: Callable[[str], None], *, verbose: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.board = Board(clock)
        self._write, self._verbose = write, verbose
        self._last = clock()
        self._writing = threading.Lock()

    def line(self, item: str, text: str, limit: int = 300) -> None:
        with self._writing:
            self._last = self.board.clock()
            self._write(f"{stamp()} {item:9} {one_line(text, limit=limit)}\n")

    def say(self, item: str, text: str) -> None:
        self.board.begin(item, text)
        self.line(item, text)

    def tell(self, item: str, text: str) -> None:
        self.line(item, text, _WHOLE)

    def detail(self, item: str, text: str) -> None:
        if self._verbose:
            self.line(item, text, _WHOLE)

    def advance(self, item: str, done: int, planned: int) -> None:
        row = self.board.rows[item]
        row.done, row.planned = done, planned

    def finish(self, item: str, text: str = "") -> None:
        text = text or self.board.idle(item)
        if self.board.finish(item, text):
            results = self.board.results if item == "modes" and not text else ()
            self.line(item, "; ".join((text or f"done in {duration(self.board.seconds(item))}", *results)))

    def overall(self, results: Sequence[str], left: str) -> None:
        self.board.results, self.board.left = results, left

    def beat(self) -> bool:
        """Writes where the run is when nothing was written for a while; whether it did."""
        if self.board.clock() - self._last < HEARTBEAT_S:
            return False
        self.line(*self.board.summary())
        return True


@contextmanager
def beating(lines: Lines) -> Iterator[Lines]:
    """A thread that wakes every few seconds keeps the lines coming for as long as the block lasts."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_S / 6):
            lines.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join(timeout=1)


class Both(Show):
    """Shows on two places: the person's, and the run's log."""

    def __init__(self, one: Show, other: Show) -> None:
        self._both = (one, other)

    def say(self, item: str, text: str) -> None:
        for show in self._both:
            show.say(item, text)

    def tell(self, item: str, text: str) -> None:
        for show in self._both:
            show.tell(item, text)

    def detail(self, item: str, text: str) -> None:
        for show in self._both:
            show.detail(item, text)

    def advance(self, item: str, done: int, planned: int) -> None:
        for show in self._both:
            show.advance(item, done, planned)

    def finish(self, item: str, text: str = "") -> None:
        for show in self._both:
            show.finish(item, text)

    def overall(self, results: Sequence[str], left: str) -> None:
        for show in self._both:
            show.overall(results, left)


@contextmanager
def logged(path: Path) -> Iterator[Lines]:
    """Lines in the file `path` for as long as the block lasts: private, appended, never through a link, no secrets.

    A log that cannot be written stops nothing: the journal holds what was measured.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | system.NOFOLLOW | system.BINARY
    descriptor: int | None = None
    with suppress(OSError):
        descriptor = os.open(path, flags, 0o600)

    def write(line: str) -> None:
        if descriptor is not None:
            with suppress(OSError):
                os.write(descriptor, line.encode("utf-8", "replace"))

    try:
        with beating(Lines(write, verbose=True)) as log:
            yield log
    finally:
        if descriptor is not None:
            os.close(descriptor)


def stamp() -> str:
    """The time as logs have it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


#: shows progress for as long as the block lasts, and is gone before the result is printed
Shown = Callable[[], AbstractContextManager[Show]]


def to_stderr(line: str) -> None:
    """One line to a person or a runner's log, at once."""
    sys.stderr.write(line)
    sys.stderr.flush()


@contextmanager
def plain(*, verbose: bool = False) -> Iterator[Show]:
    """Lines on stderr with a heartbeat."""
    with beating(Lines(to_stderr, verbose=verbose)) as lines:
        yield lines

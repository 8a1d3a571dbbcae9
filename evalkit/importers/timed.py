"""A trace that is replayed: requests with time stamps, read in one pass and found again in the file by their places.

Texts stay in the file, so that a trace of any size takes 16 bytes a request. Lines are JSON objects: those of Mooncake,
AIPerf and vLLM (`timestamp` in ms or seconds), those that `evalkit import` writes (`at_ms`), and own logs (`prompt` or
`messages` with a number or an ISO 8601 time).
"""

from __future__ import annotations

import hashlib
import json
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from evalkit.checklist.load import LoadPoint
from evalkit.checklist.schema import Request
from evalkit.client.types import ChatRequest
from evalkit.errors import InputFileError
from evalkit.importers.base import Options, Reading
from evalkit.importers.stream import MAX_ENTRY, open_binary, unique
from evalkit.importers.traces import asked
from evalkit.stats.prefixes import Prefixes
from evalkit.text import one_line
from evalkit.timing.prompts import KEYS, check_line

#: where a line's time stands, in the order in which the keys are asked for
_TIMES = ("at_ms", "timestamp", "time", "ts", "created_at", "created", "start_time", "request_time")
_IDS = ("id", "request_id", "uuid")
_MOST_REQUESTS = 2_000_000
#: seconds without a request, as replayed, from which a run would do nothing but wait
_LONGEST_GAP_S = 600.0
#: requests of a block at least
_FEWEST = 5
_HINT = (
    'a line reads {"timestamp": 1500, "messages": […]}; the time in ms (unit: s for seconds) or as 2026-05-01T08:00:00Z'
)


@dataclass
class Trace:
    """A trace that was read whole once. `at` holds ms from the first request, as recorded; `sha256` is of the file."""

    path: Path
    point: LoadPoint
    defaults: Request
    sha256: str = ""
    at: array[float] = field(default_factory=lambda: array("d"))
    places: array[int] = field(default_factory=lambda: array("q"))
    #: what of the requests was asked before
    seen: Prefixes = field(default_factory=Prefixes)

    @property
    def seconds(self) -> float:
        """From the first request to the last, as recorded."""
        return self.at[-1] / 1000 if self.at else 0.0

    def piece(self, block: int) -> range:
        """The requests of one block: equal numbers of them, in their order."""
        n, blocks = len(self.at), self.point.blocks
        return range(block * n // blocks, (block + 1) * n // blocks)

    def span(self, block: int) -> tuple[float, float]:
        """Begin of a block, in recorded ms, and its length as replayed, in seconds."""
        piece = self.piece(block)
        begin = self.at[piece.start]
        end = self.at[piece.stop] if piece.stop < len(self.at) else self.at[-1]
        return begin, max((end - begin) / 1000 / self.point.speed, 1e-3)

    def request(self, number: int) -> ChatRequest:
        """One request, read from the file again.

        Raises:
            InputFileError: the file is another one than when the run began.
        """
        where = f"{self.path}:{number + 1}"
        with open_binary(self.path) as file:
            file.seek(self.places[number])
            raw = file.readline(MAX_ENTRY + 1)
        try:
            row = json.loads(raw)
        except ValueError:
            raise InputFileError("the trace has changed since the run began", where=where) from None
        return _prompt(Reading(self.path, Options()), number + 1, row, self.defaults)


def load_trace(path: Path, point: LoadPoint, defaults: Request) -> Trace:
    """Reads a trace through, and checks every line.

    Raises:
        InputFileError: a line that cannot be replayed, with FILE:LINE.
    """
    found, digest = Trace(path, point, defaults), hashlib.sha256()
    check = _Lines(found)
    with open_binary(path) as file:
        place = number = 0
        while raw := file.readline(MAX_ENTRY + 1):
            number += 1
            digest.update(raw)
            if raw.strip():
                check.line(number, place, raw)
            place += len(raw)
    found.sha256 = digest.hexdigest()
    least = point.blocks * _FEWEST
    if len(found.at) < least:
        raise InputFileError(
            f"{len(found.at)} requests with a time stamp: {point.blocks} blocks need at least {least}", where=str(path),
            hint=_HINT,
        )  # fmt: skip
    if found.at[-1] <= 0:
        raise InputFileError("all requests have the same time stamp", where=str(path), hint=_HINT)
    return found


class _Lines:
    """What is known of the lines so far."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.reading = Reading(trace.path, Options(), hint=_HINT)
        self.first: float | None = None
        self.zoned: bool | None = None
        self.ids: set[int] = set()

    def line(self, number: int, place: int, raw: bytes) -> None:
        """One line at a byte of the file."""
        trace = self.trace
        if len(raw) > MAX_ENTRY:
            self.fail(number, f"the line is longer than {MAX_ENTRY >> 20} MiB")
        row = self.object(number, raw.removeprefix(b"\xef\xbb\xbf") if not place else raw)
        at = self.time(number, row)
        self.once(number, row)
        if self.first is None:
            self.first = at
        relative = at - self.first
        before = trace.at[-1] if trace.at else 0.0
        if relative < before:
            self.fail(number, "the time stamp is earlier than that of the line before", "sort the trace by time")
        gap = (relative - before) / 1000 / trace.point.speed
        if gap > _LONGEST_GAP_S:
            hours = (relative - before) / 3_600_000
            self.fail(
                number, f"no request for {hours:.1f} hours before this line, {gap / 60:.0f} minutes as replayed",
                "cut the trace there and replay its parts, or raise speed; a wrong unit (ms, s) looks like this too",
            )  # fmt: skip
        request = _prompt(self.reading, number, row, trace.defaults)
        trace.seen.add(json.dumps(request.messages))
        trace.at.append(relative)
        trace.places.append(place)
        if len(trace.at) > _MOST_REQUESTS:
            self.fail(number, f"more than {_MOST_REQUESTS:,} requests", "cut the trace")

    def fail(self, number: int, message: str, hint: str = _HINT) -> NoReturn:
        raise InputFileError(message, where=f"{self.trace.path}:{number}", hint=hint)

    def object(self, number: int, raw: bytes) -> dict[str, Any]:
        try:
            row = json.loads(raw.decode(), object_pairs_hook=unique)
        except UnicodeDecodeError:
            self.fail(number, "not UTF-8")
        except (ValueError, RecursionError) as error:
            self.fail(number, f"not JSON: {one_line(str(error).split(': line')[0], limit=100)}")
        if not isinstance(row, dict):
            self.fail(number, "not a JSON object")
        return row

    def time(self, number: int, row: dict[str, Any]) -> float:
        """In ms."""
        key = next((name for name in _TIMES if row.get(name) is not None), None)
        if key is None:
            self.fail(number, "no time stamp")
        value = row[key]
        if isinstance(value, str):
            return self.moment(number, key, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
            self.fail(number, f"`{key}` must be a number that is not negative, or an ISO 8601 time")
        return float(value) * (1000.0 if self.trace.point.unit == "s" and key != "at_ms" else 1.0)

    def moment(self, number: int, key: str, value: str) -> float:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(number, f"`{key}` is not an ISO 8601 time: {one_line(value, limit=40)!r}")
        zoned = moment.tzinfo is not None
        if self.zoned is not None and zoned is not self.zoned:
            here, before = ("a", "none") if zoned else ("no", "one")
            self.fail(number, f"`{key}` has {here} time zone, and the lines before have {before}")
        self.zoned = zoned
        return (moment if zoned else moment.replace(tzinfo=UTC)).timestamp() * 1000

    def once(self, number: int, row: dict[str, Any]) -> None:
        """An id names one request."""
        key = next((name for name in _IDS if isinstance(row.get(name), str | int)), None)
        if key is None:
            return
        name = hash(str(row[key]))
        if name in self.ids:
            self.fail(number, f"the {key} {one_line(str(row[key]), limit=80)!r} was used before")
        self.ids.add(name)


def _prompt(reading: Reading, number: int, row: dict[str, Any], defaults: Request) -> ChatRequest:
    """The request of a row, by the rules of a prompts file."""
    if isinstance(row.get("prompt"), str) or (isinstance(row.get("messages"), list) and "output_length" not in row):
        data = {key: value for key, value in row.items() if key in KEYS and key not in ("id", "at_ms", "source")}
        if "prompt" in data and "messages" in data:
            del data["prompt"]
    else:
        found = asked(reading, number, row)
        if found is None:
            raise InputFileError("a line without a request of its own", where=reading.at(number), hint=_HINT)
        data = found
    return check_line({"id": f"line-{number}", **data}, reading.at(number), defaults).request

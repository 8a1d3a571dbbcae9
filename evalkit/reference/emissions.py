"""The true times of every event, on the monotonic clock that all processes of a machine share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self, TextIO


@dataclass
class Emission:
    """One request. Times are `time.monotonic_ns()`; an event's is taken right before its bytes go to the socket."""

    #: X-Request-ID, else the body's rid, else the id of the response
    request_id: str
    route: str
    #: the body was complete
    received_ns: int
    #: it left the queue: the schedule counts from here
    admitted_ns: int = 0
    headers_ns: int = 0
    #: (time, cumulative tokens) of each event that carried text or a tool call
    chunks: list[tuple[int, int]] = field(default_factory=list)
    #: when each of `chunks` was due
    due_ns: list[int] = field(default_factory=list)
    #: the end of the reply: `[DONE]`, or the body that is not a stream; 0 when it never came
    done_ns: int = 0
    status: int = 200
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    forwards: int = 0
    #: the client left, or the server died
    aborted: bool = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """A record read back from JSON."""
        return cls(**{**data, "chunks": [(int(t), int(n)) for t, n in data["chunks"]]})


class EmissionLog:
    """Finished requests in the order in which they ended; also one JSON line each in a file."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._records: list[Emission] = []
        self._lock = Lock()
        self._file: TextIO | None = Path(path).open("a", encoding="utf-8") if path else None  # noqa: SIM115

    def add(self, record: Emission) -> None:
        with self._lock:
            self._records.append(record)
            if self._file:
                self._file.write(json.dumps(asdict(record)) + "\n")
                self._file.flush()

    def records(self) -> list[Emission]:
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget what was recorded; the file keeps it."""
        with self._lock:
            self._records.clear()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def read_emissions(lines: Iterable[str]) -> list[Emission]:
    """Records of an emission log in JSON lines."""
    return [Emission.from_dict(json.loads(line)) for line in lines if line.strip()]

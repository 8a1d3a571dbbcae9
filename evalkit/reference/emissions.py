"""The true times of every event, on the monotonic clock that all processes of a machine share."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self, TextIO

#: Finished requests whose records stay in memory, about 5 KB each for replies of 32 tokens. Python's allocator gives
#: little back, so without a bound the process stays as large as the busiest stretch between two clears made it.
KEEP = 2000


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
    """The last `KEEP` finished requests in the order in which they ended; in a file all of them, a JSON line each."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._records: deque[Emission] = deque(maxlen=KEEP)
        self._lock = Lock()
        self._file: TextIO | None = Path(path).open("a", encoding="utf-8") if path else None  # noqa: SIM115

    def add(self, record: Emission) -> None:
        with self._lock:
            self._records.append(record)
            if self._file:
                self._file.write(json.dumps(asdict(record)) + "\n")
                self._file.flush()

    def records(self) -> list[Emission]:
        """What is kept in memory, the oldest first."""
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

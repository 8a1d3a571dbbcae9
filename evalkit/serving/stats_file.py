"""The fork's statistics file, read where it is local: exact forward passes of what was asked meanwhile.

One JSON object a line; `forward_passes` and `tokens` of a step or reply, `acceptance_rate` where there is a drafter
(hutm/sglang, its dllm algorithms, read 2026-11). Nothing else of a line is looked at.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

from evalkit.serving.facts import ForwardStats

_MAX_BYTES = 256 * 1024 * 1024
_MAX_LINE = 65_536
_MOST = 2**31


class StatsFile:
    """Remembers where the file ended, and sums up what was written since."""

    def __init__(self, mode: str, path: str) -> None:
        self.mode, self.path = mode, Path(path).expanduser()
        self._start = self._size() or 0

    def _size(self) -> int | None:
        """Bytes of the file; None where there is not a regular file."""
        try:
            found = self.path.stat()
        except (OSError, ValueError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read(self) -> ForwardStats:
        """What was added since the start. Never raises for what the file holds."""
        size = self._size()
        if size is None:
            return ForwardStats(mode=self.mode, error="no such file on this machine")
        start = self._start if size >= self._start else 0  # begun anew, as the server was restarted
        total = ForwardStats(mode=self.mode)
        rates: list[float] = []
        try:
            with self.path.open("rb") as lines:
                lines.seek(start)
                while lines.tell() - start < _MAX_BYTES and (line := lines.readline(_MAX_LINE)):
                    total = _added(total, line, rates)
        except OSError as error:
            return ForwardStats(mode=self.mode, error=f"not readable: {error.strerror}")
        mean = sum(rates) / len(rates) if rates else None
        return total.model_copy(update={"acceptance_rate": mean})


def _added(total: ForwardStats, line: bytes, rates: list[float]) -> ForwardStats:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    passes, tokens = (
        (_count(row.get(name)) for name in ("forward_passes", "tokens")) if isinstance(row, dict) else (0, 0)
    )
    if not passes or tokens is None:
        return total.model_copy(update={"skipped": total.skipped + 1})
    rate = row.get("acceptance_rate")
    if isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate <= 1:
        rates.append(float(rate))
    return total.model_copy(
        update={
            "lines": total.lines + 1,
            "forward_passes": total.forward_passes + passes,
            "tokens": total.tokens + tokens,
        }
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None

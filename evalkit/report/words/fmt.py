"""Figures as people read them: units, fixed precision, intervals. The same figure reads the same in every output."""

from __future__ import annotations

from evalkit.report.document.model.modes import SpeedUp

NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits, no exponent between 0.001 and a million, thousands grouped."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.1e}"
    text = f"{value:.{digits}g}"
    return f"{value:.{digits + 3}f}".rstrip("0").rstrip(".") if "e" in text else text


def milliseconds(value: float | None) -> str:
    """Milliseconds below ten seconds, seconds above."""
    if value is None:
        return NOTHING
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{number(value)} ms"


def ratio(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}×"


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    if low is None or high is None:
        return NOTHING
    return f"{low:.2f} to {high:.2f}{unit}"


def ratio_of(entry: SpeedUp | None) -> float | None:
    """The ratio of a speed-up; None where none was measured."""
    return entry["ratio"] if entry else None


def speedup(entry: SpeedUp | None) -> str:
    """`1.62× (1.48 to 1.77, n = 40 pairs)`."""
    if not entry or entry.get("ratio") is None:
        return NOTHING
    pairs = entry.get("pairs")
    tail = f", n = {pairs}" if pairs is not None else ""
    span = interval(entry.get("low"), entry.get("high"))
    return f"{ratio(entry['ratio'])} ({span}{tail})" if span != NOTHING else f"{ratio(entry['ratio'])}{tail}"


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}%"


def points(value: float | None) -> str:
    """A difference of shares, in percentage points with its sign."""
    return NOTHING if value is None else f"{100 * value:+.1f}".replace("-", "−")


def day(stamp: str | None) -> str:
    """The date of an ISO stamp."""
    return stamp[:10] if stamp else "date unknown"


def gib(size: int | None) -> str:
    return NOTHING if size is None else f"{size / 2**30:.1f} GiB"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

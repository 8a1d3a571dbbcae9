"""Figures as people read them: units, fixed precision, intervals. One figure has one spelling in every output.

The one address for items, report and stored runs alike: nothing here knows what a figure means.
"""

from __future__ import annotations

import math

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


def share(value: float | None, digits: int = 1) -> str:
    """A share as a percentage; "unknown" where it is not finite."""
    if value is None:
        return NOTHING
    return f"{100 * value:.{digits}f}%".replace("-", "−") if math.isfinite(value) else "unknown"


def points(value: float | None) -> str:
    """A difference of shares, in percentage points with its sign; the caller adds the unit, once for an interval."""
    if value is None:
        return NOTHING
    return f"{100 * value:+.1f}".replace("-", "−") if math.isfinite(value) else "unknown"


def margin(value: float) -> str:
    """A size in percentage points that has no sign: `3 points`."""
    return f"{100 * value:g} points"


def day(stamp: str | None) -> str:
    """The date of an ISO stamp."""
    return stamp[:10] if stamp else "date unknown"


def gib(size: float | None) -> str:
    """Bytes as GiB."""
    return NOTHING if size is None else f"{size / 2**30:.1f} GiB"


def tokens(count: int) -> str:
    return plural(count, "token")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

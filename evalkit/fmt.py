"""Figures as people read them: units, fixed precision, intervals. One figure has one spelling in every output.

The one address for items, report and stored runs alike: nothing here knows what a figure means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits, no exponent between 0.001 and a million, thousands grouped."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return _minus(f"{value:,.0f}")
    if size < 0.001:
        return f"{value:.1e}"
    text = f"{value:.{digits}g}"
    return _minus(f"{value:.{digits + 3}f}".rstrip("0").rstrip(".") if "e" in text else text)


def milliseconds(value: float | None) -> str:
    """Milliseconds below ten seconds, seconds above."""
    if value is None:
        return NOTHING
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{number(value)} ms"


def ratio(value: float | None) -> str:
    """`2.53×`: two decimals; below 0.1 two significant digits, so that no ratio reads 0.00×."""
    if value is None:
        return NOTHING
    return f"{value:.2f}×" if value >= 0.095 else f"{value:.2g}×"


def threshold(value: float | None) -> str:
    """A ratio that is asked for, as it was written: `1.1×`."""
    return NOTHING if value is None else f"{value:g}×"


def change(factor: float | None) -> str:
    """What a factor changes, with its sign: `+1.2%` for 1.012."""
    return NOTHING if factor is None else f"{points(factor - 1)}%"


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    """`1.48 to 1.77`."""
    if low is None or high is None:
        return NOTHING
    return f"{low:.2f} to {high:.2f}{unit}"


def amount(value: float | None) -> str:
    """Money without its unit: two decimals; below 0.1 two significant digits."""
    if value is None:
        return NOTHING
    return f"{value:,.2f}" if value >= 0.095 or value == 0 else number(value, 2)


def usd(value: float | None) -> str:
    """`0.41 USD`."""
    return NOTHING if value is None else f"{amount(value)} USD"


def span_of(low: float | None, high: float | None, spelled: Callable[[float | None], str]) -> str:
    """An interval in brackets behind its figure: ` (0.38 to 0.44)`; nothing where neither end is known."""
    if low is None and high is None:
        return ""
    return (
        f" ({spelled(low)} to {spelled(high)})"
        if low is not None and high is not None
        else (f" ({spelled(low)} or more)" if high is None else f" (up to {spelled(high)})")
    )


def share(value: float | None, digits: int = 1) -> str:
    """A share as a percentage; "unknown" where it is not finite."""
    if value is None:
        return NOTHING
    return _minus(f"{100 * value:.{digits}f}%") if math.isfinite(value) else "unknown"


def points(value: float | None) -> str:
    """A difference of shares, in percentage points with its sign; the caller adds the unit, once for an interval.

    What rounds to nothing has no sign of its own: `+0.0`.
    """
    if value is None:
        return NOTHING
    return _minus(f"{0.0 if abs(value) < 0.0005 else 100 * value:+.1f}") if math.isfinite(value) else "unknown"


def difference(value: float | None) -> str:
    """A difference of shares with its unit: `−22.0 points`."""
    return f"{text} points" if (text := points(value)) not in (NOTHING, "unknown") else text


def span(low: float | None, high: float | None) -> str:
    """The interval of a difference, beside one that has the unit: `−24.1 to +0.3`."""
    return f"{points(low)} to {points(high)}"


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


def clock(seconds: float) -> str:
    """Time that has passed: 0:01:30."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(items: Sequence[str], most: int = 5) -> str:
    """The first of them, and whether there are more: `a, b, c …`."""
    return ", ".join(items[:most]) + (" …" if len(items) > most else "")


def _minus(text: str) -> str:
    return text.replace("-", "−")

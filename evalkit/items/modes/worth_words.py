"""What the modes item says of what a mode is worth, for information: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.analysis.cost import Needed
from evalkit.analysis.frontier import Point
from evalkit.findings import Values, Words
from evalkit.fmt import interval, plural, ratio, share


def needed_words(sample: Needed) -> str:
    """What another sample takes: `about 75 prompts, 0.3 minutes, 0.04 USD`."""
    text = f"about {plural(sample.prompts, 'prompt')}"
    if sample.minutes is not None:
        text += f", {sample.minutes:.1f} minutes" if sample.minutes >= 0.1 else ", a few seconds"
    return text + (f", {sample.usd:.2f} USD" if sample.usd is not None else "")


def priced_words(remedy: str | None, sample: Needed, *, enough: bool) -> str:
    """A way forward with what it takes. `enough`: the sample is one that would settle the finding."""
    takes = f"{'that takes' if enough else 'timing again takes'} {needed_words(sample)}"
    return f"{remedy}; {takes}" if remedy else takes


class Levels(Values):
    """`ratios`: speed-up by concurrency. `crossover`: the lowest concurrency at which the mode no longer wins."""

    NULLS: ClassVar[tuple[str, ...]] = ("crossover",)
    outcome: Literal["wins", "ends", "none-measured"]
    ratios: dict[int, float] = {}  # noqa: RUF012  pydantic copies defaults
    crossover: int | None = None

    def words(self) -> Words:
        shown = ", ".join(f"{ratio(value)} at {level}" for level, value in self.ratios.items()) or "none measured"
        end = {
            "wins": "; wins at every level measured",
            "ends": f"; no longer wins at {plural(self.crossover or 0, 'stream')}",
            "none-measured": "",
        }[self.outcome]
        return Words(f"ratio by concurrency: {shown}{end}.")


class FixedLength(Values):
    """Speed-up per token where every reply runs to max_tokens. `length_ratio`: of replies, mode over baseline."""

    NULLS: ClassVar[tuple[str, ...]] = ("length_ratio",)
    outcome: Literal["measured", "not-honoured", "not-available"]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    length_ratio: float | None = None
    requests: int | None = None
    failed: int | None = None

    def words(self) -> Words:
        if self.outcome == "not-available":
            sent = f"{self.failed} of {self.requests} requests with ignore_eos"
            return Words(f"not available: {sent} failed or carry no token counts.")
        text = (
            f"per token {ratio(self.ratio)} ({interval(self.low, self.high)}) on {self.pairs} prompts at forced length"
        )
        if self.outcome == "not-honoured":
            text += f"; lengths still differ ({ratio(self.length_ratio)}): the server does not honour ignore_eos alike"
        return Words(f"{text}.")


class Energy(Values):
    """Joules for 1,000 output tokens, all devices of the endpoint together, and their mean power under load."""

    NULLS: ClassVar[tuple[str, ...]] = ("baseline_joules_per_1000_tokens",)
    outcome: Literal["by-counter", "by-power"]
    baseline: str
    concurrency: int
    joules_per_1000_tokens: float
    watts: float
    baseline_joules_per_1000_tokens: float | None = None

    def words(self) -> Words:
        mine, theirs = self.joules_per_1000_tokens, self.baseline_joules_per_1000_tokens
        text = f"{mine:.0f} J for 1,000 output tokens at {plural(self.concurrency, 'stream')}, "
        text += f"{self.watts:.0f} W on average"
        if theirs is not None and mine:
            text += f"; {self.baseline} takes {ratio(theirs / mine)} as much"
        how = "the energy counter" if self.outcome == "by-counter" else "power readings"
        return Words(f"{text} (by {how}).")


class Throttled(Values):
    """`share` of the readings in which a device was slowed down against its will, and why; clocks in MHz, °C, bytes."""

    NULLS: ClassVar[tuple[str, ...]] = ("clock_mhz", "temperature_c", "memory_bytes")
    outcome: Literal["held", "throttled", "not-watched"]
    share: float = 0.0
    readings: int = 0
    reasons: tuple[str, ...] = ()
    clock_mhz: tuple[int, int] | None = None
    temperature_c: int | None = None
    memory_bytes: int | None = None

    def data(self) -> dict[str, object]:
        """The reasons as one text, as ever; nothing where nothing was watched."""
        return {} if self.outcome == "not-watched" else {**super().data(), "reasons": ", ".join(self.reasons)}

    def words(self) -> Words:
        if self.outcome == "not-watched":
            return Words("no GPU was watched during timing.")
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        seen = f", {self.clock_mhz[0]} to {self.clock_mhz[1]} MHz" if self.clock_mhz else ""
        seen += f", up to {self.temperature_c} °C" if self.temperature_c is not None else ""
        return Words(f"slowed down in {share(self.share)} of {self.readings} readings{why}{seen}.")


class Frontier(Values):
    """Latency and quality of every configuration that was timed and scored."""

    outcome: Literal["drawn"] = "drawn"
    points: tuple[Point, ...]

    def words(self) -> Words:
        best = ", ".join(self._at(one) for one in self.points if not one.dominated_by)
        parts = [f"on the frontier of latency and quality: {best}"]
        for one in self.points:
            if one.dominated_by:
                how = "beyond chance" if one.surely else "by the figures, within chance"
                parts.append(f"{self._at(one)} is dominated by {', '.join(one.dominated_by)}, {how}")
        return Words(f"{'; '.join(parts)}.")

    @staticmethod
    def _at(point: Point) -> str:
        return f"{point.mode} ({point.e2e_ms:.0f} ms, {share(point.share)})"

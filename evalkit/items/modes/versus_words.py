"""What the modes item says of a mode beside the model used today: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.findings import Values, Words
from evalkit.fmt import interval, ratio

#: said where a claim is not believed because of it
NO_ROUND_TRIP = "the round trip to one of the two was not measured."


#: outcomes of a claim of speed, or under load, that take no side
Because = Literal[
    "open", "not-after-holm", "too-few-prompts", "too-few-groups", "crowded", "reference", "too-few-blocks",
    "unfinished", "failed", "coarse",
]  # fmt: skip
_BECAUSE: dict[str, str] = {
    "open": "the interval includes equality",
    "not-after-holm": "as one of several modes that may be adopted it is not shown",
    "too-few-prompts": "too few prompts were answered by both",
    "too-few-groups": "too few full batches were answered by both",
    "crowded": "the machine did other work",
    "reference": "a reference implementation served one of the two",
    "too-few-blocks": "too few blocks were played to both",
    "unfinished": "requests had not ended when their block was cut off",
    "failed": "one of the two left more requests without an answer",
    "coarse": "a block counts too few requests for the share that is asked for",
}


class Versus(Values):
    """`ratio`: of the incumbent's time to the mode's, or of the mode's capacity to the incumbent's: above 1 the mode is
    better. `guard`: the check that keeps the figure from being believed, and `why` in its words. Round trips in ms.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("ratio", "low", "high")
    outcome: Literal["better", "worse", "open", "guarded", "not-timed"]
    mode: str
    what: Literal["speed", "load", "capacity"] = "speed"
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    #: prompts, or blocks
    pairs: int = 0
    engine: str | None = None
    incumbent_engine: str | None = None
    hardware: str | None = None
    incumbent_hardware: str | None = None
    note: str | None = None
    round_trip_ms: float | None = None
    incumbent_round_trip_ms: float | None = None
    #: of the claim, where it is open
    because: Because | None = None
    guard: str | None = None
    why: str | None = None

    def words(self) -> Words:
        if self.outcome == "not-timed":
            why = f": {self.why}" if self.why else "."
            return Words(f"the incumbent and {self.mode} were not both timed{why}")
        text = f"{ratio(self.ratio)} the {_NOUNS[self.what]} of the incumbent{self._span()}{self._where()}"
        if self.outcome == "open":
            return Words(f"{text}; undecided: {_BECAUSE[self.because or 'open']}.")
        if self.outcome == "guarded":
            return Words(f"{text}; not believed, by {self.guard}: {self.why or ''}")
        return Words(f"{text}: {'a gain' if self.outcome == 'better' else 'a loss'}.")

    def _span(self) -> str:
        if self.low is None and self.high is None:
            return ""
        level = f"{100 * (self.confidence or 0.95):g}% CI"
        if self.low is None or self.high is None:
            end = f"{ratio(self.low)} or more" if self.high is None else f"up to {ratio(self.high)}"
            return f" ({level} {end})"
        return f" ({level} {interval(self.low, self.high)})"

    def _where(self) -> str:
        """Engine and hardware of both: the ratio is of all that differs."""
        mine = f"{self.engine or 'an engine not known'} on {self.hardware or 'hardware not known'}"
        declared = f" ({self.note})" if self.note else ""
        theirs = (
            f"{self.incumbent_engine or 'an engine not known'} on {self.incumbent_hardware or 'hardware not known'}"
        )
        return f", {mine} against {theirs}{declared}"


_NOUNS = {"speed": "speed", "load": "speed under load", "capacity": "capacity"}

"""What the modes item says of production's traffic, cost and today's model: typed values, and their sentences."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.analysis.money import Against, Missing, Spent
from evalkit.findings import Values, Words
from evalkit.fmt import amount, interval, number, plural, ratio, share, span_of, usd
from evalkit.modes import INCUMBENT


def _hits(mine: float | None, theirs: float | None, baseline: str, *, counted: bool = False) -> str:
    """`prefix cache: 90% of the prompt tokens, 88% with autoregressive`; `counted`: by the servers' own counters."""
    if mine is None and theirs is None:
        return "hits of the prefix cache are not reported"
    one, other = ("an unknown share" if part is None else share(part, 0) for part in (mine, theirs))
    text = f"prefix cache: {one} of the prompt tokens, {other} with {baseline}"
    return f"{text}, by the servers' own counters, first answers included" if counted else text


class Repeated(Values):
    """The ratio of prompts that each mode had answered before, and what production is like: `outcome`. `cached`: share
    of the prompt tokens that came from the prefix cache; `asked_again`, `shared_prefix`: of `requests` in `source`.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("cached", "baseline_cached")
    outcome: Literal["fresh", "prefix", "repeated", "not-known"]
    mode: str
    baseline: str
    ratio: float
    low: float
    high: float
    pairs: int
    cached: float | None = None
    baseline_cached: float | None = None
    counted: bool = False
    source: str | None = None
    requests: int | None = None
    asked_again: float | None = None
    shared_prefix: float | None = None

    def words(self) -> Words:
        hits = _hits(self.cached, self.baseline_cached, self.baseline, counted=self.counted)
        text = (
            f"{ratio(self.ratio)} the speed of {self.baseline} on prompts that were answered before "
            f"({interval(self.low, self.high)}, {plural(self.pairs, 'prompt')}; {hits}). Fresh prompts decide"
        )
        return Words(f"{text}{self._production()}")

    def _production(self) -> str:
        if self.outcome == "not-known":
            return "; how often production repeats a prompt is not known."
        said = {
            "fresh": ", and production resembles them",
            "prefix": "; production repeats beginnings of prompts, not whole prompts",
            "repeated": "; production resembles repeated prompts",
        }[self.outcome]
        return (
            f"{said}: of {plural(self.requests or 0, 'request')} in {self.source} {share(self.asked_again)} repeat an "
            f"earlier one, and {share(self.shared_prefix)} of the text is a beginning that an earlier one had."
        )


class Conversations(Values):
    """Conversations that were played turn by turn: ratio of the first turns and of the later ones, with intervals."""

    NULLS: ClassVar[tuple[str, ...]] = ("cached", "baseline_cached")
    outcome: Literal["scripted", "live"]
    mode: str
    baseline: str
    conversations: int
    turns: int
    first: tuple[float, float, float] | None = None
    later: tuple[float, float, float] | None = None
    cached: float | None = None
    baseline_cached: float | None = None

    def words(self) -> Words:
        said = [
            f"{ratio(one[0])} the speed of {self.baseline} on {name} ({interval(one[1], one[2])})"
            for name, one in (("first turns", self.first), ("later turns", self.later))
            if one is not None
        ]
        text = f"{plural(self.conversations, 'conversation')}, {plural(self.turns, 'turn')}: "
        text += ", ".join(said) or "too few for a ratio"
        hits = _hits(self.cached, self.baseline_cached, self.baseline)
        text += f"; later turns, {hits}"
        if self.outcome == "live":
            text += (
                ". Each mode's own replies were fed on, so that its later turns answer other texts than the "
                "baseline's: the ratio includes what it made of the conversation"
            )
        return Words(f"{text}.")


Decides = Literal["concurrency", "load", "capacity"]
_MISSING = {
    "not-timed": "no request was answered at the deciding load",
    "no-counts": "tokens are billed, and not every reply carries its token counts",
    "trace": "tokens are billed, and those of a trace's prompts are not kept",
}


class Cost(Values):
    """USD for 1,000 requests at the deciding load, and for 1,000 correct answers where some of `scored` were.

    `correct`: their share. `requests_per_s`: of one server at that load. Ends of an interval are absent where nothing
    says how sure the figure is, or where that side is open.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("usd_per_1000_correct",)
    outcome: Literal["per-request", "per-correct-answer", "none-correct", "not-known"]
    usd_per_1000: float | None = None
    usd_per_1000_low: float | None = None
    usd_per_1000_high: float | None = None
    usd_per_1000_correct: float | None = None
    usd_per_1000_correct_low: float | None = None
    usd_per_1000_correct_high: float | None = None
    paid_by: Literal["hours", "usage"] | None = None
    at: Decides = "concurrency"
    gpus: int = 1
    concurrency: int = 1
    requests_per_s: float | None = None
    scored: int = 0
    correct: float | None = None
    missing: Missing | None = None

    @classmethod
    def of(cls, found: Spent, concurrency: int, at: Decides) -> Cost:
        """The figures of what is known."""
        outcome: Literal["per-request", "per-correct-answer", "none-correct"] = "per-request"
        if found.right is not None:
            outcome = "per-correct-answer" if found.per_1000_right else "none-correct"
        whole, right = found.per_1000, found.per_1000_right
        return cls(
            outcome=outcome, usd_per_1000=whole.value, usd_per_1000_low=whole.low, usd_per_1000_high=whole.high,
            usd_per_1000_correct=right.value if right else None,
            usd_per_1000_correct_low=right.low if right else None,
            usd_per_1000_correct_high=right.high if right else None, paid_by=found.kind, at=at, gpus=found.gpus,
            concurrency=concurrency, requests_per_s=found.rate.value if found.rate else None, scored=found.scored,
            correct=found.right.value if found.right else None,
        )  # fmt: skip

    def words(self) -> Words:
        if self.outcome == "not-known":
            return Words(f"a price is given, and the cost is not known: {_MISSING[self.missing or 'not-timed']}.")
        span = span_of(self.usd_per_1000_low, self.usd_per_1000_high, amount)
        text = f"{usd(self.usd_per_1000)}{span} for 1,000 requests {self._where()}"
        if self.outcome == "per-correct-answer":
            sure = span_of(self.usd_per_1000_correct_low, self.usd_per_1000_correct_high, amount)
            text += f", {usd(self.usd_per_1000_correct)}{sure} for 1,000 correct answers "
            text += f"({share(self.correct)} of {self.scored} were)"
        elif self.outcome == "none-correct":
            text += f"; none of {self.scored} scored answers was correct"
        return Words(f"{text}.")

    def _where(self) -> str:
        if self.paid_by == "usage":
            return "by what they are billed"
        load = {
            "concurrency": f"at {plural(self.concurrency, 'stream')}",
            "load": f"at the {number(self.requests_per_s)} requests/s that were answered",
            "capacity": f"at its capacity of {number(self.requests_per_s)} requests/s",
        }[self.at]
        return f"{load} on {plural(self.gpus, 'GPU')}"


class IncumbentCost(Values):
    """What today's model costs over what the mode does: above 1 the mode costs less.

    `break_even_per_hour`: requests an hour from which `self_hosted` costs less than the other, which bills usage;
    `break_even_within`: whether one server serves as many at the deciding load.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("ratio",)
    outcome: Literal["cheaper", "dearer", "undecided", "not-known"]
    mode: str
    usd_per_1000: float | None = None
    incumbent_usd_per_1000: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    right_ratio: float | None = None
    right_low: float | None = None
    right_high: float | None = None
    self_hosted: str | None = None
    break_even_per_hour: float | None = None
    break_even_low: float | None = None
    break_even_high: float | None = None
    break_even_within: bool | None = None

    @classmethod
    def of(cls, found: Against, mode: str) -> IncumbentCost:
        """The figures of a comparison, and which of the two costs less."""
        whole, right, even = found.requests, found.right, found.even
        return cls(
            outcome=found.answer, mode=mode, usd_per_1000=found.mine.per_1000.value,
            incumbent_usd_per_1000=found.theirs.per_1000.value, ratio=whole.value, low=whole.low, high=whole.high,
            right_ratio=right.value if right else None, right_low=right.low if right else None,
            right_high=right.high if right else None, self_hosted=even.hosted if even else None,
            break_even_per_hour=even.per_hour.value if even else None,
            break_even_low=even.per_hour.low if even else None, break_even_high=even.per_hour.high if even else None,
            break_even_within=even.within if even else None,
        )  # fmt: skip

    def words(self) -> Words:
        if self.outcome == "not-known":
            return Words("the cost of one of the two is not known: they were not compared.")
        text = f"1,000 requests cost {usd(self.usd_per_1000)}, with the incumbent {usd(self.incumbent_usd_per_1000)}: "
        text += f"{ratio(self.ratio)} as much{span_of(self.low, self.high, ratio)}"
        if self.right_ratio is not None:
            text += f"; for a correct answer {ratio(self.right_ratio)}"
            text += span_of(self.right_low, self.right_high, ratio)
        if self.outcome == "undecided":
            text += "; the interval includes equal cost"
        return Words(f"{text}.{self._even()}")

    def _even(self) -> str:
        if self.break_even_per_hour is None:
            return ""
        hosted = self.self_hosted or self.mode
        other = self.mode if hosted == INCUMBENT else "the incumbent"
        name = "the incumbent" if hosted == INCUMBENT else hosted
        span = span_of(self.break_even_low, self.break_even_high, number)
        text = f" Self-hosting {name} costs less than {other} from {number(self.break_even_per_hour)} requests an hour"
        reach = {
            True: "", False: ": more than one server serves at the deciding load",
            None: ": whether one server serves as many was not asked",
        }[self.break_even_within]  # fmt: skip
        return f"{text}{span}{reach}."


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

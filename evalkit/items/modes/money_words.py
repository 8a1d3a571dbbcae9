"""What the modes item says of money: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.analysis.money import Against, Missing, Spent
from evalkit.findings import Values, Words
from evalkit.fmt import amount, number, plural, ratio, share, span_of, usd
from evalkit.modes import INCUMBENT

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

"""What the modes item says of speed: the typed values of its checks, and the sentences made of them."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.analysis.cost import Needed
from evalkit.analysis.speed import Claim, Outcome
from evalkit.findings import Values, Words
from evalkit.fmt import change, interval, plural, ratio, share, threshold
from evalkit.items.modes.worth_words import needed_words
from evalkit.stats.ratio import MIN_PAIRS

#: the way forward from a reference implementation
ENGINE = "serve both modes with an engine to decide their speed: `evalkit explain support MODEL` lists what can"
#: why a reference implementation among engines has no times
FOR_QUALITY = "a reference implementation among engines is asked for quality alone"


class Reference(Values):
    """`label`: what the times are called."""

    outcome: Literal["reference"] = "reference"
    mode: str
    label: str
    baseline: bool

    def words(self) -> Words:
        who = f"the baseline {self.mode}" if self.baseline else f"mode {self.mode}"
        return Words(f"the model's own code serves {who} ({self.label}).", self.label)


class OwnPrompts(Values):
    outcome: Literal["own", "shipped-only", "none"]
    prompts: int = 0

    def words(self) -> Words:
        match self.outcome:
            case "own":
                return Words(f"{self.prompts} prompts of your own.")
            case "none":
                return Words("no prompt file was part of the run.")
            case "shipped-only":
                return Words("only the shipped prompts were timed: yours may gain less or more.")


class DistinctPrompts(Values):
    outcome: Literal["repeated"] = "repeated"
    prompts: int
    repeated: int
    distinct: int

    def words(self) -> Words:
        text = f"{self.repeated} of {self.prompts} prompts repeat the text of another: they count once"
        return Words(f"{text}, {self.distinct} are distinct.", str(self.distinct))


class Measured(Values):
    """`why`: the error that kept the mode from being timed."""

    outcome: Literal["timed", "no-mode", "not-configured", "not-sent", "nothing-usable"]
    mode: str = ""
    requests: int | None = None
    usable: int | None = None
    prompts: int | None = None
    concurrency: int | None = None
    why: str | None = None

    def words(self) -> Words:
        match self.outcome:
            case "timed":
                done = f"{self.usable} of {self.requests} requests on {self.prompts} prompts"
                return Words(f"{done} timed at {plural(self.concurrency or 0, 'stream')}.")
            case "no-mode":
                text = "no mode has an endpoint or a launch command: nothing was timed."
                remedy = "start a server for each mode and name it under `modes:`, or pass --mode NAME=URL"
                return Words(text, remedy=remedy)
            case "not-configured":
                remedy = f"name an endpoint for {self.mode} under `modes:`"
                return Words(f"{self.mode} is to be adopted but is not configured.", remedy=remedy)
            case "not-sent":
                why = self.why or "no timed request was sent"
                return Words(f"not timed at {plural(self.concurrency or 0, 'stream')}: {why}.")
            case "nothing-usable":
                why = self.why or "every answer was empty"
                return Words(f"none of {self.requests} requests came back usable: {why}.")


class SpeedUp(Values):
    """One claim. `low` and `high` at `confidence`; the terms are half-widths in logs."""

    outcome: Outcome | Literal["is-the-baseline", "nothing-to-compare"]
    mode: str | None = None
    baseline: str
    concurrency: int | None = None
    at_least: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    pairs: int = 0
    independent: int = 0
    groups: int = 0
    claims: int = 1
    method: str | None = None
    slower_share: float | None = None
    worst_decile: float | None = None
    start_term: float | None = None
    unseen_term: float | None = None
    order_shift: float | None = None
    tipping: float | None = None
    servers: str | None = None
    prompts_needed: int | None = None
    minutes_needed: float | None = None
    usd_needed: float | None = None

    def data(self) -> dict[str, object]:
        """The figures, with a null where nothing is known to settle it."""
        needed = {"prompts_needed": self.prompts_needed, "minutes_needed": self.minutes_needed}
        return {**super().data(), **needed, "usd_needed": self.usd_needed}

    @classmethod
    def of(cls, claim: Claim, claims: int) -> SpeedUp:
        """`claims`: how many modes may be adopted, which are tested together."""
        found, sample = claim.comparison, claim.needed
        one = found.estimate if found else None
        return cls(
            outcome=claim.outcome, mode=claim.mode, baseline=claim.baseline, concurrency=claim.concurrency,
            at_least=claim.at_least, claims=claims, tipping=claim.tipping,
            prompts_needed=sample.prompts if sample else None, minutes_needed=sample.minutes if sample else None,
            usd_needed=sample.usd if sample else None,
            servers=found.servers if found else None, groups=found.groups if found else 0,
            ratio=one.ratio if one else None, low=one.low if one else None, high=one.high if one else None,
            confidence=one.confidence if one else None, pairs=one.pairs if one else 0,
            independent=one.clusters if one else 0, method=one.method if one else None,
            slower_share=one.slower_share if one else None, worst_decile=one.worst_decile if one else None,
            start_term=one.start if one else None, unseen_term=one.unseen if one else None,
            order_shift=one.shift if one else None,
        )  # fmt: skip

    def words(self) -> Words:
        if self.outcome == "is-the-baseline":
            return Words(f"{self.baseline} is the baseline: it is not compared with itself.")
        if self.outcome == "nothing-to-compare":
            text = f"only the baseline {self.baseline} is configured: there is nothing to compare it with."
            remedy = "configure the mode you consider, or set `adopt: [autoregressive]` to judge the baseline alone"
            return Words(text, remedy=remedy)
        asked = f"at least {threshold(self.at_least or 0)}"
        forward = None if self.outcome == "shown" else self._way_forward()
        if self.ratio is None or self.low is None or self.high is None:
            text = f"{self._why()} ({self.baseline} and {self.mode} at {plural(self.concurrency or 0, 'stream')})."
            return Words(text, None, asked, forward)
        span = f"{(self.confidence or 0) * 100:g}% CI {interval(self.low, self.high)}"
        text = f"end to end {ratio(self.ratio)} the speed of {self.baseline} ({span}){self._why()}"
        if self.low <= 1:
            text += " (no gain shown)" if self.high >= 1 else " (a loss)"
        slower = f"{share(self.slower_share or 0.0)} of prompts were slower, the slowest 10% ran at "
        return Words(f"{text}; {slower}{ratio(self.worst_decile or 0.0)}.", ratio(self.ratio), asked, forward)

    def _why(self) -> str:
        apart = " independent" if self.independent < self.pairs else ""
        shown = "" if self.ratio is None else ", undecided: "
        match self.outcome:
            case "shown":
                return f" on {self.pairs} prompts" + (f" ({self.independent} independent)" if apart else "")
            case "below":
                return f": below the required {threshold(self.at_least or 0)}"
            case "open":
                return f"{shown}the interval includes the threshold of {threshold(self.at_least or 0)}"
            case "not-after-holm":
                return f"{shown}not shown once Holm counts {self.claims} claims"
            case "reference":
                return f"{shown}times of a reference implementation decide no serving speed"
            case "crowded":
                return f"{shown}the machine was busy with other work while modes were timed"
            case "too-few-groups":
                held = f"{self.groups} groups of {self.concurrency} prompts in flight together"
                return f"{shown}{held}; no verdict below 2"
        have = f"{min(self.pairs, self.independent)}{apart} prompts answered in both modes"
        return f"{shown}{have}; no verdict below {MIN_PAIRS}"

    def _way_forward(self) -> str:
        if self.outcome == "reference":
            return ENGINE
        if self.outcome == "below":
            elsewhere = "other settings of the mode (`sweep`), another engine or another card"
            if (self.low or 0) > 1:
                return f"lower `items.modes.speedup.at_least` if the smaller gain is worth having, or try {elsewhere}"
            return f"stay with {self.baseline} here, or try {elsewhere}: more prompts will not show the gain asked for"
        if self.outcome == "crowded":
            return "end or move the other work on the machine, then run again"
        if self.prompts_needed is not None:
            sample = Needed(self.prompts_needed, self.minutes_needed, self.usd_needed)
            return f"{needed_words(sample)} would likely settle it"
        if self.servers is not None and self.servers != "replicated":
            return (
                "more prompts alone do not settle it: have each server started several times (`launch`, `launches: "
                "replicated`), or change `at_least`"
            )
        return "the gain lies so near the threshold that no affordable sample settles it: change `at_least`"


class SelfContrast(Values):
    """One mode against itself: `change` is a factor of its time, `kind` which of its readings are meant."""

    outcome: Literal["agrees", "differs"]
    mode: str
    kind: Literal["again", "after"]
    change: float
    error: float
    n: int

    def words(self) -> Words:
        what = {"again": "read again", "after": "read right after another mode"}[self.kind]
        return Words(f"{self.mode} {change(self.change)} when {what}")


class NoiseFloor(Values):
    """`subtracted`: log ratio that the order of the readings explains; above 0 it flatters the mode."""

    outcome: Literal["agree", "differ-alike", "flatters", "hinders", "read-once"]
    mode: str
    contrasts: tuple[SelfContrast, ...] = ()
    subtracted: float = 0.0

    def words(self) -> Words:
        seen = [one.words().summary for one in self.contrasts if one.outcome == "differs"]
        moved = f"the order of the readings moves the times: {', '.join(seen)}"
        factor = math.exp(abs(self.subtracted))
        shift = share(factor - 1) if factor < 1.1 else f"a factor of {ratio(factor)}"
        match self.outcome:
            case "read-once":
                return Words("prompts were read once a start: how much two readings differ is not known.")
            case "agree":
                return Words("two readings of a prompt agree in each mode, in whichever order they come.")
            case "differ-alike":
                return Words(f"{moved}; in both modes alike.")
            case "flatters":
                return Words(f"{moved}; {shift} is taken out of the ratio.")
            case "hinders":
                return Words(f"{moved}; it hinders {self.mode} by {shift}, so the upper bound allows for it.")


class Launches(Values):
    """`bracket`: factor between the two starts around the mode; `tipping`: sd of logs at which a pass falls."""

    outcome: Literal["replicated", "bracketed", "in-turn", "apart", "no-common-prompt"]
    mode: str
    baseline: str
    starts: int
    start_sd: float
    bracket: float | None = None
    tipping: float | None = None

    def data(self) -> dict[str, object]:
        return {**super().data(), "servers": self.outcome}

    def words(self) -> Words:
        match self.outcome:
            case "replicated":
                return Words(f"{self.starts} starts each: their spread is in the interval.")
            case "no-common-prompt":
                text = f"{self.starts} starts each, but no prompt was answered in all starts of both"
                remedy = "resume the run, so that every start answers the same prompts (a repeat of its own for each)"
                return Words(f"{text}: their spread is not known.", remedy=remedy)
            case "bracketed":
                how = f"{self.mode} was started once, between two starts of {self.baseline} that differ by "
                how += f"{share(abs((self.bracket or 1.0) - 1))} (half of it is in the interval)"
            case "in-turn":
                how = f"timed in turn with {self.baseline}, and neither server was restarted"
            case "apart":
                how = f"one launch: {self.mode} and {self.baseline} were timed one after the other"
        text = f"{how}; a spread of {share(self.start_sd)} between starts is assumed"
        if self.tipping is not None:
            text += f": the gain falls if two starts of a server differ by more than {share(math.expm1(self.tipping))}"
        return Words(f"{text}.")


class OrderTrend(Values):
    outcome: Literal["still", "drifts", "crosses", "too-few"]
    change: float | None = None
    p: float | None = None
    first: float | None = None
    last: float | None = None
    at_least: float | None = None

    def words(self) -> Words:
        if self.change is None or self.p is None:
            return Words("too few prompts to see a drift.")
        text = f"the ratio moves by {change(self.change)} from first to last prompt (p = {self.p:.3f})"
        if self.outcome == "crosses":
            text += f", from {ratio(self.first)} to {ratio(self.last)}: whether it reaches {threshold(self.at_least)} "
            text += "depends on when it is read"
        return Words(f"{text}.")

"""What the modes item says of open load: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit import fmt
from evalkit.checklist.load import Slo
from evalkit.findings import Values, Words


def slo_words(slo: Slo) -> str:
    """The service level in one phrase."""
    limits = (("TTFT", slo.ttft_ms), ("E2E", slo.e2e_ms), ("time per output token", slo.tpot_ms))
    return ", ".join(f"{name} {value:g} ms" for name, value in limits if value) + f" for {slo.share:.0%}"


def _rate(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}/s"


def _blocks(needed: int | None, where: str, lower: str) -> str:
    if needed is not None:
        return f"set `blocks: {needed}` under {where}, and resume"
    return f"the ratio lies so near the threshold that no number of blocks settles it: change `{lower}`"


#: why a claim of a load or a capacity is not decided, where the reason is the same for both
_OPEN = {
    "open": ", open: the threshold lies within the interval",
    "not-after-holm": ", open: not shown once Holm counts all claims",
    "too-few-blocks": ", open: no verdict below 8 blocks",
    "crowded": ", open: the machine was busy with other work",
}
_RESUME = "resume the run: blocks that are in the journal are not sent again"
_MAKE_ROOM = "end or move the other work on the machine, then run again"


def _below(at_least: float) -> str:
    return f": below the {fmt.threshold(at_least)} asked for"


class Load(Values):
    """`ratio`: baseline's time over the mode's, from the intended start. `minutes_needed`: of blocks still to do."""

    outcome: Literal[
        "shown", "below", "open", "not-after-holm", "too-few-blocks", "unfinished", "failed", "crowded", "not-measured"
    ]
    mode: str
    baseline: str
    load: str
    at_least: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    blocks: int = 0
    requests: int = 0
    failed: int = 0
    baseline_failed: int = 0
    unfinished: int = 0
    #: blocks in which the modes have no answered request in common
    empty: int = 0
    start_term: float | None = None
    unseen_term: float | None = None
    blocks_needed: int | None = None
    minutes_needed: float | None = None
    why: str | None = None

    def words(self) -> Words:
        threshold = f"at least {fmt.threshold(self.at_least)}"
        if self.outcome == "not-measured":
            return Words(f"{self.load}: {self.why or 'no block was played'}.", None, threshold, _RESUME)
        if self.ratio is None or self.low is None or self.high is None:
            remedy = _blocks(self.blocks_needed, "items.modes.load", "at_least")
            return Words(f"{self.load}: {self.blocks} blocks in both modes.", None, threshold, remedy)
        interval = f"{self.confidence:.0%} interval {fmt.interval(self.low, self.high)}"
        text = (
            f"at {self.load} {fmt.ratio(self.ratio)} ({interval}) as fast as {self.baseline} from the intended start, "
            f"{self.blocks} blocks, {self.requests} requests{self._why()}"
        )
        return Words(f"{text}.", fmt.ratio(self.ratio), threshold, self._remedy())

    def _why(self) -> str:
        match self.outcome:
            case "below":
                return _below(self.at_least)
            case "unfinished":
                return f", open: {self.unfinished} requests had not ended when their block was cut off"
            case "failed":
                return f", open: {self.failed} requests had no answer ({self.baseline_failed} of the baseline's)"
        return _OPEN.get(self.outcome, "")

    def _remedy(self) -> str | None:
        match self.outcome:
            case "too-few-blocks" if self.empty:
                return f"raise the rate or the `seconds` of a block: {self.empty} blocks have no request to compare"
            case "open" | "not-after-holm" | "too-few-blocks":
                return _blocks(self.blocks_needed, "items.modes.load", "items.modes.speedup.at_least")
            case "unfinished":
                return "lower the rate: the queue of this load does not empty"
            case "failed":
                return "lower the rate to one that both servers answer, or raise the limits of the server"
            case "crowded":
                return _MAKE_ROOM
        return None


class LoadLatency(Values):
    """`met`: blocks in which the percentile lies within the target."""

    outcome: Literal["within", "beyond", "open", "too-few-blocks"]
    mode: str
    load: str
    label: str
    target_ms: float
    observed_ms: float | None
    met: int
    blocks: int
    minutes_needed: float | None = None

    def words(self) -> Words:
        seen = "beyond every limit" if self.observed_ms is None else f"{self.observed_ms:.0f} ms"
        text = f"{self.label} {seen} at {self.load}; within {self.target_ms:g} ms in {self.met} of {self.blocks} blocks"
        if self.outcome == "too-few-blocks":
            text += ", no verdict below 8 blocks"
        return Words(f"{text}.", seen, f"at most {self.target_ms:g} ms")


class Capacity(Values):
    """Rates in requests a second; `ratio`: of the mode's capacity to the baseline's. `above`: blocks that kept the
    service level at the highest rate that was tried; `below`: at none.
    """

    outcome: Literal[
        "shown", "below", "measured", "never", "open", "not-after-holm", "too-few-blocks", "coarse", "died", "crowded",
        "not-measured",
    ]  # fmt: skip
    mode: str
    baseline: str
    slo: str
    at_least: float
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    lowest: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    blocks: int = 0
    above: int = 0
    below: int = 0
    requests: float | None = None
    seconds: float | None = None
    seconds_needed: int | None = None
    start_term: float | None = None
    unseen_term: float | None = None
    blocks_needed: int | None = None
    minutes_needed: float | None = None
    died_at: float | None = None
    why: str | None = None

    def words(self) -> Words:
        threshold = None if self.mode == self.baseline else f"at least {fmt.threshold(self.at_least)}"
        if self.rate is None:
            died = f"the server went down at {_rate(self.died_at)}" if self.died_at else None
            text = f"{died or self.why or 'the search did not find two edges'} ({self.slo})."
            return Words(text, None, threshold, self._remedy())
        text = f"{self._rate()} within {self.slo}, {self.blocks} blocks of {self.seconds or 0:g} s"
        if self.ratio is not None:
            text += f"; {self._ratio()} of {self.baseline}{self._why()}"
        observed = None if self.ratio is None else fmt.ratio(self.ratio)
        return Words(f"{text}.", observed or _rate(self.rate), threshold, self._remedy())

    def _rate(self) -> str:
        if self.outcome == "never":
            return f"no rate from {_rate(self.lowest)} on is"
        if self.above == self.blocks:
            return f"at least {_rate(self.rate)}, the highest rate that was tried,"
        low = "0" if self.rate_low is None else f"{self.rate_low:.3g}"
        high = "an unknown rate" if self.rate_high is None else f"{self.rate_high:.3g}"
        return f"{_rate(self.rate)} ({self.confidence:.0%} interval {low} to {high})"

    def _ratio(self) -> str:
        low = "0" if self.low is None else f"{self.low:.2f}"
        high = "no upper bound" if self.high is None else f"{self.high:.2f}"
        return f"{fmt.ratio(self.ratio or 0)} the capacity (interval {low} to {high})"

    def _why(self) -> str:
        match self.outcome:
            case "below":
                return _below(self.at_least)
            case "open" if self.above:
                return ", open: blocks kept the service level at the highest rate that was tried"
            case "coarse":
                return f", open: a block counts {self.requests or 0:.0f} requests, too few for the share"
            case "died":
                return f", open: the server went down at {_rate(self.died_at)}"
        return _OPEN.get(self.outcome, "")

    def _remedy(self) -> str | None:
        match self.outcome:
            case "open" if self.above:
                return "raise `most` under items.modes.capacity; without it, evalkit's own limit on this machine is it"
            case "open" | "not-after-holm" | "too-few-blocks":
                return _blocks(self.blocks_needed, "items.modes.capacity", "items.modes.capacity.at_least")
            case "coarse":
                return f"set `seconds: {self.seconds_needed}` under items.modes.capacity, and run again"
            case "died":
                return (
                    "start the server again and resume: what is in the journal is kept; or set `most` below that rate"
                )
            case "crowded":
                return _MAKE_ROOM
            case "never":
                return "relax the service level: not even single requests keep it"
            case "not-measured":
                return _RESUME
        return None


class LoadClient(Values):
    """`late_share`: of the median latency, or of the tightest limit. `limit_rate`: what evalkit can send and time."""

    outcome: Literal["small", "too-late", "refused"]
    load: str
    rate: float | None = None
    limit_rate: float | None = None
    limit_events: float | None = None
    events: float | None = None
    beyond: str = ""
    late_p50_ms: float | None = None
    late_p99_ms: float | None = None
    against_ms: float | None = None
    late_share: float | None = None
    limit: float = 0.05
    cpu: float | None = None

    def words(self) -> Words:
        can = (
            f"evalkit can send and time {self.limit_rate or 0:.1f} requests a second here "
            f"({self.limit_events or 0:,.0f} events a second, {self.events or 0:.0f} a request)"
        )
        if self.outcome == "refused":
            text = f"{self.load} was not sent: {can}{f'; {self.beyond}' if self.beyond else ''}."
            return Words(text, _rate(self.rate), f"at most {_rate(self.limit_rate)}")
        text = (
            f"{self.load}: sent {self.late_p50_ms or 0:.1f} ms late in the middle, p99 {self.late_p99_ms or 0:.1f} ms, "
            f"{self.late_share or 0:.1%} of {self.against_ms or 0:.0f} ms, {self.cpu or 0:.0%} of a core"
        )
        return Words(f"{text}.", f"{self.late_share or 0:.2%}", f"at most {self.limit:.1%}")


class LoadReplies(Values):
    """`length_ratio`: output tokens of the mode over the baseline's, as the servers count; `characters_ratio`: what a
    reader sees. `mine`, `theirs`: shares with the worst sign.
    """

    outcome: Literal["alike", "broken", "shorter"]
    mode: str
    baseline: str
    load: str
    sign: str | None = None
    mine: float | None = None
    theirs: float | None = None
    looked_at: int = 0
    length_ratio: float | None = None
    characters_ratio: float | None = None

    def words(self) -> Words:
        length = "" if self.length_ratio is None else f"; {fmt.ratio(self.length_ratio)} its output tokens"
        length += "" if self.characters_ratio is None else f"; {fmt.ratio(self.characters_ratio)} its characters"
        if self.outcome == "broken":
            text = (
                f"{self.load}: {self.mine or 0:.0%} of the replies show {self.sign}, {self.theirs or 0:.0%} of "
                f"{self.baseline}'s{length}"
            )
        elif self.outcome == "shorter":
            least = min(one for one in (self.length_ratio, self.characters_ratio, 1.0) if one is not None)
            length = f"{fmt.ratio(least)} as long as {self.baseline}'s"
            text = f"{self.load}: replies are {length}, which is the gain"
        else:
            text = f"{self.load}: {self.looked_at} replies are as sound as {self.baseline}'s{length}"
        return Words(f"{text}.")


class Overload(Values):
    """`rate`: the lowest at which it was seen; `after_ms`: a single request right after it."""

    outcome: Literal["slows", "sheds", "queues", "dies"]
    mode: str
    rate: float
    turned_away: float
    after_ms: float | None

    def words(self) -> Words:
        at = f"from {_rate(self.rate)} on"
        after = (
            "it did not answer afterwards"
            if self.after_ms is None
            else f"a single request right after took {self.after_ms:.0f} ms"
        )
        match self.outcome:
            case "sheds":
                text = f"{at} {self.mode} turns requests away ({self.turned_away:.0%} with 429 or 503); {after}"
            case "queues":
                text = f"{at} requests of {self.mode} wait longer and longer, none is turned away; {after}"
            case "dies":
                text = f"at {_rate(self.rate)} the server of {self.mode} went down; {after}"
            case "slows":
                text = f"{at} {self.mode} misses the service level without a growing queue; {after}"
        return Words(f"{text}.")

"""What 1,000 requests and 1,000 right answers of a mode cost at the deciding load, beside today's model. Pure figures.

An hour's price is divided by the throughput at the deciding load: requests in flight over their mean time at a
concurrency, answered requests a second under an open load, the capacity where that decides. A price by usage is the
mean over prompts of what one request is billed. Right answers: the cost of requests over the share that is right.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from evalkit.analysis.capacity import capacity, edges_of
from evalkit.analysis.cost import by_prompt, gpus, hourly
from evalkit.analysis.load import shown
from evalkit.analysis.pairs import passing_units
from evalkit.analysis.readings import Readings
from evalkit.checklist.prices import Kind
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.modes import INCUMBENT
from evalkit.stats import planning
from evalkit.stats.means import Amount, mean_of, quotient, quotient_of_means, share_amount, within
from evalkit.stats.proportions import wilson

#: why a cost is not known although a price is given: nothing was answered; replies carry no token counts; tokens of a
#: trace are not kept
Missing = Literal["not-timed", "no-counts", "trace"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one server costs, in USD. `rate`: requests a second that it serves at the deciding load."""

    kind: Kind
    per_1000: Amount
    per_1000_right: Amount | None
    #: share of the scored answers that were right, and how many cases were scored
    right: Amount | None
    scored: int
    rate: Amount | None
    hourly: float | None
    gpus: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From how many requests an hour the server that is paid by the hour costs less than the one that bills usage.

    `within`: whether one server serves as many at the deciding load; None: under that load it was not asked for more.
    """

    hosted: str
    per_hour: Amount
    within: bool | None


@dataclass(frozen=True, slots=True)
class Against:
    """A mode beside today's model: what today's costs over what the mode does, so that above 1 the mode costs less."""

    mine: Spent
    theirs: Spent
    requests: Amount
    right: Amount | None
    even: BreakEven | None

    @property
    def answer(self) -> Literal["cheaper", "dearer", "undecided"]:
        """Of the whole interval; where how sure the figure is, is not known, nothing is decided."""
        low, high = self.requests.low, self.requests.high
        return "cheaper" if low is not None and low > 1 else "dearer" if high is not None and high < 1 else "undecided"


def spent(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Spent | Missing | None:
    """None without a price."""
    price, item = checklist.prices(mode), checklist.items.modes
    if price.kind is None:
        return None
    hour, rate = hourly(checklist, facts, mode), throughput(checklist, facts, readings, mode)
    if hour is not None:
        if rate is None:
            return "not-timed"
        cost = quotient(Amount(1000 * hour / 3600), rate)
    else:
        if item.decides == "load" and item.load[0].trace is not None and price.usd_per_million_input is not None:
            return "trace"
        each = by_prompt(checklist, facts, readings, mode)
        mean = mean_of(each, units_of(readings, mode, item.level), item.confidence) if each else None
        if mean is None:
            return "not-timed" if each == {} else "no-counts"
        cost = mean.times(1000)
    passed = passing_units(facts.answers, mode, checklist.baseline.quality)
    right = _share(passed, item.confidence)
    return Spent(
        price.kind, cost, quotient(cost, right) if right and right.value else None, right, len(passed), rate, hour,
        gpus(checklist, facts, mode),
    )  # fmt: skip


def throughput(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Amount | None:
    """Requests a second of one server at the deciding load; None where nothing was answered there.

    Under an open load the rate is what was asked for: how sure it is, is no question of chance.
    """
    item = checklist.items.modes
    if item.decides == "load":
        blocks = [b for b in facts.loads if b.mode == mode and b.load == item.load[0].key]
        whole = shown(blocks)
        seconds = sum(b.seconds - b.counted_from_ms / 1000 for b in blocks)
        answered = whole.ends.get("a", 0) if whole else 0
        return Amount(answered / seconds) if answered and seconds else None
    start = start_term(checklist, readings, mode)
    if item.decides == "capacity":
        found = capacity(edges_of(checklist, facts, mode), item.capacity, item.confidence) if item.capacity else None
        return within(found.rate, found.low, found.high).widened(start) if found else None
    times = {prompt: fmean(each) / 1000 for prompt, each in readings.times(mode, item.level).items()}
    mean = mean_of(times, units_of(readings, mode, item.level), item.confidence)
    if mean is None or not mean.value:
        return None
    return quotient(Amount(item.level), mean).widened(start)


def units_of(readings: Readings, mode: str, level: int) -> dict[str, Hashable]:
    """What prompts go together with: above concurrency 1 those that were in flight with them, else their cluster."""
    clusters: dict[str, Hashable] = {p: c for p, c in readings.clusters(mode, level).items() if c is not None}
    groups: dict[str, Hashable] = {s.prompt: s.group for s in readings.all(mode, level) if s.group is not None}
    return groups if level > 1 and not clusters else clusters


def start_term(checklist: Checklist, readings: Readings, mode: str) -> float:
    """Log half-width for the start of a server that was not repeated, or that was so many times."""
    item = checklist.items.modes
    starts = max(1, len(readings.launches(mode, item.level)))
    return planning.start_term(item.start_sd, 1 / starts, item.confidence)


def _share(passed: list[float], confidence: float) -> Amount | None:
    """Share of right answers over independent units, with its Wilson interval."""
    if not passed:
        return None
    found = wilson(round(sum(passed)), len(passed), confidence)
    return share_amount(passed, found.low, found.high)


def against(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Against | None:
    """None where one of the two has no known cost, or costs nothing: there is no comparison then."""
    mine, theirs = (spent(checklist, facts, readings, label) for label in (mode, INCUMBENT))
    if not isinstance(mine, Spent) or not isinstance(theirs, Spent):
        return None
    if not mine.per_1000.value or not theirs.per_1000.value:
        return None
    requests = _paired(checklist, facts, readings, mode) or quotient(theirs.per_1000, mine.per_1000)
    right = None
    if mine.per_1000_right and theirs.per_1000_right and mine.right and theirs.right:
        right = quotient(requests, quotient(theirs.right, mine.right))
    return Against(mine, theirs, requests, right, break_even({mode: mine, INCUMBENT: theirs}))


def _paired(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Amount | None:
    """Prompt by prompt, where what decides is what each prompt costs."""
    item = checklist.items.modes
    by_hour = [label for label in (mode, INCUMBENT) if hourly(checklist, facts, label) is not None]
    if item.decides != "concurrency" and by_hour:
        return None
    costs = [by_prompt(checklist, facts, readings, label) for label in (INCUMBENT, mode)]
    if not costs[0] or not costs[1]:
        return None
    found = quotient_of_means(costs[0], costs[1], units_of(readings, mode, item.level), item.confidence)
    for label in by_hour:
        found = found.widened(start_term(checklist, readings, label)) if found else None
    return found


def break_even(both: dict[str, Spent]) -> BreakEven | None:
    """Of a server that is paid by the hour and one that bills usage; None for two of a kind."""
    hours = next(((label, one) for label, one in both.items() if one.kind == "hours"), None)
    usage = next((one for one in both.values() if one.kind == "usage"), None)
    if hours is None or usage is None or not hours[1].hourly or not usage.per_1000.value:
        return None
    label, machine = hours
    rate = quotient(Amount(1000 * hours[1].hourly), usage.per_1000)
    served = 3600 * machine.rate.value if machine.rate else 0.0
    certain = machine.rate is not None and machine.rate.down is not None
    return BreakEven(label, rate, True if served >= rate.value else False if certain else None)

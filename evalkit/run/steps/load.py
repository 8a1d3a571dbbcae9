"""Open load: blocks at a rate, pieces of a trace, and the search for the capacity of each mode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import fmean, median

from evalkit.analysis.capacity import Search, bounds, search
from evalkit.analysis.load import CAPACITY
from evalkit.checklist.load import CapacityAsked, LoadPoint
from evalkit.client.types import ChatRequest
from evalkit.facts import Facts
from evalkit.run.plan.openloop import Arrival, Level, in_flight_limit, play
from evalkit.run.recorder import Recorder, Session
from evalkit.run.steps.timing import run_id, server_devices, server_processes
from evalkit.serving import counters
from evalkit.serving import flush as flushing
from evalkit.timing.arrivals import RAMP, drawn, starts, turns
from evalkit.timing.calibrate import client_error
from evalkit.timing.facts import MOST_ERROR, MOST_EVENTS, REQUEST_EVENTS, ClientLimit, LoadBlock
from evalkit.timing.salt import with_salt
from evalkit.timing.witness import Witness

#: events a second that are tried, on so many streams, to find what evalkit can time here
_LADDER, _STREAMS = (1_000.0, 5_000.0, 10_000.0, 20_000.0, MOST_EVENTS), 100
#: unloaded requests of each mode that tell how many events a request has
_UNLOADED = 3
#: seconds after the last start in which the requests of a block may end, without a limit on their latency
_DRAIN_S = 60.0
#: beyond that limit, where there is one
_GRACE_S = 1.0
#: tokens of the request that shows whether a server has work left
_QUIET_TOKENS = 8


def open_loads(run: Recorder, label: str, launch: int) -> bool:
    """Whether blocks of open load are left to do for this server in this start."""
    item, facts = run.checklist.items.modes, run.facts
    done = {block.key for block in facts.loads}
    known, limit = label in (facts.client_limit.events if facts.client_limit else {}), facts.client_limit
    for point in item.load:
        rates = _rates(run, point)
        refused = known and limit is not None and max(rates) > limit.rate(label)
        mine = [b for b in range(point.blocks) if launch_of(run, label, b, point.blocks) == launch]
        if not refused and any(_key(point.key, label, b, rates[b]) not in done for b in mine):
            return True
    if item.capacity is None:
        return False
    if not known or limit is None:
        return launch == 0
    found = _searched(run, facts, label, item.capacity, limit)
    return found.next is not None and launch_of(run, label, found.next[0], item.capacity.blocks + 1) == launch


def launch_of(run: Recorder, label: str, block: int, blocks: int) -> int:
    """Which start of a mode's server a block belongs to: equal shares, in order."""
    count = sum(mode == label for mode, _ in run.setup.plan.starts)
    return block * count // blocks if count else 0


async def load_modes(run: Recorder, session: Session) -> None:
    """The open loads of the checklist that belong to these servers and are not in the journal yet."""
    labels = [label for label in session.targets if open_loads(run, label, session.launch)]
    if not labels or not run.setup.prompts.prompts:
        return
    await _Loads(run, session, labels).run_all()


def _rates(run: Recorder, point: LoadPoint) -> list[float]:
    """Requests a second in each block."""
    if point.rate is not None:
        return [point.rate] * point.blocks
    trace = run.setup.traces[point.key]
    return [len(trace.piece(b)) / trace.span(b)[1] for b in range(point.blocks)]


def _key(load: str, mode: str, block: int, rate: float) -> str:
    return LoadBlock(load=load, mode=mode, block=block, rate=rate, seconds=0, planned=0).key


def _searched(run: Recorder, facts: Facts, label: str, asked: CapacityAsked, limit: ClientLimit) -> Search:
    known = bounds(asked, limit.rate(label, asked.slo.e2e_ms), limit.e2e_ms.get(label))
    return search(facts.loads, label, asked, known, run.setup.plan.seed)


class _Loads:
    def __init__(self, run: Recorder, session: Session, labels: list[str]) -> None:
        self.run, self.session, self.labels = run, session, labels
        self.item, self.seed = run.checklist.items.modes, run.setup.plan.seed
        self.done = {block.key for block in run.facts.loads}
        #: servers that no longer answer
        self.gone: set[str] = set()
        self.unable: set[str] = set()
        self.each = self.item.cache == "salt-each"
        self.blocks = 0

    async def run_all(self) -> None:
        await self._unloaded()
        limit = await self._client_limit()
        facts = self.run.facts
        self.witness = Witness(server_processes(facts), devices=server_devices(facts))
        for point in self.item.load:
            for label in self.labels:
                rate, most = max(_rates(self.run, point)), limit.rate(label)
                if rate > most:
                    self.run.tell(
                        "modes", f"{point.key} is not sent to {label}: evalkit can send and time {most:.1f}/s"
                    )
            if not await self._point(point, limit):
                return
        if self.item.capacity is not None:
            await self._capacity(self.item.capacity, limit)

    # -- before ------------------------------------------------------------------------------------------------------

    async def _unloaded(self) -> None:
        """Events and time of a few requests alone; a mode that answers none is left out."""
        known = self.run.facts.client_limit
        prompts = self.run.setup.prompts.prompts
        events, times = (dict(known.events), dict(known.e2e_ms)) if known else ({}, {})
        for label in [label for label in self.labels if label not in events]:
            seen: list[tuple[int, float]] = []
            for turn, number in zip(range(_UNLOADED), drawn(len(prompts), f"{self.seed}|unloaded"), strict=False):
                request = with_salt(prompts[number].request, f"{run_id(self.run)} unloaded {label} {turn}")
                reply = await self.session.client.chat(self.session.targets[label], request)
                if reply.e2e_us:
                    seen.append((len(reply.chunks), reply.e2e_us / 1000))
            if seen:
                events[label] = fmean(count for count, _ in seen)
                times[label] = median(ms for _, ms in seen)
        self.labels = [label for label in self.labels if label in events]
        self.events, self.times = events, times

    async def _client_limit(self) -> ClientLimit:
        """What evalkit can send and time here, measured as far as the loads ask for it."""
        known = self.run.facts.client_limit
        wanted = self._events_wanted()
        timed, beyond = (known.events_per_s, known.beyond) if known else (0.0, "")
        if timed < wanted and not beyond:
            for events in _LADDER:
                if events <= timed or timed >= wanted:
                    continue
                self.run.say("modes", f"measuring what evalkit can time here: {events:,.0f} events a second")
                each = events / _STREAMS
                error = await client_error(
                    self.session.client, _STREAMS, events_per_s=each, tokens=max(20, round(each))
                )
                if error.warning is not None:
                    beyond = error.warning
                    sent = error.reached_per_s if error.short and error.e2e_error_share <= MOST_ERROR else None
                    timed = max(timed, sent or 0.0) or events / 10
                    break
                timed = events
        in_flight = known.in_flight if known else in_flight_limit()
        limit = ClientLimit(
            events_per_s=timed, in_flight=in_flight, beyond=beyond, events=self.events, e2e_ms=self.times
        )
        highest = [(point.key, max(_rates(self.run, point))) for point in self.item.load]
        refused = {f"{key}|{mode}": rate for key, rate in highest for mode in self.events if rate > limit.rate(mode)}
        limit = limit.model_copy(update={"refused": refused})
        if limit != known:
            self.run.keep(limit)
        return limit

    def _events_wanted(self) -> float:
        """Events a second that the loads would bring, as far as it is known."""
        per_request = max((self.events[label] for label in self.labels), default=0.0) + REQUEST_EVENTS
        wanted = [max(_rates(self.run, point)) * per_request for point in self.item.load]
        asked = self.item.capacity
        if asked is not None:
            wanted.append(asked.most * per_request if asked.most else _LADDER[-1])
        return max(wanted, default=0.0)

    # -- loads -------------------------------------------------------------------------------------------------------

    async def _point(self, point: LoadPoint, limit: ClientLimit) -> bool:
        """All blocks of one entry of `load`; False when the budget ended it."""
        rates, launch = _rates(self.run, point), self.session.launch
        labels = [label for label in self.labels if max(rates) <= limit.rate(label)]
        if point.trace is not None and not self.each:
            for label in labels:
                await self._flush(label)
        for block, rate in enumerate(rates):
            for label in turns(labels, f"{self.seed}|{point.key}|{block}"):
                if label in self.gone or launch_of(self.run, label, block, point.blocks) != launch:
                    continue
                if _key(point.key, label, block, rate) in self.done:
                    continue
                seconds = point.seconds if point.trace is None else self.run.setup.traces[point.key].span(block)[1]
                if not self._affordable(seconds, point.key):
                    return False
                self.run.say("modes", f"{point.key}: block {block + 1} of {point.blocks}, {label}")
                await self._block(label, point.key, block, rate, seconds, point)
        return True

    async def _capacity(self, asked: CapacityAsked, limit: ClientLimit) -> None:
        """One trial of each mode in turn, until the search of every mode is over."""
        turn = 0
        while True:
            facts, rest = self.run.facts, {}
            for label in self.labels:
                found = _searched(self.run, facts, label, asked, limit).next
                mine = found is not None and (
                    launch_of(self.run, label, found[0], asked.blocks + 1) == self.session.launch
                )
                if found is not None and mine and label not in self.gone:
                    rest[label] = found
            if not rest:
                return
            for label in turns(list(rest), f"{self.seed}|{CAPACITY}|{turn}"):
                block, rate = rest[label]
                if not self._affordable(asked.seconds, "the capacity search"):
                    return
                at = f"block {block} of {asked.blocks}" if block else "pilot"
                self.run.say("modes", f"capacity of {label}: {at} at {rate:.3g}/s")
                await self._block(label, CAPACITY, block, rate, asked.seconds, asked)
            turn += 1

    def _affordable(self, seconds: float, what: str) -> bool:
        left = self.run.left_s
        if left is not None and left < seconds:
            self.run.stopped = f"budget: {left / 60:.1f} minutes are left, too few for a block of {what}"
            return False
        return True

    async def _flush(self, label: str) -> bool:
        """Whether the server emptied its cache; one that cannot is not asked again."""
        if label in self.unable:
            return False
        state = await flushing.flush(label, self.session.endpoints[label], self.run.facts.endpoints.get(label))
        if state.method != "flush":
            self.unable.add(label)
        return state.method == "flush"

    async def _block(  # noqa: PLR0917  called twice, right above
        self, label: str, load: str, block: int, rate: float, seconds: float, asked: LoadPoint | CapacityAsked
    ) -> None:
        level, ramp, drain, listed = None, 0.0, _DRAIN_S, list[Arrival]()
        if isinstance(asked, CapacityAsked) or asked.trace is None:
            await self._flush(label)
            listed = list(self._drawn(label, load, block, rate, seconds, asked.arrivals))
            arrivals: Iterable[Arrival] = listed
            planned, mark = len(listed), True
        else:
            arrivals, mark = self._replayed(label, asked, block), self.each
            planned = len(self.run.setup.traces[asked.key].piece(block))
        if isinstance(asked, CapacityAsked):
            ramp = RAMP * seconds
            drain = _GRACE_S + asked.slo.e2e_ms / 1000 if asked.slo.e2e_ms is not None else _DRAIN_S
            level = Level(asked.slo, ramp, sum(one.at >= ramp for one in listed))
        quiet = replace(self.run.setup.prompts.prompts[0].request, max_tokens=_QUIET_TOKENS)
        self.blocks += 1
        target, before = self.session.targets[label], await counters.prefix(self.session.targets[label])
        told = await play(
            self.session.client, target, arrivals, drain_s=drain, level=level,
            quiet=with_salt(quiet, f"{run_id(self.run)} quiet {label} {load} {block} {rate}"),
        )  # fmt: skip
        if told["cached_tokens"] is None and (grown := counters.grown(before, await counters.prefix(target))):
            told |= {"prompt_tokens": grown[0], "cached_tokens": grown[1], "counted_cached": True}
        found = LoadBlock(
            load=load, mode=label, block=block, launch=self.session.launch, rate=rate, seconds=seconds,
            counted_from_ms=1000 * ramp, planned=planned, salted=mark, **told,
        )  # fmt: skip
        await asyncio.to_thread(self.run.keep, found)
        if seen := self.witness.look("during", label):
            self.run.keep(seen)
        if found.after_ms is None:
            self.gone.add(label)
            self.run.tell("modes", f"{label} does not answer after a block at {rate:.3g} requests a second")

    def _drawn(  # noqa: PLR0917  called once, right above
        self, label: str, load: str, block: int, rate: float, seconds: float, arrivals: str
    ) -> Iterator[Arrival]:
        """Requests of drawn prompts, each with a text in front that no cache has seen, the same for all modes."""
        prompts, name = self.run.setup.prompts.prompts, f"{self.seed}|{load}|{block}"
        own = f"|{label}" if self.each else ""
        numbers = drawn(len(prompts), name)
        for place, at in enumerate(starts(rate, seconds, arrivals, name)):
            number = next(numbers)
            request = with_salt(prompts[number].request, f"{run_id(self.run)}|{name}|{place}|{rate:.6g}{own}")
            yield Arrival(at, number, request)

    def _replayed(self, label: str, point: LoadPoint, block: int) -> Iterator[Arrival]:
        """Requests of a trace at their own times, read from the file when they are due."""
        trace = self.run.setup.traces[point.key]
        begin, _ = trace.span(block)
        for number in trace.piece(block):
            request: ChatRequest = trace.request(number)
            if self.each:
                request = with_salt(request, f"{run_id(self.run)}|{point.key}|{number}|{label}")
            yield Arrival((trace.at[number] - begin) / 1000 / point.speed, number, request)

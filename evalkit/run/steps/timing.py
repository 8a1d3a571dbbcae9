"""Times the modes of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalkit.client import loop
from evalkit.client.types import ChatClient, Target
from evalkit.facts import Facts
from evalkit.gpu.telemetry import watched
from evalkit.run.plan.execute import Event, Flush, Progress, Settings, Stopped, planned_here, run_modes
from evalkit.run.plan.looks import question
from evalkit.run.plan.pilot import PILOT_PROMPTS, Means, interleaved, of_baseline, words
from evalkit.run.plan.schedule import AGAIN_SHARE, GUESSED_START_S, Planned, sought
from evalkit.run.recorder import Recorder, Session
from evalkit.serving import counters
from evalkit.serving import flush as flushing
from evalkit.serving.facts import EndpointFacts
from evalkit.stats.ratio import MIN_PAIRS
from evalkit.timing.arrivals import load_seconds
from evalkit.timing.calibrate import client_error
from evalkit.timing.facts import CacheState, Look, Pilot, PrefixHits, RepeatedSample, TimedSample, WarmUp
from evalkit.timing.prompts import Prompt
from evalkit.timing.salt import with_salt
from evalkit.timing.witness import Witness

#: of what is left of the budget, timing may take so much while tasks are still to be asked
_SHARE = 2 / 3
#: events a second of one calibration stream, at least and at most, and of all streams together
_LEAST_RATE, _MOST_RATE, _MOST_EVENTS = 50.0, 400.0, 20_000.0
#: a calibration at so much of the wanted rate is good enough
_NEAR = 0.8


def open_requests(run: Recorder, modes: Sequence[str], launch: int = 0) -> list[Planned]:
    """The timed requests of these servers, in this start, that are not in the journal."""
    facts = run.facts
    prompts = facts.pilot.prompts if facts.pilot else None
    left = planned_here(run.setup.plan, modes, done=frozenset(run.timed_keys), launch=launch, prompts=prompts)
    if any(one.stopped for one in facts.looks):
        left = [p for p in left if p.fixed_length or p.concurrency != run.setup.plan.decide_at]
    return left


async def time_modes(run: Recorder, session: Session) -> None:
    """The timed requests of the plan that belong to these servers and are not in the journal yet."""
    if not open_requests(run, list(session.targets), session.launch):
        return
    await _own_error(run, session)
    flushable = await _flush(run, session, run.facts)

    unable: set[str] = set()

    async def flush(mode: str) -> bool:
        """Before each batch; a server that no longer does it is not waited for again, and that is a fact."""
        if mode in unable:
            return False
        state = await flushing.flush(mode, session.endpoints[mode], run.facts.endpoints.get(mode))
        if state.method != "flush":
            unable.add(mode)
            run.keep(state)
        return state.method == "flush"

    # of so few prompts none is left out, whatever a pilot says
    if session.running is not None and run.facts.pilot is None and len(run.setup.prompts.prompts) > MIN_PAIRS:
        await _pilot(run, session)
    facts, plan = run.facts, run.setup.plan
    if facts.pilot and session.running is not None:
        run.say("modes", f"timing {', '.join(session.targets)}: {words(facts.pilot)}")
    else:
        run.say("modes", f"timing {', '.join(session.targets)}")
    witness = Witness(server_processes(facts), devices=server_devices(facts))

    def on_load(mode: str | None, level: int) -> None:
        """Between batches: no request is under way."""
        devices.on_load(mode, level)
        if seen := witness.look("during" if begun else "before", mode):
            run.keep(seen)
        begun.append(mode)

    begun: list[str | None] = []
    with watched(facts.hardware) as devices:
        try:
            await run_modes(
                session.targets, run.setup.prompts, plan, session.client,
                done=frozenset(run.timed_keys), known=facts.timed, looks=facts.looks,
                on_sample=run.keep, on_event=lambda event: _event(run, event),
                settings=replace(_settings(run, session, flush if flushable else None), on_load=on_load),
            )  # fmt: skip
        finally:
            if seen := witness.look("after"):
                run.keep(seen)
            for reading in devices.samples:
                if reading.mode:
                    run.keep(reading)


def server_devices(facts: Facts) -> list[int]:
    """GPUs of this machine that the servers' processes were found on."""
    hardware = facts.hardware
    if hardware is None or hardware.place != "here":
        return []
    return sorted({gpu for label, on in hardware.endpoint_gpus.items() if label in facts.endpoints for gpu in on})


def server_processes(facts: Facts) -> list[int | None]:
    """Processes of the servers that run on this machine; None for one whose process is not known."""
    return [one.pid for one in facts.endpoints.values() if one.place in ("here", "unknown")]


async def _own_error(run: Recorder, session: Session) -> None:
    """At every concurrency, and at least at the chunk rate that these servers showed when they were probed."""
    rate = chunk_rate([e for label, e in run.facts.endpoints.items() if label in session.targets])
    known = run.facts.client_errors
    for level in run.checklist.items.modes.concurrency:
        at = min(rate, _MOST_EVENTS / level)
        if not any(e.streams == level and e.events_per_s >= level * at * _NEAR for e in known):
            run.say("modes", f"measuring evalkit's own timing error: {level} streams of {at:.0f} events a second")
            error = await client_error(session.client, level, events_per_s=at, tokens=max(20, round(at)))
            if not run.facts.client_errors and loop.could_be_faster(error.loop):
                run.tell("modes", loop.HINT)
            run.keep(error)


def chunk_rate(endpoints: Sequence[EndpointFacts]) -> float:
    """Events a second of the fastest stream that was seen; at least the 50 that calibration is reported at."""
    seen = [e.deltas for e in endpoints if e.deltas and e.deltas.seconds]
    rates = (len(d.deltas) / d.seconds for d in seen if d.seconds and len(d.deltas) > 1)
    return min(_MOST_RATE, max([_LEAST_RATE, *rates]))


def _settings(run: Recorder, session: Session, flush: Flush | None) -> Settings:
    facts, plan, item = run.facts, run.setup.plan, run.checklist.items.modes
    seconds, requests = _means(run)

    def pilot(times: Mapping[str, Mapping[str, Sequence[float]]]) -> Pilot:
        return interleaved(plan, times, len(run.setup.prompts.prompts), sought(run.checklist, plan))

    return Settings(
        minutes=None if seconds is None else seconds / 60,
        requests=requests,
        flush=flush,
        salt=flush is None,
        salt_each=item.cache == "salt-each",
        run=run_id(run),
        cases=run.setup.scored,
        launch=session.launch,
        turns=item.turns,
        prompts=facts.pilot.prompts if facts.pilot else None,
        question=question(run.checklist, plan, scored=bool(run.setup.scored)),
        pilot=pilot if plan.together and facts.pilot is None else None,
    )


def run_id(run: Recorder) -> str:
    return run.facts.start.run_id if run.facts.start else ""


def _means(run: Recorder) -> tuple[float | None, int | None]:
    """Seconds and requests that timing may use here: tasks get their share of the minutes."""
    asks = run.wanted("quality") and bool(run.setup.suites)
    loads = load_seconds(run.checklist, [trace.seconds for trace in run.setup.traces.values()])
    seconds = None if run.left_s is None else max(run.left_s - loads, run.left_s / 4) * (_SHARE if asks else 1.0)
    return seconds, run.left_requests


async def _pilot(run: Recorder, session: Session) -> None:
    """Two readings of ten prompts in the first server that evalkit started: they fix the sample for all of them."""
    (mode, target), *_ = session.targets.items()
    plan, prompts = run.setup.plan, run.setup.prompts
    run.say("modes", f"pilot: {PILOT_PROMPTS} prompts twice on {mode}")
    order = list(dict.fromkeys(p.prompt_id for p in plan.requests))[:PILOT_PROMPTS]
    chosen = [next(p for p in prompts.prompts if p.id == name) for name in order]
    times, tokens = await _read_twice(target, chosen, session.client, run_id(run))
    seconds, requests = _means(run)
    if seconds is not None:
        ready = session.running.facts.ready_s if session.running else None
        seconds = max(0.0, seconds - (len(plan.starts) - 1) * (ready or GUESSED_START_S))
    fixed = of_baseline(
        plan, mode, times, tokens, len(prompts.prompts), sought=sought(run.checklist, plan),
        means=Means(seconds, requests),
    )  # fmt: skip
    run.keep(fixed)


async def _read_twice(
    target: Target, prompts: Sequence[Prompt], client: ChatClient, run: str
) -> tuple[dict[str, list[float]], list[int]]:
    """E2E in ms of two readings of each prompt, and the output tokens of all: a pilot, no part of the sample."""
    times: dict[str, list[float]] = {}
    tokens: list[int] = []
    for turn in range(2):
        for prompt in prompts:
            reply = await client.chat(target, with_salt(prompt.request, f"{run} pilot {prompt.id} {turn}"))
            if reply.e2e_us:
                times.setdefault(prompt.id, []).append(reply.e2e_us / 1000)
                tokens.append(reply.completion_tokens or 0)
    return {name: each for name, each in times.items() if len(each) == 2}, tokens


def _event(run: Recorder, event: Event) -> None:
    if isinstance(event, Stopped):
        run.stopped = event.reason
    elif isinstance(event, Progress):
        run.advance("modes", event.done, event.planned)
    elif run.keeps(event):
        run.keep(event)
    if (text := _detail(event)) is not None:
        run.detail("modes", text)
    if isinstance(event, Pilot):
        run.say("modes", f"pilot of {event.read} prompts done; plan: {words(event)}")


def _detail(event: Event) -> str | None:
    """What the run's log says of an event."""
    match event:
        case WarmUp():
            settled = "settled" if event.levelled else "not settled"
            return f"warm-up of {event.mode} at concurrency {event.concurrency}: {event.requests} requests, {settled}"
        case CacheState():
            return f"cache of {event.mode}: {event.method}" + (f", {event.detail}" if event.detail else "")
        case Look():
            return f"look at {event.prompts} of {event.planned} prompts: {event.reason or 'not decided yet'}"
        case Stopped():
            return f"ended early: {event.reason}"
        case _:
            return None


async def _flush(run: Recorder, session: Session, facts: Facts) -> bool:
    """Whether every server's cache can be flushed; what was done is a fact either way."""
    states = [
        await flushing.flush(mode, session.endpoints[mode], facts.endpoints.get(mode)) for mode in session.targets
    ]
    every = all(state.method == "flush" for state in states)
    for state in states:
        each = run.checklist.items.modes.cache == "salt-each"
        method = "salt-each" if each else "flush" if every else "salt"
        run.keep(CacheState(mode=state.mode, method=method, verified=state.verified, detail=state.detail))
    return every


#: of what is left of the budget, so much at most: tasks come behind
_LEFT_SHARE = 1 / 4


def open_repeated(run: Recorder, modes: Sequence[str], launch: int = 0) -> list[Planned]:
    """What is left to do: repetitions that are not in the journal, and the first answers that they need."""
    done = {sample.key for sample in run.facts.repeated}
    here = planned_here(run.setup.plan.warm, modes, done=frozenset(), launch=launch)
    groups = {(p.mode, p.group) for p in here if p.repeat and p.key not in done}
    # a server may have forgotten since: the first answer is asked for again, and kept once
    return [p for p in here if (p.mode, p.group) in groups and (not p.repeat or p.key not in done)]


async def time_repeated(run: Recorder, session: Session) -> None:
    """The repeated prompts of these servers. Without time left they are left out, and the report does not show them."""
    left = open_repeated(run, list(session.targets), session.launch)
    if not left:
        return
    seconds = _seconds(run)
    if seconds is not None and seconds <= 0:
        return
    run.say("modes", f"timing {', '.join(session.targets)}: prompts that were answered before")
    kept = {sample.key for sample in run.facts.repeated}
    todo = {p.key for p in left}
    plan = run.setup.plan.warm

    def keep(sample: TimedSample) -> None:
        if sample.key not in kept:
            run.keep(RepeatedSample(**dict(sample)))

    before = {label: await counters.prefix(target) for label, target in session.targets.items()}
    await run_modes(
        session.targets, run.setup.prompts, plan, session.client,
        done=frozenset(p.key for p in plan.requests if p.key not in todo),
        on_sample=keep,
        settings=Settings(
            minutes=None if seconds is None else seconds / 60, run=run_id(run), launch=session.launch,
            ids="again", turns=run.checklist.items.modes.turns,
        ),
    )  # fmt: skip
    for label, target in session.targets.items():
        if grown := counters.grown(before[label], await counters.prefix(target)):
            run.keep(PrefixHits(mode=label, prompt_tokens=grown[0], cached_tokens=grown[1]))


def _seconds(run: Recorder) -> float | None:
    """Of the budget; None without one."""
    if run.left_s is None or run.setup.minutes is None:
        return None
    return min(AGAIN_SHARE * run.setup.minutes * 60, _LEFT_SHARE * run.left_s)

"""Asks the servers of a session what they are, and whether they can do what is about to be asked."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evalkit.analysis.need import need
from evalkit.checklist.schema import Endpoint
from evalkit.client.types import Target
from evalkit.errors import UsageError
from evalkit.modes import INCUMBENT
from evalkit.run.fit import soak_seconds
from evalkit.run.plan.schedule import estimate
from evalkit.run.preflight import Work, preflight
from evalkit.run.recorder import Recorder, Session
from evalkit.run.resume import continued
from evalkit.secrets import redact
from evalkit.serving import counters
from evalkit.serving.context_probe import probe_context
from evalkit.serving.engines import engine_of
from evalkit.serving.facts import Afterwards, Counters, EndpointFacts, Identity, Preflight
from evalkit.serving.flush import flush
from evalkit.serving.probe import probe, target_for
from evalkit.serving.stability import DISCONNECTS, IDLE_S, soak
from evalkit.serving.stats_file import StatsFile


async def probe_servers(run: Recorder, session: Session) -> None:
    """What each server is; those that answer become the session's targets."""
    limits = run.checklist.limits
    for label, endpoint in session.endpoints.items():
        run.say("serving", f"probing {label}")
        try:
            facts = await probe(
                label, endpoint, client=session.client, ask_capabilities=run.wanted("serving"),
                temperature=run.checklist.request.temperature, limits=limits.control(),
                generation=limits.generation(),
            )  # fmt: skip
        except UsageError as error:
            facts = _unusable(label, endpoint, error)
        if session.running is not None:
            facts = facts.model_copy(update={"launched": True, "ready_s": session.running.facts.ready_s})
        run.keep(facts)
        run.detail("serving", _seen(facts))
        if facts.reachable:
            now = Identity.of(facts)
            run.keep(Afterwards(mode=label, before=now, after=now, opening=True))
            session.targets[label] = target_for(label, endpoint, facts, limits.generation())


def _seen(facts: EndpointFacts) -> str:
    """What the run's log says of a server."""
    if not facts.reachable:
        return f"{facts.label} cannot be used: {facts.error}"
    engine = f"{facts.engine or 'unknown engine'} {facts.engine_version or ''}".rstrip()
    modes = f"declared {facts.declared_mode or 'no mode'}, observed {facts.observed_mode or 'no mode'}"
    return f"{facts.label}: {engine}, serves {facts.model}, {modes}"


def complete(run: Recorder, session: Session) -> None:
    """Where all are needed or none, one silent server ends the work: half a comparison says nothing."""
    silent = [label for label in session.endpoints if not run.facts.endpoints[label].reachable]
    if not run.setup.all_or_none or not silent:
        return
    for label in silent:
        seen = run.facts.endpoints[label]
        run.tell("serving", f"{label} does not answer at {seen.endpoint}: {seen.error}")
    run.tell("serving", f"nothing is timed: bring it up, then: {continued(sys.argv[1:], str(run.folder.path))}")
    run.stopped = f"{' and '.join(silent)} did not answer: bring the server up, then run again with --resume"
    session.targets.clear()


def _unusable(label: str, endpoint: Endpoint, error: UsageError) -> EndpointFacts:
    """A key that is not set is a fact of this session: the next one may have it."""
    why = f"{error}; {error.hint}" if error.hint else str(error)
    return EndpointFacts(
        label=label, endpoint=redact(endpoint.endpoint or ""), reachable=False, error=why, error_kind="auth"
    )


def check(run: Recorder, session: Session) -> None:
    """Names every conflict before a timed request; modes whose requests would surely fail leave the session.

    Without the baseline there is nothing to compare: then nothing is measured. `--keep-going` measures all the same.
    """
    known = {label: run.facts.endpoints[label] for label in session.targets}
    found = preflight(run.checklist, known, _work(run, known), run.facts.endpoints)
    for conflict in found:
        where = f"{conflict.mode}: " if conflict.mode else ""
        run.tell(
            "serving", f"{'conflict' if conflict.certain else 'warning'}: {where}{conflict.what}; {conflict.remedy}"
        )
    for label in ("run", *known):
        if label == INCUMBENT:
            continue
        mine = tuple(c for c in found if (c.mode or "run") == label)
        stopped = any(c.certain for c in mine) and not run.setup.keep_going
        run.keep(Preflight(mode=label, conflicts=mine, stopped=stopped))
        if stopped:
            session.targets.pop(label, None)
    _without_baseline(run, session)


def _without_baseline(run: Recorder, session: Session) -> None:
    baseline = run.checklist.baseline.speed
    seen = run.facts.preflights.get(baseline)
    if seen and seen.stopped:
        what = next(c.what for c in seen.conflicts if c.certain)
        run.stopped = f"the baseline {baseline} cannot be measured: {what}; --keep-going measures anyway"
        session.targets.clear()


def timing_references(run: Recorder, session: Session) -> dict[str, Target]:
    """The targets whose times mean something: compared with engines, a model's own code is asked for quality alone.

    Where it serves the baseline too, all are timed, under its label.
    """
    known = run.facts.endpoints
    baseline = known.get(run.checklist.baseline.speed)
    keeps = run.setup.keep_going or (baseline is not None and not engine_of(baseline.engine).timing_reference)
    targets = session.targets.items()
    return {label: t for label, t in targets if keeps or engine_of(known[label].engine).timing_reference}


def _work(run: Recorder, known: dict[str, EndpointFacts]) -> Work:
    """What is about to be asked, at the speed that the probes saw."""
    checklist = run.checklist
    context = checklist.items.context.model_copy(update={"need_tokens": None})
    sent = checklist.model_copy(update={"items": checklist.items.model_copy(update={"context": context})})
    longest = need(sent, run.facts)
    seen = [s.deltas for s in known.values() if s.deltas and s.deltas.seconds and s.deltas.completion_tokens]
    per_token = [d.seconds / d.completion_tokens for d in seen if d.seconds and d.completion_tokens]
    rate = {"tokens_per_second": len(per_token) / sum(per_token)} if per_token else {}
    ready = [launch.ready_s for launch in run.facts.launches if launch.ready_s]
    if ready:
        rate["start_s"] = max(ready)
    cost = estimate(run.setup.plan, run.setup.prompts.prompts, **rate)
    return Work(
        tokens=longest.tokens if longest else None,
        least=longest.least if longest else None,
        case_least=_longest_case(run) if run.wanted("quality") else 0,
        tools=run.wanted("quality") and any(suite.kind == "tools" for suite in run.setup.suites),
        requests=cost.requests,
        minutes=run.setup.minutes,
        seconds=cost.seconds + soak_seconds(checklist),
    )


async def look_again(run: Recorder, session: Session) -> None:
    """What each server says of itself after the work: another model, mode or process would make two runs of one."""
    for label, target in session.targets.items():
        endpoint = session.endpoints[label].model_copy(update={"endpoint": target.base_url})
        after = await probe(label, endpoint, client=None, observe=False, limits=run.checklist.limits.control())
        run.keep(Afterwards(mode=label, before=Identity.of(run.facts.endpoints[label]), after=Identity.of(after)))


def _counted_from(run: Recorder, label: str, now: dict[str, float]) -> dict[str, float]:
    """Where this session's counts begin: at the start of one that was killed, if its server still runs."""
    last = next((c for c in reversed(run.facts.counters) if c.mode == label), None)
    if last is not None and last.opening and last.continues(now):
        return last.before
    run.keep(Counters(mode=label, opening=True, before=now))
    return now


def _longest_case(run: Recorder) -> int:
    """Tokens that the longest task case surely needs: characters at six a token, and its longest reply."""
    cases = (case for suite in run.setup.suites for case in suite.cases)
    return max((len(case.prompt_text) // 6 + case.request.max_tokens for case in cases), default=0)


@asynccontextmanager
async def counted(run: Recorder, session: Session) -> AsyncIterator[None]:
    """The servers' own counters and statistics files, over the work of the block: what they say that they did."""
    labels = [label for label in session.targets if run.facts.endpoints[label].counters_before]
    before = {label: _counted_from(run, label, await counters.read(session.targets[label])) for label in labels}
    named = {label: session.endpoints[label].stats_file for label in session.targets}
    files = [StatsFile(label, path) for label, path in named.items() if path]
    yield
    for file in files:
        run.keep(file.read())
    for label in labels:
        run.keep(Counters(mode=label, before=before[label], after=await counters.read(session.targets[label])))


async def probe_windows(run: Recorder, session: Session) -> None:
    """One probe a mode, up to the need; modes probed in an earlier session are left out."""
    facts, item = run.facts, run.checklist.items.context
    wanted = need(run.checklist, facts)
    for label, target in session.targets.items():
        if label == INCUMBENT or label in facts.context_probes:
            continue
        run.say("context", f"probing the window of {label}")
        served = facts.endpoints[label].context
        run.keep(
            await probe_context(
                target, need_tokens=wanted.tokens if wanted else None, client=session.client, seed=run.setup.plan.seed,
                need_output_tokens=item.need_output_tokens,
                server_limit=served.max_model_len or served.context_length,
            )
        )  # fmt: skip


async def soak_servers(run: Recorder, session: Session) -> None:
    """One soak a mode, one after the other; modes soaked in an earlier session are left out."""
    asked, facts = run.checklist.items.serving.stability, run.facts
    requests = [prompt.request for prompt in run.setup.prompts.prompts]
    if asked is None or not requests:
        return
    for label, target in session.targets.items():
        if label == INCUMBENT or label in facts.stability:
            continue
        level, left = run.checklist.items.modes.level, run.left_s
        if left is not None and left < asked.minutes * 60 + IDLE_S:
            run.stopped = f"budget: {left / 60:.1f} minutes are left, too few for the soak of {label}"
            return
        run.say(
            "serving",
            f"{label}: {asked.minutes:g} min of load at {level}, {DISCONNECTS} disconnects, {IDLE_S:g} s of silence",
        )

        async def emptied(label: str = label) -> bool:
            return (await flush(label, session.endpoints[label], facts.endpoints.get(label))).method == "flush"

        run.keep(await soak(session.client, target, requests, concurrency=level, minutes=asked.minutes, flush=emptied))

"""What will certainly, or probably, go wrong before the first timed request: everything at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evalkit.analysis.window import server_limits, usable
from evalkit.checklist.schema import Checklist
from evalkit.modes import base_mode
from evalkit.serving.engines import engine_of
from evalkit.serving.engines.base import Engine
from evalkit.serving.facts import Conflict, EndpointFacts


@dataclass(frozen=True)
class Work:
    """What the run is about to ask. Tokens are of prompt and reply together; `least` is the generous estimate."""

    tokens: int | None = None
    least: int | None = None
    #: of the longest task case, by the generous estimate
    case_least: int = 0
    tools: bool = False
    requests: int = 0
    #: the budget, where there is one
    minutes: float | None = None
    #: of the whole run, at most: replies as long as they may get
    seconds: float = 0.0


def preflight(
    checklist: Checklist,
    endpoints: Mapping[str, EndpointFacts],
    work: Work,
    others: Mapping[str, EndpointFacts] | None = None,
) -> list[Conflict]:
    """What the checklist asks against what the servers of `endpoints` reported; `others`: all of the run."""
    found = _budget(checklist, work)
    seen: dict[str, str] = {}
    for label in checklist.modes:
        served = endpoints.get(label)
        if served is None or not served.reachable:
            continue
        found += _of(checklist, label, served, work)
        found += _unlike(checklist, label, {**(others or {}), **endpoints})
        twin = seen.setdefault(served.process or f"unknown: {label}", label)
        if twin != label:
            what = f"it is the same server process as {twin}, which decodes in one mode"
            remedy = "give each mode a server of its own, or the same address: the run then waits for a restart"
            found.append(Conflict(mode=label, what=what, remedy=remedy, certain=True))
    return found


def _unlike(checklist: Checklist, label: str, known: Mapping[str, EndpointFacts]) -> list[Conflict]:
    """A reference implementation as the baseline of engines: any mode would look fast against it."""
    engine = engine_of(known[label].engine)
    engines = [engine_of(known[mode].engine) for mode in checklist.modes if mode in known and known[mode].reachable]
    if label != checklist.baseline.speed or engine.timing_reference or not any(e.timing_reference for e in engines):
        return []
    what = f"{engine.title} is not a timing reference: any mode would look fast compared with it"
    remedy = f"call it {label}@{engine.name} and name it as baseline.quality alone"
    return [Conflict(mode=label, what=what, remedy=remedy, certain=True)]


def _budget(checklist: Checklist, work: Work) -> list[Conflict]:
    found, budget = [], checklist.budget
    if work.minutes is not None and work.seconds > work.minutes * 60:
        what = (
            f"the plan takes up to {work.seconds / 60:.0f} min at the speed that was seen so far, "
            f"the budget is {work.minutes:g} min"
        )
        remedy = "fewer prompts, repeats or levels of concurrency, a lower max_tokens, or a larger budget.minutes"
        found.append(Conflict(mode=None, what=what, remedy=remedy, certain=False))
    if budget.requests is not None and work.requests > budget.requests:
        what = f"{work.requests} timed requests are planned, the budget is {budget.requests}"
        remedy = "fewer prompts, repeats or levels of concurrency, or a larger budget.requests"
        found.append(Conflict(mode=None, what=what, remedy=remedy, certain=False))
    return found


def _of(checklist: Checklist, label: str, served: EndpointFacts, work: Work) -> list[Conflict]:
    engine = engine_of(served.engine)
    found = _window(label, served, work, engine)

    def add(what: str, remedy: str, *, certain: bool) -> None:
        found.append(Conflict(mode=label, what=what, remedy=remedy, certain=certain))

    want = base_mode(label).value
    if served.declared_mode is not None and served.declared_mode != want:
        what = f"the server declares {served.declared_mode}, the label says {want}"
        add(what, "start it in the mode of its label, or correct the label", certain=True)
    level = checklist.items.modes.level
    parallel = served.capability("max_running_requests")
    if parallel and isinstance(parallel.value, int) and parallel.value < level:
        what = f"{level} requests at a time are decided, the server runs {parallel.value}: a queue would be timed"
        add(what, _started(engine, "requests", str(level)), certain=False)
    calls = served.capability("tool_calls")
    if work.tools and calls and calls.value is False:
        add(
            f"a tools suite is asked, tool calls are not parsed: {calls.detail}",
            f"{_started(engine, 'tools')}, or leave the tools suite out",
            certain=engine.timing_reference,
        )
    asked = checklist.modes[label].model
    if asked and served.served_models and asked not in served.served_models:
        what = f"the model {asked} is not among those served: {', '.join(served.served_models[:5])}"
        add(what, f"correct modes.{label}.model", certain=engine.checks_model_name)
    for what, remedy in _refused(checklist, served):
        add(what, remedy, certain=True)
    return found


def _refused(checklist: Checklist, served: EndpointFacts) -> list[tuple[str, str]]:
    """What every request would carry, and the server refused when it was asked for it."""
    found, asked = [], checklist.request.temperature
    takes = served.takes_temperature(asked)
    if takes and takes.value is False:
        other = served.takes_temperature(1.0)
        known = f"set request.temperature: {1.0:g} for all modes, which it takes" if other and other.value else None
        remedy = known or "set request.temperature for all modes to a value that it takes"
        found.append((f"temperature {asked:g} is asked, the server refuses it: {takes.detail}", remedy))
    seed = served.capability("seed")
    if "seed" in checklist.request.extra_body and seed and seed.value is False:
        found.append((f"a seed is asked, the server refuses it: {seed.detail}", "take it out of request.extra_body"))
    return found


def _window(label: str, served: EndpointFacts, work: Work, engine: Engine) -> list[Conflict]:
    found: list[Conflict] = []
    limit = usable(server_limits(label, served))
    if limit is None:
        return []
    if work.case_least > limit:
        what = f"a task case needs {work.case_least} tokens (prompt and reply), the server takes {limit}"
        remedy = f"{_started(engine, 'context', 'LARGER')}, or lower the case's max_tokens"
        found.append(Conflict(mode=label, what=what, remedy=remedy, certain=False))
    if not work.tokens or not work.least or work.tokens <= limit:
        return found
    certain = work.least > limit
    what = (
        f"{'' if certain else 'perhaps '}{work.tokens} tokens are needed (prompt and reply), the server takes {limit}"
    )
    larger = _started(engine, "context", "LARGER")
    remedy = f"{larger} and a KV pool that holds it, or ask for shorter replies (max_tokens)"
    return [*found, Conflict(mode=label, what=what, remedy=remedy, certain=certain)]


_WORDS = {"requests": "a higher limit of running requests", "tools": "a tool parser", "context": "a larger window"}


def _started(engine: Engine, flag: Literal["requests", "tools", "context"], value: str = "") -> str:
    """How to start it otherwise: by the engine's own flag where that is known."""
    known = getattr(engine.start, flag) if engine.start else None
    return f"start it with {known} {value}".rstrip() if known else f"start it with {_WORDS[flag]}"

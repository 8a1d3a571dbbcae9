"""What will certainly, or probably, go wrong before the first timed request: everything at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.checklist.schema import Checklist
from evalkit.modes import base_mode
from evalkit.serving.declared import OWN_CODE
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


def preflight(checklist: Checklist, endpoints: Mapping[str, EndpointFacts], work: Work) -> list[Conflict]:
    """What the checklist asks against what the servers of `endpoints` told."""
    found = _budget(checklist, work)
    seen: dict[str, str] = {}
    for label in checklist.modes:
        served = endpoints.get(label)
        if served is None or not served.reachable:
            continue
        found += _of(checklist, label, served, work)
        twin = seen.setdefault(served.process or f"unknown: {label}", label)
        if twin != label:
            what = f"it is the same server process as {twin}, which decodes in one mode"
            remedy = "give each mode a server of its own, or the same address: the run then waits for a restart"
            found.append(Conflict(mode=label, what=what, remedy=remedy, certain=True))
    return found


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
    found = _window(label, served, work)

    def add(what: str, remedy: str, *, certain: bool) -> None:
        found.append(Conflict(mode=label, what=what, remedy=remedy, certain=certain))

    want = base_mode(label).value
    if served.declared_mode is not None and served.declared_mode != want:
        what = f"the server declares {served.declared_mode}, the label says {want}"
        add(what, "start it in the mode of its label, or correct the label", certain=True)
    if served.engine == OWN_CODE and label == checklist.baseline.speed:
        what = "the model's own code is no timing reference: any mode would look fast against it"
        remedy = f"call it {label}@remote-code and name it as baseline.quality alone"
        add(what, remedy, certain=True)
    level = checklist.items.modes.level
    parallel = served.capability("max_running_requests")
    if parallel and isinstance(parallel.value, int) and parallel.value < level:
        what = f"{level} requests at a time are decided, the server runs {parallel.value}: a queue would be timed"
        add(what, f"start it with --max-running-requests {level}", certain=False)
    calls = served.capability("tool_calls")
    if work.tools and calls and calls.value is False:
        add(
            f"a tools suite is asked, tool calls are not parsed: {calls.detail}",
            _parser(served),
            certain=served.engine != OWN_CODE,
        )
    asked = checklist.modes[label].model
    if asked and served.served_models and asked not in served.served_models:
        what = f"the model {asked} is not among those served: {', '.join(served.served_models[:5])}"
        # SGLang answers to any name
        add(what, f"correct modes.{label}.model", certain=served.engine == "vllm")
    temperature = checklist.request.temperature
    if served.engine == "vllm" and served.declared_mode == "diffusion" and temperature != 1.0:
        what = f"vLLM's diffusion takes temperature 1.0 only, {temperature:g} is asked"
        add(what, "set request.temperature: 1.0 for all modes", certain=True)
    return found


def _window(label: str, served: EndpointFacts, work: Work) -> list[Conflict]:
    found: list[Conflict] = []
    limit = window(served)
    if limit is None:
        return []
    if work.case_least > limit:
        what = f"a task case needs {work.case_least} tokens (prompt and reply), the server takes {limit}"
        remedy = "start it with a larger --context-length, or lower the case's max_tokens"
        found.append(Conflict(mode=label, what=what, remedy=remedy, certain=False))
    if not work.tokens or not work.least or work.tokens <= limit:
        return found
    certain = work.least > limit
    what = (
        f"{'' if certain else 'perhaps '}{work.tokens} tokens are needed (prompt and reply), the server takes {limit}"
    )
    remedy = "start it with a larger --context-length and KV pool, or ask for shorter replies (max_tokens)"
    return [*found, Conflict(mode=label, what=what, remedy=remedy, certain=certain)]


def window(served: EndpointFacts) -> int | None:
    """Tokens of prompt and reply that the server takes: the smallest limit that it told."""
    context = served.context
    return min((n for n in (context.max_model_len, context.max_total_num_tokens) if n), default=None)


def _parser(served: EndpointFacts) -> str:
    if served.engine == "vllm":
        return "start it with --enable-auto-tool-choice --tool-call-parser NAME, or leave the tools suite out"
    return "start it with --tool-call-parser NAME, or leave the tools suite out"

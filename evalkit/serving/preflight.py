"""What will certainly, or probably, go wrong before the first timed request: everything at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.checklist.schema import Checklist
from evalkit.serving.facts import EndpointFacts


@dataclass(frozen=True)
class Conflict:
    """`certain`: the requests will fail; otherwise the figures will not mean what was asked."""

    mode: str
    what: str
    remedy: str
    certain: bool


def preflight(
    checklist: Checklist, endpoints: Mapping[str, EndpointFacts], *, need_tokens: int | None = None, tools: bool = False
) -> list[Conflict]:
    """What the checklist asks against what the servers told. `need_tokens`: longest prompt plus output."""
    found: list[Conflict] = []
    for label in checklist.modes:
        served = endpoints.get(label)
        if served is not None and served.reachable:
            found += _of(checklist, label, served, need_tokens, tools)
    return found


def _of(checklist: Checklist, label: str, served: EndpointFacts, need: int | None, tools: bool) -> list[Conflict]:
    found: list[Conflict] = []
    context, item = served.context, checklist.items.modes
    told = [n for n in (context.max_model_len, context.max_total_num_tokens, context.max_req_input_len) if n]
    limit = min(told, default=None)
    need = max(filter(None, (need, checklist.items.context.need_tokens)), default=None)
    if limit is not None and need is not None and need > limit:
        what = f"{need} tokens are needed, the server takes {limit}"
        found.append(Conflict(label, what, "start it with a larger --context-length and KV pool", certain=True))
    parallel = served.capability("max_running_requests")
    if parallel and isinstance(parallel.value, int) and parallel.value < item.level:
        what = f"{item.level} requests at a time are decided, the server runs {parallel.value}"
        found.append(Conflict(label, what, f"start it with --max-running-requests {item.level}", certain=False))
    calls = served.capability("tool_calls")
    if tools and calls and calls.value is False:
        what = "a tools suite is asked, the server does not parse tool calls"
        found.append(Conflict(label, what, "start it with --tool-call-parser", certain=True))
    asked = checklist.modes[label].model
    if asked and served.served_models and asked not in served.served_models:
        what = f"the model {asked} is not among those served: {', '.join(served.served_models[:5])}"
        found.append(Conflict(label, what, "correct modes.*.model", certain=served.engine != "sglang"))
    temperature = checklist.request.temperature
    if served.engine == "vllm" and served.declared_mode == "diffusion" and temperature != 1.0:
        what = f"vLLM's diffusion takes temperature 1.0 only, {temperature:g} is asked"
        found.append(Conflict(label, what, "set request.temperature: 1.0 for all modes", certain=True))
    return found

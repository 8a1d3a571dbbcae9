"""What does not fit together in one probed server, as warnings with the likely cause. Pure."""

from __future__ import annotations

from evalkit.serving.engines import engine_of
from evalkit.serving.facts import EndpointFacts, ServerWarning
from evalkit.serving.observe import SHAPE_OF

_CAUSES = {
    "autoregressive": "the server streams blocks or merges events: look for a diffusion algorithm, a drafter or a "
    "stream_interval behind it",
    "diffusion": "a threshold so high, or so few steps skipped, that a block brings nothing; or a proxy that re-chunks",
    "self-speculation": "the drafter (adapter) is probably not loaded: look at lora_path and the server's log",
    "speculative": "the drafter accepts nothing, or is not loaded",
}


def noted(facts: EndpointFacts) -> EndpointFacts:
    """`facts` with its warnings."""
    if not facts.reachable:
        return facts
    found = [ServerWarning(id=name, summary=text) for name, text in _all(facts)]
    return facts.model_copy(update={"warnings": (*facts.warnings, *found)})


def _all(facts: EndpointFacts) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    said, seen = facts.declared_mode, facts.observed_mode
    if facts.block_loop:
        text = "declares autoregressive, but runs the block loop over causal attention: no valid AR quality baseline"
        found.append(("serving.block-loop-baseline", text))
    elif said and seen and SHAPE_OF.get(said) != SHAPE_OF.get(seen):
        text = (
            f"declares {said}, but streams like {seen} ({facts.observed_why}): {_CAUSES.get(said, 'look at its log')}"
        )
        found.append(("serving.mode", text))
    if said is None:
        found.append(("serving.mode", f"the decoding mode is not declared: {facts.declared_why}"))
    parallel = facts.capability("max_running_requests")
    if parallel and parallel.value == 1 and facts.settings.get("max_running_requests") is None:
        found.append(("serving.max-running-requests", f"max_running_requests is {parallel.detail}"))
    temperature = facts.capability("temperature")
    if temperature and temperature.value is False:
        found.append(("serving.sampling-honoured", f"temperature is not honoured: {temperature.detail}"))
    if facts.release in ("fork", "pre-release"):
        found.append(
            ("serving.engine-provenance", f"{facts.engine} {facts.engine_version or ''} is a {facts.release} build")
        )
    engine = engine_of(facts.engine)
    if engine.timing_label:
        found.append(("modes.reference-implementation", f"{engine.title} is a {engine.timing_label}"))
    if facts.gateway:
        found.append(("serving.engine-provenance", f"{facts.gateway} is in front of the server"))
    usage = facts.capability("continuous_usage")
    if usage and usage.value is False:
        found.append(
            ("serving.streaming-usage", "events carry no token counts, so the mode cannot be seen from outside")
        )
    return found

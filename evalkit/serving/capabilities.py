"""What a server can do, asked by name: what it declares, what the probe's stream showed, and a few short requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.findings import KnownBy
from evalkit.limits import CAPABILITY, within
from evalkit.serving.declared import IGNORES_TEMPERATURE, OWN_CODE
from evalkit.serving.facts import Capability, EndpointFacts
from evalkit.serving.observe import deltas_of

_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}


#: engines that refuse what does not fit; others run on, and do not stop when the client leaves
_REFUSES = ("sglang", "vllm")


def merge(first: tuple[Capability, ...], then: tuple[Capability, ...]) -> tuple[Capability, ...]:
    """By name; a later one replaces an earlier one unless it could not tell."""
    named = {c.name: c for c in first}
    for capability in then:
        if capability.value is not None or capability.name not in named:
            named[capability.name] = capability
    return tuple(named.values())


def declared(engine: str | None, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
    """From the settings alone: parser, running requests, temperature, structured output of a diffusion server."""
    found: list[Capability] = []
    algorithm = settings.get("dllm_algorithm")
    if engine == "sglang" and "tool_call_parser" in settings:
        parser = settings["tool_call_parser"]
        detail = f"parser {parser}" if parser else "the server was started without --tool-call-parser"
        found.append(Capability(name="tool_calls", value=bool(parser), known_by=KnownBy.DECLARED, detail=detail))
    if engine == "sglang" and "reasoning_parser" in settings:
        parser = settings["reasoning_parser"]
        detail = f"parser {parser}" if parser else "thinking arrives as text: no --reasoning-parser"
        found.append(Capability(name="reasoning", value=bool(parser), known_by=KnownBy.DECLARED, detail=detail))
    if engine in ("sglang", "vllm") and isinstance(cache := settings.get("disable_radix_cache"), bool):
        found.append(Capability(name="prefix_cache", value=not cache, known_by=KnownBy.DECLARED))
    if engine == OWN_CODE:
        detail = "the model's own code parses none"
        found.append(Capability(name="tool_calls", value=False, known_by=KnownBy.DECLARED, detail=detail))
    if engine in ("sglang", OWN_CODE) and "max_running_requests" in settings:
        told = settings["max_running_requests"]
        if told is not None:
            found.append(Capability(name="max_running_requests", value=told, known_by=KnownBy.DECLARED))
        elif algorithm:
            detail = "unset on a diffusion server, which then admits one request at a time"
            found.append(Capability(name="max_running_requests", value=1, known_by=KnownBy.INFERRED, detail=detail))
    if algorithm in IGNORES_TEMPERATURE:
        detail = f"{algorithm} decodes greedily and ignores it without an error"
        found.append(Capability(name="temperature", value=False, known_by=KnownBy.INFERRED, detail=detail))
    if engine == "vllm" and mode == "diffusion":
        detail = "vLLM's diffusion takes temperature 1.0 only"
        found.append(Capability(name="temperature", value=False, known_by=KnownBy.INFERRED, detail=detail))
    if algorithm and engine == "sglang":
        detail = "not asked: a diffusion server of SGLang 0.5.23 does not answer it and keeps the request"
        found.append(Capability(name="json_schema", value=None, known_by=KnownBy.INFERRED, detail=detail))
        detail = "SGLang 0.5.23 answers with an empty list in diffusion"
        found.append(Capability(name="logprobs", value=False, known_by=KnownBy.INFERRED, detail=detail))
    return tuple(found)


def observed(exchange: Exchange) -> tuple[Capability, ...]:
    """From the probe's stream: whether it streams, and whether each event carries the count so far."""
    if not exchange.ok:
        return ()
    streams = len(exchange.chunks) > 1
    detail = f"{len(exchange.chunks)} events with text"
    return (
        Capability(name="streaming", value=streams, known_by=KnownBy.OBSERVED, detail=detail),
        Capability(name="continuous_usage", value=bool(deltas_of(exchange)), known_by=KnownBy.OBSERVED),
        Capability(name="usage", value=exchange.completion_tokens is not None, known_by=KnownBy.OBSERVED),
    )


async def ask(client: ChatClient, target: Target, facts: EndpointFacts) -> tuple[Capability, ...]:
    """A few short requests. No JSON schema goes to a diffusion server of SGLang: it never answers, and stays."""
    target = replace(target, limits=within(target.limits, CAPABILITY))
    diffusion = "diffusion" in (facts.declared_mode, facts.observed_mode)
    # vLLM's diffusion refuses any other temperature, whatever is asked
    asker = _Asker(client, target, temperature=1.0 if facts.engine == "vllm" and diffusion else 0.0)
    found = [await _tools(asker), await _ignore_eos(asker), await _logprobs(asker)]
    if not facts.settings.get("dllm_algorithm") and not diffusion:
        found.append(await _json_schema(asker))
    limit = facts.context.max_model_len
    if facts.engine in _REFUSES and limit:
        found.append(await _over_limit(asker, limit))
    return tuple(found)


@dataclass(frozen=True)
class _Asker:
    client: ChatClient
    target: Target
    temperature: float

    async def send(self, text: str, *, max_tokens: int = 64, **more: Any) -> Exchange:
        request = ChatRequest(
            messages=({"role": "user", "content": text},),
            max_tokens=max_tokens,
            temperature=self.temperature,
            stream=False,
            **more,
        )
        return await self.client.chat(self.target, request)


def _refused(name: str, exchange: Exchange) -> Capability:
    message = exchange.error.message if exchange.error else "no reply"
    value = False if exchange.status in (400, 422, 501) else None
    return Capability(name=name, value=value, known_by=KnownBy.OBSERVED, detail=message[:200])


async def _tools(asker: _Asker) -> Capability:
    exchange = await asker.send("What is the weather in Oslo? Use the tool.", tools=(_TOOL,))
    if not exchange.ok:
        return _refused("tool_calls", exchange)
    called = bool(exchange.tool_calls)
    # a model that answers in words has not shown that the server cannot parse a call
    detail = "a call came back parsed" if called else "the model answered in words"
    return Capability(name="tool_calls", value=True if called else None, known_by=KnownBy.OBSERVED, detail=detail)


async def _ignore_eos(asker: _Asker) -> Capability:
    exchange = await asker.send("Say ok.", extra_body={"ignore_eos": True})
    if not exchange.ok:
        return _refused("ignore_eos", exchange)
    full = exchange.completion_tokens == 64
    detail = f"{exchange.completion_tokens} of 64 tokens, finish_reason {exchange.finish_reason}"
    return Capability(name="ignore_eos", value=full, known_by=KnownBy.OBSERVED, detail=detail)


async def _logprobs(asker: _Asker) -> Capability:
    exchange = await asker.send("Say ok.", max_tokens=4, extra_body={"logprobs": True})
    if not exchange.ok:
        return _refused("logprobs", exchange)
    told = exchange.server.get("logprob_tokens")
    detail = "the field is ignored" if told is None else f"{told} of {exchange.completion_tokens} tokens have one"
    return Capability(name="logprobs", value=bool(told), known_by=KnownBy.OBSERVED, detail=detail)


async def _over_limit(asker: _Asker, limit: int) -> Capability:
    """A short prompt with a reply longer than the window: a server that keeps its limit refuses it at once."""
    exchange = await asker.send("Say ok.", max_tokens=limit + 1)
    if exchange.ok:
        detail = f"max_tokens {limit + 1} was taken although the window is {limit}"
        return Capability(name="context_enforced", value=False, known_by=KnownBy.OBSERVED, detail=detail)
    refused = exchange.status in (400, 413, 422)
    message = exchange.error.message[:200] if exchange.error else ""
    value = True if refused else None
    return Capability(name="context_enforced", value=value, known_by=KnownBy.OBSERVED, detail=message)


async def _json_schema(asker: _Asker) -> Capability:
    exchange = await asker.send("Give n = 3 as JSON.", response_format=_SCHEMA)
    if not exchange.ok:
        return _refused("json_schema", exchange)
    import json

    try:
        right = isinstance(json.loads(exchange.text).get("n"), int)
    except (ValueError, AttributeError, RecursionError):
        right = False
    return Capability(name="json_schema", value=right, known_by=KnownBy.OBSERVED, detail=exchange.text[:80])

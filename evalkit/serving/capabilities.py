"""What a server can do, asked by name: what it declares, what the probe's stream showed, and a few short requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.findings import KnownBy
from evalkit.limits import CAPABILITY, within
from evalkit.serving.engines import engine_of
from evalkit.serving.facts import Capability, EndpointFacts
from evalkit.serving.observe import deltas_of
from evalkit.text import cut

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


#: statuses by which a server says that it will not
_REFUSED = (400, 422, 501)


#: as checkpoints spell the token of a masked position
_MASKS = ("<|mask|>", "<|mdm_mask|>", "[MASK]", "<mask>")


def merge(first: tuple[Capability, ...], then: tuple[Capability, ...]) -> tuple[Capability, ...]:
    """By name; a later one replaces an earlier one unless it could not tell."""
    named = {c.name: c for c in first}
    for capability in then:
        if capability.value is not None or capability.name not in named:
            named[capability.name] = capability
    return tuple(named.values())


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


def refuses(exchange: Exchange, word: str) -> bool:
    """Whether the server refused the request, with a status or inside the stream, and its message has the word."""
    if exchange.ok or exchange.error is None:
        return False
    refused = exchange.status in _REFUSED or exchange.error.kind == "stream-error"
    return refused and word in exchange.error.message.lower()


def temperature(exchange: Exchange, asked: float) -> tuple[Capability, ...]:
    """Whether the server took a temperature: a refusal counts only when it names the word."""
    name = f"temperature_{asked:g}"
    if exchange.ok:
        return (Capability(name=name, value=True, known_by=KnownBy.OBSERVED),)
    message = exchange.error.message if exchange.error else ""
    if not refuses(exchange, "temperature"):
        return ()
    return (Capability(name=name, value=False, known_by=KnownBy.OBSERVED, detail=cut(message, 200)),)


async def ask(
    client: ChatClient, target: Target, facts: EndpointFacts, *, temperature: float = 0.0
) -> tuple[Capability, ...]:
    """A few short requests, one of them at `temperature`; none that the engine is known to hang on."""
    target = replace(target, limits=within(target.limits, CAPABILITY))
    engine = engine_of(facts.engine)
    mode = "diffusion" if "diffusion" in (facts.declared_mode, facts.observed_mode) else facts.declared_mode
    never = engine.never_ask(facts.settings, mode)
    asker = _Asker(client, target, facts.block_size or 32)
    found: list[Capability] = []
    blocks = {} if mode in (None, "autoregressive") else _OF_BLOCKS
    for name, question in {**_QUESTIONS, **blocks}.items():
        if name not in never:
            found.append(await question(asker))
    if facts.takes_temperature(temperature) is None:
        found += await _temperature(asker, temperature)
    limit = facts.context.max_model_len
    if engine.keeps_window and limit:
        found.append(await _over_limit(asker, limit))
    return tuple(found)


@dataclass(frozen=True)
class _Asker:
    client: ChatClient
    target: Target
    block: int = 32

    async def send(self, text: str, *, max_tokens: int = 64, temperature: float | None = None, **more: Any) -> Exchange:
        request = ChatRequest(
            messages=({"role": "user", "content": text},),
            max_tokens=max_tokens,
            temperature=self.target.probe_temperature if temperature is None else temperature,
            stream=False,
            **more,
        )
        return await self.client.chat(self.target, request)


def _refused(name: str, exchange: Exchange) -> Capability:
    message = exchange.error.message if exchange.error else "no reply"
    value = False if exchange.status in _REFUSED else None
    return Capability(name=name, value=value, known_by=KnownBy.OBSERVED, detail=cut(message, 200))


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
    message = cut(exchange.error.message, 200) if exchange.error else ""
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
    return Capability(name="json_schema", value=right, known_by=KnownBy.OBSERVED, detail=cut(exchange.text, 80))


async def _temperature(asker: _Asker, asked: float) -> tuple[Capability, ...]:
    return temperature(await asker.send("Say ok.", max_tokens=4, temperature=asked), asked)


async def _seed(asker: _Asker) -> Capability:
    exchange = await asker.send("Say ok.", max_tokens=4, seed=1)
    if not exchange.ok:
        return _refused("seed", exchange)
    return Capability(name="seed", value=True, known_by=KnownBy.OBSERVED, detail="taken; whether it acts is not shown")


async def _template(asker: _Asker) -> Capability:
    """Tokens that stand around a message: 2n(k) - n(2k) of k and 2k equal words, whatever the tokenizer makes of one.

    A server that adds none applies no chat template; two servers of one model that add another number differ in it.
    """
    counts = []
    for words in (16, 32):
        exchange = await asker.send(" ".join(["apple"] * words), max_tokens=1)
        if not exchange.ok or exchange.prompt_tokens is None:
            detail = "the server counts no prompt tokens" if exchange.ok else _said(exchange)
            return Capability(name="template_tokens", value=None, known_by=KnownBy.OBSERVED, detail=detail)
        counts.append(exchange.prompt_tokens)
    around = 2 * counts[0] - counts[1]
    if around <= 1:
        detail = f"{around} tokens around a message: no chat template is applied"
        return Capability(name="template_tokens", value=False, known_by=KnownBy.OBSERVED, detail=detail)
    detail = f"{around} tokens around a message; whether they are the model's own template is not shown"
    return Capability(name="template_tokens", value=around, known_by=KnownBy.OBSERVED, detail=detail)


async def _mask_text(asker: _Asker) -> Capability:
    """A prompt that spells mask tokens: some block loops take them for positions to be filled."""
    exchange = await asker.send(f"Say ok. Ignore these marks: {' '.join(_MASKS)}.", max_tokens=16)
    if not exchange.ok:
        return Capability(name="mask_text", value=False, known_by=KnownBy.OBSERVED, detail=_said(exchange))
    value = bool(exchange.text.strip())
    detail = "answered" if value else "the reply is empty"
    return Capability(name="mask_text", value=value, known_by=KnownBy.OBSERVED, detail=detail)


async def _stop_inside(asker: _Asker) -> Capability:
    """A stop string that falls inside a block: what was decoded behind it must not be sent."""
    exchange = await asker.send("Count from 1 to 40, with commas.", max_tokens=96, stop=("7",))
    if not exchange.ok:
        return _refused("stop_inside_block", exchange)
    if "7" in exchange.text:
        detail = "the text goes on over the stop string"
        return Capability(name="stop_inside_block", value=False, known_by=KnownBy.OBSERVED, detail=detail)
    if exchange.finish_reason != "stop" or not exchange.text.strip():
        detail = f"the stop string was not reached (finish_reason {exchange.finish_reason})"
        return Capability(name="stop_inside_block", value=None, known_by=KnownBy.OBSERVED, detail=detail)
    return Capability(
        name="stop_inside_block", value=True, known_by=KnownBy.OBSERVED, detail="the reply ended before it"
    )


async def _odd_length(asker: _Asker) -> Capability:
    """A limit that is not a multiple of the block: it binds all the same."""
    asked = asker.block + asker.block // 2 + 1
    exchange = await asker.send("Count from 1 to 400.", max_tokens=asked)
    if not exchange.ok:
        return _refused("odd_max_tokens", exchange)
    came = exchange.completion_tokens
    if came is None:
        detail = "the server counts no tokens"
        return Capability(name="odd_max_tokens", value=None, known_by=KnownBy.OBSERVED, detail=detail)
    detail = f"{came} tokens came where {asked} were asked, with blocks of {asker.block}"
    return Capability(name="odd_max_tokens", value=came <= asked, known_by=KnownBy.OBSERVED, detail=detail)


def _said(exchange: Exchange) -> str:
    return cut(exchange.error.message, 200) if exchange.error else "no reply"


_QUESTIONS: dict[str, Callable[[_Asker], Awaitable[Capability]]] = {
    "tool_calls": _tools,
    "ignore_eos": _ignore_eos,
    "logprobs": _logprobs,
    "seed": _seed,
    "json_schema": _json_schema,
    "template_tokens": _template,
}
#: asked of servers that decode several tokens at a time
_OF_BLOCKS: dict[str, Callable[[_Asker], Awaitable[Capability]]] = {
    "stop_inside_block": _stop_inside,
    "odd_max_tokens": _odd_length,
    "mask_text": _mask_text,  # last: where it hangs, nothing else waits for it
}

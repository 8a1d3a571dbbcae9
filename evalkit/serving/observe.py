"""Which mode is seen: the token deltas of one streamed reply, and what their pattern says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.limits import CAPABILITY
from evalkit.modes import Mode
from evalkit.serving.facts import TokenDeltas

Shape = Literal["tokens", "blocks", "runs"]

SHAPE_OF: dict[str, Shape] = {
    Mode.AUTOREGRESSIVE.value: "tokens",
    Mode.DIFFUSION.value: "blocks",
    Mode.SELF_SPECULATION.value: "runs",
    Mode.SPECULATIVE.value: "runs",
}
MODE_OF: dict[Shape, str] = {
    "tokens": Mode.AUTOREGRESSIVE.value,
    "blocks": Mode.DIFFUSION.value,
    "runs": Mode.SPECULATIVE.value,
}

#: share of the deltas after the first that must be one token
AR_SHARE = 0.9
#: fewer deltas between the first and the last say nothing
MIN_MIDDLE = 3
MIN_SINGLE = 8

#: prose: a list or a count is accepted whole by a drafter and then looks like blocks
PROMPT = (
    "Tell a story of about three hundred words about a lighthouse keeper who repairs an old radio during a storm. "
    "Plain prose, no lists, no headings."
)


@dataclass(frozen=True)
class Observation:
    """`shape` None: could not be observed; `why` says it in words with figures."""

    shape: Shape | None
    why: str
    block: int | None = None
    coalesced: bool = False


def deltas_of(exchange: Exchange) -> tuple[int, ...]:
    """Tokens per event with text, from the server's cumulative counts; () where it does not count each event."""
    counts = [tokens for _, tokens in exchange.chunks]
    told = [tokens for tokens in counts if tokens is not None]
    return steps_of(told) if len(told) == len(counts) else ()


def steps_of(counts: Sequence[int]) -> tuple[int, ...]:
    """Growth of a cumulative count, events without growth left out; () when it falls."""
    steps, last = [], 0
    for tokens in counts:
        if tokens < last:
            return ()
        if tokens > last:
            steps.append(tokens - last)
        last = tokens
    return tuple(steps)


def classify(deltas: Sequence[int], *, stream_interval: int | None = None) -> Observation:
    """The pattern of token deltas.

    All ones: one token at a time. Constant blocks (or multiples of them, when events were merged): block output.
    Varying runs: speculation of some kind. The first delta is partial on some engines and the last is cut short;
    neither counts, except that a reply of ones needs no trimming.
    """
    if stream_interval is not None and stream_interval > 1:
        return Observation(None, f"the server holds text back (stream_interval {stream_interval})", coalesced=True)
    rest = deltas[1:]
    ones = sum(1 for delta in rest if delta == 1)
    if len(rest) >= MIN_SINGLE and ones >= AR_SHARE * len(rest):
        merged = max(rest) > 1
        why = f"{ones} of {len(rest)} events after the first carried one token"
        return Observation("tokens", why, coalesced=merged)
    middle = rest[:-1]
    if len(middle) < MIN_MIDDLE:
        return Observation(None, f"too short to decide: {sum(deltas)} tokens in {len(deltas)} events")
    return _blocks_or_runs(middle)


def _blocks_or_runs(middle: Sequence[int]) -> Observation:
    smallest, largest = min(middle), max(middle)
    usual, times = Counter(middle).most_common(1)[0]
    if smallest > 1 and all(delta % smallest == 0 for delta in middle):
        if smallest == largest:
            return Observation("blocks", f"{len(middle)} events of {smallest} tokens each", block=smallest)
        if usual == smallest and times >= 0.6 * len(middle):
            why = f"blocks of {smallest} tokens, {len(middle) - times} of {len(middle)} events merged"
            return Observation("blocks", why, block=smallest, coalesced=True)
    if smallest == largest == 1:
        return Observation(None, f"too short to decide: {len(middle) + 2} events of mostly one token")
    ones = sum(1 for delta in middle if delta == 1)
    if ones >= 0.5 * len(middle) and largest <= 3:
        why = f"mostly one token, {len(middle) - ones} of {len(middle)} events with up to {largest}: events were merged"
        return Observation(None, why, coalesced=True)
    return Observation("runs", f"runs of {smallest} to {largest} tokens, mean {sum(middle) / len(middle):.1f}")


#: token deltas where the server counts, what their pattern says, and the reply
Seen = tuple[TokenDeltas | None, Observation, Exchange]


@dataclass(frozen=True)
class Reconciled:
    mode: str | None
    why: str


def reconcile(declared: str | None, seen: Observation) -> Reconciled:
    """The observed mode in the light of the declared one, where two modes look alike from outside."""
    if seen.shape is None:
        return Reconciled(None, seen.why)
    if declared is not None and SHAPE_OF.get(declared) == "runs":
        if seen.shape == "runs":
            return Reconciled(declared, seen.why)
        if seen.shape == "blocks":
            why = f"{seen.why}: full acceptance and block output look alike, so the runs could not be distinguished"
            return Reconciled(None, why)
    if seen.shape == "runs" and declared is None:
        return Reconciled(MODE_OF["runs"], f"{seen.why}: a drafter of some kind; self-speculation looks the same")
    return Reconciled(MODE_OF[seen.shape], seen.why)


async def observe(
    client: ChatClient,
    target: Target,
    *,
    stream_interval: int | None = None,
    extra_body: dict[str, Any] | None = None,
    native: bool = False,
) -> Seen:
    """Streams the prompt, and once more with a longer reply when the first was too short for its blocks.

    `native`: where the chat stream does not tell, SGLang's `/generate` is asked, which counts on every event.
    """
    best: Seen | None = None
    for tokens in (256, 1024):
        request = ChatRequest(
            messages=({"role": "user", "content": PROMPT},),
            max_tokens=tokens,
            temperature=target.probe_temperature,
            extra_body=extra_body or {},
        )
        exchange = await client.chat(target, request)
        best = _seen(exchange, stream_interval)
        deltas, seen, _ = best
        long_blocks = deltas is not None and max(deltas.deltas, default=0) >= 32
        if seen.shape is not None or not exchange.ok or exchange.finish_reason != "length" or not long_blocks:
            break
    assert best is not None
    if native and best[1].shape is None and (stream_interval or 1) <= 1:
        deltas, seen = await _by_generate(target)
        if deltas is not None:
            return deltas, seen, best[2]
    return best


async def _by_generate(target: Target) -> tuple[TokenDeltas | None, Observation]:
    from evalkit.client.native import generated_counts

    began = time.monotonic()
    counts, why = await generated_counts(replace(target, limits=CAPABILITY), PROMPT, max_new_tokens=256)
    deltas = steps_of(counts)
    seen = classify(deltas) if deltas else Observation(None, why or "/generate counts nothing")
    if seen.shape is None:
        return None, seen
    kept = TokenDeltas(
        deltas=deltas[:2048],
        completion_tokens=counts[-1],
        source="generate",
        coalesced=seen.coalesced,
        seconds=time.monotonic() - began,
    )
    return kept, replace(seen, why=f"{seen.why}, on /generate")


def _seen(exchange: Exchange, stream_interval: int | None) -> Seen:
    if not exchange.ok:
        what = exchange.error.message if exchange.error else "no reply"
        return None, Observation(None, f"the probe's request failed: {what}"), exchange
    deltas = deltas_of(exchange)
    if not deltas:
        return None, Observation(None, "the server does not count tokens on each event of a stream"), exchange
    seen = classify(deltas, stream_interval=stream_interval)
    kept = TokenDeltas(
        deltas=deltas[:2048],
        prompt_tokens=exchange.prompt_tokens,
        completion_tokens=exchange.completion_tokens,
        coalesced=seen.coalesced,
        seconds=exchange.e2e_us / 1e6 if exchange.e2e_us else None,
    )
    return kept, seen, exchange

"""Servers that look faster or better than they are, a kind each: what they do, and what has to speak against them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.modes import INCUMBENT, Mode
from evalkit.reference.script import Script
from tests.support.faults import Healthy, Turn
from tests.support.faults.protocol import json_answer
from tests.support.faults.turn import changed

AR, DIFFUSION = Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value
ALL = frozenset({"timing", "quality", "probe"})


@dataclass(frozen=True)
class Trick:
    """What `servers` do with requests of `places`, beyond what their scripts say."""

    play: Callable[[Turn], Awaitable[None]]
    servers: frozenset[str] = frozenset({DIFFUSION})
    places: frozenset[str] = ALL


@dataclass(frozen=True)
class Kind:
    """`mode`, `baseline`: changes of the two scripts. `finding`: id, status and, where it is typed, outcome of what must
    speak. `verdict`: what the run ends in; "go" for honest servers that look strange.
    """

    name: str
    text: str
    finding: tuple[str, ...]
    verdict: str = "inconclusive"
    mode: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    tricks: tuple[Trick, ...] = ()
    checklist: Mapping[str, Any] = field(default_factory=dict)
    prompts: int = 24
    #: limit of a reply
    tokens: int = 64
    suite: Mapping[str, Any] | None = None
    cases: int = 32
    card: str = ""


# -- tricks that no script has ---------------------------------------------------------------------------------------


async def waits(turn: Turn) -> None:
    """A server that is 200 ms away."""
    await asyncio.sleep(0.2)
    await turn.send(turn.answer)


async def flush_is_a_lie(turn: Turn) -> None:
    """200, and nothing is emptied."""
    await turn.send(json_answer({}))


async def other_mode_for_tasks(turn: Turn) -> None:
    """Timed prompts are decoded in blocks, tasks token by token and right."""
    script = turn.server.healthy.script
    slow = turn.memory.setdefault("slow", Healthy(Script(**{**script.model_dump(), "mode": Mode.AUTOREGRESSIVE})))
    await turn.send(slow.answer(turn.request))


def replica(every: int, after: int = 0) -> Callable[[Turn], Awaitable[None]]:
    """Some of the requests are answered by a server in another mode, which the description does not show."""

    async def play(turn: Turn) -> None:
        turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
        if number <= after or number % every:
            await turn.send(turn.answer)
            return
        await other_mode_for_tasks(turn)

    return play


async def short_under_load(turn: Turn) -> None:
    """Two words as soon as two requests are in flight."""
    turn.memory["running"] = running = int(turn.memory.get("running", 0)) + 1
    try:
        if running > 1:
            script = turn.server.healthy.script
            short = turn.memory.setdefault("short", Healthy(Script(**{**script.model_dump(), "says": "Rivers flow."})))
            await turn.send(short.answer(turn.request))
        else:
            await turn.send(turn.answer)
    finally:
        turn.memory["running"] -= 1


async def quick_after_the_other(turn: Turn) -> None:
    """A mode that is 40% faster right after the other server was busy."""
    shared = turn.memory["shared"]
    me, last = turn.server.base_url, shared.get("last")
    shared["last"] = me
    if last in (None, me) or turn.server.healthy.script.mode is Mode.AUTOREGRESSIVE:
        await turn.send(turn.answer)
        return
    await turn.send(replace(turn.answer, pieces=tuple((0.6 * after, data) for after, data in turn.answer.pieces)))


def fingerprints(turn: Turn) -> bytes:
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    return b'"system_fingerprint":"fp_%d",' % (number % 2)


async def two_fingerprints(turn: Turn) -> None:
    """Every second reply is of another set-up."""
    mark = fingerprints(turn)
    await turn.send(changed(turn.answer, lambda e: e.replace(b'"object":', mark + b'"object":', 1)))


def rewritten(pattern: bytes, by: bytes, *, every: int = 1) -> Callable[[Turn], Awaitable[None]]:
    """Each event of every n-th reply with a pattern replaced."""

    async def play(turn: Turn) -> None:
        turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
        hit = number % every == 0
        await turn.send(changed(turn.answer, lambda e: re.sub(pattern, by, e)) if hit else turn.answer)

    return play


async def cut_and_called_nothing(turn: Turn) -> None:
    """Every 4th stream breaks off at 40% without an end word: `finish_reason` is "" in each event."""
    turn.memory["n"] = number = int(turn.memory.get("n", 0)) + 1
    pieces = [p for p in turn.answer.pieces if b'"choices":[]' not in p[1]]
    kept = pieces[: max(2, len(pieces) * 2 // 5)] if number % 4 == 0 else pieces
    answer = replace(turn.answer, pieces=tuple(kept))
    await turn.send(changed(answer, lambda e: e.replace(b'"finish_reason":null', b'"finish_reason":""')))


async def indices_all_zero(turn: Turn) -> None:
    """Two calls, each whole in one event, both with index 0 and ids of their own."""
    calls = [
        {
            "index": 0,
            "id": f"call_{city}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
        }
        for city in ("Oslo", "Rome")
    ]
    events = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None}]}
        for call in calls
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}})
    data = b"".join(b"data: " + json.dumps({"model": "acme-labs/Trident-8B", **e}).encode() + b"\n\n" for e in events)
    await turn.send(replace(turn.answer, pieces=((50.0, data + b"data: [DONE]\n\n"),)))


async def zero_counts(turn: Turn) -> None:
    """Usage of zeros on each event, the truth at the end."""
    await turn.send(
        changed(turn.answer, lambda e: e if b'"choices":[]' in e else re.sub(rb'_tokens":\d+', b'_tokens":0', e))
    )


_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_TWO_CALLS = {
    "suite": {"name": "calls", "kind": "tools"},
    "cases": [
        {
            "id": f"w{n}",
            "prompt": f"What is the weather in Oslo and Rome?{' ' * n}",
            "tools": [_TOOL],
            "expect": [{"tool_calls": [{"name": "get_weather", "args": {"city": c}} for c in ("Oslo", "Rome")]}],
        }
        for n in range(32)
    ],
}
_COUNT_SUITE = {
    "suite": {"name": "counts", "kind": "structured"},
    "cases": [
        {
            "id": f"n{n}",
            "prompt": f"Count from {n} to {n + 12}, for the record of tasks.",
            "expect": [{"contains": {"any": [f"{n + 11} {n + 12}"]}}],
        }
        for n in range(32)
    ],
}
_THINK_SUITE = {
    "suite": {"name": "capitals", "kind": "chat"},
    "cases": [
        {"id": f"k{n}", "prompt": f"Where is the Louvre?{' ' * n}", "expect": [{"contains": {"any": ["Paris"]}}]}
        for n in range(32)
    ],
}
_PROSE = "The river rises in the hills, grows with every brook, turns twice around the old town and meets the sea in a wide bay."
#: the demo's own card
OWN_CARD = "own"
_CARD = """---
license: apache-2.0
pipeline_tag: text-generation
---
# Trident 8B

The weights are for research and non-commercial use only.
"""
_BLOCKS_AS_SLOW = {"ms_per_forward": 20}  # 160 ms for 16 tokens: as slow as one token in 10 ms


def _said(name: str, text: str, says: str, *finding: str, verdict: str = "inconclusive", **more: Any) -> Kind:
    return Kind(name, text, finding, verdict, mode={"says": says}, **more)


REPLIES = (
    _said("blank", "timed replies of white space", "  \n ", "modes.measured", "error"),
    _said("invisible", "timed replies of zero-width characters", "\u200b\u2060" * 20, "modes.measured", "error"),
    _said("ok", "OK, whatever was asked", "OK", "modes.length-honesty", "inconclusive", verdict="no-go"),
    Kind("third", "replies of a third of the length", ("modes.length-honesty", "inconclusive"), mode={"length_factor": 0.33}),
    Kind("third-counted-thrice", "the same, with three times the tokens counted", ("modes.length-honesty", "inconclusive"),
         mode={"length_factor": 0.33, "usage_factor": 3}),
    Kind("cut", "half of the replies cut at a token limit", ("modes.replies", "fail"), "no-go", mode={"cut_short": 0.6}),
    _said("loop", "replies that are a loop", "the " * 60, "modes.replies", "fail", verdict="no-go"),
    _said("counted-loop", "a loop whose lines are numbered", "".join(f"{n}. and then again, " for n in range(1, 12)),
          "modes.replies", "fail", verdict="no-go"),
    Kind("masks", "mask tokens in the text", ("modes.replies", "fail"), "no-go", mode={"leak_mask_tokens": 0.6}),
    Kind("reasoning-only", "all of the reply is reasoning", ("modes.measured", "error"), mode={"reasoning_only": 1}),
    _said("thinking-unclosed", "thinking in the text that never ends", "<think>" + _PROSE, "modes.replies", "fail", verdict="no-go"),
    _said("thinking-in-fence", "the same behind a code fence that is never closed", "```\n<think>" + _PROSE, "modes.replies", "fail", verdict="no-go"),
    _said("padded", "two words and 300 blanks", "OK." + " " * 300 + "Done.", "modes.length-honesty", "inconclusive", verdict="no-go"),
    _said("padded-invisibly", "two words and filler that nobody sees", "OK" + "\u200b" * 200 + " done.", "modes.length-honesty", "inconclusive", verdict="no-go"),
    _said("canned", "one text of the right length for every prompt", _PROSE * 2, "modes.replies", "fail", verdict="no-go"),
    Kind("verbose-baseline", "a baseline that says three times as much", ("modes.length-honesty", "inconclusive"),
         mode=_BLOCKS_AS_SLOW, baseline={"length_factor": 3}, tokens=200),
    Kind("short-under-load", "short replies as soon as two requests are in flight", ("modes.length-honesty", "inconclusive"), "no-go",
         tricks=(Trick(short_under_load, places=frozenset({"timing"})),), checklist={"items": {"modes": {"concurrency": [4]}}}),
)  # fmt: skip

CACHES = (
    Kind("reply-cache", "a gateway keeps replies; flushing empties nothing", ("modes.second-reading", "inconclusive"),
         mode={**_BLOCKS_AS_SLOW, "remembers": 0.1}),
    Kind("mild-cache", "a cache that saves 45% of the second reading", ("modes.speedup", "inconclusive"),
         mode={"ms_per_forward": 14, "remembers": 0.55}),
    Kind("second-faster", "second readings 20% faster", ("modes.noise-floor", "warn", "flatters"),
         mode={"ms_per_forward": 13, "remembers": 0.8}),
    Kind("cache-by-meaning", "a cache that a salt in front of each reading does not defeat",
         ("modes.second-reading", "inconclusive"), mode={**_BLOCKS_AS_SLOW, "remembers": 0.1, "remembers_by": "meaning"},
         checklist={"items": {"modes": {"cache": "salt-each"}}}),
    Kind("warm-cache", "a cache that holds an earlier run's replies", ("modes.second-reading", "inconclusive"),
         mode={**_BLOCKS_AS_SLOW, "remembers": 0.1, "remembers_words": ("Tell me",)}),
    Kind("warm-cache-mild", "the same, which saves 40%", ("modes.second-reading", "inconclusive"),
         mode={"ms_per_forward": 13, "remembers": 0.6, "remembers_words": ("Tell me",)}),
    Kind("warm-cache-by-meaning", "a cache by meaning that is warm", ("modes.second-reading", "inconclusive"),
         mode={**_BLOCKS_AS_SLOW, "remembers": 0.12, "remembers_by": "meaning", "remembers_words": ("Tell me",)}),
)  # fmt: skip

SPEED = (
    Kind("fades", "a mode that gets slower with every request", ("modes.speedup", "inconclusive", "open"), prompts=80,
         mode={"fades": 0.004}, checklist={"items": {"modes": {"speedup": {"at_least": 1.35}}}}),
    Kind("fast-then-slow", "fast at first, slow from the 30th prompt on", ("modes.speedup", "fail", "below"), "no-go", prompts=80,
         mode={"slow_after": 64, "slower": 2.4}),
    Kind("slow-for-tasks", "fast as long as it is timed", ("serving.mode", "inconclusive", "slower-scored"),
         mode={"slow_after": 66, "slower": 2.4}, suite=_COUNT_SUITE),
    Kind("after-the-other", "a mode that is faster right behind the other one", ("modes.noise-floor", "warn", "flatters"),
         mode={"ms_per_forward": 12.5}, tricks=(Trick(quick_after_the_other, frozenset({AR, DIFFUSION}), frozenset({"timing"})),)),
    Kind("distant-baseline", "a baseline that is 200 ms farther away", ("modes.round-trip", "inconclusive"),
         mode={"ms_per_forward": 13.5},
         tricks=(Trick(waits, frozenset({AR}), frozenset({*ALL, "control", "flush"})),)),
)  # fmt: skip

SERVERS = (
    Kind("blocks-then-tokens", "timed in blocks, scored token by token", ("serving.mode", "inconclusive"),
         tricks=(Trick(other_mode_for_tasks, places=frozenset({"quality"})),)),
    Kind("replica", "every 4th request answered in another mode", ("serving.mode", "inconclusive"), tricks=(Trick(replica(4)),)),
    Kind("switch-mid-run", "another mode from the middle of the run on", ("serving.mode", "inconclusive"),
         tricks=(Trick(replica(1, after=60), places=frozenset({"timing", "quality"})),)),
    Kind("other-model", "every 2nd reply names another model", ("serving.same-model", "inconclusive", "replies-differ"),
         mode={"answers_as": "vendor/fallback-ar", "answers_as_every": 2}),
    Kind("other-model-in-baseline", "every 2nd reply of the baseline names another model",
         ("serving.same-model", "inconclusive", "replies-of-baseline"), baseline={"answers_as": "vendor/small", "answers_as_every": 2}),
    Kind("two-fingerprints", "two set-ups behind one address", ("serving.same-model", "inconclusive", "fingerprints-mixed"),
         tricks=(Trick(two_fingerprints),)),
    Kind("four-gpus", "four GPUs against one", ("serving.same-settings", "inconclusive", "unequal"), mode={"tp_size": 4}),
    Kind("no-cuda-graphs", "a baseline without CUDA graphs", ("serving.same-settings", "inconclusive", "unequal"),
         baseline={"disable_cuda_graph": True}),
    Kind("other-attention", "a baseline on a slower attention backend", ("serving.same-settings", "inconclusive", "unequal"),
         baseline={"attention_backend": "torch_native"}),
    Kind("other-precision", "a baseline in float32", ("serving.same-settings", "inconclusive", "unequal"), baseline={"dtype": "float32"}),
)  # fmt: skip

PROTOCOL = (
    Kind("cut-empty-end", 'a quarter of the streams cut, `finish_reason` "" on each event', ("modes.failures", "inconclusive", "unequal"),
         tricks=(Trick(cut_and_called_nothing, places=frozenset({"timing"})),)),
    Kind("null-as-text", 'every reply ends with the word "null" and no [DONE]', ("modes.measured", "error"),
         mode={"end_word": "null"}, tricks=(Trick(rewritten(rb"data: \[DONE\]\n\n", b"")),)),
    Kind("filtered", "a quarter of the replies ended by a filter", ("modes.failures", "inconclusive", "unequal"),
         tricks=(Trick(rewritten(rb'"finish_reason":"stop"', b'"finish_reason":"content_filter"', every=4), places=frozenset({"timing"})),)),
    Kind("unfinished-answers", "tasks answered in thinking that never ends", ("quality.floor", "fail"), "no-go",
         suite=_THINK_SUITE, mode={"says": "<think>The Louvre is in Paris, France, on the right bank of the Seine"},
         baseline={"says": "It is in Paris."}),
)  # fmt: skip

INPUTS = (
    Kind(
        "card-forbids",
        "the card's prose forbids what its tag allows",
        ("license.commercial-use", "inconclusive"),
        card=_CARD,
    ),
)

HONEST = (
    Kind("healthy", "nothing is odd", ("modes.speedup", "pass", "shown"), "go"),
    Kind("local-folder", "the candidate is a local folder, 24 prompts and 64 cases of one's own",
         ("serving.same-model", "warn", "not-verified"), "go", cases=64, card=OWN_CARD),
    Kind("zero-counts", "usage of zeros on each event, the truth at the end", ("modes.failures", "pass", "none"), "go",
         tricks=(Trick(zero_counts, frozenset({AR, DIFFUSION})),)),
    Kind("call-indices", "two tool calls with one index", ("quality.floor", "pass"), "go", suite=_TWO_CALLS,
         tricks=(Trick(indices_all_zero, frozenset({AR, DIFFUSION}), frozenset({"quality"})),)),
    Kind("no-done", "streams without [DONE]", ("modes.failures", "pass", "none"), "go",
         tricks=(Trick(rewritten(rb"data: \[DONE\]\n\n", b""), frozenset({AR, DIFFUSION})),)),
    Kind("declared-difference", "two GPUs against one, as the checklist declares", ("serving.same-settings", "warn", "declared"), "go",
         mode={"tp_size": 2}, checklist={"modes": {DIFFUSION: {"differs": ["tp_size"]}}}),
    Kind("dated-name", "replies that add a date to the model's name", ("modes.failures", "pass"), "go",
         mode={"answers_as": "acme-labs/Trident-8B-2026-11-01"}),
)  # fmt: skip

KINDS: dict[str, Kind] = {k.name: k for k in (*REPLIES, *CACHES, *SPEED, *SERVERS, *PROTOCOL, *INPUTS, *HONEST)}
assert INCUMBENT

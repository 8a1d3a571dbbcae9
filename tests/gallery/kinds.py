"""Servers that look faster or better than they are, a kind each: what they do, and what has to speak against them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.modes import INCUMBENT, Mode
from tests.gallery import tricks as play
from tests.support.faults import Turn

AR, DIFFUSION = Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value
ALL = frozenset({"timing", "quality", "probe"})
_TIMED = frozenset({"timing"})


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
            "prompt": f"Traveller {n}: what is the weather in Oslo and Rome?",
            "tools": [_TOOL],
            "expect": [{"tool_calls": [{"name": "get_weather", "args": {"city": c}} for c in ("Oslo", "Rome")]}],
        }
        for n in range(32)
    ],
}


def _suite(name: str, kind: str, case: Callable[[int], Mapping[str, Any]]) -> dict[str, Any]:
    """32 cases, each with an id of its own."""
    return {"suite": {"name": name, "kind": kind}, "cases": [{"id": f"k{n}", **case(n)} for n in range(32)]}


def _louvre(expected: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]]:
    """The same question by visitors of different numbers."""
    return lambda n: {
        "prompt": f"For the record of visitor {n}: where is the Louvre?",
        "expect": [{"contains": expected}],
    }


_COUNT_SUITE = _suite("counts", "structured", lambda n: {
    "id": f"n{n}",
    "prompt": f"Count from {n} to {n + 12}, for the record of tasks.",
    "expect": [{"contains": {"any": [f"{n + 11} {n + 12}"]}}],
})  # fmt: skip
_THINK_SUITE = _suite("capitals", "chat", _louvre({"any": ["Paris"]}))
_BLANK_SUITE = _suite("capitals", "chat", lambda n: {
    "prompt": f"For the record of visitors: where is the Louvre?{' ' * n}", "expect": ["no_loop"],
})  # fmt: skip
_NAMED_SUITE = _suite("named", "chat", _louvre({"any": ["Louvre"]}))
_WEAK_SUITE = _suite("visitors", "chat", _louvre({"none": ["xyzzy"]}))
_LONG_SUITE = _suite("descriptions", "chat", lambda n: {
    "prompt": f"For the record of visitor {n}: describe the Louvre in 20 words or more.", "expect": [{"length": {"min": 15}}, "no_loop"],
})  # fmt: skip
_NOT_ASKED = {"license", "modes", "quality", "hardware", "context"}
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
    Kind("filled-in", "one text, with the number of each prompt filled in", ("modes.replies", "inconclusive", "not-own"),
         tricks=(Trick(play.saying(lambda asked: f"Part {play.number_of(asked)}: {_PROSE}"), places=_TIMED),)),
    Kind("prompt-again", "the prompt, said again", ("modes.replies", "inconclusive", "not-own"),
         tricks=(Trick(play.saying(lambda asked: asked), places=_TIMED),)),
    Kind("another-question", "sound replies of the right length to questions that were not asked", ("modes.replies", "inconclusive", "strange"),
         tricks=(Trick(play.another_question, places=_TIMED),)),
    Kind("now-and-then-another", "the same in half of the replies", ("modes.replies", "inconclusive", "strange"),
         tricks=(Trick(play.now_and_then_another, places=_TIMED),)),
    Kind("one-word", "noise of the right length, in one word", ("modes.replies", "inconclusive", "strange"), mode={"ms_per_forward": 2},
         tricks=(Trick(play.altered(play.noise("abcdefghijklmnopqrstuvwxyz")), places=_TIMED),), tokens=200),
    Kind("emoji", "emoji of the right number", ("modes.replies", "inconclusive", "strange"), mode={"ms_per_forward": 2},
         tricks=(Trick(play.altered(play.noise("😀😁😂🤣😃😄😅😆😉😊🌊🌿🪨✨🐟🛶🌉")), places=_TIMED),), tokens=200),
    Kind("no-blanks", "sound replies without a blank", ("modes.replies", "inconclusive", "strange"),
         tricks=(Trick(play.altered(lambda _, reply: reply.replace(" ", "")), places=_TIMED),)),
    Kind("another-script", "replies that go on in another script", ("modes.replies", "inconclusive", "not-own"), mode={"ms_per_forward": 2},
         tricks=(Trick(play.altered(play.in_another_script), places=_TIMED),), tokens=200),
    Kind("prompt-first", "the prompt, and half of the reply", ("modes.replies", "inconclusive", "not-own"),
         tricks=(Trick(play.altered(play.half_of_it_the_prompt), places=_TIMED),)),
    Kind("next-turn", "replies that go on with the user's next turn", ("modes.replies", "inconclusive", "not-own"),
         tricks=(Trick(play.altered(play.goes_on_as_the_user), places=_TIMED),)),
    Kind("thinks-instead", "all but the end of the reply is reasoning", ("modes.length-honesty", "inconclusive", "unproven"),
         tricks=(Trick(play.thinks_instead, places=_TIMED),)),
    Kind("call-not-offered", "a tool call, though no tool was offered", ("modes.replies", "fail"), "no-go",
         tricks=(Trick(play.calls_what_was_not_offered, places=_TIMED),)),
    Kind("stacked-marks", "two words and accents stacked on the last letter", ("modes.length-honesty", "inconclusive"),
         tricks=(Trick(play.saying(lambda asked: f"Part {play.number_of(asked)} " + "\u0301" * 110 + " done."), places=_TIMED),)),
    Kind("reads-a-part", "prompts cut off: the server counts 4 tokens of each", ("serving.prompts-read", "inconclusive", "fewer-timed"),
         mode=_BLOCKS_AS_SLOW, baseline={"ttft_ms": 700}, tricks=(Trick(play.counts_of_prompts(4), places=_TIMED),)),
    Kind("baseline-reads-a-part", "tasks cut off for the baseline", ("serving.prompts-read", "inconclusive", "fewer-scored"),
         tricks=(Trick(play.counts_of_prompts(4), frozenset({AR}), frozenset({"quality"})),)),
    Kind("verbose-baseline", "a baseline that says three times as much", ("modes.length-honesty", "inconclusive"),
         mode=_BLOCKS_AS_SLOW, baseline={"length_factor": 3}, tokens=200),
    Kind("short-under-load", "short replies as soon as two requests are in flight", ("modes.length-honesty", "inconclusive"), "no-go",
         tricks=(Trick(play.short_under_load, places=_TIMED),), checklist={"items": {"modes": {"concurrency": [4]}}}),
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
    Kind("slow-for-short-tasks", "fast as long as it is timed, and tasks too short for a pace", ("serving.mode", "inconclusive", "longer-scored"),
         suite=_THINK_SUITE, tricks=(Trick(play.briefly(slower=5), places=frozenset({"quality"})),
                                     Trick(play.briefly(), frozenset({AR}), frozenset({"quality"})))),
    Kind("fades-from-above", "a mode that starts above the threshold and ends below it", ("modes.order-trend", "inconclusive", "crosses"),
         mode={"fades": 0.006, "ms_per_forward": 5}, prompts=40, checklist={"items": {"modes": {"speedup": {"at_least": 1.65}}}}),
    Kind("slowed-baseline", "a baseline that is slowed to three times as long as it is timed", ("serving.mode", "inconclusive", "slower-timed"),
         mode=_BLOCKS_AS_SLOW, tricks=(Trick(play.stretched(3), frozenset({AR}), _TIMED),)),
    Kind("slowed-baseline-short-tasks", "the same, and tasks too short for a pace", ("serving.mode", "inconclusive", "longer-timed"),
         mode=_BLOCKS_AS_SLOW, suite=_THINK_SUITE, tricks=(Trick(play.stretched(4), frozenset({AR}), frozenset({"timing", "probe"})),
                                     Trick(play.briefly(), frozenset({AR, DIFFUSION}), frozenset({"quality"})))),
    Kind("slow-for-tasks", "fast as long as it is timed", ("serving.mode", "inconclusive", "slower-scored"),
         mode={"slow_after": 66, "slower": 2.4}, suite=_COUNT_SUITE),
    Kind("after-the-other", "a mode that is faster right behind the other one", ("modes.noise-floor", "warn", "flatters"),
         mode={"ms_per_forward": 12.5}, tricks=(Trick(play.quick_after_the_other, frozenset({AR, DIFFUSION}), frozenset({"timing"})),)),
    Kind("distant-baseline", "a baseline that is 200 ms farther away", ("modes.round-trip", "inconclusive"),
         mode={"ms_per_forward": 13.5},
         tricks=(Trick(play.waits, frozenset({AR}), frozenset({*ALL, "control", "flush"})),)),
    Kind("late-end", "a baseline whose streams end 400 ms behind their last text", ("modes.tail", "inconclusive", "may-decide"),
         mode=_BLOCKS_AS_SLOW, tricks=(Trick(play.late_end(400), frozenset({AR})),)),
    Kind("blank-end", "a baseline that sends blank lines for 400 ms behind its answer", ("modes.tail", "inconclusive", "may-decide"),
         mode=_BLOCKS_AS_SLOW, tricks=(Trick(play.blanks_at_the_end, frozenset({AR})),)),
)  # fmt: skip

_LOADED = {"items": {"modes": {"load": [{"rate": 1, "seconds": 20}], "decide_at": "load"}}}
LOADS = (
    Kind("canned-under-load", "one text for every prompt as soon as load is open", ("modes.load-replies", "inconclusive", "broken"),
         mode={"ms_per_forward": 5}, checklist=_LOADED,
         tricks=(Trick(play.later(60, play.saying(lambda _: _PROSE * 2)), places=_TIMED),)),
    Kind("reads-a-part-under-load", "prompts cut off as soon as load is open", ("serving.prompts-read", "inconclusive", "fewer-loaded"),
         checklist=_LOADED, tricks=(Trick(play.later(60, play.counts_of_prompts(4)), places=_TIMED),)),
    Kind("short-as-soon-as-loaded", "replies of a third of the length as soon as load is open", ("modes.load-replies", "inconclusive", "shorter"),
         checklist=_LOADED, tricks=(Trick(play.later(60, play.of_a_third), places=_TIMED),)),
    Kind("short-under-load-counted", "the same, with three times the tokens counted", ("modes.load-replies", "inconclusive", "shorter"),
         checklist=_LOADED, tricks=(Trick(play.later(60, play.of_a_third_counted_whole), places=_TIMED),)),
    Kind("short-under-load-uncounted", "the same, with no tokens counted", ("modes.load-replies", "inconclusive", "shorter"),
         checklist=_LOADED, tricks=(Trick(play.later(60, play.of_a_third_uncounted), places=_TIMED),)),
    Kind("refuses-under-load", "every 8th request turned away as soon as load is open", ("modes.load", "inconclusive", "failed"),
         checklist=_LOADED, tricks=(Trick(play.later(60, play.turns_away(8)), places=_TIMED),)),
)  # fmt: skip

SERVERS = (
    Kind("blocks-then-tokens", "timed in blocks, scored token by token", ("serving.mode", "inconclusive"),
         tricks=(Trick(play.other_mode_for_tasks, places=frozenset({"quality"})),)),
    Kind("replica", "every 4th request answered in another mode", ("serving.mode", "inconclusive"), tricks=(Trick(play.replica(4)),)),
    Kind("switch-mid-run", "another mode from the middle of the run on", ("serving.mode", "inconclusive"),
         tricks=(Trick(play.replica(1, after=60), places=frozenset({"timing", "quality"})),)),
    Kind("other-model", "every 2nd reply names another model", ("serving.same-model", "inconclusive", "replies-differ"),
         mode={"answers_as": "vendor/fallback-ar", "answers_as_every": 2}),
    Kind("other-model-in-baseline", "every 2nd reply of the baseline names another model",
         ("serving.same-model", "inconclusive", "replies-of-baseline"), baseline={"answers_as": "vendor/small", "answers_as_every": 2}),
    Kind("two-fingerprints", "two set-ups behind one address", ("serving.same-model", "inconclusive", "fingerprints-mixed"),
         tricks=(Trick(play.two_fingerprints),)),
    Kind("four-gpus", "four GPUs against one", ("serving.same-settings", "inconclusive", "unequal"), mode={"tp_size": 4}),
    Kind("no-cuda-graphs", "a baseline without CUDA graphs", ("serving.same-settings", "inconclusive", "unequal"),
         baseline={"disable_cuda_graph": True}),
    Kind("other-attention", "a baseline on a slower attention backend", ("serving.same-settings", "inconclusive", "unequal"),
         baseline={"attention_backend": "torch_native"}),
    Kind("other-precision", "a baseline in float32", ("serving.same-settings", "inconclusive", "unequal"), baseline={"dtype": "float32"}),
)  # fmt: skip

PROTOCOL = (
    Kind("cut-empty-end", 'a quarter of the streams cut, `finish_reason` "" on each event', ("modes.failures", "inconclusive", "unequal"),
         tricks=(Trick(play.cut_and_called_nothing, places=_TIMED),)),
    Kind("null-as-text", 'every reply ends with the word "null" and no [DONE]', ("modes.measured", "error"),
         mode={"end_word": "null"}, tricks=(Trick(play.rewritten(rb"data: \[DONE\]\n\n", b"")),)),
    Kind("whole-so-far", "each event of a timed reply carries the whole text so far", ("modes.measured", "error"),
         tricks=(Trick(play.all_so_far, places=_TIMED),)),
    Kind("filtered", "a quarter of the replies ended by a filter", ("modes.failures", "inconclusive", "unequal"),
         tricks=(Trick(play.rewritten(rb'"finish_reason":"stop"', b'"finish_reason":"content_filter"', every=4), places=_TIMED),)),
    Kind("unfinished-answers", "tasks answered in thinking that never ends", ("quality.floor", "fail"), "no-go",
         suite=_THINK_SUITE, mode={"says": "<think>The Louvre is in Paris, France, on the right bank of the Seine"},
         baseline={"says": "It is in Paris."}),
)  # fmt: skip

ASKED = (
    Kind("asks-nothing-required", "nothing is required but a sound server", ("modes.speedup", "fail", "below"), mode={"ms_per_forward": 40},
         checklist={"items": {item: {"required": False} for item in _NOT_ASKED}}),
    Kind("asks-nothing-applies", "nothing applies but a sound server", ("modes.not-applicable", "not-applicable"),
         checklist={"items": {item: {"not_applicable": {"reason": "looked at elsewhere"}} for item in _NOT_ASKED}}),
    Kind("asks-slower-and-worse", "a checklist that lets a mode be slower and lose most of its answers", ("modes.speedup", "pass", "shown"),
         mode={"ms_per_forward": 40}, checklist={"items": {"modes": {"speedup": {"at_least": 0.01}}, "quality": {"margin": {"default": 0.99}}}}),
    Kind("tasks-again", "tasks answered by their own prompt, where that holds the words that are looked for",
         ("quality.degeneration", "fail", "over-margin"), "no-go", suite=_NAMED_SUITE,
         tricks=(Trick(play.saying(lambda asked: asked), places=frozenset({"quality"})),)),
    Kind("asks-no-answers", "OK to every case, where nearly all may be lost", ("quality.non-inferiority", "inconclusive", "asks-nothing"),
         checklist={"items": {"quality": {"margin": {"default": 0.95}, "floor": {"default": 0}}}},
         tricks=(Trick(play.saying(lambda _: "OK"), places=frozenset({"quality"})),)),
    Kind("copied-cases", "32 cases that differ in blanks alone", ("quality.non-inferiority", "inconclusive", "too-small"),
         suite=_BLANK_SUITE),
    Kind("weak-suite", "OK to cases that any reply passes", ("quality.length-honesty", "inconclusive", "apart-unasked"),
         suite=_WEAK_SUITE, tricks=(Trick(play.briefly(), frozenset({AR}), frozenset({"quality"})),
                                    Trick(play.saying(lambda _: "OK"), places=frozenset({"quality"})))),
    Kind("canned-tasks", "one text of the right length to every case, where any sound text passes", ("quality.length-honesty", "inconclusive", "same-unasked"),
         suite=_LONG_SUITE, tricks=(Trick(play.saying(lambda _: _PROSE), places=frozenset({"quality"})),)),
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
    Kind("honest-on-a-weak-suite", "answers to cases that any reply passes", ("quality.own-tasks", "warn", "asks-nothing"), "go",
         suite=_WEAK_SUITE, tricks=(Trick(play.briefly(), frozenset({AR, DIFFUSION}), frozenset({"quality"})),)),
    Kind("healthy", "nothing is odd", ("modes.speedup", "pass", "shown"), "go"),
    Kind("local-folder", "the candidate is a local folder, 24 prompts and 64 cases of one's own",
         ("serving.same-model", "warn", "not-verified"), "go", cases=64, card=OWN_CARD),
    Kind("zero-counts", "usage of zeros on each event, the truth at the end", ("modes.failures", "pass", "none"), "go",
         tricks=(Trick(play.zero_counts, frozenset({AR, DIFFUSION})),)),
    Kind("call-indices", "two tool calls with one index", ("quality.floor", "pass"), "go", suite=_TWO_CALLS,
         tricks=(Trick(play.indices_all_zero, frozenset({AR, DIFFUSION}), frozenset({"quality"})),)),
    Kind("tokens-of-bytes", "replies in a script of which each character is three tokens", ("serving.mode", "pass"), "go",
         tricks=(Trick(play.of_bytes(1, 30), frozenset({AR}), _TIMED), Trick(play.of_bytes(5, 60), places=_TIMED)), tokens=128),
    Kind("no-done", "streams without [DONE]", ("modes.failures", "pass", "none"), "go",
         tricks=(Trick(play.rewritten(rb"data: \[DONE\]\n\n", b""), frozenset({AR, DIFFUSION})),)),
    Kind("declared-difference", "two GPUs against one, as the checklist declares", ("serving.same-settings", "warn", "declared"), "go",
         mode={"tp_size": 2}, checklist={"modes": {DIFFUSION: {"differs": ["tp_size"]}}}),
    Kind("dated-name", "replies that add a date to the model's name", ("modes.failures", "pass"), "go",
         mode={"answers_as": "acme-labs/Trident-8B-2026-11-01"}),
)  # fmt: skip

KINDS: dict[str, Kind] = {
    k.name: k for k in (*REPLIES, *CACHES, *SPEED, *LOADS, *SERVERS, *PROTOCOL, *ASKED, *INPUTS, *HONEST)
}
assert INCUMBENT

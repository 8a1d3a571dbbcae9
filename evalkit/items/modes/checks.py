"""What item 2, modes, tests: the metadata behind `evalkit explain` and the docs."""

from __future__ import annotations

from evalkit.findings import Check, Status
from evalkit.items.modes.traffic_checks import LOAD_CHECKS, MONEY_CHECKS, TRAFFIC_CHECKS, VERSUS_CHECKS

OWN_PROMPTS = Check(
    "modes.own-prompts",
    "Timed on your own prompts",
    "Speed by diffusion or speculation depends on the text: code and lists gain more than prose.",
    "put 60 or more of your production prompts in a .jsonl file and name it under `prompts:`",
    by_mode=False,
    outcomes={
        "own": Status.PASS,
        "shipped-only": Status.WARN,
        "none": Status.WARN,
    },
)
DISTINCT_PROMPTS = Check(
    "modes.distinct-prompts",
    "Prompts of one text count once",
    "One text under many ids is read more often, but says nothing of other texts: it must not pass for a sample.",
    "give prompts that differ: 20 distinct ones are the least for a verdict on speed, a p95 needs 59",
    by_mode=False,
    outcomes={
        "repeated": Status.WARN,
    },
)
MEASURED = Check(
    "modes.measured",
    "The mode was timed",
    "A mode without usable timed replies has shown nothing.",
    "see the errors of the run, bring the mode's server up, and resume: only open requests are sent",
    outcomes={
        "timed": Status.PASS,
        "no-mode": Status.ERROR,
        "not-configured": Status.ERROR,
        "not-sent": Status.ERROR,
        "nothing-usable": Status.ERROR,
    },
)
SPEEDUP = Check(
    "modes.speedup",
    "Faster than the baseline by what you ask",
    "Decided on end-to-end latency per prompt, paired: gaps between chunks flatter blocks (1.97× without a gain).",
    "time more prompts, or lower `items.modes.speedup.at_least` if a smaller gain is worth having",
    sources=("docs/timing.md",),
    outcomes={
        "shown": Status.PASS,
        "below": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "not-after-holm": Status.INCONCLUSIVE,
        "too-few-prompts": Status.INCONCLUSIVE,
        "too-few-groups": Status.INCONCLUSIVE,
        "crowded": Status.INCONCLUSIVE,
        "reference": Status.INCONCLUSIVE,
        "nothing-to-compare": Status.INCONCLUSIVE,
        "is-the-baseline": Status.NOT_APPLICABLE,
    },
)
GOODPUT = Check(
    "modes.goodput",
    "Enough requests meet all latency targets",
    "A share of requests within every target says more about users than an average.",
    "relax the latency targets, lower `items.modes.goodput`, or serve the mode faster: fewer requests at once, another "
    "engine or card; where it is open, time more prompts",
    outcomes={
        "met": Status.PASS,
        "missed": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "reference": Status.INCONCLUSIVE,
        "no-target": Status.INCONCLUSIVE,
    },
)
FAILURES = Check(
    "modes.failures",
    "Failed requests are as rare as with the baseline",
    "Failed requests carry no time: a mode that drops its hard requests would look fast.",
    "read the errors in the journal, fix the server (queue length, memory, timeouts), and time the mode again",
    outcomes={
        "none": Status.PASS,
        "as-rare": Status.WARN,
        "unequal": Status.INCONCLUSIVE,
    },
)
CLIENT_ERROR = Check(
    "modes.client-error",
    "evalkit's own timing error is small against the claim",
    "An overloaded client delays streams of many small chunks more than streams of few large ones: a gain of its own.",
    "close other programs on this machine, lower `concurrency`, or run evalkit on a machine with more free cores",
    outcomes={
        "small": Status.PASS,
        "not-measured": Status.INCONCLUSIVE,
        "too-large": Status.INCONCLUSIVE,
        "not-known": Status.INCONCLUSIVE,
    },
)
WARM_UP = Check(
    "modes.warm-up",
    "Readings had settled before they counted",
    "First requests compile kernels and capture graphs: one that is counted can be ten times slower than the next.",
    "raise `warmup`, or send the server a minute of traffic before the run",
    outcomes={
        "levelled": Status.PASS,
        "none": Status.WARN,
        "restless": Status.WARN,
    },
)
NOISE_FLOOR = Check(
    "modes.noise-floor",
    "Two readings of each mode agree",
    "Each mode against itself shows what this machine calls a difference: readings right after another mode, and later "
    "readings of a prompt. What flatters the mode beyond chance is taken out of the ratio.",
    "set `cache: salt-each` under items.modes if a cache answers, stop other load on the servers, and time again",
    sources=("docs/timing.md",),
    outcomes={
        "agree": Status.PASS,
        "differ-alike": Status.WARN,
        "flatters": Status.WARN,
        "hinders": Status.WARN,
        "read-once": Status.WARN,
    },
)
ORDER_TREND = Check(
    "modes.order-trend",
    "The ratio does not drift during the run",
    "A GPU that heats up, a cache that fills or another server in a resumed run moves the later readings. A claim that "
    "holds at one end of the run alone is open.",
    "let the server warm up longer (`warmup`), fix the GPU's clocks, and time again, in one session",
    outcomes={
        "still": Status.PASS,
        "drifts": Status.WARN,
        "crosses": Status.INCONCLUSIVE,
        "too-few": Status.WARN,
    },
)
WITNESS = Check(
    "modes.witness",
    "The machine did nothing else while modes were timed",
    "On a machine that works for others, each mode gets a different share of it. CPU used by processes that are "
    "neither evalkit's nor the compared servers' is read between batches; above `outside_cpu` (a quarter of the cores, "
    "median) every claim stays open. So it does where others use the GPU of a server (`outside_gpu`, a tenth of its "
    "time), or take a GiB more of its memory.",
    "end or move the other work, then run again; where it belongs to production, items.modes.outside_cpu and "
    "outside_gpu allow more",
    outcomes={
        "quiet": Status.PASS,
        "steal": Status.WARN,
        "not-known": Status.WARN,
        "crowded": Status.INCONCLUSIVE,
        "crowded-gpu": Status.INCONCLUSIVE,
    },
)
ROUND_TRIP = Check(
    "modes.round-trip",
    "The gain is not the way to the server",
    "A baseline that is far away is slow for the network's sake. The shortest round trip to each server is measured; a "
    "claim that it alone could explain is open.",
    "time both from the same place: run evalkit next to the farther server, or compare servers that are equally near",
    outcomes={
        "not-decisive": Status.PASS,
        "may-decide": Status.INCONCLUSIVE,
    },
)
TAIL = Check(
    "modes.tail",
    "The gain is there when the last text is",
    "A server, or a gateway before it, may end a stream long after the last text that a reader sees. A claim that this "
    "alone could explain is open.",
    "ask both servers past their gateways, and see why one of them ends its streams late",
    outcomes={"may-decide": Status.INCONCLUSIVE},
)
REPLIES = Check(
    "modes.replies",
    "The timed replies are as sound as the baseline's",
    "A mode that loops, leaks special tokens, never leaves its thinking or is cut off may well be fast: the timed "
    "replies are looked at, by the same signs as those of the tasks.",
    "read the replies in the journal, correct the decoding (or raise max_tokens where they are cut off), and time the "
    "mode again; where it is open, time more prompts",
    outcomes={
        "as-sound": Status.PASS,
        "few-more": Status.WARN,
        "undecided": Status.INCONCLUSIVE,
        "never-ends": Status.INCONCLUSIVE,
        "not-own": Status.INCONCLUSIVE,
        "strange": Status.INCONCLUSIVE,
        "more": Status.FAIL,
    },
)
LENGTH = Check(
    "modes.length-honesty",
    "The gain does not come from shorter replies",
    "A mode that says less than the baseline is done sooner without decoding faster. Outside 0.8 to 1.25 of the "
    "baseline's length the gain must hold per token and per character too.",
    "ask for replies of equal length (a system prompt, max_tokens), set `fixed_length: true` to see decoding alone, or "
    "ask for less with items.modes.speedup.at_least",
    outcomes={
        "alike": Status.PASS,
        "apart": Status.WARN,
        "unproven": Status.INCONCLUSIVE,
        "not-compared": Status.WARN,
    },
)
TOKEN_COUNTS = Check(
    "modes.token-counts",
    "The token counts of both modes can be right for their texts",
    "A server that counts three tokens where the other counts one looks three times as fast per token. The end-to-end "
    "time does not depend on counts.",
    "trust end-to-end times alone, and report the count to the makers of the engine",
    outcomes={
        "agree": Status.PASS,
        "contradict": Status.WARN,
    },
)
SECOND_READINGS = Check(
    "modes.second-reading",
    "A prompt that is asked again takes as long as before",
    "A gateway that keeps replies answers the second reading of a prompt in no time, and no flush reaches it: the "
    "ratio is then of the cache.",
    "set `cache: salt-each` under items.modes, so that every request differs, or give the server's own address instead "
    "of the gateway's",
    outcomes={
        "alike": Status.PASS,
        "read-once": Status.WARN,
        "differ": Status.INCONCLUSIVE,
        "warm-up-slower": Status.INCONCLUSIVE,
        "fresh-differ": Status.INCONCLUSIVE,
    },
)
FIXED_LENGTH = Check(
    "modes.fixed-length",
    "Speed when all modes must say as much",
    "With `ignore_eos` every answer runs to max_tokens: it shows decoding alone, on text that no user wants to read.",
    "set `fixed_length: true` under items.modes; servers that refuse `ignore_eos` have no such reading",
    outcomes={
        "measured": Status.PASS,
        "not-honoured": Status.PASS,
        "not-available": Status.INCONCLUSIVE,
    },
)
STREAM = Check(
    "modes.stream",
    "What chunk times and token counts are worth",
    "A proxy that buffers, or counts that contradict the text, spoil gaps between chunks and figures per token; the "
    "end-to-end time still holds.",
    "ask the server past its proxy, and trust end-to-end times alone until the counts agree",
    outcomes={
        "clean": Status.PASS,
        "noted": Status.WARN,
    },
)
SAME_ENGINE = Check(
    "modes.same-engine",
    "Baseline and mode run on the same engine",
    "Between two engines the ratio measures engine and mode together.",
    "serve the baseline with the same engine and version if you want the effect of the mode alone",
    outcomes={
        "same": Status.PASS,
        "different": Status.WARN,
        "not-known": Status.WARN,
    },
)
CACHE = Check(
    "modes.cache-state",
    "The prefix cache helped all modes alike",
    "The same prompts go to all modes: a cache that is warm for one only decides the race.",
    "give `admin_key_env` so that the cache can be flushed; or start the servers with cached tokens reported "
    "(--enable-cache-report, vLLM: --enable-prompt-tokens-details) or without the cache "
    "(--disable-radix-cache, vLLM: --no-enable-prefix-caching)",
    outcomes={
        "equal": Status.PASS,
        "unequal": Status.INCONCLUSIVE,
        "lower-bound": Status.WARN,
        "helped-less": Status.WARN,
        "not-reported": Status.WARN,
        "not-kept": Status.INCONCLUSIVE,
    },
)
LAUNCHES = Check(
    "modes.launches",
    "Starts of the server are part of the spread",
    "One server is a little faster or slower each time it is started. Servers that are not restarted cannot show by "
    "how much: `start_sd` is assumed instead.",
    "give each mode a `launch` command, so that evalkit starts its server three times (`launches: replicated`)",
    sources=("docs/timing.md",),
    outcomes={
        "replicated": Status.PASS,
        "bracketed": Status.WARN,
        "in-turn": Status.WARN,
        "apart": Status.WARN,
        "no-common-prompt": Status.WARN,
    },
)
REFERENCE = Check(
    "modes.reference-implementation",
    "Times are those of a serving engine",
    "The model's own code answers one request at a time, without batching, graphs or a prefix cache. Its answers and "
    "its forward passes are evidence; its times, and their ratio, say nothing of a server in production.",
    "serve the mode with an engine to decide its speed: `evalkit explain support MODEL` lists what can",
    outcomes={
        "reference": Status.WARN,
    },
)
LEVELS = Check(
    "modes.levels",
    "Where the gain ends",
    "Diffusion and speculation spend compute that is free at low concurrency and missing at high.",
    "list the concurrency you expect in production under `concurrency`",
    outcomes={
        "wins": Status.PASS,
        "ends": Status.WARN,
        "none-measured": Status.INCONCLUSIVE,
    },
)
THROTTLED = Check(
    "modes.gpu-throttled",
    "The GPU held its clocks",
    "A throttled GPU slows the mode that it met.",
    "improve cooling or lower the power limit for all modes alike, and time again",
    outcomes={
        "held": Status.PASS,
        "throttled": Status.WARN,
        "not-watched": Status.NOT_APPLICABLE,
    },
)
ENERGY = Check(
    "modes.energy",
    "Energy per output token",
    "A mode that draws more power for a shorter time can cost more energy per token.",
    "run evalkit on the machine of the GPUs: the devices are read there, and nowhere else",
    outcomes={
        "by-counter": Status.PASS,
        "by-power": Status.PASS,
    },
)
FRONTIER = Check(
    "modes.frontier",
    "Which configurations are worth having",
    "Thresholds, block sizes and steps trade quality for speed: one that another beats in both is not worth having.",
    "declare configurations of a mode as entries of their own, such as diffusion@t0.9, each with its server",
    by_mode=False,
    outcomes={
        "drawn": Status.PASS,
    },
)


def _latency(metric: str, share: str) -> Check:
    name = {"ttft": "TTFT", "e2e": "End-to-end latency"}[metric]
    return Check(
        f"modes.latency-{metric}-{share}",
        f"{name}, {share}",
        "A target on a percentile holds when its distribution-free bound does: p95 needs 59 prompts, p99 needs 299.",
        "relax the target under `items.modes.latency`, or serve the mode faster: fewer requests at once, another "
        "engine or card",
        outcomes={
            "within": Status.PASS,
            "beyond": Status.FAIL,
            "too-few": Status.INCONCLUSIVE,
            "open": Status.INCONCLUSIVE,
            "reference": Status.INCONCLUSIVE,
        },
    )


LATENCY = {
    f"{metric}_{share}_ms": _latency(metric, share) for metric in ("ttft", "e2e") for share in ("p50", "p95", "p99")
}

CHECKS: tuple[Check, ...] = (
    OWN_PROMPTS, DISTINCT_PROMPTS, MEASURED, SPEEDUP, *LATENCY.values(), GOODPUT, FAILURES, CLIENT_ERROR, WARM_UP,
    NOISE_FLOOR, ORDER_TREND, WITNESS, ROUND_TRIP, TAIL, REPLIES, LENGTH, TOKEN_COUNTS, SECOND_READINGS, FIXED_LENGTH,
    *TRAFFIC_CHECKS, STREAM, SAME_ENGINE, CACHE, LAUNCHES, LEVELS, *LOAD_CHECKS, THROTTLED, ENERGY, FRONTIER,
    *MONEY_CHECKS, *VERSUS_CHECKS, REFERENCE,
)  # fmt: skip

"""What the quality item tests: metadata of its findings."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Check, Status

_PAPERS = (
    "Bonett & Price 2012, J. Educ. Behav. Stat. 37:479",
    "https://arxiv.org/abs/2411.00640",
)

OWN_TASKS = Check(
    "quality.own-tasks",
    "Your own tasks were used",
    "Public benchmarks and shipped suites hide what your product does. Only tasks of your own show what a customer"
    " would see.",
    "Write 30 or more cases from your logs as a suite (docs/tasks.md) and name the file under `tasks`.",
    by_mode=False,
    outcomes={
        "own": Status.PASS,
        "shipped-only": Status.WARN,
        "asks-little": Status.WARN,
        "asks-nothing": Status.WARN,
        "none": Status.INCONCLUSIVE,
        "not-asked": Status.SKIPPED,
    },
)
SCORED = Check(
    "quality.scored",
    "Nearly all cases were scored",
    "A case without a usable reply is neither right nor wrong. If many are missing, the others are a chosen few.",
    "Read the errors named here, mend the server or raise its deadline, and resume the run: only open cases are sent.",
    outcomes={
        "complete": Status.PASS,
        "open": Status.INCONCLUSIVE,
        "failed": Status.ERROR,
        "mode-unanswered": Status.INCONCLUSIVE,
        "no-suite": Status.INCONCLUSIVE,
    },
)
NON_INFERIORITY = Check(
    "quality.non-inferiority",
    "The loss compared with the baseline is within the margin",
    "The same cases are answered in both modes. The loss must be shown to lie under the declared margin: "
    "'no significant difference' on a few cases shows nothing.",
    "Look at the lost cases in the report. If the loss is real, try a stricter threshold or a smaller block; if it is"
    " undecided, add cases.",
    sources=_PAPERS,
    outcomes={
        "shown": Status.PASS,
        "carried": Status.WARN,
        "lost": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "worse": Status.INCONCLUSIVE,
        "asks-nothing": Status.INCONCLUSIVE,
        "one-sided": Status.INCONCLUSIVE,
        "too-small": Status.INCONCLUSIVE,
        "too-small-shipped": Status.INCONCLUSIVE,
        "too-small-and-losing": Status.INCONCLUSIVE,
        "no-pairs": Status.INCONCLUSIVE,
        "no-baseline-results": Status.INCONCLUSIVE,
        "is-the-baseline": Status.NOT_APPLICABLE,
    },
)
FLOOR = Check(
    "quality.floor",
    "Enough cases pass in this mode",
    "Parity with a bad baseline is not a reason to adopt. The share of passed cases must reach "
    "the minimum pass rate that you set (key `floor`).",
    "Check prompts, chat template and max_tokens on failing cases; lower `items.quality.floor` only if fewer are"
    " enough.",
    outcomes={
        "met": Status.PASS,
        "below": Status.FAIL,
        "undecided": Status.INCONCLUSIVE,
        "unscored": Status.INCONCLUSIVE,
    },
)
BASELINE_VALID = Check(
    "quality.baseline-valid",
    "The baseline is worth comparing with",
    "Where the baseline itself fails, or is not what it says, a mode that loses nothing against it proves nothing.",
    "Serve a sound baseline (AR on vLLM, or `baseline: {quality: incumbent}`), or use tasks that the model can do.",
    outcomes={
        "valid": Status.PASS,
        "below-floor": Status.INCONCLUSIVE,
        "passes-nothing": Status.INCONCLUSIVE,
        "unscored": Status.INCONCLUSIVE,
        "block-loop": Status.INCONCLUSIVE,
    },
)
EQUIVALENCE = Check(
    "quality.equivalence",
    "Speculation returns the baseline's text",
    "Speculation is lossless in theory, and in practice only as far as its verification is. Greedy replies are compared"
    " with the baseline's, and the baseline with itself for the noise floor. A difference where the baseline's two"
    " likeliest tokens lie closer than the noise of bf16 is a near-tie, and counts as equal.",
    "Look at the first divergences; serve with deterministic kernels. If equal text is not needed, raise "
    "`items.quality.match_margin`: the tasks still decide.",
    sources=("https://github.com/vllm-project/vllm/issues/7627", "https://github.com/sgl-project/sglang/issues/10678"),
    outcomes={
        "equal": Status.PASS,
        "changed": Status.FAIL,
        "noisy": Status.WARN,
        "noisy-and-few": Status.INCONCLUSIVE,
        "not-looked-up": Status.INCONCLUSIVE,
        "open": Status.INCONCLUSIVE,
        "no-noise-floor": Status.INCONCLUSIVE,
        "information": Status.NOT_APPLICABLE,
        "other-model": Status.NOT_APPLICABLE,
        "sampled": Status.NOT_APPLICABLE,
    },
)
DEGENERATION = Check(
    "quality.degeneration",
    "Replies do not fall apart",
    "Loops at the end, doubled words, leaked mask tokens, truncation and broken tool calls are how decoding in"
    " parallel fails. They are counted against the baseline's.",
    "Raise the confidence threshold, use the block size that the model was trained with, or add denoising steps.",
    outcomes={
        "as-sound": Status.PASS,
        "more": Status.WARN,
        "over-margin": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "no-replies": Status.INCONCLUSIVE,
    },
)
LENGTH_HONESTY = Check(
    "quality.length-honesty",
    "Replies are about as long as the baseline's",
    "A mode that says less, or rambles, makes tokens per second a false comparison.",
    "Compare time per answer, not tokens per second, for this mode.",
    outcomes={
        "alike": Status.PASS,
        "apart": Status.WARN,
        "apart-unasked": Status.INCONCLUSIVE,
        "same-unasked": Status.INCONCLUSIVE,
        "too-few": Status.NOT_APPLICABLE,
    },
)
BY_POSITION = Check(
    "quality.by-position",
    "The end of a long reply is as good as its beginning",
    "Errors of parallel decoding add up: the last entries of a list, or the last sections of a report, go first. The"
    " parts of each reply are compared by third, with the baseline's.",
    "Serve shorter replies in this mode, or a stricter threshold; look at the last parts of the lost cases.",
    outcomes={
        "even": Status.PASS,
        "grows": Status.WARN,
        "end-lost": Status.FAIL,
    },
)
LADDER = Check(
    "quality.ladder",
    "Up to which size of a task the replies hold",
    "The same task at growing sizes (2 to 32 items; a fact further and further from the end) shows where decoding"
    " in parallel breaks. The knee is the size from which the pass rate falls beyond chance.",
    "Keep production's tasks below the knee in this mode, or use a stricter threshold or a smaller block.",
    sources=("https://arxiv.org/abs/2510.04767",),
    outcomes={
        "holds": Status.PASS,
        "falls-earlier": Status.WARN,
    },
)
UNDER_LOAD = Check(
    "quality.under-load",
    "Quality does not fall when the batch is full",
    "The same cases are asked with as many requests in flight as decide, and again one at a time (`items.quality.alone`"
    " says how many). Batches change the arithmetic, and some diffusion recipes advise one running request for quality."
    " The verdict rests on the replies under load, so this explains a loss and decides nothing.",
    "Lower the requests that run at a time in this mode (SGLang: --max-running-requests, vLLM: --max-num-seqs), decide"
    " at that load, or use deterministic kernels.",
    outcomes={
        "as-good": Status.PASS,
        "falls": Status.WARN,
        "falls-some": Status.WARN,
        "open": Status.INCONCLUSIVE,
        "too-few": Status.INCONCLUSIVE,
        "no-pairs": Status.INCONCLUSIVE,
        "one-at-a-time": Status.NOT_APPLICABLE,
    },
)
HARM = Check(
    "quality.harm",
    "Cases that the baseline passed and this mode failed",
    "A share hides which customer is hurt. Each lost case is listed with both replies.",
    "Read the list first. Mark a case `severity: critical` if losing it must stop the adoption.",
    outcomes={
        "none": Status.PASS,
        "lost": Status.WARN,
    },
)
CRITICAL = Check(
    "quality.critical",
    "No critical case is lost",
    "A case marked critical may not be lost, whatever the other cases do.",
    "Look at the case's two replies in the report; the mode is not adopted until it passes.",
    outcomes={
        "all-pass": Status.PASS,
        "baseline-fails-too": Status.WARN,
        "lost": Status.FAIL,
        "not-compared": Status.INCONCLUSIVE,
    },
)
INCUMBENT = Check(
    "quality.incumbent",
    "Against the model that you use today",
    "The question of a buyer is not whether the mode equals its own baseline, but whether it beats what is there.",
    "Configure `incumbent:` with the endpoint that you use today; add cases if the comparison is undecided.",
    outcomes={
        "better": Status.PASS,
        "no-worse": Status.PASS,
        "within-margin": Status.PASS,
        "worse": Status.FAIL,
        "worse-for-information": Status.WARN,
        "undecided": Status.INCONCLUSIVE,
        "undecided-worse": Status.INCONCLUSIVE,
        "no-answers": Status.INCONCLUSIVE,
        "no-pairs": Status.INCONCLUSIVE,
        "too-few-pairs": Status.INCONCLUSIVE,
        "passes-nothing": Status.INCONCLUSIVE,
        "below-floor": Status.INCONCLUSIVE,
        "doubted": Status.INCONCLUSIVE,
        "not-configured": Status.NOT_APPLICABLE,
    },
)
TOOLS = Check(
    "quality.tools-available",
    "The server takes tools and returns calls",
    "Without a tool parser every call stays in the text and every tool case fails: a set-up, not a quality.",
    "Start the server with the tool-call parser of the model's family (SGLang and vLLM: --tool-call-parser NAME), and "
    "check that the chat template has tools.",
    outcomes={
        "available": Status.PASS,
        "refused": Status.ERROR,
        "not-parsed": Status.ERROR,
        "not-reached": Status.ERROR,
    },
)
TOOL_OUTCOMES = Check(
    "quality.tool-outcomes",
    "What became of each request with tools",
    "A reply with tools ends in a call, in text, in a malformed call, or cut off. Only text is abstention: a call that"
    " could not be read is none. Whether calls are valid, of the right function, and with the right arguments, are"
    " three questions.",
    "Look at the malformed calls in the report: brackets filled out of order come from decoding in parallel, markers"
    " in the text from the server's parser.",
    sources=("https://github.com/ShishirPatil/gorilla/issues/1362",),
    outcomes={
        "as-sound": Status.PASS,
        "more-malformed": Status.WARN,
    },
)
STREAM_PARITY = Check(
    "quality.stream-parity",
    "Tool calls survive streaming",
    "A stream's parser can lose calls or arguments that the unstreamed reply has, above all when a whole call arrives"
    " at once.",
    "Ask without streaming where tools are used, or upgrade the engine's tool parser.",
    outcomes={
        "alike": Status.PASS,
        "lost-in-stream": Status.WARN,
    },
)
TOOL_LOOPS = Check(
    "quality.tool-loop",
    "What follows a tool call that failed",
    "An agent that gets an error and asks the very same again is in a loop: a known weakness of decoding in parallel. "
    "A case with `tool_result` answers each call with it, and the next reply is read for the same calls.",
    "Read the replies in the journal; limit how often your agent may repeat a call, or keep tools on the baseline.",
    sources=("https://arxiv.org/abs/2601.12979",),
    outcomes={
        "none-repeated": Status.PASS,
        "some-repeated": Status.PASS,
        "repeats-more": Status.WARN,
    },
)
HARNESS = Check(
    "quality.harness",
    "Results of another harness are whole, comparable, and of these servers",
    "Results that a harness wrote are a report by a third party. They count when both modes had the same task, prompts,"
    " sampling and limits, no sample is missing, and the server that they name is the one that was probed in that mode"
    " in this run.",
    "Let evalkit run the harness (tasks: [{run: lm-eval, …}] or {command: …, reads: …}), or run both modes alike.",
    outcomes={
        "ran-here": Status.PASS,
        "witnessed": Status.PASS,
        "accepted": Status.WARN,
        "unwitnessed": Status.INCONCLUSIVE,
        "not-comparable": Status.INCONCLUSIVE,
        "not-whole": Status.INCONCLUSIVE,
        "not-this-mode": Status.INCONCLUSIVE,
        "not-named": Status.INCONCLUSIVE,
        "no-results": Status.INCONCLUSIVE,
        "failed": Status.ERROR,
    },
)
JUDGE = Check(
    "quality.judge",
    "What a judge says of the replies",
    "Some qualities no rule can grade. Another model's opinion is information: it can be wrong, and the text under test"
    " can talk to it. It never decides.",
    "Read the cases yourself where the judge differs from the graders. Verdicts that flip with the order, or are"
    " missing, say that this judge cannot tell.",
    outcomes={
        "clear": Status.PASS,
        "unclear": Status.WARN,
        "not-configured": Status.NOT_APPLICABLE,
        "not-asked": Status.NOT_APPLICABLE,
    },
)

IMAGES = Check(
    "quality.images",
    "A model that takes images was asked about images",
    "Answers to text say nothing of how well a vision-language model sees, and decoding in parallel can lose what is in"
    " the picture.",
    "Add cases with images: `images: [FILE]` with the prompt of a case; prompts/tasks/images.yaml has 300. Waive this"
    " where your product sends no image.",
    outcomes={"scored": Status.PASS, "not-scored": Status.INCONCLUSIVE, "none": Status.INCONCLUSIVE},
)

CHECKS: tuple[Check, ...] = (
    OWN_TASKS, SCORED, NON_INFERIORITY, FLOOR, BASELINE_VALID, EQUIVALENCE, DEGENERATION, LENGTH_HONESTY, BY_POSITION,
    LADDER, UNDER_LOAD, HARM, CRITICAL, INCUMBENT, TOOLS, TOOL_OUTCOMES, STREAM_PARITY, TOOL_LOOPS, JUDGE, HARNESS,
    IMAGES,
)  # fmt: skip

#: what an outcome of INCUMBENT answers to "and against the model that we use today?"; the others: not compared
VERSUS: dict[str, Literal["better", "no worse", "worse"]] = {
    "better": "better", "no-worse": "no worse", "within-margin": "worse", "worse": "worse",
    "worse-for-information": "worse", "undecided-worse": "worse",
}  # fmt: skip

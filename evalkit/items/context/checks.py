"""The statements of the context item."""

from __future__ import annotations

from evalkit.findings import Check, Status

_PASS, _WARN, _FAIL, _OPEN = Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE

WINDOW = Check(
    id="context.window",
    title="The model's window is long enough",
    why="A prompt that does not fit is refused, or cut silently.",
    remedy="shorten prompts or replies, or take a model with a longer window; where the figure is missing, set"
    " `context: {probe: true}` and run again",
    outcomes={
        "fits": _PASS, "answered": _PASS, "need-unknown": _OPEN, "window-unknown": _OPEN, "need-estimated": _OPEN,
        "too-short": _FAIL,
    },
)  # fmt: skip
TRAINED = Check(
    id="context.trained-length",
    title="The configured window does not exceed the trained length",
    why="A configuration can state any length. Beyond what was trained, answers may get worse without any error.",
    remedy="keep prompts and replies within the trained length, or test quality at your own lengths"
    " (a `long` task suite and `context.probe: true`), then waive with that result",
    sources=("https://arxiv.org/abs/2607.05722",),
    outcomes={
        "within": _PASS, "stretched": _WARN, "not-published": _WARN
    },
)  # fmt: skip
SERVER_LIMIT = Check(
    id="context.server-limit",
    title="The server's window is long enough",
    why="A server can be started with a shorter window than the model has; NVIDIA's launch script for SGLang defaults"
    " to 2,048 tokens.",
    remedy="start the server with a larger window (SGLang: --context-length, vLLM: --max-model-len) and enough memory"
    " for its token pool",
    by_mode=True,
    sources=("https://github.com/NVlabs/Nemotron-Labs-Diffusion",),
    outcomes={
        "fits": _PASS, "answered": _PASS, "not-reachable": _OPEN, "need-unknown": _OPEN, "not-reported": _OPEN,
        "need-estimated": _OPEN, "prompt-too-long": _FAIL, "too-short": _FAIL,
    },
)  # fmt: skip
OUTPUT = Check(
    id="context.output",
    title="A reply of the needed length is reachable",
    why="Servers cap replies silently: to the rest of the window, a default, or a block's end.",
    remedy="raise the server's window or its output cap; with `context.probe: true` the length is tried",
    by_mode=True,
    outcomes={
        "reached": _PASS, "reached-in-run": _PASS, "refused": _FAIL, "error": _OPEN, "cut": _FAIL, "ended": _OPEN,
        "capped": _FAIL, "not-seen": _OPEN,
    },
)  # fmt: skip
PROBE = Check(
    id="context.probe",
    title="Facts planted in long prompts come back",
    why="A server may accept a long prompt and read a part of it only; block modes can differ from autoregressive.",
    remedy="run with `context: {probe: true}` on a live endpoint; where facts are lost, shorten prompts or"
    " change the mode",
    by_mode=True,
    outcomes={
        "ok": _PASS, "no-recall": _WARN, "truncated": _FAIL, "lost-middle": _FAIL, "lost": _FAIL, "refused": _FAIL,
        "too-short": _OPEN, "unclear": _OPEN, "not-run": _OPEN, "not-asked": _OPEN,
    },
)  # fmt: skip
OVER_LIMIT = Check(
    id="context.over-limit",
    title="An over-long request is refused with an error",
    why="A request that is cut silently gives an answer to another question than the one asked.",
    remedy="turn off truncation on the server (SGLang: no --allow-auto-truncate), or count tokens in the client",
    by_mode=True,
    outcomes={
        "refused": _PASS, "accepted": _WARN, "no-limit-reported": _WARN, "truncated": _FAIL, "unclear": _OPEN,
        "not-tried": _OPEN,
    },
)  # fmt: skip
RATE_LIMITS = Check(
    id="context.rate-limits",
    title="The service's rate limits allow the needed load",
    why="A hosted service refuses requests above its rate, whatever its speed.",
    remedy="ask the provider for a higher tier, or lower the load; set limits.need_rpm and limits.need_tpm",
    by_mode=True,
    outcomes={
        "allowed": _PASS, "information": _PASS, "allowed-but-refused": _WARN, "refusals": _WARN, "below": _FAIL,
        "not-reported": _OPEN, "longer-window": _OPEN, "no-limits-here": Status.NOT_APPLICABLE,
    },
)  # fmt: skip
VARIANTS = Check(
    id="context.variants",
    title="The windows of the other variants",
    why="Variants of one family differ in context: a base model can have a sixty-fourth of its instruct sibling's.",
    remedy="read the variant's own configuration before switching to it",
    outcomes={
        "fits": _PASS, "too-short": _FAIL, "need-estimated": _OPEN, "need-unknown": _OPEN, "not-known": _OPEN
    },
)  # fmt: skip
CHECKS = (WINDOW, TRAINED, SERVER_LIMIT, OUTPUT, PROBE, OVER_LIMIT, RATE_LIMITS, VARIANTS)

"""The statements of the context item."""

from __future__ import annotations

from evalkit.findings import Check

WINDOW = Check(
    id="context.window",
    title="The model's window holds what is needed",
    why="A prompt that does not fit is refused, or cut without a word.",
    remedy="shorten prompts or replies, or take a model with a longer window; where the figure is missing, set"
    " `context: {probe: true}` and run again",
)
TRAINED = Check(
    id="context.trained-length",
    title="The configured window does not exceed the trained length",
    why="A configuration can name any length. Beyond what was trained, answers may get worse without any error.",
    remedy="keep prompts and replies within the trained length, or test quality at your own lengths"
    " (a `long` task suite and `context.probe: true`), then waive with that result",
    sources=("https://arxiv.org/abs/2607.05722",),
)
SERVER_LIMIT = Check(
    id="context.server-limit",
    title="The server's window holds what is needed",
    why="A server can be started with a shorter window than the model has; NVIDIA's launch script for SGLang defaults"
    " to 2,048 tokens.",
    remedy="start the server with a larger window (SGLang: --context-length, vLLM: --max-model-len) and enough memory"
    " for its token pool",
    per_mode=True,
    sources=("https://github.com/NVlabs/Nemotron-Labs-Diffusion",),
)
OUTPUT = Check(
    id="context.output",
    title="A reply of the needed length is reachable",
    why="Servers cap replies silently: to the window's rest, a default, or a block's end.",
    remedy="raise the server's window or its output cap; with `context.probe: true` the length is tried",
    per_mode=True,
)
PROBE = Check(
    id="context.probe",
    title="Facts planted in long prompts come back",
    why="A server may accept a long prompt and read a part of it only; block modes can differ from autoregressive.",
    remedy="run with `context: {probe: true}` on a live endpoint; where facts are lost, shorten prompts or"
    " change the mode",
    per_mode=True,
)
OVER_LIMIT = Check(
    id="context.over-limit",
    title="An over-long request is refused with an error",
    why="A request that is cut silently gives an answer to another question than the one asked.",
    remedy="turn off truncation on the server (SGLang: no --allow-auto-truncate), or count tokens in the client",
    per_mode=True,
)
RATE_LIMITS = Check(
    id="context.rate-limits",
    title="The service's rate limits hold the needed load",
    why="A hosted service refuses requests above its rate, whatever its speed.",
    remedy="ask the provider for a higher tier, or lower the load; set limits.need_rpm and limits.need_tpm",
    per_mode=True,
)
VARIANTS = Check(
    id="context.variants",
    title="The windows of the other variants",
    why="Variants of one family differ in context: a base model can have a sixty-fourth of its instruct sibling's.",
    remedy="read the variant's own configuration before switching to it",
)
CHECKS = (WINDOW, TRAINED, SERVER_LIMIT, OUTPUT, PROBE, OVER_LIMIT, RATE_LIMITS, VARIANTS)

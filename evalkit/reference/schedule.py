"""When which tokens leave: a reply of n tokens as decoding steps of the mode."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from random import Random

from evalkit.modes import Mode
from evalkit.reference.script import Script


@dataclass(frozen=True, slots=True)
class Tick:
    """One event: `after_ms` after the one before it (the first: after admission) at a load of one request."""

    after_ms: float
    #: tokens of the reply known by now
    tokens: int
    #: forward passes since the tick before
    forwards: int


def ticks(script: Script, prompt: int, cached: int, total: int, rng: Random) -> list[Tick]:
    """The events of a reply of `total` tokens to a prompt of `prompt` tokens, `cached` of them known."""
    runs = _runs(script, prompt, total, rng)
    per_step = _forwards_per_step(script)
    first_ms = script.ttft_ms + script.prefill_ms_per_token * (prompt - cached)
    first_forwards = per_step + _prefill_forwards(script, prompt, cached)
    steps: list[Tick] = []
    known = 0
    for number, run in enumerate(runs):
        known += run
        base = first_ms if number == 0 else per_step * script.ms_per_forward
        after = max(0.0, base + rng.uniform(-script.jitter_ms, script.jitter_ms))
        steps.append(Tick(after, known, first_forwards if number == 0 else per_step))
    return _joined(steps, script.coalesce, script.stream_interval)


def with_rounds(script: Script, steps: list[Tick]) -> list[Tick]:
    """The same events with the rounds between them that resolved nothing, evenly spread."""
    if not script.round_events:
        return steps
    out: list[Tick] = []
    known = 0
    for step in steps:
        share = step.after_ms / step.forwards
        out += [Tick(share, known, 1)] * (step.forwards - 1)
        out.append(Tick(share, step.tokens, 1))
        known = step.tokens
    return out


def _forwards_per_step(script: Script) -> int:
    if script.emits is Mode.DIFFUSION:
        return script.forwards_per_block
    # A self-speculating model drafts and verifies with the same weights: two passes a step.
    return 2 if script.emits is Mode.SELF_SPECULATION else 1


def _prefill_forwards(script: Script, prompt: int, cached: int) -> int:
    """Passes over the prompt: block by block in SGLang's dLLM loop, else one, which yields the first token."""
    return (prompt - cached) // script.block_size if script.emits is Mode.DIFFUSION else 0


def _runs(script: Script, prompt: int, total: int, rng: Random) -> list[int]:
    """Tokens of each step."""
    if total <= 0:
        return [0]  # a reply that a stop string emptied still takes its first step
    mode = script.emits
    if mode is Mode.AUTOREGRESSIVE:
        return [1] * total
    if mode is Mode.DIFFUSION:
        tail = prompt % script.block_size if script.align_blocks else 0
        return _cut([script.block_size - tail, *[script.block_size] * (total // script.block_size + 1)], total)
    if script.accept_runs_all_one:
        return [1] * total
    # With a separate drafter the first token comes from the prompt's own pass, before any draft.
    start = [1] if mode is Mode.SPECULATIVE else []
    if script.accept_runs:
        pattern = cycle(script.accept_runs)
        return _cut([*start, *(next(pattern) for _ in range(total))], total)
    return _cut([*start, *(rng.randint(1, script.accept_max) for _ in range(total))], total)


def _cut(runs: list[int], total: int) -> list[int]:
    """The first runs that make up `total`, the last of them shortened."""
    out: list[int] = []
    for run in runs:
        if total <= 0:
            break
        out.append(min(run, total))
        total -= run
    return out


def _joined(steps: list[Tick], coalesce: int, interval: int) -> list[Tick]:
    """Steps joined into events: `coalesce` of them at a time, and none below `interval` new tokens but the last."""
    if coalesce == 1 and interval == 1:
        return steps
    out: list[Tick] = []
    after, forwards, held, sent = 0.0, 0, 0, 0
    for number, step in enumerate(steps, 1):
        after, forwards, held = after + step.after_ms, forwards + step.forwards, held + 1
        if number == len(steps) or (held >= coalesce and step.tokens - sent >= interval):
            out.append(Tick(after, step.tokens, forwards))
            after, forwards, held, sent = 0.0, 0, 0, step.tokens
    return out

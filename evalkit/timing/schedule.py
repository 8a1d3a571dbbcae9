"""Which request goes to which mode, in which order. Pure: a seed fixes everything."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalkit.checklist.schema import ModesItem
from evalkit.stats.sequential import look_sizes
from evalkit.timing.prompts import Prompt

#: tokens per second of one stream when nothing is known yet
_GUESSED_RATE = 40.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One timed request. Requests of one mode, repeat and `group` are in flight together; the modes of a group follow
    each other directly.
    """

    mode: str
    concurrency: int
    prompt_id: str
    repeat: int
    position: int
    group: int
    fixed_length: bool = False

    @property
    def key(self) -> str:
        """As `TimedSample.key`."""
        return f"{self.mode}|{self.concurrency}|{self.prompt_id}|{self.repeat}|{int(self.fixed_length)}"


@dataclass(frozen=True)
class Plan:
    """All timed requests in order, and what comes before and between them."""

    modes: tuple[str, ...]
    baseline: str
    concurrency: tuple[int, ...]
    decide_at: int
    repeats: int
    warmup: int
    order: Literal["abba", "random"]
    seed: int
    requests: tuple[Planned, ...]
    #: the modes are reachable at the same time, so they are interleaved
    together: bool = True
    #: numbers of complete prompts at `decide_at` at which the evidence is looked at
    looks: tuple[int, ...] = ()

    def at(self, concurrency: int) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.concurrency == concurrency)

    def of(self, mode: str) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.mode == mode)


@dataclass(frozen=True)
class Estimate:
    """What a plan will cost. `seconds` rests on `tokens_per_second` a stream."""

    requests: int
    output_tokens: int
    seconds: float
    tokens_per_second: float
    notes: tuple[str, ...] = field(default=())


def make_plan(
    prompts: Sequence[Prompt], modes: Sequence[str], baseline: str, item: ModesItem, *, together: bool = True
) -> Plan:
    """The timed requests of all modes.

    Together: a group of prompts (one at concurrency 1, else four times the concurrency, so that only one mode is under
    load at a time) goes to every mode in turn, A B … B A under `abba`, a drawn order under `random`; prompts in drawn
    order, the same at each concurrency. Not together: the same order of prompts within each mode in turn.
    """
    rng = random.Random(item.seed)
    order = [prompt.id for prompt in prompts]
    rng.shuffle(order)
    levels = (item.level, *(level for level in item.concurrency if level != item.level))
    requests: list[Planned] = []
    for level in levels:
        slots = (
            _interleaved(order, modes, item, level, rng)
            if together
            else _in_turn(order, item.launch_order or modes, item.repeats)
        )
        for mode, prompt, repeat, group in slots:
            requests.append(Planned(mode, level, prompt, repeat, len(requests), group))
    return Plan(
        modes=tuple(modes),
        baseline=baseline,
        concurrency=levels,
        decide_at=item.level,
        repeats=item.repeats,
        warmup=item.warmup,
        order=item.order,
        seed=item.seed,
        requests=tuple(requests),
        together=together,
        looks=look_sizes(len(order)) if together else (len(order),),
    )


_Slot = tuple[str, str, int, int]


def _interleaved(
    order: Sequence[str], modes: Sequence[str], item: ModesItem, level: int, rng: random.Random
) -> list[_Slot]:
    slots: list[_Slot] = []
    size, kind = (1 if level == 1 else 4 * level), item.order
    for place, start in enumerate(range(0, len(order), size)):
        block = order[start : start + size]
        forward = list(modes)
        if kind == "random":
            rng.shuffle(forward)
        elif len(modes) > 1:
            turn = place % len(modes)
            forward = forward[turn:] + forward[:turn]
        for repeat in range(item.repeats):
            lane = forward if repeat % 2 == 0 else forward[::-1]
            if kind == "random" and repeat:
                rng.shuffle(forward)
                lane = forward
            slots += [(mode, prompt, repeat, place) for mode in lane for prompt in block]
    return slots


def _in_turn(order: Sequence[str], modes: Sequence[str], repeats: int) -> list[_Slot]:
    return [
        (mode, prompt, repeat, place)
        for mode in dict.fromkeys(modes)
        for repeat in range(repeats)
        for place, prompt in enumerate(order)
    ]


def launch_order(modes: Sequence[str]) -> tuple[str, ...]:
    """The order of starts when starts are affordable: A B C C B A."""
    return (*modes, *reversed(modes))


def estimate(
    plan: Plan, prompts: Sequence[Prompt], *, tokens_per_second: float = _GUESSED_RATE, start_s: float = 0.0
) -> Estimate:
    """Requests, tokens (at most) and seconds of a plan, warm-ups and `start_s` per server start included."""
    limits = {prompt.id: prompt.request.max_tokens for prompt in prompts}
    typical = max(limits.values(), default=0)
    warm = plan.warmup * len(plan.modes)
    tokens = sum(limits[p.prompt_id] for p in plan.requests) + sum(warm * max(1, c) * typical for c in plan.concurrency)
    requests = len(plan.requests) + sum(warm * max(1, c) for c in plan.concurrency)
    seconds = start_s
    for level in plan.concurrency:
        planned = sum(limits[p.prompt_id] for p in plan.at(level))
        seconds += (planned / level + warm * typical) / tokens_per_second
    notes = ("tokens are counted at max_tokens; answers usually end earlier",)
    return Estimate(requests, tokens, math.ceil(seconds), tokens_per_second, notes)

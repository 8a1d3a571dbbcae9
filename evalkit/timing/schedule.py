"""Which request goes to which mode, in which order. Pure: a seed fixes everything."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from evalkit.checklist.schema import ModesItem
from evalkit.stats.sequential import look_sizes
from evalkit.timing.prompts import Prompt

#: tokens per second of one stream when nothing is known yet
GUESSED_RATE = 40.0
#: seconds of one server start when nothing is known yet: weights, kernels and graph capture of an 8B model
GUESSED_START_S = 180.0
#: starting each server twice may take so much of the budget
_STARTS_SHARE = 0.5
#: prompts of the diagnosis at fixed length
_FIXED_PROMPTS = 40


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
    #: which start of the mode's server it belongs to; 0 for one that was up already
    launch: int = 0

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
    #: numbers of complete prompts (of equal text: once) at `decide_at` at which the evidence is looked at
    looks: tuple[int, ...] = ()
    #: servers to start one after the other: mode and which of its starts it is
    starts: tuple[tuple[str, int], ...] = ()

    @property
    def together(self) -> bool:
        """All modes are reachable at the same time, so they are interleaved."""
        return not self.starts

    def last_start(self, mode: str) -> int:
        """The number of the mode's last start: quality and context are looked at there."""
        return max((launch for label, launch in self.starts if label == mode), default=0)

    def at(self, concurrency: int) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.concurrency == concurrency)

    def of(self, mode: str) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.mode == mode)


@dataclass(frozen=True)
class Estimate:
    """What a plan costs at most: answers usually end before max_tokens."""

    requests: int
    output_tokens: int
    seconds: float
    starts: int


def make_plan(
    prompts: Sequence[Prompt],
    modes: Sequence[str],
    baseline: str,
    item: ModesItem,
    *,
    launched: Sequence[str] = (),
    minutes: float | None = None,
) -> Plan:
    """The timed requests of all modes.

    Modes that are up together: a group of prompts (one at concurrency 1, else four times the concurrency, so that only
    one mode is under load at a time) goes to every mode in turn, A B … B A under `abba`, a drawn order under `random`;
    prompts in drawn order, the same at each concurrency. Modes in `launched` follow, one start after the other, each
    with its share of the repeats; `minutes` is the budget that the starts must fit in.
    """
    rng = random.Random(item.seed)
    order = [prompt.id for prompt in prompts]
    rng.shuffle(order)
    distinct = sum(prompt.same_as is None for prompt in prompts)
    levels = (item.level, *(level for level in item.concurrency if level != item.level))
    starts = _starts(launched, item, minutes)
    repeats = max(item.repeats, *Counter(mode for mode, _ in starts).values(), 1)
    live = [mode for mode in modes if mode not in launched]
    requests: list[Planned] = []
    for level in levels if live else ():
        for mode, prompt, repeat, group in _interleaved(order, live, item, level, rng, repeats):
            requests.append(Planned(mode, level, prompt, repeat, len(requests), group))
    fixed = order[:_FIXED_PROMPTS] if item.fixed_length else []
    for mode, prompt, repeat, group in _interleaved(fixed, live, item, item.level, rng, 1):
        requests.append(Planned(mode, item.level, prompt, repeat, len(requests), group, fixed_length=True))
    number = Counter(mode for mode, _ in starts)
    for mode, launch in starts:
        for level, repeat in product(levels, range(launch, repeats, number[mode])):
            requests += [
                Planned(mode, level, prompt, repeat, len(requests) + place, place // _group(level), launch=launch)
                for place, prompt in enumerate(order)
            ]
        if launch == number[mode] - 1:
            requests += [
                Planned(mode, item.level, prompt, 0, len(requests) + place, place // _group(item.level), True, launch)
                for place, prompt in enumerate(fixed)
            ]
    return Plan(
        modes=tuple(modes),
        baseline=baseline,
        concurrency=levels,
        decide_at=item.level,
        repeats=repeats,
        warmup=item.warmup,
        order=item.order,
        seed=item.seed,
        requests=tuple(requests),
        looks=(distinct,) if starts else look_sizes(distinct),
        starts=starts,
    )


def _starts(launched: Sequence[str], item: ModesItem, minutes: float | None) -> tuple[tuple[str, int], ...]:
    """A B C C B A when starting each twice fits into the budget, else A B C; `launch_order` where it is given."""
    if item.launch_order is not None:
        given = [mode for mode in item.launch_order if mode in launched]
        order = [*given, *(mode for mode in launched if mode not in given)]
    elif minutes is not None and 2 * len(launched) * GUESSED_START_S > _STARTS_SHARE * minutes * 60:
        order = list(launched)
    else:
        order = [*launched, *reversed(launched)]
    seen: Counter[str] = Counter()
    starts = []
    for mode in order:
        starts.append((mode, seen[mode]))
        seen[mode] += 1
    return tuple(starts)


def _group(level: int) -> int:
    """Prompts that one mode answers in a row before the next mode has its turn, or the cache is emptied."""
    return 1 if level == 1 else 4 * level


_Slot = tuple[str, str, int, int]


def _interleaved(  # noqa: PLR0917  called once, right above
    order: Sequence[str], modes: Sequence[str], item: ModesItem, level: int, rng: random.Random, repeats: int
) -> list[_Slot]:
    slots: list[_Slot] = []
    size, kind = _group(level), item.order
    for place, start in enumerate(range(0, len(order), size)):
        block = order[start : start + size]
        forward = list(modes)
        if kind == "random":
            rng.shuffle(forward)
        elif len(modes) > 1:
            turn = place % len(modes)
            forward = forward[turn:] + forward[:turn]
        for repeat in range(repeats):
            lane = forward if repeat % 2 == 0 else forward[::-1]
            if kind == "random" and repeat:
                rng.shuffle(forward)
                lane = forward
            slots += [(mode, prompt, repeat, place) for mode in lane for prompt in block]
    return slots


def estimate(
    plan: Plan, prompts: Sequence[Prompt], *, tokens_per_second: float = GUESSED_RATE, start_s: float = GUESSED_START_S
) -> Estimate:
    """Requests, tokens (at most) and seconds of a plan: warm-ups and `start_s` for each server start included."""
    limits = {prompt.id: prompt.request.max_tokens for prompt in prompts}
    typical = max(limits.values(), default=0)
    rounds = plan.warmup * (len(plan.starts) + len(set(plan.modes) - {mode for mode, _ in plan.starts}))
    tokens = sum(limits[p.prompt_id] for p in plan.requests) + sum(rounds * c * typical for c in plan.concurrency)
    requests = len(plan.requests) + sum(rounds * c for c in plan.concurrency)
    seconds = start_s * len(plan.starts)
    for level in plan.concurrency:
        planned = sum(limits[p.prompt_id] for p in plan.at(level))
        seconds += (planned / level + rounds * typical) / tokens_per_second
    return Estimate(requests, tokens, math.ceil(seconds), len(plan.starts))

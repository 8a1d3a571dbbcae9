"""Which request goes to which mode, in which order. Pure: a seed fixes everything."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from typing import Literal

from evalkit.analysis.comparison import UNSEEN, UNSEEN_REPLICATED
from evalkit.checklist.schema import Checklist, ModesItem
from evalkit.modes import INCUMBENT
from evalkit.stats.planning import Sought, start_term
from evalkit.stats.sequential import look_sizes
from evalkit.timing.conversations import units
from evalkit.timing.prompts import Prompt

#: tokens per second of one stream when nothing is known yet
GUESSED_RATE = 40.0
#: seconds of one server start when nothing is known yet: weights, kernels and graph capture of an 8B model
GUESSED_START_S = 180.0
#: starting each server several times may take so much of the budget; how often at most
_STARTS_SHARE = 0.5
MOST_STARTS = 3
#: of the budget, for starts and for tries before them
_TRIES_SHARE = 0.7
#: prompts of the diagnosis at fixed length
_FIXED_PROMPTS = 40
#: timed readings of a repeated prompt behind its first answer; prompts at least; and share of a budget at most
_AGAIN, _FEWEST_AGAIN, AGAIN_SHARE = 2, 3, 1 / 12


@dataclass(frozen=True, slots=True)
class Planned:
    """One timed request. Requests of one mode, repeat and `group` are in flight together."""

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
    #: a block of its own behind them: `repeat` 0 is the first answer to a prompt, the others are its repetitions
    repeated: tuple[Planned, ...] = ()
    #: numbers of complete prompts (of equal text: once) at `decide_at` at which the evidence is looked at
    looks: tuple[int, ...] = ()
    #: servers to start one after the other: mode and which of its starts it is
    starts: tuple[tuple[str, int], ...] = ()
    #: the budget affords a try of each launch before the first start; else each first start is its own try
    affords_tries: bool = True

    @property
    def together(self) -> bool:
        """All modes are reachable at the same time, so they are interleaved."""
        return not self.starts

    def last_start(self, mode: str) -> int:
        """The number of the mode's last start: quality and context are looked at there."""
        return max((launch for label, launch in self.starts if label == mode), default=0)

    @property
    def tries(self) -> tuple[str, ...]:
        """Modes whose launch is tried before anything is measured; the first one is tried by its own first start."""
        launched = list(dict.fromkeys(mode for mode, _ in self.starts)) if self.affords_tries else []
        return tuple(launched if set(self.modes) - set(launched) else launched[1:])

    def at(self, concurrency: int) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.concurrency == concurrency)

    def of(self, mode: str) -> tuple[Planned, ...]:
        return tuple(p for p in self.requests if p.mode == mode)

    @property
    def warm(self) -> Plan:
        """The block of repeated prompts as a plan of its own."""
        return replace(self, requests=self.repeated, repeated=(), warmup=0, looks=())


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
    most_starts: int = MOST_STARTS,
) -> Plan:
    """The timed requests of all modes.

    Modes that are up together: a group of prompts (one at concurrency 1, else as many as the concurrency, so that one
    group is one batch) goes to every mode in turn and back, two groups by turns. Which mode comes first is drawn for
    each group: a fixed pattern has a period, and whatever disturbs the machine with that period would pass for a gain.
    Prompts come in drawn order, the same at each concurrency. Modes in `launched` follow, one start after the other,
    each with its share of the repeats; `minutes` is the budget that the starts must fit in, `most_starts` how often
    each is started.
    """
    rng = random.Random(item.seed)
    order = units(prompts)
    rng.shuffle(order)
    distinct = sum(prompt.same_as is None for prompt in prompts)
    levels = (item.level, *(level for level in item.concurrency if level != item.level))
    starts = _starts(launched, baseline, item, minutes, most_starts)
    repeats = max(item.repeats, *Counter(mode for mode, _ in starts).values(), 1)
    live = [mode for mode in modes if mode not in launched]
    requests: list[Planned] = []
    for level in levels if live else ():
        for mode, prompt, repeat, group in _interleaved(order, live, item, level, rng, repeats):
            requests.append(Planned(mode, level, prompt, repeat, len(requests), group))
    fixed = _first(order, _FIXED_PROMPTS) if item.fixed_length else []
    for mode, prompt, repeat, group in _interleaved(fixed, live, item, item.level, rng, 1):
        requests.append(Planned(mode, item.level, prompt, repeat, len(requests), group, fixed_length=True))
    number = Counter(mode for mode, _ in starts)
    for mode, launch in starts:
        for level, repeat in product(levels, range(launch, repeats, number[mode])):
            for prompt, group in _grouped(order, level):
                requests.append(Planned(mode, level, prompt, repeat, len(requests), group, launch=launch))
        for prompt, group in _grouped(fixed, item.level) if launch == number[mode] - 1 else ():
            requests.append(Planned(mode, item.level, prompt, 0, len(requests), group, True, launch))
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
        repeated=_repeated(prompts, order, modes, live, starts, item, minutes),
        looks=(distinct,) if starts or len(order) < len(prompts) else look_sizes(distinct),
        starts=starts,
        affords_tries=minutes is None or (len(starts) + len(launched)) * GUESSED_START_S <= _TRIES_SHARE * minutes * 60,
    )


def _repeated(  # noqa: PLR0917  called once, right above
    prompts: Sequence[Prompt],
    order: Sequence[Unit],
    modes: Sequence[str],
    live: Sequence[str],
    starts: Sequence[tuple[str, int]],
    item: ModesItem,
    minutes: float | None,
) -> tuple[Planned, ...]:
    """Each prompt answered once and then timed twice in every mode, caches kept; in the last start of a server that is
    started.
    """
    compared = [mode for mode in modes if mode != INCUMBENT]
    count = again_prompts(prompts, len(compared), item, minutes)
    distinct = {prompt.id for prompt in prompts if prompt.same_as is None}
    chosen = _first([unit for unit in order if unit[0] in distinct], count)
    together = [mode for mode in live if mode in compared]
    rng = random.Random(f"{item.seed}|repeated")
    found: list[Planned] = []
    for mode, prompt, repeat, group in _interleaved(chosen, together, item, item.level, rng, 1 + _AGAIN):
        found.append(Planned(mode, item.level, prompt, repeat, len(found), group))
    last = dict(starts)
    for mode in (mode for mode in last if mode in compared):
        for repeat, (prompt, group) in product(range(1 + _AGAIN), _grouped(chosen, item.level)):
            found.append(Planned(mode, item.level, prompt, repeat, len(found), group, launch=last[mode]))
    return tuple(found)


def again_prompts(prompts: Sequence[Prompt], modes: int, item: ModesItem, minutes: float | None) -> int:
    """How many prompts are timed again: those asked for, whole batches of the deciding concurrency, within the share of
    the budget; none without a mode to compare.
    """
    asked = item.repeated.prompts
    if not asked or modes < 2:
        return 0
    count = min(max(asked, item.level), len(prompts))
    if minutes is not None:
        each = again_seconds(prompts, 1, modes, item)
        count = min(count, math.floor(AGAIN_SHARE * minutes * 60 / each)) if each else count
    return count if count >= _FEWEST_AGAIN else 0


def again_seconds(prompts: Sequence[Prompt], count: int, modes: int, item: ModesItem) -> float:
    """Seconds that `count` repeated prompts take at most."""
    longest = max((prompt.request.max_tokens for prompt in prompts), default=0)
    return count * modes * (1 + _AGAIN) * longest / item.level / GUESSED_RATE


def _starts(
    launched: Sequence[str], baseline: str, item: ModesItem, minutes: float | None, most: int
) -> tuple[tuple[str, int], ...]:
    """A B C C B A A B C where the budget affords three starts each, A B C C B A where it affords two.

    Else, and by `launches: single`, each mode is started once between two starts of the baseline: A B C A shows at
    least how far the machine changed meanwhile. `launch_order` is kept where it is given.
    """
    if item.launch_order is not None:
        given = [mode for mode in item.launch_order if mode in launched]
        order = [*given, *(mode for mode in launched if mode not in given)]
    else:
        order = list(launched)
        rounds = min(most, _rounds(len(launched), item, minutes))
        if rounds > 1:
            order = [mode for turn in range(rounds) for mode in (launched if turn % 2 == 0 else launched[::-1])]
        elif baseline in launched and len(launched) > 1:
            order = [baseline, *(mode for mode in launched if mode != baseline), baseline]
    seen: Counter[str] = Counter()
    starts = []
    for mode in order:
        starts.append((mode, seen[mode]))
        seen[mode] += 1
    return tuple(starts)


def _rounds(modes: int, item: ModesItem, minutes: float | None) -> int:
    """How often each server is started."""
    if item.launches == "single":
        return 1
    affordable = math.inf if minutes is None else _STARTS_SHARE * minutes * 60 / max(1.0, modes * GUESSED_START_S)
    least = 2 if item.launches == "replicated" else 1
    return next((n for n in (MOST_STARTS, 2) if n <= affordable), least)


def _first(order: Sequence[Unit], most: int) -> list[Unit]:
    """The first units that hold at most so many requests together; at least one."""
    counts = list(accumulate(len(unit) for unit in order))
    return list(order[: max(1, sum(count <= most for count in counts))]) if most else []


def _grouped(order: Sequence[Unit], level: int) -> list[tuple[str, int]]:
    """Each request with its group: as many units as are in flight together."""
    return [(prompt, place // _group(level)) for place, unit in enumerate(order) for prompt in unit]


def _group(level: int) -> int:
    """Prompts that one mode answers together before the next mode has its turn, or the cache is emptied: one batch."""
    return level


def sought(checklist: Checklist, plan: Plan) -> Sought:
    """What the plan's sample has to show, with what it does not sample: starts, and kinds of prompts not drawn."""
    item = checklist.items.modes
    starts = Counter(mode for mode, _ in plan.starts)
    twice = bool(starts) and min(starts.values()) >= 2 and not set(plan.modes) - set(starts)
    confidence = 1 - (1 - item.confidence) / max(1, len(checklist.adopted))
    return Sought(
        at_least=item.speedup.at_least,
        confidence=confidence,
        start=0.0 if twice else start_term(item.start_sd, confidence=confidence),
        rare=UNSEEN_REPLICATED if twice else UNSEEN,
        looks=len(plan.looks) > 1,
    )


#: ids of the requests that follow one another: those of a conversation, or of one prompt
Unit = tuple[str, ...]
_Slot = tuple[str, str, int, int]


def _interleaved(  # noqa: PLR0917  called once, right above
    order: Sequence[Unit], modes: Sequence[str], item: ModesItem, level: int, rng: random.Random, repeats: int
) -> list[_Slot]:
    """Two groups by turns: to the first mode of one, the first of the other, the second of one, and so on, and the same
    way back. Each has a direction of its own, so that a request follows one to another mode by chance, less often than
    with one group at a time, and never by its place alone.
    """
    size = _group(level)
    groups = [(place, order[start : start + size]) for place, start in enumerate(range(0, len(order), size))]
    slots: list[_Slot] = []
    for first in range(0, len(groups), 2):
        pair = groups[first : first + 2]
        lanes = [_lanes(modes, item, rng, repeats) for _ in pair]
        for repeat in range(repeats):
            turns = [(step, one) for step in range(len(modes)) for one in range(len(pair))]
            for step, one in turns if repeat % 2 == 0 else turns[::-1]:
                place, block = pair[one]
                mode = lanes[one][repeat][step]
                slots += [(mode, prompt, repeat, place) for unit in block for prompt in unit]
    return slots


def _lanes(modes: Sequence[str], item: ModesItem, rng: random.Random, repeats: int) -> list[list[str]]:
    """The modes of a group in the order of the first repeat, for each repeat; odd repeats are read from the end on."""
    lane = list(modes)
    rng.shuffle(lane)
    lanes = [lane]
    for _ in range(1, repeats):
        if item.order == "random":
            lane = list(modes)
            rng.shuffle(lane)
        lanes.append(lane)
    return lanes


def estimate(
    plan: Plan, prompts: Sequence[Prompt], *, tokens_per_second: float = GUESSED_RATE, start_s: float = GUESSED_START_S
) -> Estimate:
    """Requests, tokens (at most) and seconds of a plan: warm-ups, and `start_s` for each start and try, included."""
    limits = {prompt.id: prompt.request.max_tokens for prompt in prompts}
    waits = {prompt.id: prompt.pause[1] for prompt in prompts if prompt.pause}
    typical = max(limits.values(), default=0)
    rounds = plan.warmup * (len(plan.starts) + len(set(plan.modes) - {mode for mode, _ in plan.starts}))
    again = sum(limits[p.prompt_id] for p in plan.repeated)
    tokens = again + sum(limits[p.prompt_id] for p in plan.requests)
    tokens += sum(rounds * c * typical for c in plan.concurrency)
    requests = len(plan.requests) + len(plan.repeated) + sum(rounds * c for c in plan.concurrency)
    starts = len(plan.starts) + len(plan.tries)
    seconds = start_s * starts + again / plan.decide_at / tokens_per_second
    for level in plan.concurrency:
        planned = sum(limits[p.prompt_id] for p in plan.at(level))
        seconds += (planned / level + rounds * typical) / tokens_per_second
        seconds += sum(waits.get(p.prompt_id, 0.0) for p in plan.at(level)) / level
    return Estimate(requests, tokens, math.ceil(seconds), starts)

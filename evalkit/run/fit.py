"""Sizes a run to its profile's budget: which prompts and cases fit, drawn by strata. Pure: a seed fixes everything."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from evalkit.checklist.schema import Checklist
from evalkit.quality.case import Case, Suite
from evalkit.run.plan.schedule import GUESSED_RATE, GUESSED_START_S
from evalkit.serving.stability import IDLE_S
from evalkit.stats.proportions import least_cases
from evalkit.stats.ratio import MIN_PAIRS
from evalkit.timing.conversations import turns_of
from evalkit.timing.prompts import Prompt, PromptSet

T = TypeVar("T")

#: minutes of a profile where the checklist sets no budget; `decide` has none
PROFILE_MINUTES = {"first-look": 15.0, "afternoon": 90.0}
#: of what is left beside starts, soak and the context probe: timing; the rest is for tasks
_SPEED_SHARE = 0.45
#: seconds of the context probe and of capability probes, a mode
_PROBES_S = 45.0
#: of the budget that is planned: a start or a reply takes longer than reckoned now and then
_SLACK = 0.97
#: fewer cases of a suite than this say nothing
_LEAST_CASES = 8


@dataclass(frozen=True)
class Split:
    """Seconds of a run by what they are for, each at most, and what was left out to fit.

    `prompts` and `cases` are (kept, given); equal where nothing was left out.
    """

    budget: float
    starts: float
    speed: float
    quality: float
    context: float
    soak: float
    prompts: tuple[int, int]
    cases: tuple[int, int]
    loads: float = 0.0
    repeated: float = 0.0

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return self.starts + self.speed + self.quality + self.context + self.soak + self.loads + self.repeated


def minutes_of(checklist: Checklist) -> float | None:
    """The budget of the whole run, server starts included; None: there is none."""
    return checklist.budget.minutes or PROFILE_MINUTES.get(checklist.profile)


def fit(
    checklist: Checklist,
    prompts: PromptSet,
    suites: list[Suite],
    *,
    starts: int,
    readings: int,
    quality: bool,
    loads: float = 0.0,
    repeated: float = 0.0,
) -> tuple[PromptSet, list[Suite], Split | None]:
    """Prompts and suites as they fit the profile's budget; unchanged without such a profile.

    Prompts are timed at the deciding concurrency alone, each with `readings` requests in all modes together; a case is
    asked once a mode, of the baseline twice. Every reply is reckoned as long as it may be, at 40 tokens per second a
    stream. `starts`: of servers; `loads`, `repeated`: seconds of open load and of repeated prompts.
    """
    minutes = minutes_of(checklist)
    if checklist.profile not in PROFILE_MINUTES or minutes is None or not checklist.modes:
        return prompts, suites, None
    modes = len(checklist.modes) + bool(checklist.incumbent)
    context = _PROBES_S * modes if checklist.items.context.probe else 0.0
    again = _alone(checklist, suites) if quality else 0.0
    fixed = GUESSED_START_S * starts + context + soak_seconds(checklist) + loads + again + repeated
    rounds = max(starts, modes)  # each start is warmed up
    left = max(_SLACK * minutes * 60 - fixed - _warm_up(prompts.prompts, checklist, rounds), 0.0)
    streams = checklist.items.streams

    def cost(case: Case) -> float:
        return _asked(case, modes, streams)

    whole = sum(cost(case) for suite in suites for case in suite.cases) if quality else 0.0
    room = max(_SPEED_SHARE * left, left - whole)  # what few cases leave is for timing
    kept = _prompts(prompts.prompts, room, lambda p: _timed(p, checklist, readings))
    speed = sum(_timed(p, checklist, readings) for p in kept)
    chosen = _suites(suites, max(left - speed, 0.0), cost) if quality else suites
    asked = sum(cost(case) for suite in chosen for case in suite.cases) if quality else 0.0
    split = Split(
        minutes * 60, GUESSED_START_S * starts, speed + _warm_up(kept, checklist, rounds), asked + again, context,
        soak_seconds(checklist), (len(kept), len(prompts.prompts)),
        (sum(len(s.cases) for s in chosen), sum(len(s.cases) for s in suites)), loads, repeated,
    )  # fmt: skip
    return replace(prompts, prompts=tuple(kept)), chosen, split


def without_soak(checklist: Checklist) -> Checklist:
    """A first look has no time for the soak and for long prompts."""
    serving = checklist.items.serving.model_copy(update={"stability": None})
    context = checklist.items.context.model_copy(update={"probe": False})
    items = checklist.items.model_copy(update={"serving": serving, "context": context})
    return checklist.model_copy(update={"items": items})


def soak_seconds(checklist: Checklist) -> float:
    """Of load and silence after all else, one mode after the other, where stability is asked for."""
    asked = checklist.items.serving.stability
    return 0.0 if asked is None else (asked.minutes * 60 + IDLE_S) * len(checklist.modes)


def _timed(prompt: Prompt, checklist: Checklist, readings: int) -> float:
    item = checklist.items.modes
    turns = len(turns_of(prompt.request.messages)) if item.turns else 1
    return readings * max(turns, 1) * prompt.request.max_tokens / item.level / GUESSED_RATE


def _warm_up(prompts: Sequence[Prompt], checklist: Checklist, rounds: int) -> float:
    longest = max((p.request.max_tokens for p in prompts), default=0)
    return rounds * checklist.items.modes.warmup * longest / GUESSED_RATE


def _asked(case: Case, modes: int, streams: int) -> float:
    # asked unstreamed too, and once more with the result of its call, in each mode
    extra = bool(case.tools) + (case.tool_result is not None)
    return (modes * (case.repeats + extra) + 1) * case.request.max_tokens / streams / GUESSED_RATE


def _alone(checklist: Checklist, suites: Sequence[Suite]) -> float:
    """Seconds of the cases that are asked again one at a time, each as long as a case may be in the mean."""
    tokens = [case.request.max_tokens for suite in suites for case in suite.cases]
    count = min(checklist.items.alone, len(tokens))
    return count * len(checklist.modes) * sum(tokens) / len(tokens) / GUESSED_RATE if count else 0.0


def _prompts(prompts: Sequence[Prompt], seconds: float, cost: Callable[[Prompt], float]) -> list[Prompt]:
    """As many prompts as fit, and never fewer than the least that a speed-up can be shown with while there are any."""
    if sum(map(cost, prompts)) <= seconds:
        return list(prompts)
    drawn = stratified(prompts, lambda p: p.tags[:1])
    kept: set[str] = set()
    for prompt in drawn:
        spent = cost(prompt)
        if spent <= seconds:
            kept.add(prompt.id)
            seconds -= spent
    return [prompt for prompt in prompts if prompt.id in kept]


def _suites(suites: list[Suite], seconds: float, cost: Callable[[Case], float]) -> list[Suite]:
    """Suites with as many cases as fit, in equal shares of the time; what a small suite leaves goes to the others."""
    waiting = sorted(suites, key=lambda suite: sum(map(cost, suite.cases)))
    chosen: dict[str, Suite] = {}
    while waiting:
        suite, room = waiting.pop(0), seconds / (len(waiting) + 1)
        if sum(map(cost, suite.cases)) <= room:
            chosen[suite.name] = suite
        else:
            kept: set[str] = {case.id for case in suite.cases if case.severity == "critical"}
            room -= sum(cost(case) for case in suite.cases if case.id in kept)
            for case in stratified(suite.cases, lambda c: c.tags[:1]):
                if case.id not in kept and cost(case) <= room:
                    kept.add(case.id)
                    room -= cost(case)
            if len(kept) >= min(_LEAST_CASES, len(suite.cases)):
                cases = tuple(case for case in suite.cases if case.id in kept)
                chosen[suite.name] = replace(suite, cases=cases, by_id={})
        if suite.name in chosen:
            seconds -= sum(map(cost, chosen[suite.name].cases))
    return [chosen[suite.name] for suite in suites if suite.name in chosen]


def stratified(rows: Sequence[T], stratum: Callable[[T], tuple[str, ...]]) -> list[T]:
    """All rows in an order of which every beginning holds the strata in about their own shares."""
    groups: dict[tuple[str, ...], list[T]] = defaultdict(list)
    for row in rows:
        groups[stratum(row)].append(row)
    rng = random.Random(1)
    placed: list[tuple[float, float, T]] = []
    for _, group in sorted(groups.items()):
        rng.shuffle(group)
        placed += [((n + 0.5) / len(group), rng.random(), row) for n, row in enumerate(group)]
    return [row for *_, row in sorted(placed, key=lambda one: one[:2])]


def least_margin(cases: int, alpha: float) -> float:
    """The smallest margin, in whole points, that so many cases without a discordant pair can show."""
    return next((points / 100 for points in range(1, 100) if least_cases(points / 100, alpha) <= cases), 1.0)


def notes(split: Split) -> list[str]:
    """What was left out to fit, and how the minutes are split."""
    parts = (("server starts", split.starts), ("speed", split.speed), ("repeated prompts", split.repeated),
             ("open load", split.loads),
             ("quality", split.quality),
             ("context and probes", split.context), ("stability soak", split.soak))  # fmt: skip
    said = [f"{seconds / 60:.0f} min {name}" for name, seconds in parts if seconds]
    found = [f"the budget of {split.budget / 60:g} minutes is split at most as: {', '.join(said)}"]
    for (kept, given), what in ((split.prompts, "prompts"), (split.cases, "cases")):
        if kept < given:
            found.append(f"{kept} of {given} {what} fit the budget, drawn by strata of their first tag")
    if split.prompts[0] < MIN_PAIRS:
        found.append(f"{split.prompts[0]} prompts fit, and a speed-up needs {MIN_PAIRS}: give budget.minutes more")
    return found

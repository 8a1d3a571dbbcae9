"""The plan of a sweep: its stages, what each asks of how many settings, and what all of it sends at most. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evalkit.checklist.files import sha256_of
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import InputFileError
from evalkit.findings import ItemId
from evalkit.modes import INCUMBENT
from evalkit.quality import collect
from evalkit.quality.case import Suite
from evalkit.run.fit import PROFILE_MINUTES
from evalkit.run.parts import FINAL, Part, grouped, split
from evalkit.run.plan.schedule import make_plan
from evalkit.run.setup import Inputs, Setup, inputs, prepare
from evalkit.run.sweep.settings import Setting, endpoints, screening, settings
from evalkit.stats.proportions import least_cases
from evalkit.stats.ratio import MIN_PAIRS
from evalkit.stored.folder import plan_hash
from evalkit.stored.swept import is_swept, settled

#: shares of prompts and cases that screening may use, the first that keeps to half of the grid counts
_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)
#: share that decides
_DECIDES = 0.7
#: prompts of a stage, at least: fewer rank nothing
_FEWEST = 3
#: settings from which on two or three are decided
_TWO, _THREE = 4, 10
#: items that screening leaves to the run
SCREENED: tuple[ItemId, ...] = ("license", "hardware", "context")
_NOTHING: Mapping[ItemId, str] = MappingProxyType({})


@dataclass(frozen=True)
class Stage:
    """One stage of screening: so many settings are asked `part`, and so many are kept."""

    part: Part
    settings: int
    keep: int


@dataclass(frozen=True)
class SweepPlan:
    """`planned`, `grid`: timed and task requests at most, of the sweep and of all settings in one run."""

    settings: tuple[Setting, ...]
    stages: tuple[Stage, ...]
    final: Part
    finalists: int
    planned: int
    grid: int
    sha256: str

    @property
    def above_half(self) -> bool:
        return 2 * self.planned > self.grid


def plan(
    loaded: LoadedChecklist, made: Sequence[Setting], read: Inputs, skip: Mapping[ItemId, str] = _NOTHING
) -> SweepPlan:
    """The plan for the settings `made`, on the prompts and cases of `read`; items in `skip` are not asked.

    Raises:
        InputFileError: too few prompts, or a checklist that a sweep does not go with.
    """
    checklist = loaded.checklist
    assert checklist.sweep is not None
    _fits(loaded)
    requests = _Requests(checklist, asks="quality" not in skip)
    grid = requests.of(Part(*_all(read)), read, len(made))
    options = list(_options(checklist, made, read, requests))
    if not options:
        whole = 2 ** len(_layouts(made, checklist.sweep.finalists or _most(made))[0]) - 1
        least = max(math.ceil(_FEWEST * whole / _SHARES[0]), MIN_PAIRS + _FEWEST * whole)
        raise InputFileError(
            f"sweep: {len(read.prompts.distinct)} prompts are too few to screen and to decide",
            where=_where(loaded), hint=f"give about {least} prompts or more, of different texts",
        )  # fmt: skip
    planned, finalists, sizes, parts = next(
        (one for one in options if 2 * one[0] <= grid), min(options, key=lambda one: one[0])
    )
    stages = tuple(
        Stage(part, size, keep)
        for part, size, keep in zip(parts[:FINAL], sizes, (*sizes[1:], finalists), strict=True)
    )  # fmt: skip
    identity = {
        "settings": [[one.label, one.knobs] for one in made], "finalists": finalists,
        "parts": [part.listed() for part in parts], "prompts": read.prompts.sha256,
        "suites": {suite.name: suite.sha256 for suite in read.suites},
    }  # fmt: skip
    return SweepPlan(tuple(made), stages, parts[FINAL], finalists, planned, grid, plan_hash(identity))


def _options(
    checklist: Checklist, made: Sequence[Setting], read: Inputs, requests: _Requests
) -> Iterator[tuple[int, int, list[int], list[Part]]]:
    """Requests at most, finalists, sizes of stages and parts: the best first, those with too few prompts left out."""
    assert checklist.sweep is not None
    asked, groups = checklist.sweep.finalists, grouped(read.prompts.prompts, read.suites)
    for finalists in [min(asked, len(made))] if asked else range(_most(made), 0, -1):
        least = _least(checklist, finalists, read)
        for sizes, share in product(_layouts(made, finalists), _SHARES):
            whole = 2 ** len(sizes) - 1
            shares = [share * 2**number / whole for number in range(len(sizes))]
            parts = split(groups, read.suites, shares, least, _DECIDES)
            if any(len(part.prompts) < _FEWEST for part in parts):
                continue
            sent = sum(requests.screening(part, read, n) for part, n in zip(parts, sizes, strict=False))
            yield sent + requests.of(parts[FINAL], read, finalists), finalists, sizes, parts


def _most(made: Sequence[Setting]) -> int:
    """Finalists where the checklist does not say: more of them, more that screening may be wrong about."""
    return 3 if len(made) >= _THREE else 2 if len(made) >= _TWO else 1


def _layouts(made: Sequence[Setting], finalists: int) -> list[list[int]]:
    """Settings of each stage, halved until the finalists are left. Before that one stage, where servers are started:
    a start takes longer than all that a stage asks.
    """
    sizes, count = [len(made)], math.ceil(len(made) / 2)
    while count > finalists:
        sizes.append(count)
        count = math.ceil(count / 2)
    return [sizes[:1], sizes] if len(sizes) > 1 and any(one.endpoint.launch for one in made) else [sizes]


def _least(checklist: Checklist, finalists: int, read: Inputs) -> dict[str, int]:
    """What the run needs to decide: prompts for a speed-up, cases for each margin with all its claims."""
    assert checklist.sweep is not None
    claims = finalists + sum(not is_swept(label, checklist.sweep.mode) for label in checklist.adopted)
    item = checklist.items.quality
    cases = {
        suite.name: least_cases(item.margin.of(suite.kind), item.alpha / max(1, claims)) for suite in read.suites
    }  # fmt: skip
    return {**cases, "": MIN_PAIRS}


class _Requests:
    """Timed and task requests of a part of the prompts and cases, at most; `asks`: of tasks too."""

    def __init__(self, checklist: Checklist, *, asks: bool) -> None:
        sweep, incumbent = checklist.sweep, bool(checklist.incumbent)
        assert sweep is not None
        self._checklist, self._asks = checklist, asks
        own = [one for one in checklist.modes if not is_swept(one, sweep.mode)]
        self._own = [*own, *([INCUMBENT] if incumbent else [])]

    def of(self, part: Part, read: Inputs, settings: int) -> int:
        """Of a whole run with so many settings, as its plan has them."""
        labels = [*self._own, *(f"{number}" for number in range(settings))]
        base, modes = self._checklist.baseline.speed, self._checklist.modes
        launched = [one for one in labels if (known := modes.get(one)) is None or known.launch]
        if all(one.endpoint for one in modes.values()):
            launched = []
        prompts, suites = part.of(read.prompts, read.suites)
        timed = make_plan(prompts.prompts, labels, base, self._checklist.items.modes, launched=launched)
        return len(timed.requests) + len(timed.repeated) + self._tasks(suites, labels)

    def screening(self, part: Part, read: Inputs, settings: int) -> int:
        """Of one stage of screening."""
        base = dict.fromkeys((self._checklist.baseline.speed, self._checklist.baseline.quality))
        labels = [*base, *(f"{number}" for number in range(settings))]
        prompts, suites = part.of(read.prompts, read.suites)
        return len(prompts.prompts) * len(labels) + self._tasks(suites, labels)

    def _tasks(self, suites: list[Suite], labels: list[str]) -> int:
        return len(collect.plan(suites, labels, baseline=self._checklist.baseline.quality)) if self._asks else 0


def _all(read: Inputs) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    cases = frozenset((suite.name, case.id) for suite in read.suites for case in suite.cases)
    return frozenset(prompt.id for prompt in read.prompts.prompts), cases


def _where(loaded: LoadedChecklist) -> str | None:
    line = loaded.line("sweep")
    return f"{loaded.path}:{line}" if loaded.path and line else None


def _fits(loaded: LoadedChecklist) -> None:
    """What a sweep does not go with.

    Raises:
        InputFileError: a budget, results of a harness, or a swept baseline.
    """
    checklist, sweep = loaded.checklist, loaded.checklist.sweep
    assert sweep is not None
    budget = checklist.budget.minutes or checklist.budget.requests or checklist.profile in PROFILE_MINUTES
    why, hint = "", ""
    if budget:
        why, hint = (
            "a budget, or a profile with one: its stages are sized by the grid",
            "use profile: decide, no budget",
        )
    elif checklist.harnesses:
        why, hint = "results of another harness: they are of one server each", "give files of cases"
    elif checklist.items.modes.adopt != "any" and not any(is_swept(one, sweep.mode) for one in checklist.adopted):
        why, hint = f"items.modes.adopt without {sweep.mode}: nothing that it finds could be adopted", "add it there"
    elif any(is_swept(one, sweep.mode) for one in (checklist.baseline.speed, checklist.baseline.quality)):
        why, hint = "its mode as the baseline", "sweep another mode"
    if why:
        raise InputFileError(f"sweep: does not go with {why}", where=_where(loaded), hint=hint)


@dataclass(frozen=True)
class Standing:
    """A sweep before anything is known of the settings: the first ones stand for those that will be left."""

    plan: SweepPlan
    stages: tuple[Setup, ...]
    run: Setup


def standing(loaded: LoadedChecklist, folder: Path, skip: Mapping[ItemId, str] = _NOTHING, **how: Any) -> Standing:
    """The plan of the sweep of `loaded` with its setups; as for `settings`, `read` in `how` gives files.

    Raises:
        InputFileError: as `settings` and `plan`.
    """
    made = settings_of(loaded, folder, **how)
    read = inputs(loaded)
    found = plan(loaded, made, read, skip)
    stages = [
        stage_setup(loaded, found, number, made[: stage.settings], read, skip)
        for number, stage in enumerate(found.stages, 1)
    ]  # fmt: skip
    final = loaded.model_copy(update={"checklist": settled(loaded.checklist, endpoints(made[: found.finalists]))})
    return Standing(found, tuple(stages), prepare(final, skip=dict(skip), part=found.final, read=read))


def settings_of(loaded: LoadedChecklist, folder: Path, **how: Any) -> list[Setting]:
    """As `settings`, with the place of a mistake."""
    try:
        return settings(loaded.checklist, folder, **how)
    except InputFileError as error:
        error.where = error.where or _where(loaded)
        raise


def stage_setup(  # noqa: PLR0917  a stage is all of this
    loaded: LoadedChecklist,
    found: SweepPlan,
    number: int,
    alive: Sequence[Setting],
    read: Inputs,
    skip: Mapping[ItemId, str] = _NOTHING,
) -> Setup:
    """What one stage of screening sends."""
    checklist = screening(loaded.checklist, alive, number)
    reason = "left to the run that decides"
    # where a setting's files lie is no part of what a stage asks: another node goes on with it elsewhere
    digest = sha256_of("\n".join([loaded.sha256, found.sha256, str(number), *(one.label for one in alive)]))
    setup = prepare(
        loaded.model_copy(update={"checklist": checklist, "sha256": digest}),
        skip={**dict.fromkeys(SCREENED, reason), **skip}, part=found.stages[number - 1].part, read=read,
    )  # fmt: skip
    return replace(setup, keep_going=True)  # a setting that does not come up is dropped

"""What a run works on: the checklist with its flags applied, prompts and suites loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.analysis.pairs import alpha_of
from evalkit.analysis.suites import independent
from evalkit.analysis.traffic import of_texts
from evalkit.checklist.errors import input_error
from evalkit.checklist.files import resolve, sha256_of
from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Checklist, LoadedChecklist, ModesItem
from evalkit.errors import Mistakes
from evalkit.findings import ItemId
from evalkit.harness.facts import HarnessFacts
from evalkit.harness.registry import given
from evalkit.importers.direct import Conversion, load_prompts, load_suites
from evalkit.importers.timed import Trace, load_trace
from evalkit.modes import INCUMBENT
from evalkit.quality.case import Suite
from evalkit.quality.collect import plan as cases
from evalkit.quality.loops import looping
from evalkit.quality.timed import case_id_of, cases_of
from evalkit.run.fit import Split, fit, minutes_of, without_soak
from evalkit.run.parts import Part
from evalkit.run.plan.schedule import MOST_STARTS, Plan, again_prompts, again_seconds, estimate, make_plan, sought
from evalkit.serving.swept import SweepFacts
from evalkit.stats.planning import detectable_ratio
from evalkit.stats.prefixes import Prefixes
from evalkit.stats.proportions import least_cases
from evalkit.timing.arrivals import load_seconds
from evalkit.timing.conversations import played, units
from evalkit.timing.facts import Traffic
from evalkit.timing.prompts import Prompt, PromptSet

SMALL_SUITE_REPEATS = 3


@dataclass(frozen=True)
class Setup:
    """Everything that is known before the world is touched."""

    loaded: LoadedChecklist
    prompts: PromptSet
    suites: list[Suite]
    plan: Plan
    simulated: bool = False
    skip: dict[ItemId, str] = field(default_factory=dict)
    keep_going: bool = False
    #: warnings count as failures
    strict: bool = False
    #: nothing is measured unless every server that is up together answers
    all_or_none: bool = False
    #: graders may run code that a model wrote: permission of the person who runs it, never of a file
    allow_exec: bool = False
    #: the only modes of this session; empty: all. No part of the plan, which is that of the whole run.
    only_modes: frozenset[str] = frozenset()
    #: timed prompts that are task cases as well, word for word: prompt id -> case id
    scored: dict[str, str] = field(default_factory=dict)
    #: files of other tools, as they were converted
    imports: tuple[Conversion, ...] = ()
    #: how the minutes of a profile with a budget are split, and what was left out to fit
    split: Split | None = None
    #: results of other harnesses that the checklist names
    reported: tuple[HarnessFacts, ...] = ()
    #: traces to replay, by the key of their entry under `load`
    traces: dict[str, Trace] = field(default_factory=dict)
    #: how much of the prompts and of each trace was asked before
    traffic: tuple[Traffic, ...] = ()
    #: how the settings among the modes were screened
    sweep: SweepFacts | None = None

    @property
    def checklist(self) -> Checklist:
        return self.loaded.checklist

    @property
    def key_names(self) -> list[str]:
        """Variables that the checklist names for keys, each once."""
        servers = [*self.checklist.modes.values(), *([self.checklist.incumbent] if self.checklist.incumbent else [])]
        return list(dict.fromkeys(name for one in servers for name in one.environment))

    def takes(self, label: str) -> bool:
        """Whether the mode (or the incumbent) has its turn in this session."""
        return not self.only_modes or label in self.only_modes

    def asks(self, item: ItemId) -> bool:
        """Whether the item is neither left out nor declared not applicable."""
        return item not in self.skip and self.checklist.items.of(item).not_applicable is None

    @property
    def minutes(self) -> float | None:
        """The budget of the whole run, server starts included."""
        return minutes_of(self.checklist)

    def document(self) -> dict[str, Any]:
        """The frozen plan: what resume must find unchanged."""
        sources = {one.key: [list(source) for source in one.sources] for one in self.reported}
        return {
            **({"reported": sources} if sources else {}),
            **({"traces": {key: trace.sha256 for key, trace in self.traces.items()}} if self.traces else {}),
            **({"sweep": self.sweep.plan_sha256} if self.sweep else {}),
            "checklist": self.loaded.sha256,
            "prompts": self.prompts.sha256,
            "suites": {suite.name: suite.sha256 for suite in self.suites},
            "modes": list(self.plan.modes),
            "requests": [request.key for request in self.plan.requests],
            "starts": [list(start) for start in self.plan.starts],
            "seed": self.plan.seed,
            "skip": {str(item): reason for item, reason in sorted(self.skip.items())},
            "simulated": self.simulated,
        }


@dataclass(frozen=True)
class Inputs:
    """What the files of a checklist hold."""

    prompts: PromptSet
    suites: list[Suite]
    traces: dict[str, Trace]
    imports: tuple[Conversion, ...]
    reported: tuple[HarnessFacts, ...]


def inputs(loaded: LoadedChecklist) -> Inputs:
    """Read the prompts, tasks, traces and results that the checklist names.

    Raises:
        InputFileError: what cannot be read, with FILE:LINE.
    """
    checklist = loaded.checklist
    shipped = shipped_folder("prompts")
    prompt_paths = [resolve(loaded.folder, p) for p in checklist.prompts or []] or [shipped / "quick.jsonl"]
    files = checklist.suites
    task_paths = [shipped / "tasks" / "quick.yaml"] if files is None else [resolve(loaded.folder, t) for t in files]
    mistakes = Mistakes()
    prompts, suites = PromptSet(()), list[Suite]()
    traces: dict[str, Trace] = {}
    imported, more = list[Conversion](), list[Conversion]()
    reported = list[HarnessFacts]()
    with mistakes:
        reported = given(loaded)
    with mistakes:
        prompts, imported = load_prompts(prompt_paths, checklist.request)
    with mistakes:
        suites, more = load_suites(task_paths, checklist.request)
    for point in checklist.items.modes.load:
        if point.trace is not None:
            with mistakes:
                traces[point.key] = load_trace(resolve(loaded.folder, point.trace), point, checklist.request)
    mistakes.end()
    return Inputs(prompts, suites, traces, (*imported, *more), tuple(reported))


def prepare(
    loaded: LoadedChecklist,
    *,
    simulated: bool = False,
    skip: dict[ItemId, str] | None = None,
    part: Part | None = None,
    read: Inputs | None = None,
) -> Setup:
    """Load what the checklist names, unless it was `read`; of a sweep's stage the part that it asks.

    Raises:
        InputFileError: prompts or tasks that cannot be read, with FILE:LINE.
    """
    if loaded.checklist.profile == "first-look":
        loaded = loaded.model_copy(update={"checklist": without_soak(loaded.checklist)})
    checklist = loaded.checklist
    got = read or inputs(loaded)
    prompts, suites, traces = got.prompts, got.suites, got.traces
    if part is not None:
        prompts, suites = part.of(prompts, suites)
    if part is None or not part.once:
        suites = repeated(suites, checklist)
    skipped = dict(skip or {})
    if checklist.tasks == []:
        skipped.setdefault("quality", "the checklist has no tasks (tasks: [])")
    modes = _timed_modes(checklist)
    endpoints = {**checklist.modes, INCUMBENT: checklist.incumbent}
    launched = [mode for mode in modes if (e := endpoints[mode]) is not None and e.launch]
    item, minutes, count = checklist.items.modes, minutes_of(checklist), len(checklist.modes)
    seen = _traffic(prompts, traces)

    def planned(chosen: Sequence[Prompt], item: ModesItem, most: int) -> Plan:
        return make_plan(
            chosen, modes, checklist.baseline.speed, item, launched=launched, minutes=minutes, most_starts=most
        )

    def sized(most: int) -> tuple[PromptSet, list[Suite], Split | None, Plan]:
        one = planned(prompts.prompts[:1], item.model_copy(update={"concurrency": [item.level]}), most)
        starts = len(one.starts) + len(one.tries)
        asked = "quality" not in skipped
        kept, chosen, split = fit(
            checklist, prompts, suites, starts=starts, readings=len(one.requests), quality=asked,
            loads=load_seconds(checklist, [trace.seconds for trace in traces.values()]),
            repeated=again_seconds(prompts.prompts, again_prompts(prompts.prompts, count, item, minutes), count, item),
        )  # fmt: skip
        # a profile with a budget times the deciding concurrency alone
        timed = item if split is None else item.model_copy(update={"concurrency": [item.level]})
        turned = played(kept, item.turns, pauses=item.pauses)
        return turned, chosen, split, planned(turned.prompts, timed, most)

    made = sized(MOST_STARTS)
    if made[2] is not None and launched and item.launches is None and item.launch_order is None:
        # what starts and readings cost is lost to prompts: the plan that shows the smallest gain, of equals more starts
        every = [made, *(sized(most) for most in range(MOST_STARTS - 1, 0, -1))]
        made = min(every, key=lambda one: detectable_ratio(len(units(one[0].distinct)), sought(checklist, one[3])))
    prompts, suites, split, plan = made
    if part is not None:  # a sweep: each setting was started by a stage, whose first start is a try
        plan = replace(plan, affords_tries=False)
    if not _affords_repeated(checklist, plan, prompts, suites if "quality" not in skipped else []):
        plan = replace(plan, repeated=())
    return Setup(
        loaded,
        prompts,
        suites,
        plan,
        simulated,
        skipped,
        scored=_scored(prompts, suites),
        imports=got.imports,
        split=split,
        reported=got.reported,
        traces=traces,
        traffic=seen,
    )


def repeated(suites: list[Suite], checklist: Checklist) -> list[Suite]:
    """Suites too small to show their margin are asked three times whole: what few cases say should at least be sure."""
    margin, alpha = checklist.items.quality.margin, alpha_of(checklist)
    return [
        suite.asked(SMALL_SUITE_REPEATS) if independent(suite) < least_cases(margin.of(suite.kind), alpha) else suite
        for suite in suites
    ]


def _affords_repeated(checklist: Checklist, plan: Plan, prompts: PromptSet, suites: list[Suite]) -> bool:
    """Whether a budget of requests has room for repeated prompts behind all that decides."""
    most, labels = checklist.budget.requests, [*checklist.modes, *([INCUMBENT] if checklist.incumbent else [])]
    if most is None:
        return True
    tasks = len(cases(suites, labels, baseline=checklist.baseline.quality)) + len(labels) * looping(suites)
    return estimate(plan, prompts.prompts).requests + tasks <= most


def _traffic(prompts: PromptSet, traces: dict[str, Trace]) -> tuple[Traffic, ...]:
    """What of the prompts, and of each trace, was asked before."""
    seen = Prefixes()
    for prompt in prompts.prompts:
        seen.add(json.dumps(prompt.request.messages))
    name, shipped = ", ".join(one.path for one in prompts.facts), all(one.shipped for one in prompts.facts)
    replayed = [of_texts(one.path.name, "trace", one.seen, sha256=one.sha256) for one in traces.values()]
    return (of_texts(name, "prompts", seen, shipped=shipped), *replayed)


def _scored(prompts: PromptSet, suites: list[Suite]) -> dict[str, str]:
    """Timed prompts whose request is that of a task case: the text that is timed is the text that is scored."""
    alone = [one for one in prompts.prompts if one.conversation is None]
    return {name: case_id_of(*named[0]) for name, named in cases_of(alone, suites).items()}


def _timed_modes(checklist: Checklist) -> list[str]:
    """The configured modes, the baseline first, and the incumbent last."""
    modes = sorted(checklist.modes, key=lambda mode: mode != checklist.baseline.speed)
    return [*modes, INCUMBENT] if checklist.incumbent else modes


def merged(loaded: LoadedChecklist, changes: dict[str, Any]) -> LoadedChecklist:
    """The checklist with flags laid over it; its hash changes with them.

    Raises:
        InputFileError: a flag holds what a checklist must not.
    """
    if not changes:
        return loaded
    data = loaded.checklist.model_dump(mode="python", exclude_unset=True) | changes
    try:
        checklist = Checklist.model_validate(data)
    except ValidationError as error:
        raise input_error(error, Path("the command line"), {}, schema=Checklist) from None
    digest = sha256_of(f"{loaded.sha256}\n{checklist.model_dump_json()}")
    return loaded.model_copy(update={"checklist": checklist, "sha256": digest, "folder": Path(loaded.folder)})


@contextmanager
def demo(loaded: LoadedChecklist) -> Iterator[LoadedChecklist]:
    """The checklist pointed at servers that run as long as the block: diffusion is faster but corrupts JSON."""
    from evalkit.data import demo_path
    from evalkit.reference import ReferenceProcess, preset

    faults: dict[str, dict[str, Any]] = {"diffusion": {"corrupt_json_rate": 0.4}}
    with ExitStack() as stack:
        modes = {}
        for label in ("autoregressive", "diffusion", "self-speculation"):
            script = preset(label, speed=12.0, model="acme-labs/Trident-8B", **faults.get(label, {}))
            modes[label] = {"endpoint": stack.enter_context(ReferenceProcess(script)).base_url}
        candidate = {"model": str(demo_path("trident-8b")), "variants": [str(demo_path("trident-vlm-8b"))]}
        yield merged(loaded, {"modes": modes, "candidate": candidate})

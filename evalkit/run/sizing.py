"""What a checklist can decide with its prompts and cases, and what the run costs: before a GPU is used. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from evalkit import fmt
from evalkit.analysis.harness import differences, table
from evalkit.analysis.pairs import alpha_of
from evalkit.analysis.readings import effective
from evalkit.analysis.suites import independent, power
from evalkit.checklist.schema import Checklist
from evalkit.explain.explain import suggestions, topics
from evalkit.items.quality.harness_words import difference_words
from evalkit.modes import INCUMBENT
from evalkit.quality.case import Suite
from evalkit.quality.collect import plan, plan_alone
from evalkit.quality.suite import facts_of
from evalkit.run.fit import Split, least_margin, notes, soak_seconds
from evalkit.run.plan.schedule import GUESSED_START_S, estimate, sought
from evalkit.run.setup import Setup
from evalkit.stats.percentiles import SHARES, needed
from evalkit.stats.planning import TYPICAL_SD, detectable_ratio
from evalkit.stats.proportions import least_cases
from evalkit.stats.ratio import MIN_PAIRS
from evalkit.timing.arrivals import load_seconds
from evalkit.timing.conversations import turns_of
from evalkit.timing.facts import MOST_EVENTS, REQUEST_EVENTS
from evalkit.timing.templates import some
from evalkit.verdict.results import asks_little
from evalkit.verdict.waivers import LONGEST

#: tokens per second of one stream where nothing is known yet
_RATE = 40.0
#: requests of a block of open load at least
_FEWEST = 8


def sizing(setup: Setup, today: date) -> dict[str, Any]:
    """The document of `evalkit validate`: `able_to_decide` exactly when `problems` is empty."""
    checklist = setup.checklist
    speed, targets = _speed(setup), _targets(setup)
    suites = _suites(setup.suites, checklist)
    problems = [
        *_modes(checklist),
        *([speed["text"]] if speed and not speed["can_decide"] else []),
        *(target["text"] for target in targets if not target["can_decide"]),
        *(suite["text"] for suite in suites if not suite["can_decide"]),
        *_reported(setup),
        *_loads(checklist),
    ]
    cost = cost_of(setup)
    return {
        "name": checklist.name,
        "profile": checklist.profile,
        "able_to_decide": not problems,
        "problems": problems,
        "notes": [*_little(setup), *_notes(setup, cost), *_waivers(checklist, today)],
        "modes": list(checklist.modes),
        "prompts": len(setup.prompts.prompts),
        "speedup": speed,
        "targets": targets,
        "suites": suites,
        "imports": [one.document() for one in setup.imports],
        "cost": cost,
    }


def _modes(checklist: Checklist) -> Iterator[str]:
    if not checklist.modes:
        yield "no mode is configured: add endpoints under modes, or give --mode NAME=URL to evalkit run"
        return
    missing = [mode for mode in checklist.adopted if mode not in checklist.modes]
    for mode in missing:
        yield f"{mode} is to be adopted, but is not among modes"
    for name in dict.fromkeys((checklist.baseline.speed, checklist.baseline.quality)):
        if name not in (*checklist.modes, INCUMBENT):
            yield f"the baseline {name} is not among modes: add it, or set baseline"
    if not checklist.adopted:
        yield "only the baseline is configured: add a mode, or set items.modes.adopt"
    for mode, endpoint in checklist.modes.items():
        if endpoint.endpoint is None and endpoint.launch is None:
            yield f"modes.{mode} has neither an endpoint nor a launch command"
    incumbent = checklist.incumbent
    if incumbent is not None and incumbent.endpoint is None and incumbent.launch is None:
        yield "the incumbent has neither an endpoint nor a launch command"


def _speed(setup: Setup) -> dict[str, Any] | None:
    """The speed-up claim; None where none is made."""
    checklist, item = setup.checklist, setup.checklist.items.modes
    claims = [mode for mode in checklist.adopted if mode != checklist.baseline.speed]
    if not claims or not item.required or item.not_applicable is not None:
        return None
    prompts, clusters = setup.prompts.prompts, _units(setup)
    ratio = item.speedup.at_least * detectable_ratio(clusters, sought(checklist, setup.plan))
    can = clusters >= MIN_PAIRS and math.isfinite(ratio)
    asked = fmt.threshold(item.speedup.at_least)
    if clusters >= MIN_PAIRS and not can:
        text = f"{clusters} prompts cannot show a speed-up over {asked}, however large: add prompts"
    elif can:
        real = fmt.ratio(ratio)
        text = f"with {clusters} prompts, an 80% chance to show {asked} if the real speed-up is {real}"
    else:
        text = f"{clusters} independent prompts: a speed-up needs at least {MIN_PAIRS}"
    return {
        "at_least": item.speedup.at_least, "prompts": len(prompts), "independent": clusters, "needed": MIN_PAIRS,
        "claims": len(claims), "confidence": item.confidence, "detectable": round(ratio, 3) if can else None,
        "power": 0.8, "assumed_sd": TYPICAL_SD, "can_decide": can, "text": text,
    }  # fmt: skip


def _units(setup: Setup) -> int:
    """Prompts of equal text once, and those of one declared cluster once: each has equal weight in a ratio."""
    return len({(p.cluster is None, p.cluster or p.id) for p in setup.prompts.distinct})


def _independent(setup: Setup) -> int:
    """Prompts of equal text once, and those that go together as their clusters allow."""
    return effective(prompt.cluster for prompt in setup.prompts.distinct)


def _targets(setup: Setup) -> list[dict[str, Any]]:
    """Latency limits and goodput: distribution-free bounds need a number of prompts."""
    item, have = setup.checklist.items.modes, _independent(setup)
    word = "prompts" if have == len(setup.prompts.prompts) else "independent prompts"
    wanted = [
        (f"latency.{name}", needed(SHARES[name.split("_")[1]], item.confidence))
        for name, limit in item.latency.model_dump().items()
        if limit is not None
    ]
    if item.goodput is not None:
        wanted.append(("goodput", needed(item.goodput, item.confidence)))
    return [
        {"target": name, "prompts": have, "needed": least, "can_decide": have >= least,
         "text": f"{name}: {have} {word}" + ("" if have >= least else f", a bound needs at least {least}")}
        for name, least in wanted
    ]  # fmt: skip


def _suites(suites: list[Suite], checklist: Checklist) -> list[dict[str, Any]]:
    margin, alpha = checklist.items.quality.margin, alpha_of(checklist)
    found = [power(suite, margin.of(suite.kind), alpha) for suite in suites]
    return [one.model_dump(mode="json") for one in found]


def _reported(setup: Setup) -> Iterator[str]:
    """What keeps results of another harness from deciding, as far as the files tell it."""
    checklist, baseline = setup.checklist, setup.checklist.baseline.quality
    by_key = {one.key: one for one in setup.reported}
    for one in setup.reported:
        yield from (f"{one.task}, {one.mode}: {problem}" for problem in one.problems)
        base = by_key.get(f"{one.entry}|{one.task}|{baseline}")
        if one.mode == baseline or one.mode not in checklist.modes:
            continue
        if base is None:
            yield f"{one.task}: there are no results of {baseline} to compare {one.mode} with"
            continue
        yield from (
            f"{one.task}, {one.mode} beside {baseline}: {difference_words(what)}" for what in differences(one, base)[:5]
        )
        margin, alpha = checklist.items.quality.margin.of(one.kind), alpha_of(checklist)
        have, least = table(one, base, alpha).clusters, least_cases(margin, alpha)
        if have < least:
            yield f"{one.task}: {have} independent cases, margin {fmt.margin(margin)}: at least {least} are needed"


@dataclass(frozen=True)
class Work:
    """What a run does at most: every reply as long as it may be, at 40 tokens per second a stream. Seconds, tokens."""

    timed_requests: int
    timed_s: float
    starts_s: float
    task_requests: int
    task_s: float
    soak_s: float
    output_tokens: int
    load_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Of all parts; starts are part of `timed_s`."""
        return self.timed_s + self.task_s + self.soak_s + self.load_s


def _loads(checklist: Checklist) -> Iterator[str]:
    """Rates that no machine would send, and blocks too short to say anything."""
    for point in checklist.items.modes.load:
        if point.rate is not None and point.rate * REQUEST_EVENTS > MOST_EVENTS:
            yield f"{point.key}: evalkit sends at most {MOST_EVENTS / REQUEST_EVENTS:,.0f} requests a second on a core"
        if point.rate is not None and point.rate * point.seconds < _FEWEST:
            many = math.ceil(_FEWEST / point.rate)
            yield f"{point.key}: a block of {point.seconds:g} s has too few requests: set seconds to {many} or more"


def work(setup: Setup) -> Work:
    """What the items that are not left out ask of the servers."""
    checklist = setup.checklist
    timed = estimate(setup.plan, setup.prompts.prompts) if setup.asks("modes") else None
    labels = [*checklist.modes, *([INCUMBENT] if checklist.incumbent else [])]
    tasks = plan(setup.suites, labels, baseline=checklist.baseline.quality) if setup.asks("quality") else []
    again = plan_alone(setup.suites, list(checklist.modes), cases=checklist.items.alone) if tasks else []
    task_tokens, alone_tokens = (sum(one.request.max_tokens for one in each) for each in (tasks, again))
    steps = [case for suite in setup.suites for case in suite.cases if case.tool_result is not None] if tasks else []
    task_tokens += len(labels) * sum(case.request.max_tokens for case in steps)
    streams = checklist.items.streams
    starts = (len(setup.plan.starts) + len(setup.plan.tries)) * GUESSED_START_S
    spans = [trace.seconds for trace in setup.traces.values()]
    return Work(
        timed_requests=timed.requests if timed else 0,
        timed_s=timed.seconds if timed else starts,
        starts_s=starts,
        task_requests=len(tasks) + len(again) + len(labels) * len(steps),
        task_s=(task_tokens / streams + alone_tokens) / _RATE,
        soak_s=soak_seconds(setup.checklist) if setup.asks("serving") else 0.0,
        output_tokens=task_tokens + alone_tokens + (timed.output_tokens if timed else 0),
        load_s=load_seconds(checklist, spans) if setup.asks("modes") else 0.0,
    )


def cost_of(setup: Setup) -> dict[str, Any]:
    """Requests, tokens and minutes at most: every answer as long as it may be, at 40 tokens per second a stream."""
    found = work(setup)
    return {
        "timed_requests": found.timed_requests,
        "task_requests": found.task_requests,
        "output_tokens": found.output_tokens,
        "minutes": math.ceil(found.seconds / 60),
        "soak_minutes": round(found.soak_s / 60, 1),
        "load_minutes": round(found.load_s / 60, 1),
        "starts": [mode for mode, _ in setup.plan.starts],
        "start_minutes": round(found.starts_s / 60, 1),
        "tokens_per_second": _RATE,
        "usd": _usd(setup.checklist, found.seconds),
    }


def _usd(checklist: Checklist, seconds: float) -> float | None:
    """Of the dearest server that is paid by the hour; what usage will be billed is not known before it is sent."""
    prices = [checklist.prices(label) for label in (*checklist.modes, INCUMBENT)]
    hours = [one.usd_per_gpu_hour * (one.gpus or 1) for one in prices if one.usd_per_gpu_hour is not None]
    return round(max(hours) * seconds / 3600, 2) if hours else None


def _notes(setup: Setup, cost: dict[str, Any]) -> Iterator[str]:
    checklist = setup.checklist
    if setup.split is not None:
        yield from _fitted(setup, setup.split)
    if checklist.profile == "first-look":
        yield "a first look never ends GO: it says whether a full run is worth it"
    if checklist.prompts is None:
        yield "the shipped quick prompts are timed: yours may gain less or more"
    if checklist.tasks is None:
        yield "the shipped quick suite is scored: it says nothing about your own tasks"
    count, distinct = len(setup.prompts.prompts), len(setup.prompts.distinct)
    for one in setup.imports:
        yield from one.notes()
    continued = sum(prompt.request.messages[-1]["role"] == "assistant" for prompt in setup.prompts.prompts)
    if continued:
        yield f"{continued} prompts end with a turn of the assistant: the server is asked to continue that answer"
    yield from _conversations(setup)
    if distinct < count:
        yield f"{count - distinct} of {count} prompts repeat the text of another: they count once"
    yield from _templates(setup)
    yield from _alone(setup)
    minutes, requests = setup.minutes, checklist.budget.requests
    if minutes is not None and cost["minutes"] > minutes:
        yield f"the plan takes up to {cost['minutes']} minutes, the budget is {minutes:g}: it may end before it decides"
    total = cost["timed_requests"] + cost["task_requests"]
    if requests is not None and total > requests:
        yield f"{total} requests are planned, the budget is {requests}: the run may end before it decides"
    if cost["starts"]:
        yield (
            f"{len(cost['starts'])} server starts ({', '.join(cost['starts'])}), {_tries(setup)}"
            f"about {cost['start_minutes']:g} of the minutes: a start is estimated at {GUESSED_START_S / 60:g}"
        )
    if cost["starts"] and len(set(cost["starts"])) == len(cost["starts"]):
        yield "one launch: each server is started once, so how much starts differ stays unknown"
    for item, reason in sorted(setup.skip.items()):
        yield f"{item} is left out: {reason}"


def _little(setup: Setup) -> Iterator[str]:
    if little := asks_little(setup.checklist, [suite.kind for suite in setup.suites]):
        yield little


def _conversations(setup: Setup) -> Iterator[str]:
    """How prompts of several turns are timed."""
    played = {one.conversation for one in setup.prompts.prompts if one.conversation is not None}
    if played:
        turns = sum(one.conversation is not None for one in setup.prompts.prompts)
        many = fmt.plural(len(played), "conversation")
        yield f"{many} of {turns} turns: the conversation is the unit of the interval"
    whole = sum(len(turns_of(one.request.messages)) > 1 for one in setup.prompts.prompts if one.conversation is None)
    if whole:
        yield f"{whole} prompts have several turns and are sent whole: items.modes.turns plays them turn by turn"


def _tries(setup: Setup) -> str:
    tries = setup.plan.tries
    return f"{', '.join(tries)} tried before, " if tries else ""


def _templates(setup: Setup) -> Iterator[str]:
    """What goes together without a cluster."""
    for one in setup.prompts.facts:
        if one.templates is not None and 2 * one.templates <= one.unclustered:
            yield (
                f"{one.unclustered} prompts of {one.path} look like {some(one.templates)}: give the prompts of one "
                "template the same `cluster`, or the interval is narrower than the sample allows"
            )
    for suite in map(facts_of, setup.suites):
        if suite.few_templates and suite.templates is not None:
            yield (
                f"{suite.unclustered} cases of {suite.name} look like {some(suite.templates)}: give those that pass "
                "and fail together the same `cluster`"
            )


def _alone(setup: Setup) -> Iterator[str]:
    """Whether the cases that are asked again one at a time can show anything."""
    checklist, item = setup.checklist, setup.checklist.items.quality
    cases = min(item.alone, sum(len(suite.cases) for suite in setup.suites))
    least = least_cases(item.margin.default, alpha_of(checklist))
    if item.alone and not checklist.items.alone:
        yield "items.quality.alone: all tasks are asked one at a time already: set items.quality.concurrency"
    elif item.alone and cases < least:
        margin = fmt.margin(item.margin.default)
        yield f"items.quality.alone: {cases} cases cannot show a loss under {margin}: at least {least} are needed"


def _fitted(setup: Setup, split: Split) -> Iterator[str]:
    """How the budget is split, and what the cases that fit can show where the margin asks for more."""
    yield from notes(split)
    for suite in setup.suites:
        cases, margin = independent(suite), setup.checklist.items.quality.margin.of(suite.kind)
        least = least_margin(cases, alpha_of(setup.checklist))
        if least > margin:
            yield (
                f"{suite.name}: the {cases} cases that fit can show a loss of more than {100 * least:.0f} points: "
                f"set items.quality.margin to {least:g}, or give budget.minutes more"
            )


def _waivers(checklist: Checklist, today: date) -> Iterator[str]:
    for waiver in checklist.waivers:
        if waiver.finding not in topics():
            near = suggestions(waiver.finding)
            yield f"there is no finding {waiver.finding}" + (f": did you mean {near[0]}?" if near else "")
        if waiver.expires < today:
            yield f"the waiver of {waiver.finding} expired on {waiver.expires}: it covers nothing"
        elif waiver.expires > today + LONGEST:
            yield f"the waiver of {waiver.finding} runs longer than {LONGEST.days} days: it covers nothing"

"""Asks the task cases of the servers of a session and grades the replies, and runs harnesses against these servers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from contextlib import aclosing

from evalkit import client as clients
from evalkit.checklist.schema import Endpoint
from evalkit.checklist.tasks import HarnessTask
from evalkit.client.types import Target
from evalkit.errors import EvalkitError, InputFileError, MeasurementError, UsageError
from evalkit.files import make_private
from evalkit.harness import process, registry
from evalkit.harness.facts import HarnessFacts
from evalkit.harness.runners import NO_KEY, Against, command
from evalkit.modes import INCUMBENT
from evalkit.quality import collect as cases
from evalkit.quality import loops, ties
from evalkit.quality.facts import Alone, Answer
from evalkit.quality.judging import judge, open_questions
from evalkit.quality.timed import timed_answers
from evalkit.run.recorder import Recorder, Session
from evalkit.serving.probe import target_for


def open_cases(run: Recorder, label: str) -> bool:
    """Whether a mode has tasks that were never asked of it, or a harness that has not run."""
    facts, checklist = run.facts, run.checklist
    done, again = ({one.key for one in replies} for replies in (facts.answers, facts.alone))
    planned = cases.plan(run.setup.suites, [label], baseline=checklist.baseline.quality)
    return (
        any(one.key not in done for one in planned)
        or any(one.key not in again for one in _planned_alone(run, [label]))
        or bool(loops.open_loops((a for a in facts.answers if a.mode == label), run.setup.suites, facts.tool_loops))
        or bool(open_runs(run, label))
    )


def _planned_alone(run: Recorder, labels: Iterable[str]) -> list[cases.PlannedCase]:
    modes = [label for label in labels if label != INCUMBENT]
    return cases.plan_alone(run.setup.suites, modes, cases=run.checklist.items.alone)


async def ask_tasks(run: Recorder, session: Session) -> None:
    """The task requests that are not in the journal yet. A timed reply to the very same request is its answer."""
    load, facts, labels = run.checklist.items.streams, run.facts, list(session.targets)
    planned = cases.plan(run.setup.suites, labels, baseline=run.checklist.baseline.quality)
    await _ask(run, session, planned, facts.answers, run.keep, concurrency=load)
    again = _planned_alone(run, labels)
    await _loop(run, session, load)
    await _part(run, session, load)
    await _judge(run)
    await run_harnesses(run, session.targets)
    if again:
        await _ask(
            run, session, again, facts.alone, lambda one: run.keep(Alone(**dict(one))), concurrency=1, alone=True
        )


async def _ask(
    run: Recorder,
    session: Session,
    planned: list[cases.PlannedCase],
    known: Iterable[Answer],
    store: Callable[[Answer], None],
    *,
    concurrency: int,
    alone: bool = False,
) -> None:
    """What of `planned` no reply is `known` to."""
    # what failed is open: a later session asks it again, and the last answer of a key counts
    done = {answer.key for answer in known if answer.exchange.ok}
    left = [one for one in planned if one.key not in done]
    timed = timed_answers(
        run.facts.timed, run.setup.prompts.prompts, left, concurrency=concurrency, allow_exec=run.setup.allow_exec
    )  # fmt: skip
    for answer in timed:
        store(answer)
        done.add(answer.key)
    left = _within(run, [one for one in left if one.key not in done])
    reused = f"; {len(timed)} more are timed replies" if timed else ""
    run.say("quality", f"asking {len(left)} task requests{' again, one at a time' if alone else ''}{reused}")
    count = 0

    def keep(answer: Answer) -> None:
        nonlocal count
        count += 1
        store(answer)
        run.advance("quality", count, len(left))

    deadline = None if run.left_s is None else asyncio.get_running_loop().time() + run.left_s
    await cases.run_cases(
        session.targets, left, session.client, done=done, on_answer=keep, concurrency=concurrency,
        allow_exec=run.setup.allow_exec, deadline=deadline,
    )  # fmt: skip
    if run.left_s == 0 and count < len(left):
        run.stopped = "budget: minutes used up"


def _within(run: Recorder, planned: list[cases.PlannedCase]) -> list[cases.PlannedCase]:
    """What the budget of requests leaves, suite by suite; the rest stays open, and the run says so."""
    left = run.left_requests
    if left is not None and len(planned) > left:
        run.stopped = "budget: requests used up"
    return planned[:left]


async def _loop(run: Recorder, session: Session, load: int) -> None:
    """The second steps of tool cases: what a model does with a result that failed."""
    facts = run.facts
    # a step without a reply is open: a later session asks it again
    done = [key for key, one in facts.tool_loops.items() if one.exchange.ok]
    left = [
        one for one in loops.open_loops(facts.answers, run.setup.suites, done) if one.answer.mode in session.targets
    ][: run.left_requests]
    if not left or run.left_s == 0:
        return
    run.say("quality", f"answering the tool calls of {len(left)} replies")
    await loops.run_loops(left, session.targets, session.client, run.keep, load, lambda: run.left_s == 0)


async def _part(run: Recorder, session: Session, load: int) -> None:
    """Where speculation's text leaves the baseline's, and how close the baseline's own choice was there."""
    baseline, modes, facts = run.checklist.baseline.quality, list(run.checklist.modes), run.facts
    target = session.targets.get(baseline)
    if target is not None and baseline != INCUMBENT and run.left_s != 0:
        read = {(one.suite, one.case_id) for one in facts.ties}
        again = ties.wanted(facts.answers, run.setup.suites, modes, baseline, read)
        if again:
            run.say("quality", f"reading {len(again)} replies of {baseline} with logprobs")
            first = ties.first_greedy(facts.answers)
            await ties.read_ties(again, first, target, session.client, run.keep, concurrency=load)
            facts = run.facts
    for one in ties.divergences(facts.answers, facts.ties, modes, baseline):
        if facts.divergences.get(one.key) != one:
            run.keep(one)


async def _judge(run: Recorder) -> None:
    """Replies that no judge has seen yet, where a judge is configured and some case asks for one."""
    configured, facts = run.checklist.items.quality.judge, run.facts
    if configured is None or run.left_s == 0:
        return
    questions = list(
        open_questions(
            facts.answers, run.setup.suites, baseline=run.checklist.baseline.quality,
            done={one.key for one in facts.judgements},
        )
    )  # fmt: skip
    if not questions:
        return
    endpoint = Endpoint(endpoint=configured.endpoint, model=configured.model, api_key_env=configured.api_key_env)
    try:
        target = target_for("judge", endpoint, None)
    except UsageError as error:
        run.say("quality", f"the judge is not asked: {error}")  # a judge never decides, so neither does its absence
        return
    run.say("quality", f"asking the judge {configured.model} {len(questions)} questions")
    async with aclosing(clients.open_client([configured.endpoint])) as client:
        await judge(questions, target, client, run.keep)


async def draw(run: Recorder, session: Session) -> None:
    """Whether the servers honour temperature, where production asks for one above 0."""
    request = run.checklist.request
    if not request.temperature:
        return
    probed = {probe.mode for probe in run.facts.sampling}
    for label, target in session.targets.items():
        if label not in probed and label != INCUMBENT:
            run.say("serving", f"sampling replies of {label}")
            run.keep(
                await cases.probe_sampling(
                    label, target, session.client, temperature=request.temperature, extra_body=request.extra_body
                )
            )


# -- harnesses ------------------------------------------------------------------------------------------------------


def open_runs(run: Recorder, mode: str) -> list[tuple[int, HarnessTask]]:
    """Harnesses that have not run in this mode yet."""
    done = {one.entry for one in run.facts.harness.values() if one.mode == mode and one.ran_here}
    return [(place, task) for place, task in run.checklist.harnesses if task.results is None and place not in done]


async def run_harnesses(run: Recorder, targets: dict[str, Target]) -> None:
    """One after the other: they are not to share a server with each other. What fails becomes a fact."""
    for mode, target in targets.items():
        for place, task in open_runs(run, mode):
            try:
                await _run(run, place, task, mode, target)
            except (MeasurementError, InputFileError) as error:
                _failed(run, place, task, mode, error)


def _failed(run: Recorder, place: int, task: HarnessTask, mode: str, error: EvalkitError) -> None:
    """A record without a task: one that has one, after a resume, takes its place."""
    what = f"{error}: {error.hint}" if error.hint else str(error)
    run.tell("quality", f"{task.name or task.run or 'the command'} in {mode}: {what}")
    run.keep(HarnessFacts(entry=place, task="", kind=task.kind, mode=mode, reader=task.reader, problems=(what,)))


async def _run(run: Recorder, place: int, task: HarnessTask, mode: str, target: Target) -> None:
    tool = task.run or "command"
    name = f"{place + 1}-{tool}-{mode.replace('@', '-at-')}"
    out = run.folder.path / "harness" / name
    if out.exists():  # what was left unfinished before
        shutil.rmtree(out)
    make_private(out)
    folder = run.setup.loaded.folder
    streams = run.checklist.items.streams
    at = Against(mode, target.base_url, target.model, out.resolve(), folder, streams)
    argv, key_names, variables = command(task, at)
    key = target.api_key.reveal() if target.api_key else NO_KEY
    env = process.environment({**variables, **dict.fromkeys(key_names, key)}, task.env)
    limit = task.timeout_minutes * 60 if run.left_s is None else min(task.timeout_minutes * 60, run.left_s)
    log = run.folder.logs / f"harness-{name}.log"
    run.say("quality", f"{task.name or tool} runs in {mode}; its log is {log.name}")
    ended = await process.run(argv, env, log, folder, limit)
    process.scrub(out, target.api_key)
    last = f"; its last line: {ended.tail[-1]}" if ended.tail else ""
    if ended.timed_out:
        raise MeasurementError(f"ended after its limit of {limit / 60:g} minutes{last}", hint=f"see logs/{log.name}")
    if ended.code != 0:
        raise MeasurementError(f"ended with exit code {ended.code}{last}", hint=f"see logs/{log.name}")
    found = registry.read(out, task, place, mode, ran_here=True)
    if not any(one.cases for one in found):
        raise MeasurementError("it ended with exit code 0 and graded no sample", hint=f"see logs/{log.name}")
    for one in found:
        run.keep(one)

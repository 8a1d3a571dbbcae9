"""Runs the harnesses of the checklist against the servers that are up, once a mode, and reads their results."""

from __future__ import annotations

import shutil

from evalkit.checklist.tasks import HarnessTask
from evalkit.client.types import Target
from evalkit.errors import EvalkitError, InputFileError, MeasurementError
from evalkit.files import make_private
from evalkit.harness import process
from evalkit.harness.facts import HarnessFacts
from evalkit.harness.registry import read
from evalkit.harness.runners import NO_KEY, Against, command
from evalkit.run.recorder import Recorder


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
    found = read(out, task, place, mode, ran_here=True)
    if not any(one.cases for one in found):
        raise MeasurementError("it ended with exit code 0 and graded no sample", hint=f"see logs/{log.name}")
    for one in found:
        run.keep(one)

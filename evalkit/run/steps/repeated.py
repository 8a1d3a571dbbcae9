"""Times prompts again that each mode answered just before: a block behind the deciding one, which never decides."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.run.plan.execute import Settings, planned_here, run_modes
from evalkit.run.plan.schedule import AGAIN_SHARE, Planned
from evalkit.run.recorder import Recorder, Session
from evalkit.run.steps.timing import run_id
from evalkit.timing.facts import RepeatedSample, TimedSample

#: of what is left of the budget, so much at most: tasks come behind
_LEFT_SHARE = 1 / 4


def open_repeated(run: Recorder, modes: Sequence[str], launch: int = 0) -> list[Planned]:
    """What is left to do: repetitions that are not in the journal, and the first answers that they need."""
    done = {sample.key for sample in run.facts.repeated}
    here = planned_here(run.setup.plan.warm, modes, done=frozenset(), launch=launch)
    groups = {(p.mode, p.group) for p in here if p.repeat and p.key not in done}
    # a server may have forgotten since: the first answer is asked for again, and kept once
    return [p for p in here if (p.mode, p.group) in groups and (not p.repeat or p.key not in done)]


async def time_repeated(run: Recorder, session: Session) -> None:
    """The repeated prompts of these servers. Without time left they are left out, and the report does not show them."""
    left = open_repeated(run, list(session.targets), session.launch)
    if not left:
        return
    seconds = _seconds(run)
    if seconds is not None and seconds <= 0:
        return
    run.say("modes", f"timing {', '.join(session.targets)}: prompts that were answered before")
    kept = {sample.key for sample in run.facts.repeated}
    todo = {p.key for p in left}
    plan = run.setup.plan.warm

    def keep(sample: TimedSample) -> None:
        if sample.key not in kept:
            run.keep(RepeatedSample(**dict(sample)))

    await run_modes(
        session.targets, run.setup.prompts, plan, session.client,
        done=frozenset(p.key for p in plan.requests if p.key not in todo),
        on_sample=keep,
        settings=Settings(
            minutes=None if seconds is None else seconds / 60, run=run_id(run), launch=session.launch,
            ids="again", turns=run.checklist.items.modes.turns,
        ),
    )  # fmt: skip


def _seconds(run: Recorder) -> float | None:
    """Of the budget; None without one."""
    if run.left_s is None or run.setup.minutes is None:
        return None
    return min(AGAIN_SHARE * run.setup.minutes * 60, _LEFT_SHARE * run.left_s)

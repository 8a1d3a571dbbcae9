"""Each launch is tried once before anything is measured: a wrong command is known in minutes, not after hours."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from evalkit.analysis.need import need
from evalkit.checklist.schema import Checklist, Endpoint, LoadedChecklist
from evalkit.client.types import ChatRequest
from evalkit.facts import Facts
from evalkit.hub.facts import CandidateFacts
from evalkit.modes import INCUMBENT
from evalkit.run.recorder import Recorder, Session
from evalkit.run.setup import Setup, prepare
from evalkit.run.steps.load import open_loads
from evalkit.run.steps.quality import open_cases
from evalkit.run.steps.timing import open_requests
from evalkit.serving import attempt
from evalkit.serving.facts import Attempt
from evalkit.serving.launch import LaunchFailed

_LONG_COMMIT = 40
#: tokens of context that a launched server gets where less is needed
LEAST_WINDOW = 4096


def model_of(loaded: LoadedChecklist, read: CandidateFacts | None) -> tuple[str, str]:
    """`{model}` and `{revision}` of a launch: the commit that was read, so that what is served is what was examined."""
    chosen = loaded.checklist.candidate
    if chosen is None:
        return "", "main"
    beside = loaded.folder / chosen.model
    if beside.is_dir():
        return str(beside.resolve()), chosen.revision
    model = read.model if read and beside.is_file() else chosen.model  # a snapshot names its repository
    commit = read.revision if read and _is_commit(read.revision or "") else None
    return model, commit or chosen.revision


def _is_commit(text: str) -> bool:
    return len(text) == _LONG_COMMIT and set(text) <= set("0123456789abcdef")


def window(checklist: Checklist, facts: Facts | None, read: CandidateFacts | None) -> int:
    """`{context}` of a launch: what is needed, at least 4,096, the same for every mode and session.

    No more than the model has, where that is known: an engine refuses a longer one.
    """
    before = facts.model_copy(update={"timed": (), "answers": ()}) if facts else None  # a first mode would change it
    wanted = need(checklist, before) if before else None
    asked = max(LEAST_WINDOW, -(-(wanted.tokens if wanted else 0) // 1024) * 1024)
    most = read.context.config_max if read else None
    return min(asked, most) if most else asked


async def try_each(run: Recorder, endpoints: dict[str, Endpoint], *, live: bool) -> set[str] | None:
    """Each launch that was not tried yet, in the order of the plan. Those that do not come up; None: the run ends here.

    The first start is its own try, unless something is measured before it (`live`); where the budget is too short for
    tries, each first start is.
    """
    dead: set[str] = set()
    waiting = open_tries(run, endpoints)[0 if live else 1 :] if run.setup.plan.tries else []
    for label in waiting:
        run.say("serving", f"trying {label}: start, one answer, stop")
        model, revision = model_of(run.setup.loaded, run.facts.candidate)
        made = await attempt.attempt(
            label, endpoints[label], model, revision, window(run.checklist, run.facts, run.facts.candidate),
            run.folder.logs / "tries", questions(run.setup),
        )  # fmt: skip
        run.keep(made)
        if not made.ok and made.ready_s is None:
            dead.add(label)
    return dead if settled(run, waiting) else None


def needed(run: Recorder, label: str, launch: int) -> bool:
    """Whether something is left to do in this start: timed requests, or in the last one tasks, window and soak."""
    if run.wanted("modes") and (open_requests(run, [label], launch) or open_loads(run, label, launch)):
        return True
    if launch < run.setup.plan.last_start(label):
        return False
    facts, checklist = run.facts, run.checklist
    if label not in facts.endpoints:
        return True
    if run.wanted("quality") and open_cases(run, label):
        return True
    if label == INCUMBENT:
        return False
    if run.wanted("context") and checklist.items.context.probe and label not in facts.context_probes:
        return True
    return bool(run.wanted("serving") and checklist.items.serving.stability and label not in facts.stability)


def open_tries(run: Recorder, endpoints: dict[str, Endpoint]) -> list[str]:
    """Launches of this session that were never seen to work."""
    starts = [(label, launch) for label, launch in run.setup.plan.starts if label in endpoints]
    wanted = dict.fromkeys(label for label, launch in starts if needed(run, label, launch))
    return [label for label in wanted if not _works(run.facts, label)]


def _works(facts: Facts, label: str) -> bool:
    tried, seen = facts.attempts.get(label), facts.endpoints.get(label)
    return (tried is not None and tried.ok) or (tried is None and seen is not None and seen.launched)


def settled(run: Recorder, labels: Sequence[str]) -> bool:
    """Whether no try of these failed; else the run ends here, unless `--keep-going` leaves the failed ones out."""
    wrong = [one for label, one in run.facts.attempts.items() if label in labels and not one.ok]
    for one in wrong:
        tail = "".join(f"\n    {line}" for line in one.log_tail[-8:])
        run.tell("serving", f"{one.mode}: tried and failed: {one.said}" + (f"; its last lines:{tail}" if tail else ""))
    incumbent = run.checklist.incumbent
    if incumbent is not None and not incumbent.required:
        wrong = [one for one in wrong if one.mode != INCUMBENT]
    if not wrong or run.setup.keep_going:
        return True
    names = " and ".join(one.mode for one in wrong)
    run.tell("serving", f"nothing is measured: correct {_keys(wrong)} and run again; --keep-going continues without")
    run.stopped = f"{names} failed when tried: {wrong[0].said}; --keep-going measures the others"
    return False


def _keys(wrong: list[Attempt]) -> str:
    return " and ".join("incumbent.launch" if w.mode == INCUMBENT else f"modes.{w.mode}.launch" for w in wrong)


async def first(run: Recorder, session: Session, label: str) -> bool:
    """The try of a launch that is up for its first start; whether its work may begin."""
    if _works(run.facts, label) or session.running is None:
        return True
    limits = run.checklist.limits
    made = await attempt.asked(
        label, session.endpoints[label], session.client, questions(run.setup), limits.control(), limits.generation()
    )
    run.keep(made.model_copy(update=attempt.of_start(session.running, made)))
    return settled(run, [label])


def not_up(run: Recorder, label: str, error: LaunchFailed) -> bool:
    """A first start that failed was the try of its launch; whether the run goes on."""
    if _works(run.facts, label):
        return True
    run.keep(attempt.failed(label, error))
    return settled(run, [label])


def questions(setup: Setup) -> tuple[ChatRequest, ...]:
    """The first timed prompts: what is asked later is asked now."""
    own = tuple(prompt.request for prompt in setup.prompts.prompts[:3])
    return own or (attempt.QUESTION,)


async def of_checklist(loaded: LoadedChecklist) -> list[Attempt]:
    """Each mode in turn, so that one GPU is enough: `init --try`."""
    from evalkit import hub

    setup, chosen = prepare(loaded), loaded.checklist.candidate
    folder = loaded.folder / chosen.model if chosen else None
    read = hub.collect(str(folder)) if folder is not None and folder.is_dir() else None
    model, revision = model_of(loaded, read)
    context, logs = window(loaded.checklist, None, read), Path(tempfile.mkdtemp(prefix="evalkit-try-"))
    return [
        await attempt.attempt(label, endpoint, model, revision, context, logs, questions(setup))
        for label, endpoint in loaded.checklist.modes.items()
    ]

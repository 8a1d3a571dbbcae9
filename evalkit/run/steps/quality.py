"""Asks the task cases of the servers of a sitting, and grades the replies."""

from __future__ import annotations

import itertools

from evalkit.quality import collect as cases
from evalkit.quality.facts import Answer
from evalkit.run.recorder import Recorder, Sitting


async def ask_tasks(run: Recorder, sitting: Sitting) -> None:
    """The task requests that are not in the journal yet, then whether sampling is honoured."""
    item = run.checklist.items.quality
    planned = cases.plan(run.setup.suites, list(sitting.targets), baseline=run.checklist.baseline.quality)
    facts = run.facts
    run.say("quality", f"asking {len(planned)} task requests")
    count = itertools.count(len(facts.answers) + 1)

    def keep(one: Answer) -> None:
        run.keep(one)
        run.advance("quality", next(count), len(planned))

    await cases.run_cases(
        sitting.targets, planned, sitting.client, done={a.key for a in facts.answers}, on_answer=keep,
        concurrency=item.concurrency, allow_exec=item.allow_exec,
    )  # fmt: skip
    probed = {p.mode for p in facts.sampling}
    for label, target in sitting.targets.items():
        if label not in probed and run.checklist.request.temperature > 0:
            run.keep(await cases.probe_sampling(label, target, sitting.client))

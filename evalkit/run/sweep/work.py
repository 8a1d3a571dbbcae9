"""Works through the screening of a sweep: a run for each stage, in folders of their own inside the run's folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.checklist.schema import LoadedChecklist
from evalkit.errors import Interrupted
from evalkit.facts import Facts
from evalkit.files import make_private, write_atomic
from evalkit.findings import ItemId
from evalkit.fmt import plural
from evalkit.run.lock import FolderLock
from evalkit.run.parts import Part
from evalkit.run.resume import continued, resumed
from evalkit.run.setup import Inputs, Setup, inputs
from evalkit.run.show import Both, Shown, logged, to_stderr
from evalkit.run.sizing import cost_of
from evalkit.run.sweep.choose import Screened, choose
from evalkit.run.sweep.plan import Standing, SweepPlan, plan, settings_of, stage_setup, standing
from evalkit.run.sweep.settings import Setting, endpoints
from evalkit.serving.swept import SweepFacts, SweptSetting
from evalkit.stored.folder import RunFolder
from evalkit.stored.swept import command_hash, settled

#: folder of the stages in the run's folder
FOLDER = "sweep"


@dataclass(frozen=True)
class Swept:
    """What screening left: the checklist with the settings that are decided, the part that they are asked, how they
    were found, and the files as they were read for it.
    """

    loaded: LoadedChecklist
    part: Part
    facts: SweepFacts
    read: Inputs


def planned(loaded: LoadedChecklist, path: Path, skip: Mapping[ItemId, str]) -> Standing:
    """The sweep of a run in `path` before anything of it is known."""
    return standing(loaded, (path / FOLDER).resolve(), skip)


def announced(found: Standing) -> tuple[str, int]:
    """What the sweep sends, in one line, and the minutes at most of all its parts."""
    of = found.plan
    minutes = sum(cost_of(setup)["minutes"] for setup in (*found.stages, found.run))
    more = ", more than half of it" if of.above_half else ""
    text = (
        f"this sweep screens {plural(len(of.settings), 'setting')} in {plural(len(of.stages), 'stage')} and decides "
        f"{of.finalists}: up to {of.planned:,} timed and task requests, the whole grid has {of.grid:,}{more}"
    )
    return text, minutes


def swept(
    loaded: LoadedChecklist, path: Path, shown: Shown, skip: Mapping[ItemId, str], *, allow_exec: bool = False
) -> Swept:
    """Screen the settings of `sweep` for the run in `path`. What an earlier session screened is not asked again.

    Raises:
        UsageError: the stages in `path` are of another plan, or the sweep cannot be planned.
        Interrupted: Ctrl-C or SIGTERM; what was screened is kept.
    """
    home = path / FOLDER
    make_private(path)
    lock = FolderLock(path)
    try:
        make_private(home)
        made, read = settings_of(loaded, home.resolve()), inputs(loaded)
        found = plan(loaded, made, read, skip)
        for file, text in (one for setting in made for one in setting.files):
            write_atomic(Path(file), text)
        screened: list[Screened] = []
        for number, stage in enumerate(found.stages, 1):
            alive = _alive(made, choose(made, screened))
            to_stderr(f"sweep: stage {number} of {len(found.stages)}: {plural(len(alive), 'setting')}\n")
            setup = replace(stage_setup(loaded, found, number, alive, read, skip), allow_exec=allow_exec)
            screened.append(Screened(setup.checklist, _stage(setup, home / f"stage-{number}", path, shown), stage.keep))
    finally:
        lock.release()
    rows = choose(made, screened)
    facts = facts_of(loaded, found, rows, screened)
    to_stderr(f"sweep: {', '.join(facts.finalists)} left to decide\n")
    final = loaded.model_copy(update={"checklist": settled(loaded.checklist, endpoints(_alive(made, rows)))})
    return Swept(final, found.final, facts, read)


def _alive(made: Sequence[Setting], rows: Sequence[SweptSetting]) -> list[Setting]:
    return [setting for setting, row in zip(made, rows, strict=True) if row.dropped is None]


def _stage(setup: Setup, path: Path, run: Path, shown: Shown) -> Facts:
    """What one stage saw; a stage that ended is read."""
    from evalkit.run.collect import collect

    if (path / "plan.json").is_file():
        folder = RunFolder.begun(path)
        setup = resumed(folder, setup)
        if folder.start() is not None:
            facts = folder.facts()
            if facts.end is not None and not facts.end.interrupted:
                return facts
    else:
        folder = RunFolder.create(path, setup.loaded, setup.document())
    with logged(folder.log) as log:
        try:
            with shown() as show:
                return collect(setup, folder, Both(show, log))
        except KeyboardInterrupt:
            hint = continued(sys.argv[1:], str(run))
            raise Interrupted("the sweep is kept as far as it went", hint=hint) from None


def facts_of(
    loaded: LoadedChecklist, found: SweepPlan, rows: Sequence[SweptSetting], screened: Sequence[Screened]
) -> SweepFacts:
    """The account of the screening that the run keeps."""
    checklist, sweep = loaded.checklist, loaded.checklist.sweep
    assert sweep is not None
    sent = sum(len(stage.facts.timed) + len(stage.facts.answers) for stage in screened)
    return SweepFacts(
        mode=sweep.mode, plan_sha256=found.sha256, settings=tuple(rows), screened=sent,
        template_sha256=command_hash(checklist.modes.get(sweep.mode)),
        stages=tuple(stage.settings for stage in found.stages), planned=found.planned, grid=found.grid,
        above_half=found.above_half,
    )  # fmt: skip

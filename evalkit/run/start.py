"""A run from its flags to its report."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.report.document.model import Report
    from evalkit.run.sweep.work import Swept

import evalkit
from evalkit.checklist.errors import suggest
from evalkit.checklist.loader import DEFAULT, discovered, find_checklist, load_checklist, shipped_checklist
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import Interrupted, RunFolderError, UsageError
from evalkit.facts import Facts
from evalkit.files import make_private, sweep, write_atomic
from evalkit.findings import ITEM_IDS, ItemId
from evalkit.modes import INCUMBENT, canonical
from evalkit.run.lock import FolderLock
from evalkit.run.outlook import announcement, consent
from evalkit.run.resume import continued, resumed
from evalkit.run.setup import Setup, demo, merged, prepare
from evalkit.run.show import Both, Shown, logged, plain
from evalkit.run.token import given, wait
from evalkit.stored.folder import RunFolder
from evalkit.system import ended_by_term


@dataclass(frozen=True)
class Flags:
    checklist: str | None = None
    demo: bool = False
    model: str | None = None
    revision: str | None = None
    modes: tuple[str, ...] = ()
    incumbent: str | None = None
    prompts: tuple[Path, ...] = ()
    tasks: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    only_mode: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    output_dir: Path | None = None
    resume: Path | None = None
    as_json: bool = False
    report_only: bool = False
    strict: bool = False
    keep_going: bool = False
    allow_exec: bool = False
    dry_run: bool = False
    yes: bool = False
    #: for other runs that time on this machine
    waits: bool = False
    all_or_none: bool = False


def run(flags: Flags, shown: Shown = plain) -> dict[str, Any]:
    """The report document of the run.

    Raises:
        UsageError: flags or files that are invalid; nothing was run.
        Interrupted: Ctrl-C or SIGTERM; what was measured is kept.
    """
    loaded = load_checklist(_chosen(flags))
    return evaluate(merged(loaded, _changes(flags, loaded.checklist)), flags, shown)


def evaluate(loaded: LoadedChecklist, flags: Flags, shown: Shown = plain) -> dict[str, Any]:
    """The report document of a run of `loaded`, in which what the flags say of a checklist is laid over already.

    Raises:
        UsageError: flags or files that are invalid; nothing was run.
        Interrupted: Ctrl-C or SIGTERM; what was measured is kept.
    """
    skip = _skipped(flags)
    with ExitStack() as stack:
        stack.enter_context(ended_by_term())
        if flags.demo and not flags.dry_run:
            loaded = stack.enter_context(demo(loaded))
        swept = None
        if loaded.checklist.sweep is not None:
            if flags.dry_run:
                return _dry_run(_standing(loaded, flags, skip), flags)
            swept, flags = _swept(loaded, flags, shown, skip)
            loaded = swept.loaded
        made = prepare(
            loaded, simulated=flags.demo, skip=skip,
            part=swept.part if swept else None, read=swept.read if swept else None,
        )  # fmt: skip
        setup = replace(
            made, sweep=swept.facts if swept else None, keep_going=flags.keep_going,
            only_modes=_only_modes(flags, loaded), strict=flags.strict, allow_exec=flags.allow_exec,
            all_or_none=flags.all_or_none,
        )  # fmt: skip
        if flags.dry_run:
            return _dry_run(setup, flags)
        _confine(setup, flags)
        return _measure(setup, flags, shown)


def _confine(setup: Setup, flags: Flags) -> None:
    """Before a reply's code may run: that there is a sandbox, and keys where the code cannot read them."""
    if flags.allow_exec:
        from evalkit.quality.sandbox.run import prepare as confine

        confine(setup.key_names)


def _standing(loaded: LoadedChecklist, flags: Flags, skip: dict[ItemId, str]) -> Setup:
    """The setup of a sweep's run before it is known which settings it decides; what the sweep sends is said."""
    from evalkit.run.sweep.work import announced, planned

    if flags.demo or flags.only_mode:
        raise UsageError(
            f"{'--demo' if flags.demo else '--only-mode'}: does not go with a sweep", hint="leave sweep out"
        )
    found = planned(loaded, _placed(flags), skip)
    text, minutes = announced(found)
    note(text)
    consent(found.run, minutes, yes=flags.yes or flags.dry_run or flags.resume is not None)
    return found.run


def _swept(loaded: LoadedChecklist, flags: Flags, shown: Shown, skip: dict[ItemId, str]) -> tuple[Swept, Flags]:
    """The settings that a sweep leaves to the run, and the flags of that run."""
    from evalkit.run.sweep.work import FOLDER, swept

    path = _placed(flags)
    if flags.resume and not (path / "plan.json").is_file() and not (path / FOLDER).is_dir():
        RunFolder.begun(path)  # says what is missing
    _confine(_standing(loaded, flags, skip), flags)
    with _alone(waits=flags.waits):
        found = swept(loaded, path, shown, skip, allow_exec=flags.allow_exec)
    begun = flags.resume is not None and (path / "plan.json").is_file()
    return found, replace(flags, resume=path if begun else None, output_dir=None if begun else path, yes=True)


def _chosen(flags: Flags) -> Path:
    """The checklist that was named, the demo's, or that of the working folder, which is said."""
    if flags.demo and not flags.checklist:
        return shipped_checklist("demo")
    if flags.checklist:
        return find_checklist(flags.checklist)
    found = discovered()
    note(f"no checklist was given: taking {found or f'the shipped {DEFAULT}'}")
    return find_checklist(found)


def note(text: str) -> None:
    """One line to a person, never into a result."""
    sys.stderr.write(f"{text}\n")


def _placed(flags: Flags) -> Path:
    """The folder of the run: the one that was named, else by the time, with a number where that is taken."""
    if named := flags.resume or flags.output_dir:
        return named
    place = Path("evalkit-runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    numbered = (place.with_name(f"{place.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain((place,), numbered) if not one.exists())


def _measure(setup: Setup, flags: Flags, shown: Shown) -> dict[str, Any]:
    cost, minutes = announcement(setup)
    if cost:
        note(cost)
    if not flags.resume and not setup.simulated:
        consent(setup, minutes, yes=flags.yes)
    with _alone(waits=flags.waits and bool(cost) and not setup.simulated):
        return _kept(setup, flags, shown, cost)


@contextmanager
def _alone(*, waits: bool) -> Iterator[None]:
    """With `waits` no other run times on this machine in this block. A cell of a matrix has that from its matrix."""
    if not waits or given():
        yield
        return
    try:
        token = wait(lambda text: note(f"{text} (--no-wait measures at the same time)"))
    except RunFolderError as error:
        note(f"other runs on this machine are not waited for: {error}")
        yield
        return
    try:
        yield
    finally:
        token.release()


def _kept(setup: Setup, flags: Flags, shown: Shown, cost: str) -> dict[str, Any]:
    path = _placed(flags)
    if flags.resume:
        folder = RunFolder.begun(path)
        lock = FolderLock(path)
    else:
        make_private(path)
        lock = FolderLock(path)
    try:
        if flags.resume:
            setup = resumed(folder, setup)
            sweep(path)
        else:
            folder = RunFolder.create(path, setup.loaded, setup.document())
            folder.keep_imports({one.name: (one.text, one.document()) for one in setup.imports})
        document, interrupted = _logged(setup, folder, flags, shown, cost)
    finally:
        lock.release()
    if interrupted:
        raise Interrupted("the run is kept as far as it went", hint=continued(sys.argv[1:], str(path)))
    return document


def _logged(setup: Setup, folder: RunFolder, flags: Flags, shown: Shown, cost: str) -> tuple[dict[str, Any], bool]:
    """The report document, and whether the work was interrupted; what happened is in run.log."""
    from evalkit.run.collect import collect

    with logged(folder.log) as log:
        log.line("run", f"evalkit {evalkit.__version__}: {cost or 'no server is asked'}")
        interrupted = False
        try:
            with shown() as show:
                facts = collect(setup, folder, Both(show, log))
        except KeyboardInterrupt:
            if folder.start() is None:
                raise Interrupted("nothing was measured yet") from None
            interrupted, facts = True, folder.facts()
        document = dict(report(setup.loaded, facts, folder, flags))
        log.line("run", f"{document['verdict']}, exit code {130 if interrupted else document['exit_code']}")
    return document, interrupted


def report(loaded: LoadedChecklist, facts: Facts, folder: RunFolder, flags: Flags) -> Report:
    """Decide, write the report's files and print the result."""
    from evalkit.report.document.build import build
    from evalkit.report.formats import terminal, write_all
    from evalkit.stored.export import files_of
    from evalkit.verdict.decide import decide

    decision = decide(loaded.checklist, facts, facts.as_of, strict=facts.start.strict)
    document = build(loaded.checklist, facts, decision, report_only=flags.report_only)
    written = write_all(folder.path, document)
    for name, text in files_of(loaded.checklist, facts).items():
        write_atomic(folder.path / name, text)
    if flags.as_json:
        sys.stdout.write(written["report.json"].read_text(encoding="utf-8"))
    else:
        terminal.show(document, sys.stdout, report_path=str(written.get("report.md", folder.path / "report.md")))
    if flags.report_only and document["exit_code"] in (1, 3):
        document = document | {"exit_code": 0}
    return document


def _changes(flags: Flags, checklist: Checklist) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if flags.model or flags.revision:
        changes["candidate"] = _candidate(flags, checklist)
    if flags.modes:
        changes["modes"] = overlaid(checklist, flags.modes)
    if flags.incumbent:
        changes["incumbent"] = {"endpoint": flags.incumbent}
    if flags.prompts:
        changes["prompts"] = [str(path.resolve()) for path in flags.prompts]
    if flags.tasks:
        changes["tasks"] = [str(path.resolve()) for path in flags.tasks]
    return changes


def _candidate(flags: Flags, checklist: Checklist) -> dict[str, Any]:
    """Another model is another candidate; a revision alone is one of the checklist's."""
    if flags.model:
        return {"model": flags.model, "revision": flags.revision or "main"}
    if checklist.candidate is None:
        raise UsageError("--revision needs a model", hint="give --model too, or candidate.model in the checklist")
    return {**checklist.candidate.model_dump(exclude_unset=True), "revision": flags.revision}


def mode_flag(text: str) -> tuple[str, dict[str, str]]:
    """`NAME=URL` of --mode as a mode of the checklist.

    Raises:
        UsageError: no such mode, or no address.
    """
    name, equals, url = text.partition("=")
    if not equals or not url.startswith(("http://", "https://")):
        raise UsageError(f"--mode {text}: write NAME=URL", hint="--mode diffusion=http://127.0.0.1:30001")
    try:
        return canonical(name), {"endpoint": url}
    except ValueError as error:
        raise UsageError(f"--mode {text}: {error}") from None


def overlaid(checklist: Checklist, given: Sequence[str]) -> dict[str, Any]:
    """The checklist's modes with the addresses of `--mode` laid over them: keys, models and statistics stay.

    Raises:
        UsageError: a flag that is neither a mode nor an address.
    """
    modes: dict[str, Any] = {name: one.model_dump(exclude_unset=True) for name, one in checklist.modes.items()}
    for name, address in map(mode_flag, given):
        kept = {key: value for key, value in modes.get(name, {}).items() if key not in _LAUNCHING}
        modes[name] = {**kept, **address}
    return modes


#: keys of a mode that an address takes the place of
_LAUNCHING = ("launch", "stop", "ready_url", "ready_timeout_s")


def _only_modes(flags: Flags, loaded: LoadedChecklist) -> frozenset[str]:
    known = [*loaded.checklist.modes, *([INCUMBENT] if loaded.checklist.incumbent else [])]
    chosen = []
    for text in flags.only_mode:
        try:
            label = text if text == INCUMBENT else canonical(text)
        except ValueError as error:
            raise UsageError(f"--only-mode {text}: {error}") from None
        if label not in known:
            raise UsageError(f"--only-mode {text}: not configured", hint=f"one of {', '.join(known) or 'no modes'}")
        chosen.append(label)
    return frozenset(chosen)


def _skipped(flags: Flags) -> dict[ItemId, str]:
    skip: dict[ItemId, str] = {}
    if flags.only:
        chosen = [_item(name, "--only") for name in flags.only]
        skip = {item: f"left out by --only {' '.join(flags.only)}" for item in ITEM_IDS if item not in chosen}
    for text in flags.skip:
        name, equals, reason = text.partition("=")
        if not equals or not reason.strip():
            raise UsageError(f"--skip {text}: write ITEM=REASON", hint='--skip quality="no tasks yet"')
        skip[_item(name, "--skip")] = reason.strip()
    return skip


def _item(name: str, flag: str) -> ItemId:
    for item in ITEM_IDS:
        if item == name:
            return item
    raise UsageError(
        f"{flag} {name}: no such item", hint=suggest(name, list(ITEM_IDS)) or f"one of {', '.join(ITEM_IDS)}"
    )


def _dry_run(setup: Setup, flags: Flags) -> dict[str, Any]:
    """What the run would do and cost; nothing is sent."""
    from evalkit.run.sizing import sizing

    sized = sizing(setup, datetime.now(UTC).date())
    plan = {
        "exit_code": 0,
        "modes": list(setup.plan.modes),
        "prompts": sized["prompts"],
        "task_cases": sum(len(suite.cases) for suite in setup.suites),
        **sized["cost"],
        "budget_minutes": setup.minutes,
        "detectable": sized["speedup"]["detectable"] if sized["speedup"] else None,
        "looks": list(setup.plan.looks),
        "skipped": {str(item): reason for item, reason in setup.skip.items()},
        "notes": sized["notes"],
        "cannot_decide": sized["problems"],
    }
    if flags.as_json:
        sys.stdout.write(json.dumps(plan, indent=2) + "\n")
        return plan
    for name, value in plan.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        if name not in ("exit_code", "notes", "cannot_decide"):
            sys.stdout.write(f"{name.replace('_', ' ')}: {'none' if shown in (None, '') else shown}\n")
    for note in [*sized["notes"], *(f"cannot decide: {text}" for text in sized["problems"])]:
        sys.stdout.write(f"note: {note}\n")
    return plan

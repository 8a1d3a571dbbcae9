"""The plan of a matrix: which cells there are, what each runs, takes and costs, and what is left out and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from evalkit import fmt, hub
from evalkit.checklist.files import read_bytes, sha256_of
from evalkit.checklist.schema import Checklist
from evalkit.errors import InputFileError, RunFolderError
from evalkit.facts import Facts, RunStart
from evalkit.files import make_private, write_atomic
from evalkit.findings import Finding, Frozen, KnownBy, Status
from evalkit.gpu.cards import counted
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import HardwareFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.items.hardware.checks import FITS
from evalkit.items.hardware.decide import decide as decide_hardware
from evalkit.items.license.decide import decide as decide_license
from evalkit.matrix import INDEX
from evalkit.matrix.cells import SWEPT, Made, Point, addresses, expand, make, moved, planned, text_of
from evalkit.matrix.load import Loaded, load_matrix
from evalkit.matrix.schema import RayPlace
from evalkit.quality.suite import facts_of
from evalkit.run.setup import Setup, prepare
from evalkit.run.sizing import cost_of
from evalkit.secrets import redact
from evalkit.stored.folder import plan_hash
from evalkit.text import one_line, strict_json

FORMAT = 1
#: keys of a checklist on which neither the requests nor their number depend
_NO_WORK = ("name", "candidate", "cost", "use", "waivers")

#: keys of a run's frozen plan that say what is sent
_REQUESTS = ("prompts", "suites", "modes", "requests", "starts", "seed", "skip")


class Cell(Frozen):
    """One run of the matrix."""

    #: the name of its folder too, so that it leads nowhere else
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$")]
    variant: str
    engine: str
    hardware: str
    card: str
    precision: str
    load: int | None
    #: identity of the cell: its checklist, the plan of its requests, and the files that its servers read
    plan_sha256: str
    #: of the cell's checklist, as its run records it
    checklist_sha256: str
    #: of what its run sends: prompts, tasks, modes, requests and their order
    requests_sha256: str
    #: at most, as `evalkit validate` estimates them
    minutes: int
    usd: float | None
    usd_per_gpu_hour: float | None
    gpus: int
    #: a cell that takes longer is ended
    most_minutes: float
    #: evalkit starts the servers, so the machine is the cell's own
    launches: bool
    sbatch: tuple[str, ...] = ()
    ray: RayPlace = RayPlace()
    #: what is not decided yet and may keep the cell from GO
    notes: tuple[str, ...] = ()


class Left(Frozen):
    """A cell that is not run."""

    id: str
    why: tuple[str, ...]


class Plan(Frozen):
    """What is in matrix.json."""

    format: int = FORMAT
    name: str
    #: smallest speed-up that the base checklist asks for
    at_least: float
    #: of the intervals of the speed-ups
    confidence: float
    #: what the base checklist decides speed at
    decides: Literal["concurrency", "load", "capacity"] = "concurrency"
    cells: tuple[Cell, ...]
    left: tuple[Left, ...] = ()

    @property
    def minutes(self) -> int:
        return sum(cell.minutes for cell in self.cells)

    @property
    def usd(self) -> float | None:
        """Of the cells that have a price; None where none has."""
        known = [cell.usd for cell in self.cells if cell.usd is not None]
        return round(sum(known), 2) if known else None


@dataclass(frozen=True)
class Planned:
    """The plan, and the files of each cell by their names."""

    plan: Plan
    files: dict[str, dict[str, str]]


def collected(model: str, revision: str, folder: Path) -> CandidateFacts:
    """What a model's repository, folder or snapshot says; its shipped record where there is no network."""
    near = folder / model
    return hub.collect(str(near.resolve()) if near.exists() else model, revision=revision)


def plan(path: Path, out: Path, collect: Callable[[str, str, Path], CandidateFacts] = collected) -> Planned:
    """The plan of `path` for the folder `out`; nothing is written and no server is asked.

    Raises:
        InputFileError: a mistake in the file or its base checklist, or no cell that can work.
    """
    loaded = load_matrix(path)
    kept, out_of = expand(loaded)
    facts = {one.label: collect(one.model, one.revision, loaded.folder) for one in loaded.matrix.axes.variants}
    work = _Work(loaded)
    cells: list[Cell] = []
    left = [Left(id=point.id, why=("exclude",)) for point in out_of]
    files: dict[str, dict[str, str]] = {}
    for point, made in _without_shared(loaded, kept, facts, out):
        if made.checklist is None:
            left.append(Left(id=point.id, why=(made.why,)))
            continue
        failed, opened = work.reasons(point, made.checklist, facts[point.variant.label])
        if failed:
            left.append(Left(id=point.id, why=tuple(failed)))
            continue
        cell, texts = _cell(loaded, point, made, work, out, tuple(opened))
        cells.append(cell)
        files[cell.id] = texts
    if not cells:
        why = next((one.why[0] for one in left if one.why != ("exclude",)), "exclude")
        raise InputFileError(
            f"no cell can work: {why}", where=loaded.where("axes"), hint="see the table of what is left out"
        )
    modes = loaded.base.checklist.items.modes
    made_plan = Plan(
        name=loaded.matrix.name, at_least=modes.speedup.at_least, confidence=modes.confidence, decides=modes.decides,
        cells=tuple(cells),
        left=tuple(left),
    )  # fmt: skip
    return Planned(made_plan, files)


def _without_shared(
    loaded: Loaded, points: Sequence[Point], facts: dict[str, CandidateFacts], out: Path
) -> list[tuple[Point, Made]]:
    """Cells with their checklists. A server that is up serves one model on one machine: not those of several cells."""
    every = [(point, make(loaded, point, facts[point.variant.label], out / "cells" / point.id)) for point in points]
    users: dict[str, set[tuple[str, str, str]]] = {}
    for point, made in every:
        for address, _ in addresses(made.checklist) if made.checklist else ():
            users.setdefault(address, set()).add((point.variant.label, point.hardware.name, point.precision))

    def checked(made: Made) -> Made:
        found = addresses(made.checklist) if made.checklist else ()
        shared = next((address for address, _ in found if len(users[address]) > 1), None)
        if shared is None:
            return made
        why = "is the endpoint of cells with different models, machines or precisions: one server cannot be all of them"
        return Made(None, {}, redact(f"no recipe: {shared} {why}"))

    return [(point, checked(made)) for point, made in every]


def requests_hash(document: dict[str, Any]) -> str:
    """What a run's frozen plan says of its requests; where files are does not count."""
    return plan_hash({key: document.get(key) for key in (SWEPT if "sweep" in document else _REQUESTS)})


class _Work:
    """What cells of equal work share: prompts are read and requests planned once."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._setups: dict[str, tuple[Setup, int, str]] = {}
        self._reasons: dict[str, tuple[list[str], list[str]]] = {}

    def of(self, checklist: Checklist) -> tuple[Setup, int, str]:
        """The setup, its minutes, and the hash of its plan."""
        data = {key: value for key, value in checklist.model_dump(mode="json").items() if key not in _NO_WORK}
        data["modes"] = {label: bool(one.launch) for label, one in checklist.modes.items()}
        data["items"]["hardware"] = None
        key = json.dumps(data, sort_keys=True)
        if key not in self._setups:
            base = self._loaded.base
            mine = base.model_copy(update={"checklist": checklist})
            setup, stages, more = planned(mine) if checklist.sweep else (prepare(mine), (), {})
            minutes = sum(cost_of(one)["minutes"] for one in (*stages, setup))
            self._setups[key] = setup, minutes, requests_hash({**setup.document(), **more})
        return self._setups[key]

    def reasons(self, point: Point, checklist: Checklist, candidate: CandidateFacts) -> tuple[list[str], list[str]]:
        """As `refuse.reasons`, once for cells that differ in nothing that it reads."""
        key = f"{point.variant.label}|{point.hardware.card}|{point.precision}|{point.load}|{sorted(checklist.modes)}"
        if key not in self._reasons:
            self._reasons[key] = reasons(checklist, candidate, self.of(checklist)[0])
        return self._reasons[key]


def _cell(  # noqa: PLR0917  what a cell is made of
    loaded: Loaded, point: Point, made: Made, work: _Work, out: Path, notes: tuple[str, ...]
) -> tuple[Cell, dict[str, str]]:
    assert made.checklist is not None
    folder = (out / "cells" / point.id).resolve()
    text = text_of(moved(loaded.base, made.checklist, loaded.folder, folder))
    _, minutes, requests = work.of(made.checklist)
    sha = sha256_of(text)
    gpus = 0 if point.hardware.card.strip().lower() == "cpu" else counted(point.hardware.card)[0]
    price = made.checklist.cost.usd_per_gpu_hour
    identity = {
        "checklist": sha,
        "requests": requests,
        "files": {k: sha256_of(v) for k, v in sorted(made.files.items())},
    }
    cell = Cell(
        id=point.id, **point.names(), card=point.hardware.card, plan_sha256=plan_hash(identity), checklist_sha256=sha,
        requests_sha256=requests,
        minutes=minutes, usd=None if price is None else round(price * max(gpus, 1) * minutes / 60, 2),
        usd_per_gpu_hour=price, gpus=gpus, most_minutes=loaded.matrix.cell_minutes or 2 * minutes + 30,
        launches=any(one.launch for one in made.checklist.modes.values()), sbatch=tuple(point.hardware.sbatch),
        ray=point.hardware.ray,
        notes=notes,
    )  # fmt: skip
    return cell, {"checklist.yaml": text, **made.files}


def write(planned: Planned, out: Path) -> None:
    """Write matrix.json and the folder of each cell. What cells have measured stays.

    Raises:
        RunFolderError: not writable.
    """
    make_private(out)
    make_private(out / "cells")
    for name, files in planned.files.items():
        make_private(out / "cells" / name)
        for file, text in files.items():
            target = out / "cells" / name / file
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                write_atomic(target, text)
    write_atomic(out / INDEX, planned.plan.model_dump_json(indent=2) + "\n")


def read(out: Path) -> Plan:
    """The plan that lies in `out`.

    Raises:
        RunFolderError: there is none, or it was not written by this evalkit.
    """
    path = out / INDEX
    try:
        document = strict_json(read_bytes(path, max_bytes=64 << 20))
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise RunFolderError(
                "was written by another version of evalkit", where=str(path), hint="plan the matrix again"
            )
        return Plan.model_validate_json(json.dumps(document))
    except InputFileError as error:
        hint = "evalkit matrix plan FILE writes it"
        raise RunFolderError(error.message, where=str(path), hint=hint) from None
    except ValueError:
        raise RunFolderError("is not a plan of a matrix", where=str(path), hint="plan the matrix again") from None


def command(out: Path, cell: Cell, *, resume: bool = False) -> list[str]:
    """The one command of a cell, behind `evalkit`."""
    return command_in(out.resolve() / "cells" / cell.id, resume=resume)


def command_in(folder: Path, *, resume: bool) -> list[str]:
    """As `command`, of the cell whose folder is `folder`."""
    where = ["--resume" if resume else "--output-dir", str(folder / "run")]
    return ["run", str(folder / "checklist.yaml"), *where, "--yes"]


def table(plan: Plan, out: Path) -> str:
    """The plan for people."""
    width = max(len(cell.id) for cell in plan.cells)
    lines = [f"{fmt.plural(len(plan.cells), 'cell')}, at most {plan.minutes} minutes{_money(plan.usd)}", ""]
    for cell in plan.cells:
        usd = "" if cell.usd is None else f"  USD {cell.usd:.2f}"
        lines.append(f"  {cell.id:{width}}  {cell.minutes:>5} min{usd}  plan {cell.plan_sha256[:12]}")
    for note in dict.fromkeys(note for cell in plan.cells for note in cell.notes):
        many = sum(note in cell.notes for cell in plan.cells)
        lines.append(f"  note, {fmt.plural(many, 'cell')}: {note}")
    if plan.left:
        lines += ["", f"left out, {fmt.plural(len(plan.left), 'cell')}:"]
        lines += [f"  {one.id}: {'; '.join(one.why)}" for one in plan.left]
    lines += ["", f"each cell is one command, as evalkit {' '.join(command(out, plan.cells[0]))}"]
    return "\n".join(lines) + "\n"


def _money(usd: float | None) -> str:
    return "" if usd is None else f", USD {usd:.2f}"


def reasons(checklist: Checklist, candidate: CandidateFacts, setup: Setup) -> tuple[list[str], list[str]]:
    """Why a cell cannot end GO, and what is not decided yet: sentences of the license's and the hardware's findings."""
    now = datetime(2000, 1, 1, tzinfo=UTC)  # neither rule reads it
    facts = _facts(checklist, candidate, setup)
    found: list[Finding] = []
    if _asked(checklist, "license"):
        found += decide_license(checklist, facts, now)
    if _asked(checklist, "hardware"):
        found += [one for one in decide_hardware(checklist, facts, now) if one.id == FITS.id]
    failed = [_line(one) for one in found if one.counts and one.status is Status.FAIL and not _waived(checklist, one)]
    opened = [_line(one) for one in found if one.counts and one.status in (Status.INCONCLUSIVE, Status.ERROR)]
    return failed, list(dict.fromkeys(opened))


def _asked(checklist: Checklist, item: str) -> bool:
    part = checklist.items.license if item == "license" else checklist.items.hardware
    return part.required and part.not_applicable is None


def _waived(checklist: Checklist, finding: Finding) -> bool:
    """A finding that somebody accepts is the run's to decide, with its date and owner."""
    return any(waiver.finding == finding.id for waiver in checklist.waivers)


def _line(finding: Finding) -> str:
    return f"{finding.id}: {one_line(finding.summary, limit=240)}"


def _facts(checklist: Checklist, candidate: CandidateFacts, setup: Setup) -> Facts:
    """What is known of a run that did not begin: the model, the declared machine, prompts and tasks."""
    said = read_declared(checklist.items.hardware.declared)
    known = KnownBy.DECLARED if said.usable else None
    hardware = HardwareFacts(
        known_by=known, gpus=said.gpus, cpu_only=said.cpu_only, declared=said.text, notes=said.notes
    )
    start = RunStart(run_id="plan", started_at="", evalkit_version="", plan_sha256="", checklist_sha256="")
    return Facts(
        start=start, candidates=(candidate,), hardware=hardware, prompts=setup.prompts.facts,
        suites=tuple(facts_of(suite) for suite in setup.suites),
    )  # fmt: skip

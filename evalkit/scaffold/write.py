"""Renders a first checklist and writes it with its prompts, tasks and side files. Nothing that exists is touched."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from evalkit.analysis.pairs import alpha_of
from evalkit.analysis.suites import independent
from evalkit.checklist.errors import input_error
from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.checklist.yaml import parse_yaml
from evalkit.errors import UsageError
from evalkit.importers.direct import Conversion
from evalkit.run.fit import least_margin
from evalkit.run.setup import Setup, prepare
from evalkit.scaffold.detect import Found, asks_for_a_key
from evalkit.scaffold.propose import Model, Proposal, model_of, named, owned, propose, serves, what
from evalkit.serving.facts import EndpointFacts
from evalkit.stats.proportions import least_cases, power_noninferiority
from evalkit.text import one_line, sanitize

CHECKLIST = "checklist.yaml"
#: characters of a system prompt
_LONGEST = 20_000
#: characters of a name in candidate.same_as
_LONGEST_NAME = 512
DEFAULT_MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"
#: copies of the shipped sets, where the buyer has none of their own yet
PROMPTS, TASKS = "prompts/prompts.jsonl", "tasks/example.yaml"
#: the same for a model that takes images
IMAGE_PROMPTS, IMAGE_TASKS = "prompts/images.jsonl", "tasks/images.yaml"
_SHIPPED = {
    PROMPTS: "quick.jsonl", TASKS: "example.yaml", IMAGE_PROMPTS: "images.jsonl", IMAGE_TASKS: "tasks/images.yaml",
}  # fmt: skip
#: suites whose cases grow: more items, more lines between fact and question; the budget draws a sample of each size
PROBES = ("length-ladder.yaml", "distance.yaml")
#: while the cases that fit are counted: wide enough that no suite is asked three times
_COUNTING = 0.5
_KINDS = ("chat", "tools", "long", "structured", "custom")


class Request(NamedTuple):
    """What production sends."""

    temperature: float = 0.0
    max_tokens: int = 512
    system: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What the buyer says. `model` None: that of the servers found, else the default; `minutes`: of the whole run."""

    model: str | None = None
    purpose: str = "product"
    commercial: bool = True
    incumbent: str | None = None
    prompts: tuple[Path, ...] = ()
    tasks: tuple[Path, ...] = ()
    minutes: float = 90.0
    probes: bool = False
    request: Request = field(default_factory=Request)


class Written(NamedTuple):
    """Files by path, those that were there already apart; how each mode is served; what was imported."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    proposals: tuple[Proposal, ...] = ()
    imports: tuple[Conversion, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What the checklist will say."""

    model: Model
    proposals: list[Proposal]
    others: list[str]
    same_as: list[str]
    incumbent: EndpointFacts | None


def scaffold(folder: Path, found: Found, wanted: Wanted) -> Written:
    """Write what is missing of a checklist, prompts, tasks and side files of start commands.

    Raises:
        UsageError: the folder holds a checklist already, or cannot be written.
        InputFileError: prompts or tasks that cannot be read, with FILE:LINE. Nothing was written.
    """
    path = folder / CHECKLIST
    if os.path.lexists(path):
        raise UsageError("exists already: nothing was written", where=str(path), hint="edit it, or name another folder")
    plan = _plan(folder, found, wanted)
    contents: dict[Path, bytes] = {}
    prompts, tasks = _sets(plan.model)
    if not wanted.prompts:
        contents[folder / prompts] = (shipped_folder("prompts") / _SHIPPED[prompts]).read_bytes()
    if not wanted.tasks:
        contents[folder / tasks] = (shipped_folder("prompts") / _SHIPPED[tasks]).read_bytes()
    for name in PROBES if wanted.probes else ():
        contents[folder / "tasks" / name] = (shipped_folder("prompts") / "tasks" / name).read_bytes()
    for file in (file for one in plan.proposals for file in one.side_files):
        contents[folder / file.name] = file.text.encode()
    setup = _counted(path, found, wanted, plan.model)
    contents[path] = checklist_text(path, found, wanted, sized(setup)).encode()
    kept = tuple(one for one in contents if os.path.lexists(one))
    try:
        for one, data in contents.items():
            if one not in kept:
                one.parent.mkdir(parents=True, exist_ok=True)
                _create(one, data)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(error.filename or folder)) from None
    written = tuple(one for one in contents if one not in kept)
    return Written(written, kept, tuple(plan.proposals), setup.imports)


def _create(path: Path, data: bytes) -> None:
    """A new file, never through a link, never over another."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)


def _sets(model: Model) -> tuple[str, str]:
    """The prompts and tasks that a model starts with, where the buyer has none of their own."""
    return (IMAGE_PROMPTS, IMAGE_TASKS) if model.sees else (PROMPTS, TASKS)


def _counted(path: Path, found: Found, wanted: Wanted, model: Model) -> Setup:
    """The run as it would be planned, to count which prompts and cases fit its budget."""
    from pydantic import ValidationError

    wide = Sized(dict.fromkeys(("default", *_KINDS), _COUNTING), ())
    try:
        checklist = Checklist.model_validate(parse_yaml(checklist_text(path, found, wanted, wide), path).data)
    except ValidationError as error:
        raise input_error(error, Path("the command line"), {}, schema=Checklist) from None
    shipped = shipped_folder("prompts")
    chosen = _sets(model)
    prompts, tasks = (path.parent / name for name in chosen)
    own = {
        "prompts": [str(one.resolve()) for one in wanted.prompts]
        or [str((prompts if prompts.is_file() else shipped / _SHIPPED[chosen[0]]).resolve())],
        "tasks": [str(one.resolve()) for one in wanted.tasks]
        or [str((tasks if tasks.is_file() else shipped / _SHIPPED[chosen[1]]).resolve())],
    }
    own["tasks"] += [str((shipped / "tasks" / name).resolve()) for name in PROBES if wanted.probes]
    checklist = checklist.model_copy(update=own)
    return prepare(LoadedChecklist(checklist=checklist, path=None, folder=path.parent, sha256=""))


def checklist_text(path: Path, found: Found, wanted: Wanted, sizes: Sized | None = None) -> str:
    """The checklist for what was found; a placeholder where a run needs a server and nothing is known of one."""
    from jinja2 import Environment, StrictUndefined

    template = resources.files(__package__ or "evalkit.scaffold").joinpath("checklist.yaml.j2").read_text()
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  YAML
    environment.filters["quoted"] = quoted
    folder, plan = path.parent, _plan(path.parent, found, wanted)
    sizes = sizes or Sized({"structured": 0.10}, ())
    margins = {"default": max(sizes.margins.values(), default=0.10), **sizes.margins}
    return environment.from_string(template).render(
        name=Path(plan.model.name).name if Path(plan.model.name).is_dir() else plan.model.name,
        path=one_line(str(path), limit=200), schema=_schema(), wanted=wanted, model=_written_as(plan.model, folder),
        model_known=plan.model.given, modes=plan.proposals, others=plan.others, same_as=plan.same_as,
        hardware=_hardware(found), temperature=f"{wanted.request.temperature:g}", incumbent=plan.incumbent,
        baseline_elsewhere=bool(wanted.incumbent) and not _served(plan.proposals[0]),
        prompts=[_beside(one, folder) for one in wanted.prompts] or [_sets(plan.model)[0]],
        tasks=[*([_beside(one, folder) for one in wanted.tasks] or [_sets(plan.model)[1]]),
               *(f"tasks/{name}" for name in PROBES if wanted.probes)],
        match=f"{sizes.match:.2f}" if sizes.match > Sized({}, ()).match else None,
        on_cpu=any(one.cpu for one in plan.proposals), reclassed=any(one.reclassed for one in plan.proposals),
        margins={kind: f"{margin:.2f}" for kind, margin in margins.items()}, remarks=sizes.remarks,
        allow=sorted({"release", *(one.release for one in plan.proposals if one.known)}, reverse=True),
    )  # fmt: skip


def quoted(text: object) -> str:
    """A YAML text in double quotes, control characters made visible."""
    return json.dumps(sanitize(str(text), limit=_LONGEST), ensure_ascii=False)


def _schema() -> str:
    """The shipped schema, for editors: every key is completed and explained there."""
    path = resources.files("evalkit.data").joinpath("checklist.schema.json")
    return Path(str(path)).as_uri()


def _beside(path: Path, folder: Path) -> str:
    """As the checklist refers to a file: from its own folder."""
    return os.path.relpath(path.resolve(), folder.resolve())


def _written_as(model: Model, folder: Path) -> str:
    return _beside(Path(model.name), folder) if model.given and Path(model.name).exists() else model.name


def _served(proposal: Proposal) -> bool:
    return proposal.launch is not None or proposal.url is not None


def _plan(folder: Path, found: Found, wanted: Wanted) -> _Plan:
    incumbent = next((one for one in found.servers if one.endpoint == wanted.incumbent), None)
    servers = tuple(one for one in found.servers if one.endpoint != wanted.incumbent)
    model = _candidate(servers, wanted) or named(DEFAULT_MODEL, given=False)
    mine = tuple(one for one in servers if not model.given or serves(one, model))
    proposals = propose(model, found._replace(servers=mine), folder, baseline_elsewhere=bool(wanted.incumbent))
    used = {one.url for one in proposals}
    others = [_other(one, mine) for one in servers if one.endpoint not in used]
    names = [one.model for one in proposals if one.model and model.given and len(one.model) <= _LONGEST_NAME]
    names = [name for name in names if one_line(name, limit=200).casefold() != model.name.casefold()]
    return _Plan(model, proposals, others, list(dict.fromkeys(names)), incumbent)


def _other(server: EndpointFacts, mine: tuple[EndpointFacts, ...]) -> str:
    """A remark on a server that no mode has."""
    if asks_for_a_key(server):
        why = "asks for a key: name its variable in api_key_env"
    elif server not in mine:
        why = "by its name another model: the incumbent? If it is the candidate: candidate.same_as"
    else:
        why = f"also {server.declared_mode}" if server.declared_mode else "decoding mode not declared"
    return one_line(f"{server.endpoint}: {what(server)}, {why}", limit=300)


def others_of(found: Found, wanted: Wanted) -> list[EndpointFacts]:
    """Servers that serve another model than the candidate: one of them may be the incumbent."""
    model = _candidate(found.servers, wanted)
    return [one for one in found.servers if model and not asks_for_a_key(one) and not serves(one, model)]


def _candidate(servers: tuple[EndpointFacts, ...], wanted: Wanted) -> Model | None:
    """The model that the buyer named, else the one that the servers do."""
    if wanted.model:
        from evalkit.hub.candidate import full_id

        return model_of(full_id(wanted.model))
    said = _model(servers)
    return named(said) if said else None


def default_model(found: Found) -> str:
    """The model of the servers found, else the first candidate."""
    return _model(found.servers) or DEFAULT_MODEL


def _model(servers: tuple[EndpointFacts, ...]) -> str | None:
    """A Hub id that a server names as the place of its weights; of servers of diffusion models first."""
    plain = ("autoregressive", None)
    for server in sorted(servers, key=lambda one: one.declared_mode in plain):
        for name in (server.model_path, server.model):
            if name and owned(name):
                return one_line(name, limit=200)
    return None


def _hardware(found: Found) -> str:
    if found.gpus:
        return one_line(f"found here: {', '.join(found.gpus)}; declare another machine as '2x L4' or cpu", limit=200)
    return "no GPU was found here: run on the server, or declare what is behind the endpoints: '2x L4', H100-80GB, cpu"


#: a wider margin is for a person to write: a loss of every sixth answer is not a small one
WIDEST = 0.15
#: none narrower is proposed
_NARROWEST = 0.03
#: chance that an equally good mode passes in all suites together, where this share of its cases differs
_POWER, _DIFFERING = 0.85, 0.02
#: of replies that differ from the baseline's, as a checklist has it that says nothing
_MATCH = 0.05


class Sized(NamedTuple):
    """Margin by kind of suite, as a share, and a remark a kind; `match`: that of replies equal to the baseline's."""

    margins: dict[str, float]
    remarks: tuple[str, ...]
    match: float = _MATCH


def sized(setup: Setup) -> Sized:
    """What the suites of `setup`, as they fit the budget, can show at the checklist's error."""
    alpha = alpha_of(setup.checklist)
    cases: dict[str, int] = {}
    for suite in setup.suites:
        cases[suite.kind] = min(independent(suite), cases.get(suite.kind, 1 << 30))
    power = _POWER ** (1 / max(len(setup.suites), 1))
    margins = {kind: margin_of(n, alpha, power) for kind, n in cases.items()}
    remarks = tuple(_remark(kind, n, margins[kind], alpha) for kind, n in cases.items())
    every = sum(independent(suite) for suite in setup.suites)
    return Sized(margins, remarks, max(_MATCH, margin_of(every, alpha, _POWER)) if every else _MATCH)


def margin_of(cases: int, alpha: float, power: float = _POWER) -> float:
    """The smallest margin that an equally good mode shows with this chance; `WIDEST` where the cases are too few."""
    least = max(least_margin(cases, alpha), _NARROWEST)
    for points in range(round(100 * least), round(100 * WIDEST) + 1):
        if power_noninferiority(cases, _DIFFERING, points / 100, alpha) >= power:
            return points / 100
    return WIDEST


def _remark(kind: str, cases: int, margin: float, alpha: float) -> str:
    points = f"{100 * margin:.0f} points"
    least = least_cases(margin, alpha)
    if cases < least:
        return f"{kind}: {cases} independent cases are too few for {points}: at least {least} are needed, add cases"
    best = f"{100 * least_margin(cases, alpha):.0f}"
    return f"{kind}: {cases} independent cases fit and show a loss of more than {points} (without a lost case: {best})"

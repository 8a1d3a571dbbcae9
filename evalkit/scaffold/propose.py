"""How each decoding mode could be served: a server that is up, else the records' start command. Nothing is guessed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from evalkit.data.records import STALE_DAYS, Record, SideFile, engines, records_for, variants
from evalkit.modes import Mode
from evalkit.scaffold.detect import Found, asks_for_a_key
from evalkit.scaffold.engines import Installed, in_environment
from evalkit.serving.engines.own_code import CALLS, START
from evalkit.serving.facts import EndpointFacts
from evalkit.serving.support import Recipe, line, recipes_for, unknown
from evalkit.text import one_line

#: records of a mode that are listed where no start command is known
_MOST_RECORDS = 4
#: files of a model's own code that are looked at
_MOST_CODE = 50
_PLACES = {
    Mode.AUTOREGRESSIVE.value: "http://127.0.0.1:30000",
    Mode.DIFFUSION.value: "http://127.0.0.1:30001",
    Mode.SELF_SPECULATION.value: "http://127.0.0.1:30002",
}


@dataclass(frozen=True)
class Proposal:
    """One mode of the checklist. `remarks` are comments; with neither `url` nor `launch` they are all there is."""

    label: str
    remarks: tuple[str, ...]
    url: str | None = None
    model: str | None = None
    launch: tuple[str, ...] | None = None
    side_files: tuple[SideFile, ...] = ()
    #: what `serving.allow` must have for the start command: release, pre-release, fork
    release: str = "release"
    #: a placeholder: nothing is known to listen there
    open: bool = False
    #: the start command is for a machine without a GPU
    cpu: bool = False
    #: the start command loads the checkpoint as another class
    reclassed: bool = False

    @property
    def known(self) -> bool:
        """Whether a server or a start command was found."""
        return self.launch is not None or (self.url is not None and not self.open)


@dataclass(frozen=True)
class Model:
    """The candidate: its id or folder, what it is called by servers, and its architecture classes."""

    name: str
    names: frozenset[str]
    architectures: tuple[str, ...] = ()
    #: False: nobody said it, and no server did
    given: bool = True
    #: takes images
    sees: bool = False


def model_of(given: str) -> Model:
    """A Hub id, or a folder with config.json."""
    path = Path(given)
    if not path.is_dir():
        return named(given)
    try:
        read = json.loads((path / "config.json").read_bytes()[: 1 << 20])
        classes = tuple(name for name in read.get("architectures") or [] if isinstance(name, str))
        sees = bool(read.get("vision_config"))
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        classes, sees = (), False
    return Model(str(path), _names(str(path.resolve())), classes, sees=sees)


def named(name: str, *, given: bool = True) -> Model:
    """A Hub id."""
    sees = any(v.id.casefold() == _plain(name) and v.kind == "vision-language" for v in variants())
    return Model(name, _names(name), given=given, sees=sees)


def _names(name: str) -> frozenset[str]:
    return frozenset({_plain(name), _tail(name)})


def _plain(name: str) -> str:
    return one_line(name, limit=200).casefold().rstrip("/")


def _tail(name: str) -> str:
    return _plain(name).rpartition("/")[2]


def owned(name: str) -> bool:
    """Whether it reads owner/name, as ids of the Hub do."""
    parts = name.split("/")
    return len(parts) == 2 and all(part.strip() for part in parts) and not name.startswith((".", "~"))


def serves(server: EndpointFacts, model: Model) -> bool:
    """Whether a server calls its model as the candidate is called: by id or folder, or by the last part of it alone.

    The same last part under another owner is another model: a fine-tuned or quantised one often keeps it.
    """
    if server.model_path and owned(server.model_path):
        return _plain(server.model_path) in model.names
    said = [server.model_path, server.model, *server.served_models]
    return any((_plain(name) if owned(name) else _tail(name)) in model.names for name in said if name)


def propose(model: Model, found: Found, folder: Path, *, baseline_elsewhere: bool = False) -> list[Proposal]:
    """A proposal for each mode, the baseline first.

    What a run needs and nothing is known of has a placeholder as its address: the baseline (unless
    `baseline_elsewhere`) and one mode to adopt. Further modes are comments.
    """
    servers = _by_mode(found.servers)
    labels = dict.fromkeys([*_PLACES, *servers])
    made = [
        _of_server(label, servers[label]) if label in servers else _of_records(label, model, found, folder)
        for label in labels
    ]
    needed: set[str] = set()
    if not made[0].known and not baseline_elsewhere:
        needed.add(made[0].label)
    if not any(one.known for one in made[1:]):
        needed.add(Mode.DIFFUSION.value)
    taken = {server.endpoint for server in found.servers}
    return [_placeholder(one, taken) if one.label in needed else one for one in made]


def _by_mode(servers: Sequence[EndpointFacts]) -> dict[str, EndpointFacts]:
    """The first server of each mode that declares it."""
    first: dict[str, EndpointFacts] = {}
    for server in servers:
        if server.declared_mode is not None and not asks_for_a_key(server):
            first.setdefault(server.declared_mode, server)
    return first


def what(server: EndpointFacts) -> str:
    """Engine, version and model of a server."""
    engine = " ".join(filter(None, (server.engine or "unknown engine", server.engine_version)))
    kind = "" if server.release == "release" else f" ({server.release})"
    return one_line(f"{engine}{kind}, model {server.model or 'unknown'}", limit=160)


def _of_server(label: str, server: EndpointFacts) -> Proposal:
    release = server.release if server.release in ("pre-release", "fork") else "release"
    return Proposal(label, (f"found: {what(server)}",), url=server.endpoint, model=server.model, release=release)


def _of_records(label: str, model: Model, found: Found, folder: Path) -> Proposal:
    unsaid = not model.given and found.servers  # they serve something, and nothing says that it is this model
    recipes = [] if unsaid else recipes_for(model.name, label, model.architectures)
    here = {one.key: one for one in found.engines}
    if not recipes:
        own = None if unsaid else _own_code(label, model)
        return own or Proposal(label, tuple(_unknown(label, model, found)))
    chosen = next((one for one in recipes if one.record.engine in here), recipes[0])
    return _of_recipe(label, chosen, here.get(chosen.record.engine), folder, cpu=not found.gpus)


def _own_code(label: str, model: Model) -> Proposal | None:
    """`evalkit serve`, where the folder's own code has the calls that it knows, the one of this mode among them."""
    folder = Path(model.name)
    if label not in CALLS or not folder.is_dir():
        return None
    try:
        texts = [path.read_bytes()[: 1 << 20] for path in sorted(folder.glob("*.py"))[:_MOST_CODE]]
    except OSError:
        return None
    has = {call for call in CALLS.values() if any(b"def %s(" % call.encode() in text for text in texts)}
    if CALLS[label] not in has or not has - {CALLS[Mode.DIFFUSION.value]}:  # many models have a `generate`
        return None
    remarks = (
        f"evalkit serve: its own code has {CALLS[label]}, and no engine is recorded; a reference implementation",
        "it runs the model's own code with your rights: read it first, then pin it with --code-sha256",
    )
    return Proposal(label, remarks, launch=(sys.executable, *START.command("--mode", label)[1:]))


def _of_recipe(label: str, recipe: Recipe, installed: Installed | None, folder: Path, *, cpu: bool) -> Proposal:
    record = recipe.record
    state = f"installed here: {installed.version}" if installed else "not installed in the environment looked at"
    old = f", over {STALE_DAYS} days old, may have changed" if record.stale(_today()) else ""
    remarks = (f"{recipe.title}; {state}", record.note, f"record of {record.date}{old}: {record.source}")
    files = {file.name: str(folder.resolve() / file.name) for file in recipe.side_files}
    argv = in_environment(tuple(files.get(part, part) for part in recipe.argv), installed)
    on_cpu = cpu and installed is not None and installed.cpu
    if on_cpu:
        argv = _on_cpu(argv, record)
    release = {"released": "release", "fork": "fork"}.get(record.status, "pre-release")
    return Proposal(
        label, tuple(one_line(text, limit=300) for text in remarks), launch=argv, side_files=recipe.side_files,
        release=release, cpu=on_cpu, reclassed=any('"architectures"' in part for part in recipe.argv),
    )  # fmt: skip


def _today() -> date:
    return datetime.now(UTC).date()


def _on_cpu(argv: tuple[str, ...], record: Record) -> tuple[str, ...]:
    """The start command with what the engine needs on a machine without a GPU; a flag of both is the CPU's."""
    row = engines()[record.engine]
    flags = {part for part in row.cpu_args if part.startswith("--")}
    kept: list[str] = []
    for place, part in enumerate(argv):
        value = place and argv[place - 1] in flags and not part.startswith("--")
        if part not in flags and not value:
            kept.append(part)
    environment = ("env", *row.cpu_environment) if row.cpu_environment else ()
    return (*environment, *kept, *row.cpu_args)


def _unknown(label: str, model: Model, found: Found) -> list[str]:
    """That no start command is known, and what was looked for."""
    engines = ", ".join(f"{one.key} {one.version}" for one in found.engines) or "none"
    asked = f"{len(found.servers)} servers that were found" if found.servers else "no server was found"
    records = records_for(model.name, label, model.architectures)
    said = [
        unknown(model.name, label, model.architectures).replace("No start", "no start", 1),
        f"looked for: a server of this mode ({asked}), the records, engines installed ({engines})",
        *(f"record: {line(record, _today())}" for record in records[:_MOST_RECORDS]),
    ]
    return [one_line(text, limit=300) for text in said]


def _placeholder(proposal: Proposal, taken: set[str]) -> Proposal:
    url = _PLACES[proposal.label]
    while url in taken:
        url = f"{url.rpartition(':')[0]}:{int(url.rpartition(':')[2]) + 1}"
    remarks = (*proposal.remarks, "no server was found: start it, then correct this address")
    return Proposal(proposal.label, remarks, url=url, open=True)

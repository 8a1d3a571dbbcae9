"""`evalkit ab`: two endpoints as a run. A is the checklist's incumbent, B its one mode; nothing else is asked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.checklist.errors import input_error
from evalkit.checklist.files import sha256_of
from evalkit.checklist.schema import Checklist, Endpoint, LoadedChecklist
from evalkit.environment import resolve_key
from evalkit.errors import UsageError
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.run.setup import prepare
from evalkit.run.show import Shown, plain
from evalkit.run.start import Flags, evaluate, note
from evalkit.secrets import redact
from evalkit.serving.facts import EndpointFacts
from evalkit.stored.folder import RunFolder
from evalkit.text import cut, one_line

_NOT_ASKED = "evalkit ab asks for speed and tasks alone"
_NO_TASKS = "no --tasks were given: the comparison is of speed alone"


@dataclass(frozen=True)
class Side:
    """One of the two endpoints: its address, the served model, the variable that holds its key, and its prices."""

    url: str
    model: str | None = None
    key: str | None = None
    #: as `KEY=NUMBER` with the keys of `cost` in a checklist
    cost: tuple[str, ...] = ()

    def endpoint(self) -> dict[str, object]:
        """As a checklist has it."""
        given = {"endpoint": self.url, "model": self.model, "api_key_env": self.key, "cost": prices(self.cost) or None}
        return {name: value for name, value in given.items() if value is not None}


def prices(given: Iterable[str]) -> dict[str, float]:
    """Prices from `KEY=NUMBER`; whether the keys exist and agree, the checklist says.

    Raises:
        UsageError: a text of another form, or a key that is given twice.
    """
    found: dict[str, float] = {}
    for text in given:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            equals = ""
        if not equals or name in found:
            why = "is given twice" if equals else "is not KEY=NUMBER"
            raise UsageError(
                f"a price {why}: {cut(text, 80)}", hint="write it as usd_per_gpu_hour=3.5, each key once for A or B"
            )
        found[name] = int(value) if value.is_integer() else value
    return found


@dataclass(frozen=True)
class Asked:
    """What is asked of B compared with A. `at_least` is a ratio of end-to-end times; margin and floor are shares."""

    a: Side
    b: Side
    prompts: tuple[Path, ...]
    tasks: tuple[Path, ...] = ()
    at_least: float = 1.1
    margin: float = 0.03
    floor: float = 0.5
    max_tokens: int = 512
    concurrency: int = 1
    output_dir: Path | None = None
    resume: Path | None = None
    as_json: bool = False
    yes: bool = False
    waits: bool = False


def ab(asked: Asked, shown: Shown = plain) -> dict[str, Any]:
    """The report document of the comparison.

    Raises:
        UsageError: options, keys or files that are invalid; nothing was sent.
        Interrupted: Ctrl-C or SIGTERM; what was measured is kept.
    """
    loaded = checklist_of(asked, f"{Mode.AUTOREGRESSIVE.value}@b")
    prepare(loaded)  # files are read before a server is asked
    for side in (asked.a, asked.b):
        resolve_key(side.key)
    seen = _probed(loaded)
    label = _stored_label(asked.resume, seen) if asked.resume else _label_of(seen)
    note(redact(f"A is {asked.a.url} ({INCUMBENT} in the report), B is {asked.b.url} ({label})"))
    flags = Flags(
        output_dir=asked.output_dir,
        resume=asked.resume,
        as_json=asked.as_json,
        yes=asked.yes,
        waits=asked.waits,
        all_or_none=True,
    )
    return evaluate(checklist_of(asked, label), flags, shown)


def checklist_of(asked: Asked, label: str) -> LoadedChecklist:
    """The checklist that asks whether B, under `label`, is faster than A and loses at most the margin.

    Raises:
        InputFileError: an option holds what a checklist must not.
    """
    try:
        checklist = Checklist.model_validate({
            "name": f"A/B: {one_line(asked.b.url, limit=90)} (B) against {one_line(asked.a.url, limit=90)} (A)",
            "request": {"max_tokens": asked.max_tokens},
            "baseline": INCUMBENT,
            "modes": {label: asked.b.endpoint()},
            "incumbent": asked.a.endpoint(),
            "prompts": [str(path.resolve()) for path in asked.prompts],
            "tasks": [str(path.resolve()) for path in asked.tasks],
            "items": _items(asked),
        })  # fmt: skip
    except ValidationError as error:
        raise input_error(error, Path("the command line"), {}, schema=Checklist) from None
    digest = sha256_of(checklist.model_dump_json())
    return LoadedChecklist(checklist=checklist, path=None, folder=Path.cwd(), sha256=digest)


def _items(asked: Asked) -> dict[str, Any]:
    not_asked = {"not_applicable": {"reason": _NOT_ASKED}}
    margins = dict.fromkeys(("default", "tools", "long"), asked.margin)
    quality: dict[str, Any] = {"margin": margins, "floor": {"default": asked.floor}}
    return {
        "license": not_asked,
        "modes": {"speedup": {"at_least": asked.at_least}, "concurrency": [asked.concurrency]},
        "hardware": not_asked,
        # what serves is shown, and no condition: the two may differ in everything
        "serving": {"required": False, "accept_inferred": True, "allow": ["release", "pre-release", "fork"]},
        "quality": quality | ({} if asked.tasks else {"not_applicable": {"reason": _NO_TASKS}}),
        "context": not_asked,
    }


def _probed(loaded: LoadedChecklist) -> EndpointFacts:
    """What B is: one short reply is streamed."""
    from evalkit import client as clients
    from evalkit.serving.probe import probe

    (endpoint,) = loaded.checklist.modes.values()

    async def look(endpoint: Endpoint) -> EndpointFacts:
        async with aclosing(clients.open_client([endpoint.endpoint or ""])) as client:
            return await probe("b", endpoint, client=client, limits=loaded.checklist.limits.control())

    return clients.run(look(endpoint))


def _label_of(seen: EndpointFacts) -> str:
    """How B decodes, as declared, else as seen; what cannot be known counts as one token at a time."""
    return f"{seen.declared_mode or seen.observed_mode or Mode.AUTOREGRESSIVE.value}@b"


def _stored_label(folder: Path, seen: EndpointFacts) -> str:
    """B's label in the run that is continued.

    Raises:
        UsageError: the folder holds another kind of run, or B declares another mode now.
    """
    modes = list(RunFolder.begun(folder).checklist().checklist.modes)
    if len(modes) != 1:
        raise UsageError("is not a run of evalkit ab", where=str(folder), hint="continue it with evalkit run --resume")
    if seen.declared_mode and base_mode(modes[0]).value != seen.declared_mode:
        raise UsageError(
            f"this run took B for {modes[0]}, and B declares {seen.declared_mode} now", where=str(folder),
            hint="start a new run: give the same command with another --output-dir instead of --resume",
        )  # fmt: skip
    return modes[0]

"""`evalkit init`: a first checklist with prompts and tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from evalkit.scaffold.detect import Found
    from evalkit.scaffold.write import Request, Wanted, Written
    from evalkit.serving.facts import EndpointFacts

T = TypeVar("T")
_PURPOSES = ("research", "evaluation", "internal", "product")


def init_command(  # noqa: PLR0917  typer makes options of parameters
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; it is made when missing.")] = Path(),
    model: Annotated[
        str | None, typer.Option("--model", help="The candidate: a Hub id or a local folder.", metavar="ID|FOLDER")
    ] = None,
    use: Annotated[
        str | None, typer.Option("--use", help=f"What it is for: {', '.join(_PURPOSES)}.", metavar="PURPOSE")
    ] = None,
    commercial: Annotated[
        bool | None, typer.Option("--commercial/--no-commercial", help="Whether the use is commercial.")
    ] = None,
    incumbent: Annotated[
        str | None, typer.Option("--incumbent", help="Address of the model that you use today.", metavar="URL")
    ] = None,
    prompts: Annotated[
        list[Path] | None, typer.Option("--prompts", help="Your prompts, also of other tools (repeat).", metavar="F")
    ] = None,
    tasks: Annotated[
        list[Path] | None, typer.Option("--tasks", help="Your task suites, also of other tools (repeat).", metavar="F")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Minutes of a run, server starts included.", metavar="MIN")
    ] = None,
    probes: Annotated[
        bool | None,
        typer.Option(
            "--probes/--no-probes", help="Add samples of two suites that grow: list length, distance of a fact."
        ),
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="What production sends.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="What production sends.")] = None,
    system: Annotated[str | None, typer.Option(help="The system prompt that production sends.")] = None,
    server: Annotated[
        list[str] | None, typer.Option("--server", help="Address of a server to look at too (repeat).", metavar="URL")
    ] = None,
    scan: Annotated[bool, typer.Option(help="Look for servers on this machine's usual ports.")] = True,
    python: Annotated[
        str | None, typer.Option("--python", help="Interpreter of the environment with the engines.", metavar="PATH")
    ] = None,
    try_: Annotated[
        bool, typer.Option("--try", help="Start each server once: start, probe, one answer, stop.")
    ] = False,
) -> None:
    """Write a checklist, prompts and an example suite for a model and for what is found on this machine.

    Looks for servers on loopback, GPUs and installed engines; sends no prompt unless --try is given. A mode without a
    server gets the start command that the records know. On a terminal it asks what no flag answers; elsewhere it asks
    nothing and says which defaults it took. Never overwrites.
    Exit codes: 0 written, 2 nothing written, 3 with --try: a mode does not answer.
    """
    from evalkit.client import run
    from evalkit.scaffold.detect import PORTS, Found, find_gpus, find_servers
    from evalkit.scaffold.engines import find_engines
    from evalkit.scaffold.write import scaffold
    from evalkit.serving.control import base_url

    given = {
        "model": _model(model), "purpose": _purpose(use), "commercial": commercial,
        "incumbent": base_url(incumbent) if incumbent else None, "prompts": tuple(prompts or ()) or None,
        "tasks": tuple(tasks or ()) or None, "minutes": _minutes(budget), "probes": probes, "temperature": temperature,
        "max_tokens": max_tokens, "system": system,
    }  # fmt: skip
    engines = find_engines(python)
    looked = [*(server or []), *([incumbent] if incumbent else [])]
    found = Found(run(find_servers(looked, PORTS if scan else ())), *find_gpus(), engines)
    asks = sys.stdin is not None and sys.stdin.isatty()
    wanted = _wanted({key: value for key, value in given.items() if value is not None}, found, asks=asks)
    done = scaffold(folder, found, wanted)
    defaults = [] if asks else [key for key, value in given.items() if value is None]
    typer.echo("\n".join(_said(found, done, wanted, folder, defaults)))
    if try_ and not _tried(folder):
        raise typer.Exit(3)


def _wanted(given: dict[str, Any], found: Found, *, asks: bool) -> Wanted:
    """Flags, then answers of a person, then defaults."""
    from evalkit.scaffold.write import Request, Wanted

    sent = {key: given.pop(key) for key in ("temperature", "max_tokens", "system") if key in given}
    wanted, request = Wanted(**given), Request(**sent)
    if asks:
        print("Enter keeps the value in brackets.", file=sys.stderr)  # noqa: T201  a dialogue
        wanted = _asked(wanted, set(given), found)
        request = _asked_request(request, set(sent))
    return replace(wanted, request=request)


def _asked(wanted: Wanted, known: set[str], found: Found) -> Wanted:
    from evalkit.scaffold.write import default_model, others_of
    from evalkit.serving.control import base_url

    if "model" not in known:
        wanted = replace(wanted, model=_ask("model", default_model(found), _model, bool))
    if "purpose" not in known:
        wanted = replace(wanted, purpose=_ask("use", wanted.purpose, _purpose, bool))
    if "commercial" not in known:
        answer = _ask("commercial use", "yes", str.casefold, _yes_or_no)
        wanted = replace(wanted, commercial=answer.startswith("y"))
    if "incumbent" not in known:
        offered = others_of(found, wanted)
        for one in offered:
            print(f"  {one.endpoint} serves another model: {_what(one)}", file=sys.stderr)  # noqa: T201  a dialogue
        wanted = replace(wanted, incumbent=_ask("incumbent (address)", None, base_url, bool))
    none: Path | None = None
    if "prompts" not in known and (path := _ask("your prompts (file)", none, Path, Path.is_file)):
        wanted = replace(wanted, prompts=(path,))
    if "tasks" not in known and (path := _ask("your tasks (file)", none, Path, Path.is_file)):
        wanted = replace(wanted, tasks=(path,))
    if "probes" not in known:
        answer = _ask("suites that grow: list length, distance of a fact", "no", str.casefold, _yes_or_no)
        wanted = replace(wanted, probes=answer.startswith("y"))
    if "minutes" not in known:
        wanted = replace(
            wanted, minutes=_ask("budget in minutes", wanted.minutes, lambda text: _minutes(float(text)), bool)
        )
    return wanted


def _yes_or_no(value: str) -> bool:
    return value in ("yes", "no", "y", "n")


def _asked_request(default: Request, known: set[str]) -> Request:
    asked: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], bool]]] = {
        "temperature": ("temperature", float, lambda value: 0 <= value <= 2),
        "max_tokens": ("max_tokens", int, lambda value: 0 < value <= 1_000_000),
        "system": ("system prompt", str, lambda value: len(value) <= 20_000),
    }
    answers = {
        key: _ask(name, getattr(default, key), parse, fits)
        for key, (name, parse, fits) in asked.items()
        if key not in known
    }
    return default._replace(**answers)


def _ask(name: str, default: T, parse: Callable[[str], Any], fits: Callable[[Any], bool]) -> T:
    from evalkit.errors import UsageError
    from evalkit.text import cut

    while True:
        shown = "none" if default is None else f"{default:g}" if isinstance(default, float) else default
        print(f"{name} [{shown}]: ", end="", file=sys.stderr, flush=True)  # noqa: T201  a dialogue
        line = sys.stdin.readline()
        if not line.strip():
            return default
        try:
            value: T = parse(line.strip())
        except (ValueError, UsageError):
            value = default
        else:
            if fits(value):
                return value
        print(f"{cut(line.strip(), 60)} is no {name} that can be used", file=sys.stderr)  # noqa: T201  a dialogue


def _model(given: str | None) -> str | None:
    from evalkit.errors import UsageError

    if given is None:
        return None
    if not given.strip() or len(given) > 512:
        raise UsageError(
            "--model: not an id or folder", hint="give owner/name of the Hub, or a folder with config.json"
        )
    if given.startswith(("/", "./", "../", "~")) and not Path(given).expanduser().exists():
        raise UsageError(f"--model {given[:200]}: no such folder", hint="give owner/name of the Hub, or a folder")
    return str(Path(given).expanduser()) if given.startswith("~") else given


def _purpose(given: str | None) -> str | None:
    from evalkit.checklist.errors import suggest
    from evalkit.errors import UsageError

    if given is None or given in _PURPOSES:
        return given
    hint = suggest(given, list(_PURPOSES)) or f"one of {', '.join(_PURPOSES)}"
    raise UsageError(f"--use {given[:60]}: no such purpose", hint=hint)


def _minutes(given: float | None) -> float | None:
    import math

    from evalkit.errors import UsageError

    if given is not None and not (math.isfinite(given) and given > 0):
        raise UsageError(f"--budget {given:g}: minutes are more than 0", hint="--budget 90")
    return given


def _said(found: Found, done: Written, wanted: Wanted, folder: Path, defaults: list[str]) -> Iterator[str]:
    from evalkit.scaffold.write import CHECKLIST
    from evalkit.text import one_line

    yield from (f"wrote {path}" for path in done.written)
    yield from (f"kept {path}: it was there already" for path in done.kept)
    yield from (one_line(note, limit=300) for one in done.imports for note in one.notes())
    for server in found.servers:
        yield f"found {one_line(server.endpoint)}: {_what(server)}"
    if not found.servers:
        yield "found no server on this machine"
    cpu = any(one.cpu for one in done.proposals)
    missing = "the start commands are for the CPU" if cpu else "declare items.hardware.declared"
    yield f"found {', '.join(found.gpus)}" if found.gpus else f"found no GPU: {missing}"
    yield from (f"found {one.key} {one.version}, of {one_line(one.python, limit=200)}" for one in found.engines)
    if not found.engines:
        yield "found no installed engine"
    for one in done.proposals:
        how = one.url if one.known and one.url else None
        how = how or (f"start command, {one.remarks[0]}" if one.launch else "no start command is known")
        yield one_line(f"mode {one.label}: {how}", limit=200)
    allowed = sorted({one.release for one in done.proposals if one.known} - {"release"})
    if allowed:
        yield f"allowed by name, and shown as a warning: {', '.join(allowed)} (items.serving.allow)"
    if defaults:
        yield f"defaults were taken for: {', '.join(_taken(defaults, wanted))}"
    path = folder / CHECKLIST
    yield "next:"
    if not (wanted.prompts and wanted.tasks):
        yield "  replace the shipped prompts and tasks by what production sends and expects"
    yield f"  evalkit validate {path}"
    yield f"  evalkit run {path}"


def _taken(defaults: list[str], wanted: Wanted) -> Iterator[str]:
    from evalkit.scaffold.write import DEFAULT_MODEL

    request = wanted.request._asdict()
    for key in defaults:
        value = request[key] if key in request else getattr(wanted, key)
        if key == "model":
            value = f"that of the servers found, else {DEFAULT_MODEL}"
        elif key in ("prompts", "tasks"):
            value = "the shipped ones"
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, float):
            value = f"{value:g}"
        yield f"{key} ({'none' if value is None else value})"


def _what(server: EndpointFacts) -> str:
    from evalkit.scaffold.detect import asks_for_a_key
    from evalkit.text import one_line

    if asks_for_a_key(server):
        return "asks for a key: name its variable in api_key_env"
    return f"{one_line(server.model or 'unknown model')}, mode {server.declared_mode or 'not declared'}"


def _tried(folder: Path) -> bool:
    """Whether every mode answered; one line a mode."""
    from evalkit.checklist.loader import load_checklist
    from evalkit.client import run
    from evalkit.run.steps.tries import of_checklist
    from evalkit.scaffold.write import CHECKLIST

    done = run(of_checklist(load_checklist(folder / CHECKLIST)))
    for one in done:
        up = f"ready after {one.ready_s:.0f} s, " if one.ready_s is not None else ""
        typer.echo(f"tried {one.mode}: {'ok' if one.ok else 'failed'}: {up}{one.said}")
        for line in one.log_tail[-8:]:
            typer.echo(f"    {line}")
    return bool(done) and all(one.ok for one in done)

"""`evalkit init`: a first checklist with prompts and tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from evalkit.scaffold.detect import Found
    from evalkit.scaffold.write import Request, Written
    from evalkit.serving.facts import EndpointFacts

T = TypeVar("T")


def init_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; it is made when missing.")] = Path(),
    server: Annotated[
        list[str] | None, typer.Option("--server", help="Address of a server to look at too (repeat).", metavar="URL")
    ] = None,
    scan: Annotated[bool, typer.Option(help="Look for servers on this machine's usual ports.")] = True,
) -> None:
    """Write a checklist, prompts and an example suite for what is found on this machine. Never overwrites.

    Looks for servers on loopback and for GPUs; sends no prompt. On a terminal it asks what production sends; elsewhere
    it asks nothing.
    """
    from evalkit.client import run
    from evalkit.scaffold.detect import PORTS, Found, find_gpus, find_servers
    from evalkit.scaffold.write import Request, scaffold

    servers = run(find_servers(server or [], PORTS if scan else ()))
    found = Found(servers, *find_gpus())
    request = _asked() if sys.stdin is not None and sys.stdin.isatty() else Request()
    typer.echo(_told(found, scaffold(folder, found, request), folder))


def _asked() -> Request:
    from evalkit.scaffold.write import Request

    print("What does production send? Enter keeps the value in brackets.", file=sys.stderr)  # noqa: T201  a dialogue
    default = Request()
    return Request(
        temperature=_ask("temperature", default.temperature, float, lambda value: 0 <= value <= 2),
        max_tokens=_ask("max_tokens", default.max_tokens, int, lambda value: 0 < value <= 1_000_000),
        system=_ask("system prompt", default.system, str, lambda value: len(value) <= 20_000),
    )


def _ask(name: str, default: T, parse: Callable[[str], Any], fits: Callable[[Any], bool]) -> T:
    from evalkit.text import cut

    while True:
        shown = "none" if default is None else default
        print(f"{name} [{shown}]: ", end="", file=sys.stderr, flush=True)  # noqa: T201  a dialogue
        line = sys.stdin.readline()
        if not line.strip():
            return default
        try:
            value: T = parse(line.strip())
        except ValueError:
            value = default
        else:
            if fits(value):
                return value
        print(f"{cut(line.strip(), 60)} is no {name} that production could send", file=sys.stderr)  # noqa: T201  a dialogue


def _told(found: Found, done: Written, folder: Path) -> str:
    from evalkit.scaffold.write import CHECKLIST
    from evalkit.text import one_line

    lines = [f"wrote {path}" for path in done.written]
    lines += [f"kept {path}: it was there already" for path in done.kept]
    lines += [f"found {one_line(server.endpoint)}: {_said(server)}" for server in found.servers] or [
        "found no server on this machine: start one for each mode, then correct modes in the checklist"
    ]
    lines.append(f"found {', '.join(found.gpus)}" if found.gpus else "found no GPU: declare items.hardware.declared")
    path = folder / CHECKLIST
    lines += [
        "next:",
        "  replace prompts/prompts.jsonl and tasks/example.yaml by what production sends and expects",
        f"  evalkit validate {path}",
        f"  evalkit run {path}",
    ]
    return "\n".join(lines)


def _said(server: EndpointFacts) -> str:
    from evalkit.scaffold.detect import asks_for_a_key
    from evalkit.text import one_line

    if asks_for_a_key(server):
        return "asks for a key: name its variable in api_key_env"
    return f"{one_line(server.model or 'unknown model')}, mode {server.declared_mode or 'not declared'}"

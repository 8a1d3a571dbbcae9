"""Renders a first checklist and writes it with its prompts and tasks. Nothing that exists is touched."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.checklist.loader import shipped_folder
from evalkit.errors import UsageError
from evalkit.modes import Mode
from evalkit.scaffold.detect import Found, asks_for_a_key
from evalkit.serving.facts import EndpointFacts
from evalkit.text import one_line, sanitize

CHECKLIST = "checklist.yaml"
#: characters of a system prompt
_LONGEST = 20_000
DEFAULT_MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"
_PLACES = {
    Mode.AUTOREGRESSIVE.value: "http://127.0.0.1:30000",
    Mode.DIFFUSION.value: "http://127.0.0.1:30001",
    Mode.SELF_SPECULATION.value: "http://127.0.0.1:30002",
}


class Request(NamedTuple):
    """What production sends."""

    temperature: float = 0.0
    max_tokens: int = 512
    system: str | None = None


class Written(NamedTuple):
    """Files by path, those that were there already apart."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def scaffold(folder: Path, found: Found, request: Request) -> Written:
    """Write what is missing of a checklist, prompts and tasks.

    Raises:
        UsageError: the folder holds a checklist already, or cannot be written.
    """
    path = folder / CHECKLIST
    if os.path.lexists(path):
        raise UsageError("exists already: nothing was written", where=str(path), hint="edit it, or name another folder")
    contents = {
        folder / "prompts" / "prompts.jsonl": (shipped_folder("prompts") / "quick.jsonl").read_bytes(),
        folder / "tasks" / "example.yaml": (shipped_folder("prompts") / "example.yaml").read_bytes(),
        path: checklist_text(path, found, request).encode(),
    }
    kept = tuple(one for one in contents if os.path.lexists(one))
    try:
        for one, data in contents.items():
            if one not in kept:
                one.parent.mkdir(parents=True, exist_ok=True)
                _create(one, data)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(error.filename or folder)) from None
    return Written(tuple(one for one in contents if one not in kept), kept)


def _create(path: Path, data: bytes) -> None:
    """A new file, never through a link, never over another."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)


def checklist_text(path: Path, found: Found, request: Request) -> str:
    """The checklist for what was found; placeholders where nothing was, so that it can be run once they are filled."""
    from jinja2 import Environment, StrictUndefined

    template = resources.files(__package__ or "evalkit.scaffold").joinpath("checklist.yaml.j2").read_text()
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  YAML
    environment.filters["quoted"] = quoted
    modes, others = _modes(found.servers)
    model = _model(found.servers)
    return environment.from_string(template).render(
        path=one_line(str(path), limit=200), name=f"{model or DEFAULT_MODEL} for us", model=model or DEFAULT_MODEL,
        model_known=model is not None, modes=modes, others=others, hardware=_hardware(found),
        temperature=f"{request.temperature:g}", max_tokens=request.max_tokens, system=request.system,
    )  # fmt: skip


def quoted(text: object) -> str:
    """A YAML text in double quotes, control characters made visible."""
    return json.dumps(sanitize(str(text), limit=_LONGEST), ensure_ascii=False)


def _modes(servers: tuple[EndpointFacts, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """One server a mode; the baseline and something to adopt are always there. The rest are remarks."""
    first: dict[str, EndpointFacts] = {}
    others = []
    for server in servers:
        mode = None if asks_for_a_key(server) else server.declared_mode
        if mode is None or mode in first:
            why = f"also {mode}" if mode else "decoding mode not declared"
            why = "asks for a key: name its variable in api_key_env" if asks_for_a_key(server) else why
            others.append(one_line(f"{server.endpoint}: {_what(server)}, {why}", limit=200))
        else:
            first[mode] = server
    wanted = [Mode.AUTOREGRESSIVE.value, *(mode for mode in first if mode != Mode.AUTOREGRESSIVE.value)]
    if len(wanted) == 1:
        wanted += [mode for mode in _PLACES if mode not in wanted]
    taken = {server.endpoint for server in servers}
    return [_mode(mode, first.get(mode), taken) for mode in wanted], others


def _mode(label: str, server: EndpointFacts | None, taken: set[str]) -> dict[str, Any]:
    if server is not None:
        return {"label": label, "url": server.endpoint, "model": server.model, "remark": f"found: {_what(server)}"}
    url = _PLACES[label]
    while url in taken:
        url = f"{url[:-1]}{int(url[-1]) + 1}"
    return {"label": label, "url": url, "model": None, "remark": "no server was found: start it, then correct this"}


def _what(server: EndpointFacts) -> str:
    engine = " ".join(filter(None, (server.engine or "unknown engine", server.engine_version)))
    kind = "" if server.release == "release" else f" ({server.release})"
    return one_line(f"{engine}{kind}, model {server.model or 'unknown'}", limit=160)


def _model(servers: tuple[EndpointFacts, ...]) -> str | None:
    """A Hub id that a server names as the place of its weights."""
    for server in servers:
        for name in (server.model_path, server.model):
            if name and name.count("/") == 1 and not name.startswith(("/", ".", "~")):
                return one_line(name, limit=200)
    return None


def _hardware(found: Found) -> str:
    if found.gpus:
        return one_line(f"found here: {', '.join(found.gpus)}; declare another machine as '2x L4' or cpu", limit=200)
    return "no GPU was found here: run on the server, or declare what is behind the endpoints: '2x L4', H100-80GB, cpu"

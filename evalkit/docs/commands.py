"""docs/commands.md: every command with its arguments, options and defaults, from the Typer app."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from evalkit.docs.table import cell, table
from evalkit.report.formats import FORMATS

_KINDS: dict[Any, str] = {str: "text", Path: "path", int: "whole number", float: "number", bool: "flag"}
_LIMITS = (("≥", "min"), ("≤", "max"))
_INTRO = """# Commands

To look up: every command and option. Generated from the command line itself.
`evalkit COMMAND --help` prints the same.

stdout carries the result only, progress and messages go to stderr. `--json` prints exactly one document. Settings: a
flag, else the environment variable next to it, else the checklist, else the default. What the exit codes mean:
[findings.md](findings.md#exit-codes), or `evalkit explain 3`.
"""


def commands() -> dict[str, Any]:
    """The app's commands by name, in the order of its help page."""
    import typer.main

    from evalkit.cli.root import app, register

    if not app.registered_commands:
        register()
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def commands_markdown() -> str:
    """The page."""
    return "\n".join([_INTRO, *(_command(name, command) for name, command in commands().items())])


def _command(name: str, command: Any) -> str:
    usage = " ".join(["evalkit", name, "[OPTIONS]", *(_metavar(p) for p in command.params if _is_argument(p))])
    text = " ".join((command.help or "").split())
    rows = list(_rows(command))
    more = f"\n{_formats()}" if name == "report" else ""
    return f"## evalkit {name}\n\n    {usage}\n\n{text}\n\n{table(('', 'takes', 'default', 'meaning'), rows)}{more}"


def _formats() -> str:
    rows = ((f"`{one.name}`", cell(one.about), f"`{one.file}`" if one.file else "no") for one in FORMATS)
    return table(("format", "is", "in the run folder"), rows)


def _rows(command: Any) -> Iterator[tuple[str, str, str, str]]:
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if _is_argument(parameter):
            yield f"`{_metavar(parameter)}`", _takes(parameter), _default(parameter), cell(parameter.help)
            continue
        names = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
        meaning = cell(parameter.help)
        for variable in _variables(parameter):
            meaning += f" Environment: `{variable}`."
        yield names, _takes(parameter), _default(parameter), meaning


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _metavar(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _takes(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "flag"
    kind = _kind(parameter.type_descriptor.annotation)
    limits = [f"{sign} {limit}" for sign, at in _LIMITS if (limit := getattr(parameter, at, None)) is not None]
    many = ["repeatable"] if parameter.multiple or parameter.nargs == -1 else []
    return ", ".join([kind, *limits, *many])


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not type(None)]
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if inner:
        return _kind(inner[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return _KINDS[annotation]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value in ((), [], ""):
        return "none"
    if isinstance(value, bool):
        on, off = parameter.opts[0], (*parameter.secondary_opts, "off")[0]
        return f"`{on}`" if value and parameter.secondary_opts else f"`{off}`" if parameter.secondary_opts else off
    return f"`{getattr(value, 'value', value)}`"


def _variables(parameter: Any) -> list[str]:
    variables = getattr(parameter, "envvar", None) or []
    return [variables] if isinstance(variables, str) else list(variables)

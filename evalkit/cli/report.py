"""`evalkit report`: render a stored run again, to stdout."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli import completion
from evalkit.report.formats import FORMATS

if TYPE_CHECKING:

    class Format(StrEnum):
        """One member a format of the registry."""

else:
    Format = StrEnum("Format", {one.name.upper(): one.name for one in FORMATS})
_FIRST = Format(FORMATS[0].name)


def report_command(  # noqa: PLR0917  typer reads them by name
    run: Annotated[
        Path, typer.Argument(help="A run folder, or a file made by evalkit pack.", autocompletion=completion.runs)
    ],
    output: Annotated[Format, typer.Option("--format", help="What to write to stdout.")] = _FIRST,
    regrade: Annotated[
        list[Path] | None, typer.Option("--regrade", help="Grade the stored replies again by this suite (repeat).")
    ] = None,
    allow_exec: Annotated[
        bool,
        typer.Option("--allow-exec", help="With --regrade: run code that a model wrote (python_tests), limited."),
    ] = False,
    redact_prompts: Annotated[bool, typer.Option("--redact-prompts", help="Leave out prompts and replies.")] = False,
    annotate: Annotated[
        str | None,
        typer.Option("--annotate", help="The checklist's path in the repository: ::error lines for it on stderr."),
    ] = None,
    adopted_by: Annotated[str | None, typer.Option("--adopted-by", help="Who adopted it (directory only).")] = None,
    adopted_on: Annotated[str | None, typer.Option("--adopted-on", help="When, YYYY-MM-DD.")] = None,
) -> None:
    """Render a stored run again.

    The run is decided again from its own facts, as of the day it ended.
    """
    from evalkit.errors import UsageError
    from evalkit.report.formats import rendered
    from evalkit.stored.again import document_of, workflow_lines

    if allow_exec and not regrade:
        raise UsageError("--allow-exec runs nothing without --regrade", hint="name the suite: --regrade TASKS")
    if allow_exec:
        from evalkit.quality.sandbox.run import prepare as confine

        confine()
    document = document_of(run, redact_prompts=redact_prompts, regrade=regrade or (), allow_exec=allow_exec)
    if adopted_by or adopted_on:
        from evalkit.report.directory import adopted

        document["adopted"] = adopted(document, adopted_by, adopted_on)
    sys.stdout.write(rendered(output.value, document))
    if annotate is not None:
        from evalkit.cli.streams import write_commands

        write_commands(workflow_lines(run, document, annotate))

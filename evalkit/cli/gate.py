"""`evalkit gate`: decide a stored run again, for CI."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import UsageError


def gate_command(  # noqa: PLR0917  typer reads them by name
    run: Annotated[Path, typer.Argument(help="A run folder, or a file made by evalkit pack.")],
    checklist: Annotated[Path | None, typer.Option(help="Decide by this checklist instead of the run's own.")] = None,
    max_age: Annotated[str, typer.Option("--max-age", help="Oldest run that counts: 12h, 30d, 4w.")] = "30d",
    revision: Annotated[str | None, typer.Option(help="The commit that the run must have evaluated.")] = None,
    live: Annotated[str | None, typer.Option(help="A server that must run what was evaluated.")] = None,
    accept_changed_checklist: Annotated[
        bool, typer.Option("--accept-changed-checklist", help="Take a checklist that asks less than the run's.")
    ] = False,
    report_only: Annotated[bool, typer.Option("--report-only", help="Exit 0 whatever the outcome.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say whether a stored verdict still stands.

    Exit 0: GO stands. 1: NO-GO stands. 3: it cannot be trusted (simulated, old, changed, another commit).
    """
    import json

    from evalkit.report.gate import gate, parse_age
    from evalkit.report.source import open_source
    from evalkit.text import one_line

    if live is not None:
        raise UsageError("--live is not available in this version", hint="compare with evalkit probe URL")
    age = parse_age(max_age)
    loaded = None
    if checklist is not None:
        from evalkit.checklist.loader import load_checklist

        loaded = load_checklist(checklist)
    result = gate(
        open_source(run),
        datetime.now(UTC),
        checklist=loaded,
        max_age=age,
        revision=revision,
        accept_changed_checklist=accept_changed_checklist,
    )
    if json_output:
        sys.stdout.write(json.dumps({**result._asdict(), "report_only": report_only}, indent=2) + "\n")
    else:
        word = {0: "GO stands", 1: "NO-GO stands"}.get(result.exit_code, "not to be trusted")
        lines = [f"gate: {word}", *result.reasons, *(f"note: {note}" for note in result.notes)]
        lines += ["report only: the exit code says nothing"] if report_only else []
        sys.stdout.write("\n".join(one_line(line, limit=1000) for line in lines) + "\n")
    raise typer.Exit(0 if report_only else result.exit_code)

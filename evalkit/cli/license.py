"""`evalkit license`: license facts of each variant against a use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def license_command(  # noqa: PLR0917  typer reads them by name
    models: Annotated[list[str], typer.Argument(help="Hub ids, folders or snapshots.", metavar="MODEL...")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    commercial: Annotated[bool, typer.Option(help="Is the use commercial?")] = True,
    modify: Annotated[bool, typer.Option(help="Will the weights be changed?")] = False,
    redistribute: Annotated[bool, typer.Option(help="Will the weights be passed on?")] = False,
    license_text: Annotated[Path | None, typer.Option("--license-text", help="A license text that you have.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Say what the license of each model allows. Not legal advice.

    Exit codes: 0 all pass, 1 any fails, 3 otherwise.
    """
    import json

    from evalkit import hub
    from evalkit.checklist.schema import Use
    from evalkit.items.license_record import record

    use = Use(commercial=commercial, modify=modify, redistribute=redistribute)
    records = [
        record(use, hub.collect(model, revision=revision, evidence_dir=None, license_text=license_text))
        for model in models
    ]
    typer.echo(json.dumps(records, indent=2) if as_json else "\n\n".join(_text(one) for one in records))
    statuses = {one["status"] for one in records}
    raise typer.Exit(1 if "fail" in statuses else 0 if statuses <= {"pass", "warn"} else 3)


def _text(one: dict[str, Any]) -> str:
    lines = [f"{one['model']}@{one['revision'] or 'unknown'}: {one['status']}"]
    lines += [f"  {reason}" for reason in one["reasons"]]
    lines += [f"  duty: {duty}" for duty in one["obligations"]]
    return "\n".join(lines)

"""`evalkit explain`: what a finding, status, grader, error, exit code, key or fact means."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from evalkit.cli import completion


def explain_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            autocompletion=completion.ids,
            help="Finding, status, grader, error, exit code, key of a checklist, variant or claim.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", autocompletion=completion.models, help="With `support`: a Hub id, to see what serves it."
        ),
    ] = None,
) -> None:
    """Explain a finding, status, grader, error or key, and how to fix it. Without ID: list every id.

    `explain support MODEL` prints the records of what serves a model in each mode, with start commands.
    """
    from evalkit.errors import UsageError
    from evalkit.explain.explain import explain, overview

    if name == "support":
        from datetime import UTC, datetime

        from evalkit.explain.support import support

        sys.stdout.write(support(*_named(model), today=datetime.now(UTC).date()))
        return
    if model is not None:
        raise UsageError(f"explain takes one id, and a model after `support` alone: {model!r} is left over")
    sys.stdout.write(explain(name) if name is not None else overview())


def _named(model: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The model, and the architectures of a local folder or snapshot."""
    from pathlib import Path

    if model is None:
        return None, ()
    from evalkit.hub.candidate import full_id

    if not Path(model).exists():
        return full_id(model), ()
    from evalkit.hub import collect

    return model, collect(model, revision="main").architectures

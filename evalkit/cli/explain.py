"""`evalkit explain`: what a finding, status, grader or error means."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def explain_command(
    name: Annotated[str, typer.Argument(metavar="ID", help="A finding, status, grader or error kind.")],
) -> None:
    """Explain a finding, status or grader, and how to fix it."""
    from evalkit.report.explain import explain

    sys.stdout.write(explain(name))

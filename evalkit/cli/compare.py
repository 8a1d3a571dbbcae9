"""`evalkit compare`: stored runs side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders or packs; the first is compared with.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare runs on the same prompts: machines, server versions, dates.

    Exit 0 when every run could be compared with the first, 3 when not.
    """
    from evalkit.errors import UsageError
    from evalkit.report.comparison import compare, to_markdown
    from evalkit.report.source import open_source

    if len(runs) < 2:
        raise UsageError("compare takes at least two runs", hint="evalkit compare RUN RUN")
    sources = [(str(path), open_source(path)) for path in runs]
    document = compare([(name, s.checklist().checklist, s.facts()) for name, s in sources])
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n" if json_output else to_markdown(document)
    sys.stdout.write(text)
    raise typer.Exit(0 if document["comparable"] else 3)

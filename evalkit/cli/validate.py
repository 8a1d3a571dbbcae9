"""`evalkit validate`: is the checklist readable, and can its samples decide?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def validate_command(
    checklist: Annotated[str, typer.Argument(help="A checklist file, or the name of a shipped one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check a checklist, its files, and whether its sample sizes can decide the margins. No network.

    Exit codes: 0 valid and able to decide, 2 invalid, 3 valid but some margin cannot be decided.
    """
    import json

    from evalkit.checklist.loader import find_checklist, load_checklist
    from evalkit.run.setup import prepare
    from evalkit.stats.proportions import min_n_without_discordant
    from evalkit.stats.ratio import MIN_PAIRS

    path: Path = find_checklist(checklist)
    setup = prepare(load_checklist(path))
    quality = setup.checklist.items.quality
    problems = []
    if len(setup.prompts.prompts) < MIN_PAIRS:
        problems.append(f"{len(setup.prompts.prompts)} prompts: a speed-up needs at least {MIN_PAIRS}")
    for suite in setup.suites:
        margin = quality.margin.of(suite.kind)
        need = min_n_without_discordant(margin, quality.alpha)
        if len(suite.cases) < need:
            problems.append(f"suite {suite.name}: {len(suite.cases)} cases; a margin of {margin:.0%} needs {need}")
    if as_json:
        document = {"checklist": str(path), "valid": True, "able_to_decide": not problems, "problems": problems}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{path}: valid")
        for problem in problems:
            typer.echo(f"cannot decide: {problem}")
    raise typer.Exit(3 if problems else 0)

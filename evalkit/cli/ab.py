"""`evalkit ab URL_A URL_B`: is B faster than A on these prompts, and no worse on these tasks?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def ab_command(  # noqa: PLR0917  typer reads them by name
    context: typer.Context,
    url_a: Annotated[str, typer.Argument(help="Address of A, which B is compared with.", metavar="URL_A")],
    url_b: Annotated[str, typer.Argument(help="Address of B, which may take its place.", metavar="URL_B")],
    prompts: Annotated[list[Path], typer.Option("--prompts", help="Prompts file (repeat).", envvar="EVALKIT_PROMPTS")],
    tasks: Annotated[
        list[Path] | None,
        typer.Option("--tasks", help="Task suite (repeat); without one, speed alone decides.", envvar="EVALKIT_TASKS"),
    ] = None,
    at_least: Annotated[float, typer.Option(help="Smallest speed-up of B that is enough.")] = 1.1,
    margin: Annotated[float, typer.Option(help="Largest acceptable loss of B on the tasks, as a share.")] = 0.03,
    floor: Annotated[float, typer.Option(help="Smallest share of cases that A and B must pass.")] = 0.5,
    model_a: Annotated[str | None, typer.Option(help="The served model of A; default: the first.")] = None,
    model_b: Annotated[str | None, typer.Option(help="The served model of B; default: the first.")] = None,
    api_key_env_a: Annotated[str | None, typer.Option(help="Variable that holds the key of A.", metavar="NAME")] = None,
    api_key_env_b: Annotated[str | None, typer.Option(help="Variable that holds the key of B.", metavar="NAME")] = None,
    cost_a: Annotated[
        list[str] | None,
        typer.Option(help="A price of A (repeat): a key of `cost` of a checklist.", metavar="KEY=NUMBER"),
    ] = None,
    cost_b: Annotated[list[str] | None, typer.Option(help="A price of B (repeat).", metavar="KEY=NUMBER")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longest reply, in tokens, where a prompt does not say.")] = 512,
    concurrency: Annotated[int, typer.Option(help="Requests in flight.")] = 1,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", help="The run folder itself.", envvar="EVALKIT_OUTPUT_DIR")
    ] = None,
    resume: Annotated[Path | None, typer.Option("--resume", help="Continue this run folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json to stdout.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start a long run without asking.")] = False,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait", help="Measure although another run measures on this machine.", envvar="EVALKIT_NO_WAIT"
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show details too: they are in run.log.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only what must be read.")] = False,
) -> None:
    """Say whether endpoint B is faster than A on your prompts, and no worse on your tasks.

    Any two OpenAI-style endpoints; no checklist. License, hardware and context are not part of the answer. The report
    calls A the incumbent and B by how it decodes, as in `autoregressive@b`.
    Exit codes: 0 B is better, 1 it is not, 2 usage, 3 inconclusive, 4 internal error, 130 interrupted.
    """
    from evalkit.cli.progress import shown
    from evalkit.cli.settings import as_flags
    from evalkit.run.ab import Asked, Side, ab

    sys.argv += as_flags(context)
    asked = Asked(
        a=Side(url_a, model_a, api_key_env_a, tuple(cost_a or ())),
        b=Side(url_b, model_b, api_key_env_b, tuple(cost_b or ())), prompts=tuple(prompts),
        tasks=tuple(tasks or ()), at_least=at_least, margin=margin, floor=floor, max_tokens=max_tokens,
        concurrency=concurrency, output_dir=output_dir, resume=resume, as_json=as_json, yes=yes,
        waits=not no_wait,
    )  # fmt: skip
    raise typer.Exit(int(ab(asked, shown(int(verbose) - int(quiet)))["exit_code"]))

"""`evalkit run`: work through the checklist."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import completion


def run_command(  # noqa: PLR0917  typer reads them by name
    context: typer.Context,
    checklist: Annotated[
        str | None,
        typer.Argument(
            help="A checklist file, or the name of a shipped one; else ./checklist.yaml, ./evalkit/checklist.yaml.",
            envvar="EVALKIT_CHECKLIST",
            autocompletion=completion.checklists,
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Use the embedded reference server: SIMULATED.")] = False,
    model: Annotated[
        str | None, typer.Option(help="Hub id, folder or snapshot of the candidate.", envvar="EVALKIT_MODEL")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the candidate.", envvar="EVALKIT_REVISION")
    ] = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", help="NAME=URL of a mode (repeat).", envvar="EVALKIT_MODES")
    ] = None,
    incumbent: Annotated[
        str | None, typer.Option(help="URL of the model that the team uses today.", envvar="EVALKIT_INCUMBENT")
    ] = None,
    prompts: Annotated[
        list[Path] | None, typer.Option("--prompts", help="Prompts file (repeat).", envvar="EVALKIT_PROMPTS")
    ] = None,
    tasks: Annotated[
        list[Path] | None, typer.Option("--tasks", help="Task suite (repeat).", envvar="EVALKIT_TASKS")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this item (repeat).", envvar="EVALKIT_ONLY", autocompletion=completion.items),
    ] = None,
    only_mode: Annotated[
        list[str] | None, typer.Option("--only-mode", help="Only this mode in this session (repeat); see --resume.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="ITEM=REASON (repeat).")] = None,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", help="The run folder itself.", envvar="EVALKIT_OUTPUT_DIR")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Continue this run folder.", autocompletion=completion.runs)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json to stdout.")] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Exit 0 whatever the verdict.", envvar="EVALKIT_REPORT_ONLY")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning fails.", envvar="EVALKIT_STRICT")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Measure even when an item fails.", envvar="EVALKIT_KEEP_GOING")
    ] = False,
    allow_exec: Annotated[
        bool, typer.Option("--allow-exec", help="Run code that a model wrote, in a limited process (python_tests).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
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
    """Work through the checklist and say GO, NO-GO or INCONCLUSIVE.

    A setting is a flag, else its environment variable (lists: separated by blanks, files by colons), else the
    checklist's, else the default.
    Exit codes: 0 go, 1 no-go, 2 usage, 3 inconclusive, 4 internal error, 130 interrupted.
    """
    from evalkit.cli.progress import shown
    from evalkit.cli.settings import as_flags
    from evalkit.run.start import Flags, run

    sys.argv += as_flags(context)
    flags = Flags(
        checklist=checklist, demo=demo, model=model, revision=revision, modes=tuple(mode or ()), incumbent=incumbent,
        prompts=tuple(prompts or ()), tasks=tuple(tasks or ()), only=tuple(only or ()), skip=tuple(skip or ()),
        only_mode=tuple(only_mode or ()), output_dir=output_dir, resume=resume, as_json=as_json,
        report_only=report_only, strict=strict,
        keep_going=keep_going, allow_exec=allow_exec, dry_run=dry_run, yes=yes,
        waits=not no_wait,
    )  # fmt: skip
    outcome: dict[str, Any] = run(flags, shown(int(verbose) - int(quiet)))
    raise typer.Exit(int(outcome["exit_code"]))

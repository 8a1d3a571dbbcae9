"""`evalkit matrix plan|run|report`: many variants, engines and machines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from evalkit.matrix.plan import Planned


def matrix_command(  # noqa: PLR0917  typer reads them by name
    action: Annotated[
        Literal["plan", "run", "report"],
        typer.Argument(help="plan: show the cells. run: run those without a verdict. report: write the page."),
    ],
    path: Annotated[Path, typer.Argument(help="matrix.yaml; for report the folder that plan and run write.")],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Folder of the cells. Default: evalkit-matrix next to matrix.yaml."),
    ] = None,
    engine: Annotated[
        Literal["local", "ray", "slurm"],
        typer.Option(
            help="local: here, one cell after the other. ray: on a Ray cluster. slurm: write sbatch array scripts."
        ),
    ] = "local",
    submit: Annotated[bool, typer.Option("--submit", help="With --engine slurm: submit the scripts.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run only the cells without a verdict; a run that was begun goes on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run the same question over variants, engines and machines: each cell is one run.

    Exit codes of plan: 0, 2 invalid. Of run and report: 0 a cell is GO, 1 every cell is NO-GO, 3 else.
    """
    from evalkit.errors import UsageError

    if submit and (action != "run" or engine != "slurm"):
        raise UsageError(
            "--submit goes with run --engine slurm", hint="evalkit matrix run FILE --engine slurm --submit"
        )
    if action == "report":
        raise typer.Exit(_report(path, as_json=as_json))
    out = output_dir or path.parent / "evalkit-matrix"
    planned = _planned(path, out)
    if action == "plan":
        _plan(planned, out, as_json=as_json)
        return
    _run(planned, out, engine, submit=submit, resume=resume)
    raise typer.Exit(_report(out, as_json=as_json))


def _planned(path: Path, out: Path) -> Planned:
    from evalkit.matrix.plan import plan

    return plan(path, out)


def _plan(planned: Planned, out: Path, *, as_json: bool) -> None:
    """Write the plan, unless cells have results of another one, and show it."""
    from evalkit.matrix.plan import table
    from evalkit.matrix.run import prepare
    from evalkit.text import json_page

    prepare(planned, out, resume=True)
    sys.stdout.write(json_page(planned.plan.model_dump(mode="json")) if as_json else table(planned.plan, out))


def _run(planned: Planned, out: Path, engine: str, *, submit: bool, resume: bool) -> None:
    from evalkit.cli.matrix_view import shown
    from evalkit.matrix.engines import Engine, Local, Ray, Slurm
    from evalkit.matrix.run import prepare, work

    cells = prepare(planned, out, resume=resume)
    with shown(cells) as view:
        done = len(planned.plan.cells) - len(cells)
        if done:
            view.say(f"{done} of {len(planned.plan.cells)} cells have a verdict already")
        if not cells:
            return
        chosen: Engine = Local(out, view.say)
        if engine == "ray":
            chosen = Ray(out, view.say)
        elif engine == "slurm":
            chosen = Slurm(out, planned.plan.name, view.say, submits=submit)
        work(cells, chosen, out, view)


def _report(out: Path, *, as_json: bool) -> int:
    """Write matrix.md and matrix-report.json, and print one of them; the exit code."""
    from evalkit.files import write_atomic
    from evalkit.matrix.outcome import as_json as json_of
    from evalkit.matrix.page import markdown
    from evalkit.matrix.report import report

    document = report(out)
    page, data = markdown(document), json_of(document)
    write_atomic(out / "matrix.md", page)
    write_atomic(out / "matrix-report.json", data)
    sys.stdout.write(data if as_json else page)
    return int(document["exit_code"])

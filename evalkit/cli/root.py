"""The command line's root: imports typer and the standard library only; commands import their work when called."""

from __future__ import annotations

import importlib
import sys

import typer

import evalkit
from evalkit.cli import errors

app = typer.Typer(
    name="evalkit",
    help="Go or no-go for diffusion language models, decided on your prompts, hardware and terms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: command -> (module, function), in the order of the help page
COMMANDS = {
    "run": ("run", "run_command"),
    "init": ("init", "init_command"),
    "validate": ("validate", "validate_command"),
    "probe": ("probe", "probe_command"),
    "license": ("license", "license_command"),
    "hardware": ("hardware", "hardware_command"),
    "report": ("report", "report_command"),
    "compare": ("compare", "compare_command"),
    "gate": ("gate", "gate_command"),
    "doctor": ("doctor", "doctor_command"),
    "explain": ("explain", "explain_command"),
    "pack": ("pack", "pack_command"),
    "snapshot": ("snapshot", "snapshot_command"),
    "reference-server": ("reference_server", "reference_server_command"),
}


def _version(show: bool) -> None:
    if show:
        typer.echo(f"evalkit {evalkit.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Go or no-go for diffusion language models, decided on your prompts, hardware and terms."""


def register() -> None:
    for name, (module, function) in COMMANDS.items():
        app.command(name)(getattr(importlib.import_module(f"evalkit.cli.{module}"), function))


def main() -> None:
    """Entry point of the `evalkit` command: the one error handler."""
    register()
    sys.exit(errors.guarded(lambda: app(standalone_mode=False)))

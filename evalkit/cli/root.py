"""The command line's root: imports typer and the standard library only; commands import their work when called."""

from __future__ import annotations

import importlib
import sys

import typer

import evalkit
from evalkit.cli import errors
from evalkit.cli.commands import ABOUT, COMMANDS

app = typer.Typer(
    name="evalkit",
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"evalkit {evalkit.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """The options before a command."""


def register(only: str | None = None) -> None:
    """Import the commands, or `only` one of them, and hang them on the app."""
    for name, command in COMMANDS.items():
        if only in (None, name):
            module = importlib.import_module(f"evalkit.cli.{command.module}")
            app.command(name, short_help=command.says)(getattr(module, command.function))


def main() -> None:
    """The one error handler around the command that was asked for."""
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    register(asked if asked in COMMANDS else None)
    sys.exit(errors.guarded(lambda: app(standalone_mode=False)))

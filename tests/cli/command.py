"""Runs a command in this process, through the one error handler, as `evalkit ARGS` would."""

from __future__ import annotations

from typing import NamedTuple

from evalkit.cli import errors
from evalkit.cli.root import app, register


class Done(NamedTuple):
    code: int
    out: str
    err: str


def evalkit(capsys, *arguments) -> Done:
    if not app.registered_commands:
        register()
    capsys.readouterr()
    code = errors.guarded(lambda: app([str(one) for one in arguments], standalone_mode=False))
    out, err = capsys.readouterr()
    return Done(code, out, err)

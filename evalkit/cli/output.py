"""Stdout and stderr that may be closed, full, read by nobody or in another encoding. Only the standard library."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from evalkit.errors import UsageError

TYPE_CHECKING = False  # as typing's, which takes a tenth of the time of `--help` to import
if TYPE_CHECKING:
    from typing import IO


def opened(stream: IO[str] | None) -> IO[str]:
    """The stream, which writes what its encoding lacks as escapes; one that leads nowhere where it was closed."""
    if stream is None:
        return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="backslashreplace")
    return stream


def put(stream: IO[str], text: str, *, needed: bool = True) -> None:
    """Write `text`; with an empty one, what was written before leaves for where the stream leads.

    Who stops reading loses the rest, and nothing else: a verdict keeps its exit code.

    Raises:
        UsageError: it cannot be written (a full disk), and is `needed`.
    """
    try:
        if text:
            stream.write(text)
        else:
            stream.flush()
    except OSError as error:
        with suppress(OSError, ValueError):  # what is left is not tried again when Python ends
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        if needed and not isinstance(error, BrokenPipeError):
            why = error.strerror or str(error)
            raise UsageError(f"the output cannot be written: {why}", hint="see whether the disk is full") from None


def show_help() -> None:
    """The help page, at once: without typer."""
    from evalkit.cli.commands import help_page

    stream = opened(sys.stdout)
    try:
        put(stream, help_page())
        put(stream, "")
    except UsageError as error:
        put(opened(sys.stderr), f"error: {error}\n", needed=False)
        sys.exit(error.exit_code)

"""The one error handler: every way a command can end becomes an exit code, and a message without a traceback."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

from evalkit.errors import EvalkitError, InputFileError, UsageError


def guarded(call: Callable[[], Any]) -> int:
    """Run a command; its exit code."""
    from evalkit.cli.streams import calm_output

    with calm_output():
        code = _ended(call)
        return _ended(sys.stdout.flush) or code


def _ended(call: Callable[[], Any]) -> int:
    from typer import Abort, Exit

    try:
        result = call()
    except Exit as stop:
        return int(stop.exit_code)
    except EvalkitError as error:
        return _said(error)
    except (KeyboardInterrupt, Abort):
        print("interrupted", file=sys.stderr)  # noqa: T201  the one place that reports
        return 130
    except Exception as error:  # noqa: BLE001  the last handler
        told = _told(error)
        if told is not None:
            return _said(told)
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # typer's own usage errors
            error.show(sys.stderr)
            return int(error.exit_code)
        return _fault()
    return result if isinstance(result, int) else 0


#: what a system says of its devices and limits, whatever is read or written
_OF_THE_SYSTEM = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ESTALE}
)


def _told(error: BaseException) -> EvalkitError | None:
    """The message for the user: of a file or folder that the system refuses, or in a group that concurrent work ended
    with; None where the fault is evalkit's.
    """
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _OF_THE_SYSTEM):
        where = None if error.filename is None else os.fsdecode(error.filename)
        return UsageError(f"cannot be used: {error.strerror or error}", where=where)
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # pathlib, until Python 3.12
        return UsageError(f"a symbolic link leads back to itself{str(error).removeprefix('Symlink loop')}")
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, EvalkitError) else None
    found = [_told(one) for one in error.exceptions]
    return found[0] if all(found) else None


#: mistakes of an input file that are printed; `--json` has more
_MOST_SHOWN = 40


def _said(error: EvalkitError) -> int:
    from evalkit.text import sanitize

    every = error.every if isinstance(error, InputFileError) else [error]
    before = None
    for one in every[:_MOST_SHOWN]:
        print(f"error: {sanitize(str(one))}", file=sys.stderr)  # noqa: T201  the one place that reports
        if one.hint and one.hint != before:
            print(f"  hint: {sanitize(one.hint)}", file=sys.stderr)  # noqa: T201  the one place that reports
        before = one.hint
    if len(every) > _MOST_SHOWN:
        print(f"and {len(every) - _MOST_SHOWN} more mistakes", file=sys.stderr)  # noqa: T201  the one place that reports
    return error.exit_code


def _fault() -> int:
    """An internal error: one line, and a private log without secrets."""
    from evalkit.secrets import redact

    told = redact(traceback.format_exc())
    try:
        descriptor, path = tempfile.mkstemp(prefix="evalkit-", suffix=".log")
        with os.fdopen(descriptor, "w") as log:
            log.write(told)
    except OSError:  # no room for a log, which may be what it is all about
        path = f"what follows\n{told}"
    print(f"error: internal error in evalkit, not in your input: please report it with {path}", file=sys.stderr)  # noqa: T201  the one place that reports
    return 4

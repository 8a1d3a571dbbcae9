"""The command line of a run, as the user would type it to go on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def continued(words: Sequence[str], folder: str, *, only_mode: str | None = None) -> str:
    """The command that continues the run in `folder`; `only_mode` is the mode of its next session."""
    session = ("--output-dir", "--resume", *(("--only-mode",) if only_mode else ()))
    kept: list[str] = []
    skip = False
    for word in words:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in session:
            skip = not equals
        else:
            kept.append(word)
    more = ("--only-mode", only_mode) if only_mode else ()
    return shlex.join(["evalkit", *kept, *more, "--resume", folder])

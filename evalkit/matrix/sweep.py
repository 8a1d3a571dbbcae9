"""A sweep in a cell: whether its settings can be made, and the plan before it is known which of them are decided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import InputFileError
from evalkit.run.setup import Setup
from evalkit.run.sweep.plan import standing
from evalkit.run.sweep.settings import from_disk, settings

#: keys of a swept run's frozen plan that are the same whichever settings screening left
SWEPT = ("prompts", "suites", "seed", "skip", "sweep")


def why_not(checklist: Checklist, files: Mapping[str, str], folder: Path) -> str:
    """Why the settings of a cell cannot be made; `files`: of its start commands, for `folder`. Empty: they can."""
    if checklist.sweep is None:
        return ""
    own = {str(folder / name): text for name, text in files.items()}

    def read(path: str) -> str:
        return own[path] if path in own else from_disk(path)

    try:
        settings(checklist, folder, read)
    except InputFileError as error:
        return error.message
    return ""


def planned(loaded: LoadedChecklist) -> tuple[Setup, tuple[Setup, ...], dict[str, Any]]:
    """The setup of the run that decides, those of its stages, and what its frozen plan says of the sweep."""
    found = standing(loaded, Path(), read=lambda _: "")  # the files were read by `why_not`
    return found.run, found.stages, {"sweep": found.plan.sha256}

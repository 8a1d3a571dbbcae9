"""A stored run, as a folder or as a packed file: what gate, report and compare read."""

from __future__ import annotations

from pathlib import Path

from evalkit.checklist.schema import LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.facts import Facts
from evalkit.stored.folder import Source


class Unreadable:
    """A packed file that is there and cannot be read: no usage error, but nothing to trust either."""

    redacted = False
    cannot: tuple[str, ...] = ()

    def __init__(self, path: Path, error: RunFolderError) -> None:
        self.path = path
        self._error = error

    def facts(self) -> Facts:
        raise self._error

    def checklist(self) -> LoadedChecklist:
        raise self._error

    def verify(self, facts: Facts | None = None) -> list[str]:
        del facts
        return []


def open_for_gate(path: Path) -> Source:
    """The run at `path`; a packed file that cannot be read is a doubt, not an error.

    Raises:
        RunFolderError: nothing there, or a folder without a run.
    """
    try:
        return open_source(path)
    except RunFolderError as error:
        if not path.is_file():
            raise
        return Unreadable(path, error)


def open_source(path: Path) -> Source:
    """The run at `path`.

    Raises:
        RunFolderError: nothing there, no run, or damaged.
    """
    if path.is_file():
        from evalkit.stored.pack import Pack

        return Pack.open(path)
    if not path.exists():
        raise RunFolderError("no such run", where=str(path), hint="give a run folder, or a file made by evalkit pack")
    from evalkit.stored.folder import RunFolder

    return RunFolder.open(path)

"""Every error that evalkit raises on purpose.

EvalkitError                 a message, perhaps where it happened, perhaps a hint
├── UsageError               exit 2: arguments or an input file; nothing was run
│   └── InputFileError       a checklist, prompts or tasks file, with FILE:LINE
├── MeasurementError         something could not be measured; becomes an `error` finding
│   ├── HubError             the Hub misbehaved
│   └── LaunchError          a server that evalkit started did not come up
├── RunFolderError           exit 2: a run folder is missing, locked, newer, or damaged
└── Interrupted              exit 130: the user stopped the run; what was measured is kept
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, which takes a tenth of the time of `--help` to import
if TYPE_CHECKING:
    from typing import Self


class EvalkitError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = 4

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        """`where` is FILE:LINE, a URL or a run folder; `hint` says what to do."""
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(EvalkitError):
    exit_code = 2


class InputFileError(UsageError):
    """A mistake of an input file; `others` are those that were found with it."""

    others: tuple[InputFileError, ...] = ()

    @property
    def every(self) -> list[InputFileError]:
        """This mistake and the others, in order."""
        return [self, *self.others]


class Mistakes:
    """Mistakes of input files, gathered so that they are reported at once."""

    #: more are counted, not kept
    MOST = 200

    def __init__(self) -> None:
        self.found: list[InputFileError] = []

    def __enter__(self) -> Self:
        """A block whose mistake is kept."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, InputFileError):
            return False
        self.found += error.every
        return True

    def in_order(self) -> None:
        """By the line of one file."""
        self.found.sort(key=lambda one: int(line) if (line := (one.where or "").rpartition(":")[2]).isdigit() else 0)

    def end(self) -> None:
        """End here when there was a mistake.

        Raises:
            InputFileError: the first one, with the others.
        """
        if not self.found:
            return
        first, *others = self.found[: self.MOST]
        first.others = tuple(others)
        raise first


class MeasurementError(EvalkitError):
    exit_code = 3


class HubError(MeasurementError):
    pass


class LaunchError(MeasurementError):
    pass


class RunFolderError(EvalkitError):
    exit_code = 2


class Interrupted(EvalkitError):  # noqa: N818  it is no fault
    exit_code = 130

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
    pass


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

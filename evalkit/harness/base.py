"""What a reader is and gives: the rows of each task in a folder, and the settings that must be the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.importers.convert import sha256_of_file
from evalkit.importers.stream import small_text
from evalkit.text import one_line

MAX_JSON = 512 << 20


class Row(NamedTuple):
    """One graded sample."""

    case: str
    score: float | None
    doc: str = ""
    prompt: str = ""
    repeat: int = 0
    cluster: str = ""


@dataclass
class Read:
    """One task as its files tell it."""

    task: str
    settings: dict[str, Any] = field(default_factory=dict)
    tool_version: str | None = None
    endpoint: str | None = None
    model: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    problems: list[str] = field(default_factory=list)
    planned: int | None = None
    sources: list[Path] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    #: the rows of this mode are some of a table that has those of others too
    shared: bool = False


@dataclass(frozen=True)
class Reader:
    """One tool's results. `checked` is its row of the table in docs/import.md; `install` is a line for people."""

    kind: str
    title: str
    checked: str
    #: path, what the checklist asks, the mode's name
    read: Callable[[Path, HarnessTask, str], Iterator[Read]]


def digest(*parts: object) -> str:
    """A short hash of what is compared for equality."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def score(value: object, where: str, what: str) -> float | None:
    """A score from 0 to 1; None for one that is missing.

    Raises:
        InputFileError: another scale.
    """
    if isinstance(value, bool):
        return float(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputFileError(
            f"the score {what} is {one_line(str(value), limit=40)!r}, not a number from 0 to 1", where=where,
            hint="name another score with metric:",
        )  # fmt: skip
    return float(value)


def chosen(
    names: list[str], asked: str | None, what: str, where: str, key: str, *, of_one: bool = True
) -> str:  # fmt: skip
    """The score (or filter) that is asked for, or the only one. `of_one`: the name was asked of this task alone, and
    not of several, of which some have but one score under another name.

    Raises:
        InputFileError: there is none of that name, or several and none is asked for.
    """
    if asked is not None and asked in names:
        return asked
    if len(names) == 1 and (asked is None or not of_one):
        return names[0]
    listed = ", ".join(one_line(name, limit=60) for name in names[:12]) or "none"
    said = f"no {what} {asked!r}" if asked is not None else f"several {what}s" if names else f"no {what}"
    raise InputFileError(f"{said}; found: {listed}", where=where, hint=f"say which decides: {key}: NAME")


def files_below(path: Path, pattern: str, what: str) -> list[Path]:
    """The file itself, or those of a folder and the folders in it, the oldest name first: names have the time in them.

    Raises:
        InputFileError: there is none.
    """
    if path.is_file():
        return [path]
    found = [one for one in path.rglob(pattern) if one.is_file()] if path.is_dir() else []
    if not found:
        missing = "no such file or folder" if not path.exists() else f"no {what} in this folder"
        raise InputFileError(missing, where=str(path))
    return sorted(found, key=lambda one: (one.name, str(one)))


def of_one_server(servers: Iterable[tuple[object, object]], task: str, path: Path) -> None:
    """Of several results of one task the newest counts, if all are of one server (`servers`: address and model).

    Raises:
        InputFileError: they are not, so that the newest may be another mode's.
    """
    found = sorted({" ".join(str(part) for part in one if part) for one in servers})
    if len(found) > 1:
        listed = ", ".join(one_line(one, limit=80) for one in found[:4])
        raise InputFileError(
            f"results of {one_line(task, limit=60)} from {len(found)} servers: {listed}", where=str(path),
            hint="give each mode a folder of its own",
        )  # fmt: skip


def load_json(path: Path) -> dict[str, Any]:
    """One JSON object.

    Raises:
        InputFileError: it is not, or is cut off.
    """
    try:
        value = json.loads(small_text(path, MAX_JSON))
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"not JSON: {one_line(str(error), limit=100)}", where=str(path)) from None
    if not isinstance(value, dict):
        raise InputFileError("not a JSON object", where=str(path))
    return value


def hashed(paths: list[Path]) -> tuple[tuple[str, str], ...]:
    """Files by their bare names, with their hashes."""
    return tuple((path.name, sha256_of_file(path)) for path in paths)


def mapping(value: object) -> dict[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}

"""One file that takes the place of a model on machines without network: card, configuration, license texts, files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from evalkit.checklist.files import read_bytes
from evalkit.errors import InputFileError
from evalkit.findings import Frozen
from evalkit.hub.facts import BaseModelFacts, ModelFile
from evalkit.hub.source import FILES_CAP, ExtraText, Source, SourceProblem
from evalkit.text import one_line, strict_json

CAP = 64 * 1024 * 1024


class Extra(Frozen):
    """A license text from elsewhere than the repository."""

    name: Literal["license-text", "license-link"]
    text: str
    origin: Literal["given", "link"]
    taken_at: str
    url: str | None = None


class Snapshot(Frozen):
    """Format 1. `texts` maps a file name to its text; bytes that are not UTF-8 are replaced, and noted."""

    evalkit_snapshot: Literal[1]
    model: Annotated[str, Field(min_length=1, max_length=512)]
    revision: str | None
    requested_revision: str = "main"
    gated: str | None = None
    fetched_at: str | None = None
    files: Annotated[tuple[ModelFile, ...], Field(max_length=FILES_CAP)] = ()
    texts: Annotated[dict[str, str], Field(max_length=32)] = {}  # noqa: RUF012  pydantic copies defaults
    extra: Annotated[tuple[Extra, ...], Field(max_length=8)] = ()
    #: cards of the base models, upward; null where they were not followed
    bases: Annotated[tuple[BaseModelFacts, ...], Field(max_length=8)] | None = None
    notes: tuple[str, ...] = ()


class SnapshotReader:
    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def read(self, name: str) -> bytes | None:
        text = self.texts.get(name)
        return None if text is None else text.encode("utf-8", "replace")


def open_snapshot(path: Path, asked: str) -> Source:
    """Raises SourceProblem when the file is not a snapshot."""
    hint = "write one with `evalkit snapshot MODEL -o FILE`"
    try:
        raw = read_bytes(path, max_bytes=CAP)
        snapshot = Snapshot.model_validate(_clean(strict_json(raw)))
    except InputFileError as e:
        raise SourceProblem("invalid", f"the file {e.message}", hint) from e
    except ValueError as e:
        what = f"{e.error_count()} errors" if isinstance(e, ValidationError) else f"no JSON: {e}"
        raise SourceProblem("invalid", f"the file is not a snapshot ({what})", hint) from e
    listed = {f.name for f in snapshot.files}
    files = snapshot.files + tuple(ModelFile(name=one_line(n, limit=400)) for n in snapshot.texts if n not in listed)
    notes = [*(one_line(n) for n in snapshot.notes[:50])]
    commit, taken = one_line(snapshot.revision or "unknown"), one_line(snapshot.fetched_at or "at an unknown time")
    notes.append(f"snapshot of commit {commit}, taken {taken}")
    return Source(
        one_line(snapshot.model), "snapshot", f"sha256:{hashlib.sha256(raw).hexdigest()}", files,
        SnapshotReader(snapshot.texts), gated=_gate(snapshot.gated), asked=asked,
        commit=one_line(snapshot.revision, limit=80) if snapshot.revision else None,
        fetched_at=snapshot.fetched_at, notes=notes, bases=snapshot.bases,
        extra=tuple(
            ExtraText(e.name, e.text.encode("utf-8", "replace"), e.origin, e.taken_at, e.url) for e in snapshot.extra
        ),
    )  # fmt: skip


def _clean(value: Any) -> Any:
    """Every string on one line and without control characters, apart from the texts that are kept whole."""
    if isinstance(value, str):
        return one_line(value, limit=600)
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        whole = {key for key, entry in value.items() if key == "texts" or (key == "text" and isinstance(entry, str))}
        return {key: entry if key in whole else _clean(entry) for key, entry in value.items()}
    return value


def _gate(value: str | None) -> str | None:
    return value if value in ("no", "auto", "manual") else None

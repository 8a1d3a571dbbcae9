"""One file that stands for a model on machines without network: card, configuration, license texts, file list."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from evalkit.errors import HubError, InputFileError
from evalkit.findings import Frozen
from evalkit.hub.facts import BaseModelFacts, ModelFile
from evalkit.hub.source import FILES_CAP, AccessDenied, ExtraText, Source, SourceProblem, wanted
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
    """Format 1. `texts` maps a file name to its text; bytes that are no UTF-8 are replaced, and noted."""

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
    """Raises SourceProblem when the file is no snapshot."""
    hint = "write one with `evalkit snapshot MODEL -o FILE`"
    try:
        if path.stat().st_size > CAP:
            raise SourceProblem("invalid", f"the file is larger than {CAP >> 20} MiB", hint)
        raw = path.read_bytes()
        snapshot = Snapshot.model_validate(_clean(strict_json(raw)))
    except OSError as e:
        raise SourceProblem("invalid", f"the file cannot be read: {e.strerror}", hint) from e
    except ValueError as e:
        what = f"{e.error_count()} errors" if isinstance(e, ValidationError) else f"no JSON: {e}"
        raise SourceProblem("invalid", f"the file is no snapshot ({what})", hint) from e
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


def write(model: str, output: Path, *, revision: str, license_text: Path | None, fetch_license: bool) -> str:
    from evalkit.hub.bases import follow
    from evalkit.hub.candidate import card_of, extra_texts, now, open_source, read_given

    given = read_given(license_text) if license_text is not None else None
    try:
        source = open_source(model, revision)
        texts = {}
        for name in wanted(source.files):
            content = source.reader.read(name)
            if content is not None:
                texts[name] = content.decode("utf-8", "replace")
    except SourceProblem as e:
        raise HubError(e.message, where=one_line(model), hint=e.hint) from e
    except AccessDenied as e:
        raise HubError(
            "the repository is gated", where=one_line(model), hint="request access, then set HF_TOKEN"
        ) from e
    card = card_of(texts["README.md"].encode() if "README.md" in texts else None, source)
    bases = (
        follow(source.model, card.base_model, lambda _name, _content: None) if source.bases is None else source.bases
    )
    extra = tuple(
        Extra(name=e.name, text=e.content.decode("utf-8", "replace"), origin=e.origin, taken_at=e.taken_at, url=e.url)
        for e in extra_texts(source, card, given, fetch=fetch_license)
    )
    name = Path(model).resolve().name if source.kind == "folder" else source.model
    snapshot = Snapshot(
        evalkit_snapshot=1, model=name, revision=source.commit or source.revision, requested_revision=revision,
        gated=source.gated, fetched_at=source.fetched_at or now(), files=source.files, texts=texts, extra=extra,
        bases=bases, notes=tuple(source.notes),
    )  # fmt: skip
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(snapshot.model_dump_json(indent=1) + "\n")
    except OSError as e:
        raise InputFileError(
            f"cannot write the snapshot: {e.strerror}", where=str(output), hint="name a new file"
        ) from e
    return source.commit or source.revision or "unknown"

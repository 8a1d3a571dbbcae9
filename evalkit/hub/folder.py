"""A model in a local folder. Links that lead out of it are refused; nothing in it is executed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from evalkit.hub.facts import ModelFile
from evalkit.hub.source import FILES_CAP, TEXT_CAP, Source, SourceProblem, wanted
from evalkit.text import one_line

_DEPTH = 8
_HEAD = 64 * 1024


class FolderReader:
    def __init__(self, folder: Path, notes: list[str]) -> None:
        self.folder = folder
        self.notes = notes
        self.root = _root(folder)

    def inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root)

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        try:
            if not self.inside(path):
                self.notes.append(f"{one_line(name)} is a link out of the folder: not read")
                return None
            info = path.stat()
            if not stat.S_ISREG(info.st_mode):
                return None
            if info.st_size > TEXT_CAP:
                self.notes.append(f"{one_line(name)} has {info.st_size:,} bytes: not read")
                return None
            with path.open("rb") as stream:
                return stream.read(TEXT_CAP)
        except OSError as e:
            self.notes.append(f"{one_line(name)} could not be read: {e.strerror}")
            return None


def _root(folder: Path) -> Path:
    """The folder; for a snapshot of the Hub's cache its repository folder, whose blobs it links to."""
    resolved = folder.resolve()
    cached = resolved.parent.name == "snapshots" and resolved.parent.parent.name.startswith("models--")
    return resolved.parent.parent if cached else resolved


def open_folder(folder: Path, asked: str) -> Source:
    """Raises SourceProblem when the folder cannot be listed or holds neither card nor configuration."""
    notes: list[str] = []
    reader = FolderReader(folder, notes)
    try:
        files = tuple(sorted(_files(reader), key=lambda f: f.name))
    except OSError as e:
        raise SourceProblem("invalid", f"the folder cannot be read: {e.strerror}", "check its permissions") from e
    if not {"README.md", "config.json"} & {f.name for f in files}:
        raise SourceProblem(
            "invalid", "the folder holds neither README.md nor config.json", "name the model's own folder"
        )
    revision = f"sha256:{_content_hash(reader, files)}"
    notes.append("content hash: small texts in full, other files by name, size and first 64 KiB")
    return Source(asked, "folder", revision, files, reader, notes=notes)


def _files(reader: FolderReader) -> Iterator[ModelFile]:
    count = 0
    for where, folders, names in os.walk(reader.folder):
        depth = len(Path(where).relative_to(reader.folder).parts)
        folders[:] = sorted(f for f in folders if f != ".git" and depth < _DEPTH and not Path(where, f).is_symlink())
        for name in sorted(names):
            path = Path(where, name)
            shown = path.relative_to(reader.folder).as_posix()
            if not reader.inside(path):
                reader.notes.append(f"{one_line(shown)} is a link out of the folder: refused")
                continue
            info = path.stat() if path.exists() else None
            if info is None or not stat.S_ISREG(info.st_mode):
                continue
            count += 1
            if count > FILES_CAP:
                reader.notes.append(f"more than {FILES_CAP:,} files: the rest is not listed")
                return
            yield ModelFile(name=one_line(shown, limit=400), size=info.st_size)


def _content_hash(reader: FolderReader, files: tuple[ModelFile, ...]) -> str:
    texts = set(wanted(files))
    total = hashlib.sha256()
    for file in files:
        try:
            with (reader.folder / file.name).open("rb") as stream:
                content = stream.read(TEXT_CAP if file.name in texts else _HEAD)
        except OSError:
            content = b""
        part = hashlib.sha256(content).hexdigest()
        total.update(f"{file.name}\0{file.size}\0{part}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()

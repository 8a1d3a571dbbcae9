"""`evalkit import`: writes prompts and suites into a folder, with an account of each source. Never overwrites."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import evalkit
from evalkit.errors import InputFileError, UsageError
from evalkit.importers import registry
from evalkit.importers.base import Options, Reading, plain_id
from evalkit.importers.convert import Source, sha256_of_file

#: owner/name
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
#: endings of files: a missing one is not a data set
_FILES = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".txt"})
#: what a checklist takes of one file
MOST_PROMPTS = 20_000
MOST_BYTES = 64 << 20


@dataclass
class Imported:
    """What became of one source."""

    source: Source
    sha256: str
    written: list[Path] = field(default_factory=list)
    bytes: int = 0

    def document(self) -> dict[str, Any]:
        """For --json and import.json."""
        source = self.source
        return {
            "source": str(source.path), "kind": source.importer.kind, "sha256": self.sha256,
            "written": [path.name for path in self.written], "prompts": source.prompts, "cases": source.cases,
            "partial_cases": source.partial, **source.tally.document(),
            "templates": [
                {"start": one.start, "prompts": one.count, "lines": list(one.lines), "cluster": one.cluster}
                for one in source.alike.templates()
            ],
        }  # fmt: skip

    def text(self) -> list[str]:
        """For people, the files first."""
        source = self.source
        lines = [f"{source.path} ({source.importer.kind}): {source.prompts} prompts, {source.cases} cases"]
        lines += [f"  wrote {path}" for path in self.written]
        if source.partial:
            lines.append(f"  {source.partial} cases are tagged `partial`: some of their assertions have no grader")
        lines += [f"  {line}" for line in source.tally.text()]
        lines += [f"  note: {one.text()}" for one in source.alike.templates()]
        if source.prompts > MOST_PROMPTS or self.bytes > MOST_BYTES:
            lines.append(
                f"  note: a checklist takes {MOST_PROMPTS:,} prompts and {MOST_BYTES >> 20} MiB of one file; "
                "draw some with --sample N"
            )
        return lines


def import_files(paths: list[Path], folder: Path, options: Options, kind: str | None = None) -> list[Imported]:
    """Import each file into `folder`.

    Raises:
        InputFileError: a source that cannot be read, or a bad line without --skip-bad. What it wrote is removed.
        UsageError: a file of that name is there already.
    """
    found = []
    for path, origin in _local(paths, options):
        importer = registry.find(path, kind, options.encoding)
        reading = Reading(path, options, hint=f"the file was read as {importer.kind}")
        if origin:
            reading.note(origin)
        found.append(Source(path, importer, reading))
    folder.mkdir(parents=True, exist_ok=True)
    stems: set[str] = set()
    done = []
    for source in found:
        stem = _stem(source.path, stems)
        done.append(_write(source, folder, stem))
    _account(folder, done)
    return done


def _local(paths: list[Path], options: Options) -> list[tuple[Path, str | None]]:
    """Files as they are; the id of a data set on the Hub as its files at one commit, which is said."""
    found: list[tuple[Path, str | None]] = []
    for path in paths:
        if path.exists() or path.suffix.lower() in _FILES or not _HUB_ID.fullmatch(str(path)):
            found.append((path, None))
            continue
        from evalkit.hub.datasets import dataset_files

        commit, files = dataset_files(str(path), options.revision or "main", options.split)
        found += [(file, f"of the data set {path} at {commit}") for file in files]
    return found


def _stem(path: Path, used: set[str]) -> str:
    plain = plain_id(path.name.split(".")[0]).replace("/", "-").replace(":", "-").lstrip(".") or "import"
    stem, number = plain, 1
    while stem in used:
        number += 1
        stem = f"{plain}-{number}"
    used.add(stem)
    return stem


def _write(source: Source, folder: Path, stem: str) -> Imported:
    prompts, cases, suite = folder / f"{stem}.jsonl", folder / f"{stem}.cases.jsonl", folder / f"{stem}.yaml"
    for path in (prompts, cases, suite):
        if path.exists():
            raise UsageError("exists already, and nothing is overwritten", where=str(path), hint="choose another -o")
    result = Imported(source, sha256_of_file(source.path))
    parts = {path: path.with_name(f".{path.name}.part") for path in (prompts, cases)}
    try:
        with ExitStack() as stack:
            files: dict[Path, TextIO] = {}
            for line in source.lines():
                path = cases if line.case else prompts
                if path not in files:
                    files[path] = stack.enter_context(parts[path].open("w", encoding="utf-8", errors="strict"))
                files[path].write(line.text + "\n")
                result.bytes += len(line.text) + 1
        for path in files:
            parts[path].replace(path)
            result.written.append(path)
    except UnicodeEncodeError:
        raise InputFileError(
            "characters that no encoding can write (lone surrogates)", where=str(source.path)
        ) from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    if source.cases:
        suite.write_text(_suite(source, stem, result.sha256), encoding="utf-8")
        result.written.append(suite)
    return result


def _suite(source: Source, stem: str, digest: str) -> str:
    name = json.dumps(stem, ensure_ascii=False)
    return (
        f"# Imported from {plain_id(source.path.name)} ({source.importer.kind}, sha256 {digest}).\n"
        "# kind sets margin and floor: chat | tools | long | structured | custom\n"
        f"suite: {{name: {name}, kind: {source.suite_kind}, import: {json.dumps(f'{stem}.cases.jsonl')}}}\n"
    )


def _account(folder: Path, done: list[Imported]) -> None:
    path, earlier = folder / "import.json", []
    if path.is_file():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8")).get("files", [])
        except (ValueError, AttributeError):
            earlier = []
    document = {"evalkit_version": evalkit.__version__, "files": [*earlier, *(one.document() for one in done)]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

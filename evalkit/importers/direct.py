"""Files of other tools named in a checklist: converted when the checklist is loaded, by what they contain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.checklist.files import sha256_of
from evalkit.checklist.loader import is_shipped
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError, Mistakes
from evalkit.importers import jsonl, openai, registry, rows
from evalkit.importers.base import Head, Importer, Options, Reading, plain_id
from evalkit.importers.chat import REQUEST_KEYS
from evalkit.importers.convert import Source, sha256_of_file
from evalkit.importers.write import MOST_BYTES, MOST_PROMPTS
from evalkit.quality.case import Suite
from evalkit.quality.schema import RawCase, SuiteHead
from evalkit.quality.suite import converted_suite, load_suite, unlike
from evalkit.timing.prompts import KEYS, PromptFile, PromptSet, load_files, read_file


@dataclass(frozen=True)
class Conversion:
    """A file that was converted: what the run folder keeps of it, and what `validate` says."""

    source: Source
    #: evalkit's own format, one JSON object a line
    text: str
    source_sha256: str

    @property
    def name(self) -> str:
        """The name of the stored text, without a suffix; with a part of its hash, as files of one name may differ."""
        return f"{plain_id(self.source.path.name).replace('/', '-') or 'import'}-{sha256_of(self.text)[:8]}"

    def document(self) -> dict[str, Any]:
        """What became of the file."""
        source = self.source
        return {
            "source": str(source.path), "kind": source.importer.kind, "source_sha256": self.source_sha256,
            "sha256": sha256_of(self.text), "prompts": source.prompts, "cases": source.cases,
            "partial_cases": source.partial, **source.tally.document(),
        }  # fmt: skip

    def notes(self) -> list[str]:
        """One line a reason, for `validate` and `--dry-run`."""
        source, name = self.source, self.source.path.name
        what = f"{source.cases} cases" if source.cases else f"{source.prompts} prompts"
        lines = [f"{name} was imported as {source.importer.kind}: {what}"]
        lines += [line.removeprefix("note: ") for line in source.tally.text()]
        lines += [one.text() for one in source.alike.templates()]
        return [lines[0], *(f"{name}: {line}" for line in lines[1:])]


def load_prompts(paths: Sequence[Path], request: Request) -> tuple[PromptSet, list[Conversion]]:
    """Prompts of evalkit's own files and of those of other tools.

    Raises:
        InputFileError: a file or line that cannot be used, with FILE:LINE.
    """
    files: list[PromptFile] = []
    conversions = []
    mistakes = Mistakes()
    for path in paths:
        with mistakes:
            importer = _foreign_prompts(path)
            if importer is None:
                files.append(read_file(path))
                continue
            made = _converted(path, importer, cases=False)
            if not made.source.prompts:
                hint = "; ".join(made.source.tally.text())
                raise InputFileError("no prompt could be used", where=str(path), hint=hint)
            conversions.append(made)
            files.append(PromptFile(path, made.text.encode(), importer.kind, made.source_sha256))
    loaded = PromptSet(())
    with mistakes:
        loaded = load_files(files, request)
    mistakes.end()
    return loaded, conversions


def load_suites(paths: Sequence[Path], request: Request) -> tuple[list[Suite], list[Conversion]]:
    """Suites of evalkit's own files and of those of other tools.

    Raises:
        InputFileError: as `load_prompts`; also a file whose entries have no expected answer.
    """
    suites: list[Suite] = []
    conversions = []
    mistakes = Mistakes()
    for path in paths:
        with mistakes:
            importer = _foreign_tasks(path)
            if importer is None:
                suite = load_suite(path, request)
            else:
                made = _converted(path, importer, cases=True)
                suite = _suite(made, request)
                conversions.append(made)
            suites.append(unlike(suite, suites))
    mistakes.end()
    return suites, conversions


def _suite(made: Conversion, request: Request) -> Suite:
    import json

    path = made.source.path
    if not made.source.cases:
        raise InputFileError(
            "no entry has an expected answer that can be graded", where=str(path),
            hint="name it under prompts:, or bring answers (docs/import.md)",
        )  # fmt: skip
    if made.source.prompts:
        made.source.reading.note(f"{made.source.prompts} entries without an expectation are not part of the suite")
    head = SuiteHead(name=plain_id(path.stem) or "imported", kind=made.source.suite_kind)
    cases = []
    for line in made.text.splitlines():
        data = json.loads(line)
        cases.append((data, int(data["source"].rpartition(":")[2])))
    suite = converted_suite(path, head, cases, made.text, request)
    return replace(
        suite, imported=made.source.importer.kind, source_sha256=made.source_sha256,
        shipped=is_shipped(path, made.source_sha256),
    )  # fmt: skip


def _converted(path: Path, importer: Importer, *, cases: bool) -> Conversion:
    reading = Reading(path, Options(), hint=f"the file was read as {importer.kind}; evalkit import has options for it")
    source = Source(path, importer, reading)
    kept, size = [], 0
    for line in source.lines(cases=cases):
        if cases and not line.case:
            continue
        kept.append(line.text)
        size += len(line.text)
        if len(kept) > MOST_PROMPTS or size > MOST_BYTES:
            raise InputFileError(
                f"more than {MOST_PROMPTS:,} entries or {MOST_BYTES >> 20} MiB", where=str(path),
                hint="draw some: evalkit import FILE --sample 2000 -o DIR",
            )  # fmt: skip
    return Conversion(source, "".join(f"{line}\n" for line in kept), sha256_of_file(path))


def _head(path: Path) -> Head | None:
    """None for what the own readers refuse better: no file, an empty one."""
    try:
        head = registry.head_of(path)
    except InputFileError:
        return None
    return head if head.start.strip() else None


def _foreign_prompts(path: Path) -> Importer | None:
    head = _head(path)
    if head is None:
        return None
    found = registry.detect(head)
    first = head.first if isinstance(head.first, dict) else {}
    if found is jsonl.IMPORTER and ("id" in first or not _has_prompts(first)):
        return found if "id" in first and _has_prompts(first) and not {"prompt", "messages"} & set(first) else None
    if found is openai.IMPORTER and "id" in first and "messages" in first and not set(first) - KEYS:
        return None
    if found is openai.IMPORTER and "messages" in first and set(first) - KEYS - REQUEST_KEYS and "id" in first:
        return None  # a prompts file with a key that is spelt wrong
    return found


def _foreign_tasks(path: Path) -> Importer | None:
    head = _head(path)
    if head is None:
        return None
    found = registry.detect(head)
    first = head.first if isinstance(head.first, dict) else {}
    if "suite" in first and found is jsonl.IMPORTER:
        return None  # a suite of evalkit's own, written as JSON
    if path.suffix == ".jsonl" and found in (jsonl.IMPORTER, openai.IMPORTER):
        known = set(RawCase.model_fields)
        if (
            "expect" in first
            or ("id" in first and not set(first) - known)
            or not (_has_prompts(first) or "messages" in first)
        ):
            return None
        answered = found is jsonl.IMPORTER and any(name in first for name in rows.GUESSES["answer"])
        return jsonl.IMPORTER if answered else None if "id" in first else found
    return found


def _has_prompts(first: dict[str, Any]) -> bool:
    return any(name in first for name in rows.GUESSES["prompt"])

"""The run folder: what a run leaves behind, and reading it again.

checklist.json   the checklist as it was resolved, with its source's hash and lines
plan.json        the frozen plan: resume refuses another
journal.jsonl    every fact, in the order of collection
evidence/        texts that were read: card, config, license
logs/            output of servers that evalkit launched
run.log          what the run showed while it worked, with times
report.md, report.json, report.html, junit.xml, charts/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from evalkit.checklist.files import read_bytes, sha256_of
from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import InputFileError, RunFolderError
from evalkit.facts import Facts, RunStart
from evalkit.files import make_private, sweep, write_atomic
from evalkit.secrets import redact_words
from evalkit.stored.fold import fold
from evalkit.stored.journal import read
from evalkit.text import json_safe, strict_json

FORMAT = 1
_MOST_BYTES = 64 * 1024 * 1024


class Source(Protocol):
    """`RunFolder` and `Pack` both are one."""

    path: Path

    @property
    def redacted(self) -> bool:
        """Whether texts of prompts and replies were left out."""
        ...

    @property
    def cannot(self) -> tuple[str, ...]:
        """What this source can no longer do because its texts were removed."""
        ...

    def facts(self) -> Facts: ...

    def checklist(self) -> LoadedChecklist: ...

    def verify(self, facts: Facts | None = None) -> list[str]:
        """What is wrong with it; `facts` are its own, where they were read already."""
        ...


class RunFolder:
    """Paths and stored documents of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def redacted(self) -> bool:
        """A run folder holds every text."""
        return False

    @property
    def cannot(self) -> tuple[str, ...]:
        """Nothing is beyond a run folder."""
        return ()

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def evidence(self) -> Path:
        return self.path / "evidence"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    @classmethod
    def create(cls, path: Path, loaded: LoadedChecklist, plan: dict[str, Any]) -> RunFolder:
        """A new run folder with its checklist and plan.

        Raises:
            RunFolderError: it already contains a run, or cannot be written.
        """
        folder = cls(path)
        make_private(path)
        if folder.journal.exists() or (path / "report.json").exists():
            raise RunFolderError(
                "already contains a run", where=str(path), hint="choose another --output-dir, or --resume this one"
            )
        sweep(path)
        for name in (folder.evidence, folder.logs):
            make_private(name)
        write_atomic(path / "checklist.json", _dump(_checklist_document(loaded)))
        write_atomic(path / "plan.json", _dump(plan))
        return folder

    def keep_imports(self, files: dict[str, tuple[str, dict[str, Any]]]) -> None:
        """Keep what files of other tools were converted to, with the account of each, under evidence/imports.

        Raises:
            RunFolderError: it cannot be written.
        """
        if not files:
            return
        folder = self.evidence / "imports"
        make_private(folder)
        for name, (text, document) in files.items():
            write_atomic(folder / f"{name}.converted.jsonl", text)
            write_atomic(folder / f"{name}.import.json", _dump(document))

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run that exists.

        Raises:
            RunFolderError: no such folder, or no run in it.
        """
        if not path.is_dir():
            raise RunFolderError("no such run folder", where=str(path))
        folder = cls(path)
        if not folder.journal.is_file():
            raise RunFolderError("contains no run (journal.jsonl is missing)", where=str(path))
        return folder

    @classmethod
    def begun(cls, path: Path) -> RunFolder:
        """A run to continue: frozen is its plan, whether or not something was recorded before it ended.

        Raises:
            RunFolderError: no such folder, or no plan in it.
        """
        if not path.is_dir():
            raise RunFolderError("no such run folder", where=str(path))
        if not (path / "plan.json").is_file():
            raise RunFolderError(
                "contains no run to resume (plan.json is missing)", where=str(path), hint="start it with --output-dir"
            )
        return cls(path)

    def start(self) -> RunStart | None:
        """How the run began; None when it ended before that was recorded."""
        first = next(read(self.journal), None) if self.journal.is_file() else None
        if first is None:
            return None
        try:
            return RunStart.model_validate(first.data)
        except ValidationError:
            raise RunFolderError("record 0 is not readable", where=str(self.journal)) from None

    def facts(self) -> Facts:
        """The journal, folded.

        Raises:
            RunFolderError: damaged, or written by a newer evalkit.
        """
        return fold(read(self.journal), where=str(self.journal))

    def checklist(self) -> LoadedChecklist:
        """The checklist that the run was made with."""
        document = self._json("checklist.json")
        try:
            return LoadedChecklist(
                checklist=Checklist.model_validate_json(json.dumps(document["checklist"])),
                path=Path(document["path"]) if document.get("path") else None,
                folder=self.path,
                sha256=document["sha256"],
                lines=document.get("lines", {}),
            )
        except (KeyError, ValidationError):
            raise RunFolderError("is not this evalkit's checklist", where=str(self.path / "checklist.json")) from None

    def plan(self) -> dict[str, Any]:
        return self._json("plan.json")

    def resolved_sha256(self) -> str:
        """The identity of the stored checklist, as it was resolved: sha256 of its canonical JSON."""
        return plan_hash(self._json("checklist.json").get("checklist") or {})

    def verify(self, facts: Facts | None = None) -> list[str]:
        """What is wrong with the stored evidence; empty when all of it is as it was written.

        `facts` are this run's, where they were read already.
        """
        problems: list[str] = []
        try:
            facts = facts or self.facts()
            if facts.start.checklist_sha256 != self.checklist().sha256:
                problems.append("checklist.json is not the checklist that the journal names")
            if facts.start.resolved_sha256 not in (None, self.resolved_sha256()):
                problems.append("checklist.json was changed after it was written")
            if facts.start.plan_sha256 != plan_hash(self.plan()):
                problems.append("plan.json is not the plan that the journal names")
            problems += self._changed_evidence(facts)
        except RunFolderError as error:
            problems.append(str(error))
        return problems

    def _changed_evidence(self, facts: Facts) -> list[str]:
        problems = []
        for candidate in facts.candidates:
            for text in (*candidate.texts, *candidate.license_texts):
                if not text.path:
                    continue
                file = self.path / text.path
                if not file.resolve().is_relative_to(self.path.resolve()):
                    problems.append(f"{text.path} lies outside the run folder")
                elif not file.is_file():
                    problems.append(f"{text.path} is missing")
                elif sha256_of(_content(file)) != text.sha256:
                    problems.append(f"{text.path} was changed after it was written")
        return problems

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            document = strict_json(_content(path))
        except ValueError as error:
            raise RunFolderError(f"is not JSON as evalkit writes it: {error}", where=str(path)) from None
        if not isinstance(document, dict):
            raise RunFolderError("is not an object", where=str(path))
        if document.get("format", FORMAT) != FORMAT:
            raise RunFolderError("was written by a newer evalkit", where=str(path), hint="upgrade evalkit")
        return document


def _content(path: Path) -> bytes:
    """A stored file, bounded: a run folder may be a stranger's.

    Raises:
        RunFolderError: missing, no regular file, not readable, or larger than evalkit writes.
    """
    try:
        return read_bytes(path, max_bytes=_MOST_BYTES)
    except InputFileError as error:
        raise RunFolderError(error.message, where=str(path)) from None


def plan_hash(plan: dict[str, Any]) -> str:
    """The identity of a plan: sha256 of its canonical JSON."""
    return sha256_of(json.dumps(plan, sort_keys=True, ensure_ascii=False, allow_nan=False))


def _checklist_document(loaded: LoadedChecklist) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "path": loaded.path.name if loaded.path else None,
        "sha256": loaded.sha256,
        "checklist": _without_keys(loaded.checklist.model_dump(mode="json")),
        "lines": loaded.lines,
    }


def without_keys(tasks: list[Any] | None) -> list[Any] | None:
    """Tasks whose commands hold no key."""
    if tasks is None:
        return None
    words = ("command", "args")
    return [
        task if isinstance(task, str) else {**task, **{name: redact_words(task[name]) for name in words if task[name]}}
        for task in tasks
    ]


def _without_keys(checklist: dict[str, Any]) -> dict[str, Any]:
    """Commands with the keys that were typed into them masked: deciding needs none of them."""
    checklist["tasks"] = without_keys(checklist["tasks"])
    for endpoint in (*checklist["modes"].values(), *filter(None, [checklist["incumbent"]])):
        for name in ("launch", "stop"):
            if endpoint[name]:
                endpoint[name] = redact_words(endpoint[name])
    return checklist


def _dump(document: dict[str, Any]) -> str:
    return json_safe(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"

"""A run in one small file: checklist, facts, hashes, gzipped JSON. Redacted, it holds no text of prompts or replies."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import zlib
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.facts import Facts
from evalkit.redaction import hide, redacted, without_folders
from evalkit.text import strict_json

if TYPE_CHECKING:
    from evalkit.stored.folder import Source

FORMAT = 1
_MOST_BYTES = 256 * 1024 * 1024
#: what a system prompt begins with whose text was left out
REDACTED = "(redacted) "
CANNOT_GRADE = "be graded again"


class Pack:
    """A packed run. It cannot be graded again when it was redacted; `cannot` says what else."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self._document = document

    @property
    def redacted(self) -> bool:
        return bool(self._document.get("redacted"))

    @property
    def cannot(self) -> tuple[str, ...]:
        """What this pack cannot do: "be graded again", …"""
        return tuple(str(one) for one in self._document.get("cannot", ()))

    @classmethod
    def open(cls, path: Path) -> Pack:
        """Read a pack, bounded.

        Raises:
            RunFolderError: not a pack, too large, or from a newer evalkit.
        """
        try:
            with gzip.open(path) as file:
                raw = file.read(_MOST_BYTES + 1)
            document = strict_json(raw) if len(raw) <= _MOST_BYTES else None
        except (OSError, ValueError, EOFError, zlib.error):
            raise RunFolderError("is not an evalkit pack", where=str(path)) from None
        if not isinstance(document, dict) or document.get("kind") != "evalkit-pack" or not _is_shaped(document):
            raise RunFolderError("is not an evalkit pack", where=str(path))
        if document.get("format") != FORMAT:
            raise RunFolderError("was packed by another evalkit", where=str(path), hint="upgrade evalkit")
        return cls(path, document)

    def facts(self) -> Facts:
        facts: Facts = self._parse(Facts, "facts")
        return facts

    def checklist(self) -> LoadedChecklist:
        return LoadedChecklist(
            checklist=self._parse(Checklist, "checklist"),
            path=None,
            folder=self.path.parent,
            sha256=str(self._document.get("checklist_sha256")),
        )

    def _parse(self, model: Any, name: str) -> Any:
        try:
            return model.model_validate_json(json.dumps(self._document[name]))
        except (KeyError, ValidationError):
            raise RunFolderError(f"holds no readable {name}", where=str(self.path)) from None

    def verify(self, facts: Facts | None = None) -> list[str]:
        """Problems of the pack: those that the run had when it was packed, and a change since."""
        del facts
        problems = [str(p) for p in self._document.get("problems", [])]
        problems += [f"without its texts the pack cannot {one}" for one in self._document.get("undecidable", [])]
        if self._document.get("sha256") != digest(self._document):
            problems.append("the pack was changed after it was written")
        return problems


def _is_shaped(document: dict[str, Any]) -> bool:
    """Whether the fields that are read without a model have their types."""
    lists = (document.get(name, []) for name in ("cannot", "undecidable", "problems"))
    texts = (document.get(name, "") for name in ("sha256", "checklist_sha256"))
    return all(isinstance(one, list) for one in lists) and all(isinstance(one, str) for one in texts)


def digest(document: dict[str, Any]) -> str:
    """sha256 of the pack without this hash itself."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def pack(source: Source, *, redact: bool = False) -> bytes:
    """The bytes of a pack; the same for the same run unless redacted (its key is random and kept nowhere)."""
    loaded = source.checklist()
    facts = source.facts()
    kept = facts
    checklist: dict[str, Any] = loaded.checklist.model_dump(mode="json")
    for name in ("prompts", "tasks"):
        if checklist[name] is not None:
            checklist[name] = [_relative(one) if isinstance(one, str) else _placeless(one) for one in checklist[name]]
    if checklist["candidate"] is not None:
        named = checklist["candidate"]
        named |= {"model": _relative(named["model"]), "variants": [_relative(path) for path in named["variants"]]}
    undecidable: list[str] = []
    if redact:
        key = secrets.token_bytes(32)
        kept = redacted(facts, key)
        if checklist["request"]["system"]:
            checklist["request"]["system"] = REDACTED + hide(checklist["request"]["system"], key)[:12]
        undecidable = _decided_otherwise(loaded.checklist, facts, Checklist(**checklist), kept)
    document: dict[str, Any] = {
        "kind": "evalkit-pack",
        "format": FORMAT,
        "redacted": redact,
        "cannot": [CANNOT_GRADE, *undecidable] if redact else [],
        "undecidable": undecidable,
        "checklist": checklist,
        "checklist_sha256": loaded.sha256,
        "facts": without_folders(kept.model_dump(mode="json")),
        "problems": source.verify(facts),
    }
    document["sha256"] = digest(document)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def _placeless(task: dict[str, Any]) -> dict[str, Any]:
    """Results of a harness, or how it was run, without the folders of this machine."""
    results = task["results"] and {mode: _relative(path) for mode, path in task["results"].items()}
    bare = {name: task[name] and _relative(task[name]) for name in ("program", "include_path", "task")}
    return {**task, **bare, "results": results, "command": task["command"] and [_relative(w) for w in task["command"]]}


def _relative(path: str) -> str:
    return PurePath(path).name if PurePath(path).is_absolute() else path


def _decided_otherwise(checklist: Checklist, facts: Facts, bare: Checklist, without: Facts) -> list[str]:
    """Findings that come out otherwise without the texts: a redacted pack says so and the gate does not trust them."""
    from evalkit.verdict.decide import decide

    before, after = decide(checklist, facts, facts.as_of), decide(bare, without, facts.as_of)
    old, new = ([(f.id, f.mode, f.variant, f.status) for i in one.items for f in i.findings] for one in (before, after))
    differing = [one for one in old if one not in new] + [one for one in new if one not in old]
    return sorted({f"decide {name}{f' of {mode}' if mode else ''} again" for name, mode, _, _ in differing})

"""A run in one small file: checklist, facts and hashes, gzipped JSON. Redacted, it holds no text of prompts or replies.

Texts are replaced by keyed hashes whose key is thrown away: equal texts stay equal, nothing can be guessed back.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import secrets
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.run.facts import Facts

if TYPE_CHECKING:
    from evalkit.report.source import Source

FORMAT = 1
_MOST_BYTES = 256 * 1024 * 1024
#: fields of facts that hold, or may quote, a text of a prompt, a reply or a person
_TEXTS = frozenset(
    {"text", "reasoning", "arguments", "prompt_preview", "reason", "detail", "message", "argv", "log_tail"}
)


class Pack:
    """A packed run. It cannot be graded again when it was redacted."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self._document = document

    @property
    def redacted(self) -> bool:
        return bool(self._document.get("redacted"))

    @classmethod
    def open(cls, path: Path) -> Pack:
        """Read a pack, bounded.

        Raises:
            RunFolderError: not a pack, too large, or from a newer evalkit.
        """
        try:
            with gzip.open(path) as file:
                raw = file.read(_MOST_BYTES + 1)
            document = json.loads(raw) if len(raw) <= _MOST_BYTES else None
        except (OSError, ValueError, EOFError, RecursionError, zlib.error):
            raise RunFolderError("is no packed run", where=str(path)) from None
        if not isinstance(document, dict) or document.get("kind") != "evalkit-pack":
            raise RunFolderError("is no packed run", where=str(path))
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

    def verify(self) -> list[str]:
        """Problems of the pack: those that the run had when it was packed, and a change since."""
        problems = [str(p) for p in self._document.get("problems", [])]
        if self._document.get("sha256") != digest(self._document):
            problems.append("the pack was changed after it was written")
        return problems


def digest(document: dict[str, Any]) -> str:
    """sha256 of the pack without this hash itself."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def pack(source: Source, *, redact: bool = False) -> bytes:
    """The bytes of a pack; the same for the same run unless redacted (its key is random and kept nowhere)."""
    loaded = source.checklist()
    facts: dict[str, Any] = source.facts().model_dump(mode="json")
    checklist: dict[str, Any] = loaded.checklist.model_dump(mode="json")
    if redact:
        key = secrets.token_bytes(32)
        facts |= {name: _without_texts(facts[name], key) for name in ("answers", "timed")}
        checklist["request"]["system"] = None
    document: dict[str, Any] = {
        "kind": "evalkit-pack",
        "format": FORMAT,
        "redacted": redact,
        "cannot": ["be graded again"] if redact else [],
        "checklist": checklist,
        "checklist_sha256": loaded.sha256,
        "facts": facts,
        "problems": source.verify(),
    }
    document["sha256"] = digest(document)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def _without_texts(value: Any, key: bytes, name: str = "") -> Any:
    if isinstance(value, dict):
        if name in _TEXTS:
            return {}
        return {k: _without_texts(v, key, k) for k, v in value.items()}
    if isinstance(value, list):
        return [] if name in _TEXTS else [_without_texts(v, key, name) for v in value]
    if isinstance(value, str) and value and name in _TEXTS:
        return "text:" + hmac.new(key, value.encode(), "sha256").hexdigest()[:24]
    return value

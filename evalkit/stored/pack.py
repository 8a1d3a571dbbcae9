"""A run in one small file, gzipped: a head, a line for each record of facts, and a hash over all of it.

The head is the checklist and what the pack cannot do; lines are read and written one by one, so that a pack needs no
more memory than its run. Redacted, it holds no text of prompts or replies. Format 1 was one JSON document, and is read.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.redaction import hide, placeless, redacted_from
from evalkit.stored.fold import KINDS, MANY, Lean, fold, uncollected
from evalkit.stored.folder import Source
from evalkit.stored.journal import MAX_LINE, Record
from evalkit.text import strict_json
from evalkit.verdict.decide import decide

FORMAT = 2
_MOST_BYTES = 256 * 1024 * 1024
#: values of one line, and of a pack of format 1, which is one; a line of a run has thousands
_MOST_VALUES, _MOST_OF_ALL = 2_000_000, 20_000_000
#: bytes out of a byte that is read; runs have up to 30, and a few KB could fill the memory
_MOST_RATIO, _ANYWAY = 100, 16 << 20
#: what a system prompt begins with whose text was left out
REDACTED = "(redacted) "
CANNOT_GRADE = "be graded again"
#: of gzip: 9 takes twice the time for 2% less
_LEVEL = 6
#: bytes of lines that are hashed and compressed in one go
_WORTH = 64 * 1024
_UNREADABLE = (OSError, ValueError, EOFError, zlib.error)


class Pack:
    """A packed run. It cannot be graded again when it was redacted; `cannot` says what else."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self._head = head
        #: whether the hash is that of the lines; None: they were not read yet
        self._intact: bool | None = None

    @property
    def redacted(self) -> bool:
        return bool(self._head.get("redacted"))

    @property
    def cannot(self) -> tuple[str, ...]:
        """What this pack cannot do: "be graded again", …"""
        return tuple(str(one) for one in self._head.get("cannot", ()))

    @classmethod
    def open(cls, path: Path) -> Pack:
        """Read the head of a pack, bounded.

        Raises:
            RunFolderError: not a pack, too large, or from a newer evalkit.
        """
        try:
            most = _room(path)
            with gzip.open(path) as file:
                first = file.readline(most + 1)
                one_document = not first.endswith(b"\n")
            head = _value(first, _MOST_OF_ALL if one_document else _MOST_VALUES) if len(first) <= most else None
        except _UNREADABLE:
            raise _no_pack(path) from None
        if not isinstance(head, dict) or head.get("kind") != "evalkit-pack" or not _is_shaped(head):
            raise _no_pack(path)
        if head.get("format") not in (1, FORMAT):
            raise RunFolderError("was packed by another evalkit", where=str(path), hint="upgrade evalkit")
        if one_document != (head["format"] == 1):
            raise _no_pack(path)
        return _Document(path, head) if one_document else cls(path, head)

    def facts(self) -> Facts:
        try:
            return fold(self._records(), where=str(self.path))
        except _UNREADABLE:
            raise _no_pack(self.path) from None

    def _records(self) -> Iterator[Record]:
        """The lines behind the head, held against the last one, which is their hash."""
        seen, read, last, most = hashlib.sha256(), 0, None, _room(self.path)
        with gzip.open(self.path) as file:
            for n, line in enumerate(iter(lambda: file.readline(MAX_LINE), b"")):
                read += len(line)
                if last is not None or read > most or not line.endswith(b"\n"):
                    raise ValueError("not as a pack is written")
                said = _value(line, _MOST_VALUES) if n else self._head
                keys = set(said) if isinstance(said, dict) else set()
                if n and keys == {"sha256"}:
                    last = said["sha256"]
                    continue
                if n and keys != {"kind", "data"}:
                    raise ValueError("a line that is not a record")
                seen.update(line)
                if n:
                    yield Record(n, str(said["kind"]), said["data"], "", 0)
        if last is None:
            raise ValueError("its end is missing")
        self._intact = last == seen.hexdigest()

    def checklist(self) -> LoadedChecklist:
        return LoadedChecklist(
            checklist=self._parse(Checklist, "checklist"),
            path=None,
            folder=self.path.parent,
            sha256=str(self._head.get("checklist_sha256")),
        )

    def _parse(self, model: Any, name: str) -> Any:
        try:
            return model.model_validate_json(json.dumps(self._head[name]))
        except (KeyError, ValidationError):
            raise RunFolderError(f"holds no readable {name}", where=str(self.path)) from None

    def verify(self, facts: Facts | None = None) -> list[str]:
        """Problems of the pack: those that the run had when it was packed, and a change since."""
        del facts
        problems = [str(p) for p in self._head.get("problems", [])]
        problems += [f"without its texts the pack cannot {one}" for one in self._head.get("undecidable", [])]
        if not self._is_intact():
            problems.append("the pack was changed after it was written")
        return problems

    def _is_intact(self) -> bool:
        if self._intact is None:
            try:
                for _ in self._records():
                    pass
            except _UNREADABLE:
                self._intact = False
        return bool(self._intact)


class _Document(Pack):
    """A pack of format 1: one JSON document, with its hash in it."""

    def facts(self) -> Facts:
        facts: Facts = self._parse(Facts, "facts")
        return facts

    def _is_intact(self) -> bool:
        return bool(self._head.get("sha256") == digest(self._head))


def digest(document: dict[str, Any]) -> str:
    """sha256 of a pack of format 1, without this hash itself."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _no_pack(path: Path) -> RunFolderError:
    return RunFolderError("is not an evalkit pack", where=str(path))


def _room(path: Path) -> int:
    """Bytes that the file may hold when it is unpacked."""
    return min(_MOST_BYTES, max(_ANYWAY, _MOST_RATIO * path.stat().st_size))


def _value(line: bytes, most: int) -> Any:
    """The value of a line, which is not read where it has more parts than any run: each takes memory.

    Raises:
        ValueError: too many parts, or as `strict_json`.
    """
    if sum(line.count(sign) for sign in (b",", b"[", b"{")) > most:
        raise ValueError("more values than a run has")
    return strict_json(line)


def _is_shaped(head: dict[str, Any]) -> bool:
    """Whether the fields that are read without a model have their types."""
    lists = (head.get(name, []) for name in ("cannot", "undecidable", "problems"))
    texts = (head.get(name, "") for name in ("sha256", "checklist_sha256"))
    return all(isinstance(one, list) for one in lists) and all(isinstance(one, str) for one in texts)


def pack(source: Source, *, redact: bool = False) -> bytes:
    """The bytes of a pack; the same for the same run unless redacted (its key is random and kept nowhere)."""
    loaded = source.checklist()
    facts = source.facts()
    problems = source.verify(facts)
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
        if checklist["request"]["system"]:
            checklist["request"]["system"] = REDACTED + hide(checklist["request"]["system"], key)[:12]
        before, parts = _decided(loaded.checklist, facts), dict(facts)
        with uncollected(many=len(facts.answers) + len(facts.timed) > MANY):
            del facts
            facts = redacted_from(parts, key, Lean())
        undecidable = _otherwise(before, _decided(Checklist(**checklist), facts))
    head: dict[str, Any] = {
        "kind": "evalkit-pack",
        "format": FORMAT,
        "redacted": redact,
        "cannot": [CANNOT_GRADE, *undecidable] if redact else [],
        "undecidable": undecidable,
        "checklist": checklist,
        "checklist_sha256": loaded.sha256,
        "problems": problems,
    }
    values = dict(facts)
    del facts
    return _written(head, values)


def _written(head: dict[str, Any], values: dict[str, Any]) -> bytes:
    """Of the fields of facts, which are used up: a text that was written is held in two forms."""
    seen, out = hashlib.sha256(), io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=0) as file:
        for lines in _gathered(_lines(head, values)):
            seen.update(lines)
            file.write(lines)
        file.write(b'{"sha256":"%s"}\n' % seen.hexdigest().encode())
    return out.getvalue()


def _lines(head: dict[str, Any], values: dict[str, Any]) -> Iterator[bytes]:
    yield _compact(head) + b"\n"
    for name, fact in _by_kind(values):
        yield b'{"kind":"%s","data":%s}\n' % (name.encode(), _data(name, fact))


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    """As many lines together as are worth a call that hashes or compresses them."""
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= _WORTH:
            yield b"".join(some)
            some, size = [], 0
    yield b"".join(some)


def _by_kind(values: dict[str, Any]) -> Iterator[tuple[str, Frozen]]:
    for name, kind in KINDS.items():
        value = values.pop(kind.field)
        if kind.single:
            value = () if value is None else (value,)
        left = list(reversed(value.values() if kind.key else value))
        del value
        while left:
            yield name, left.pop()


def _data(kind: str, fact: Frozen) -> bytes:
    if kind in ("prompts", "suite", "candidate"):
        return _compact(placeless(kind, fact.model_dump(mode="json", exclude_defaults=True)))
    return _writer(type(fact)).dump_json(fact, exclude_defaults=True)


@cache
def _writer(kind: type[Frozen]) -> TypeAdapter[Frozen]:
    return TypeAdapter(kind)


def _compact(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _placeless(task: dict[str, Any]) -> dict[str, Any]:
    """Results of a harness, or how it was run, without the folders of this machine."""
    results = task["results"] and {mode: _relative(path) for mode, path in task["results"].items()}
    bare = {name: task[name] and _relative(task[name]) for name in ("program", "include_path", "task")}
    return {**task, **bare, "results": results, "command": task["command"] and [_relative(w) for w in task["command"]]}


def _relative(path: str) -> str:
    return PurePath(path).name if PurePath(path).is_absolute() else path


_Statuses = list[tuple[str, str | None, str | None, str]]


def _decided(checklist: Checklist, facts: Facts) -> _Statuses:
    decision = decide(checklist, facts, facts.as_of)
    return [(f.id, f.mode, f.variant, f.status.value) for item in decision.items for f in item.findings]


def _otherwise(old: _Statuses, new: _Statuses) -> list[str]:
    """Findings that come out otherwise without the texts: a redacted pack says so and the gate does not trust them."""
    differing = [one for one in old if one not in new] + [one for one in new if one not in old]
    return sorted({f"decide {name}{f' of {mode}' if mode else ''} again" for name, mode, _, _ in differing})

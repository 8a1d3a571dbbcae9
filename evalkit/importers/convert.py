"""From a source to lines in evalkit's own formats: ids, provenance, and the check that a run makes of them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.importers.alike import Alike
from evalkit.importers.base import Entry, Importer, Reading, Tally, plain_id
from evalkit.importers.stream import open_binary
from evalkit.quality.case import Kind

#: of a prompt, and where a case has them
_PARAMS = ("temperature", "seed", "stop", "response_format", "max_tokens", "system", "extra_body")
_PLAIN = Request()
_TOOL_GRADERS = frozenset({"tool_calls", "calls_any", "no_tool_call", "tool_schema_valid"})


@dataclass(frozen=True)
class Line:
    """One line of a prompts file, or one case of a suite (`case`), as JSON text."""

    line: int
    case: bool
    data: dict[str, Any]
    text: str


@dataclass
class Source:
    """A source that is being converted; the figures are complete when `lines` is exhausted."""

    path: Path
    importer: Importer
    reading: Reading
    prompts: int = 0
    cases: int = 0
    partial: int = 0
    tools: int = 0
    alike: Alike = field(default_factory=Alike)

    @property
    def tally(self) -> Tally:
        return self.reading.tally

    @property
    def suite_kind(self) -> Kind:
        """`tools` where most cases grade tool calls, which sets margin and floor; else `chat`."""
        return "tools" if self.tools * 2 > self.cases else "chat"

    def lines(self, *, cases: bool = True) -> Iterator[Line]:
        """Converted lines in the order of the source; with `cases` False all of them are prompts."""
        names = _Names(self.path.stem)
        for entry in self._chosen():
            as_case = cases and entry.expect is not None
            made = self._line(entry, names, as_case=as_case)
            if made is None:
                continue
            if as_case:
                self.cases += 1
                self.partial += "partial" in made.data.get("tags", ())
                self.tools += any(
                    _TOOL_GRADERS & ({one} if isinstance(one, str) else set(one)) for one in entry.expect or ()
                )
            else:
                self.prompts += 1
            if not entry.data.get("cluster"):
                self.alike.add(_said(entry.data), entry.line)
            yield made

    def _chosen(self) -> Iterator[Entry]:
        options = self.reading.options
        if options.sample is None:
            for place, entry in enumerate(self.importer.read(self.reading)):
                if options.limit is not None and place >= options.limit:
                    self.reading.note(f"the rest was not read: --limit {options.limit}")
                    return
                yield entry
            return
        count = sum(1 for _ in self.importer.read(Reading(self.path, options, hint=self.reading.hint)))
        chosen = set(random.Random(1).sample(range(count), min(options.sample, count)))
        self.reading.note(f"--sample: {len(chosen)} of {count} were drawn")
        for place, entry in enumerate(self.importer.read(self.reading)):
            if place in chosen:
                yield entry

    def _line(self, entry: Entry, names: _Names, *, as_case: bool) -> Line | None:
        where = self.reading.at(entry.line)
        data = {key: value for key, value in entry.data.items() if value is not None}
        data = _case(data, entry) if as_case else {k: v for k, v in data.items() if k != "repeats"}
        try:
            _check(data, where, as_case=as_case)
        except InputFileError as error:
            self.reading.bad(entry.line, error.message, error.hint)
            return None
        data = {"id": names.of(entry), **data, "source": f"{self.path.name}:{entry.line}"}
        return Line(entry.line, as_case, data, json.dumps(data, ensure_ascii=False))


class _Names:
    """Ids that are stable and used once: the source's own, else the file's name and the line."""

    def __init__(self, stem: str) -> None:
        self._stem = plain_id(stem)[:60] or "line"
        self._seen: set[int] = set()
        self._count = 0

    def of(self, entry: Entry) -> str:
        self._count += 1
        own = plain_id(entry.name or "")
        for name in (own, f"{own or self._stem}-{entry.line}", f"{own or self._stem}-{entry.line}-{self._count}"):
            if name and len(name) <= 120 and hash(name) not in self._seen:
                break
        else:
            name = f"{self._stem}-{self._count}-x"
        self._seen.add(hash(name))
        return name


def _case(data: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """A prompt's keys in a case's places."""
    params = {key: data[key] for key in _PARAMS if key in data}
    rest = {key: value for key, value in data.items() if key not in _PARAMS and key != "at_ms"}
    return {**rest, **({"params": params} if params else {}), "expect": entry.expect}


def _check(data: dict[str, Any], where: str, *, as_case: bool) -> None:
    """Raises InputFileError for what a run would refuse."""
    if as_case:
        from evalkit.quality.suite import check_case

        check_case({"id": "x", **data}, where)
    else:
        from evalkit.timing.prompts import check_line

        check_line({"id": "x", **data}, where, _PLAIN)


def _said(data: dict[str, Any]) -> str:
    """What is asked: the prompt, or the last turn of the user."""
    if "prompt" in data:
        return str(data["prompt"])
    for message in reversed(data.get("messages") or []):
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"])
    return ""


def sha256_of_file(path: Path) -> str:
    """Hash of a file of any size."""
    with open_binary(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

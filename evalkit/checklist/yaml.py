"""YAML with line numbers and without YAML's surprises.

An alias is the value of its anchor, written out: its nodes and levels count each time. Refused, with a line number:
merge keys, tags, duplicate keys, documents deeper than 64 levels or larger than the cap (aliases written out), several
documents, and plain `12:30` and `010`, which other readers of YAML take for 750 and 8.
`yes`, `no`, `on` and `off` are booleans, so that a field of text refuses them and asks for quotes; where a value may
be of any kind, `refuse_words` refuses them, and `y` and `n` everywhere.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import InputFileError, Mistakes
from evalkit.text import one_line

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 200_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_NULLS = ("null", "~", "")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_AMBIGUOUS = re.compile(r"([-+]?0[0-9_]+|0o[0-7]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+)\Z")


@dataclass(frozen=True)
class _Anchored:
    """A value with a name: what an alias to it means. `path` is where it was written; `height` its levels."""

    data: Any
    path: str
    nodes: int
    height: int


@dataclass(frozen=True)
class YamlDocument:
    """Plain data and the line of every dotted path (`cases.0.expect.1` -> 12; mappings and list entries included)."""

    data: Any
    lines: dict[str, int]
    path: Path
    #: plain words that YAML 1.1 reads as true or false, by dotted path: yes, no, on, off, y, n in any case
    words: dict[str, str] = field(default_factory=dict)


def parse_yaml(text: str, path: Path, mistakes: Mistakes | None = None) -> YamlDocument:
    """The one YAML document in `text`; `path` is for messages.

    What leaves the rest readable (a key that appears twice, an ambiguous number) goes to `mistakes` where it is given.

    Raises:
        InputFileError: no plain YAML, with FILE:LINE.
    """
    loader = yaml.CSafeLoader(text) if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader(text)
    try:
        builder = _Builder(loader, path, mistakes)
        data, lines = builder.document()
        return YamlDocument(data, lines, path, builder.words)
    except yaml.MarkedYAMLError as error:
        line = getattr(error.problem_mark or error.context_mark, "line", None)
        where = str(path) if line is None else f"{path}:{line + 1}"
        raise InputFileError(f"not valid YAML: {one_line(str(error.problem))}", where=where) from None
    except yaml.YAMLError as error:
        raise InputFileError(f"not valid YAML: {one_line(str(error))}", where=str(path)) from None
    finally:
        loader.dispose()


def _is_word(text: str) -> bool:
    """Whether YAML 1.1 reads a plain text as true or false, `true` and `false` themselves aside."""
    cased = text in (text.lower(), text.capitalize(), text.upper())
    return cased and text.lower() in ("yes", "no", "on", "off", "y", "n")


def refuse_words(document: YamlDocument, free: Callable[[str], bool], mistakes: Mistakes) -> None:
    """Notes words of YAML 1.1 (`NO`, `on`, `y`) where a text is meant, each with its line.

    `free` says of a dotted path whether a value of any kind may be there: elsewhere the field's own type decides.
    """
    reported = {one.where for one in mistakes.found}
    for dotted, word in document.words.items():
        where = f"{document.path}:{document.lines[dotted]}"
        # names of a tool's parameters may be y and n
        refused = "tools" not in dotted.split(".") if word.lower() in ("y", "n") else free(dotted)
        if not refused or where in reported:
            continue
        said = "true" if word.lower() in ("yes", "on", "y") else "false"
        mistakes.found.append(
            InputFileError(
                f"{dotted}: some readers of YAML take a plain {word} for {said}, others for a text",
                where=where,
                hint=f'put it in quotes: "{word}"; or write {said} where that is meant',
            )
        )


def _below(path: str, data: Any) -> Iterator[str]:
    """`path` and the dotted paths of everything in `data`."""
    yield path
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from _below(f"{path}.{key}", value)


class _Builder:
    """Builds data from parser events, so that nothing is constructed before it is checked."""

    def __init__(self, loader: Any, path: Path, mistakes: Mistakes | None) -> None:
        self.loader = loader
        self.mistakes = mistakes
        self.path = path
        self.lines: dict[str, int] = {}
        self.words: dict[str, str] = {}
        self.nodes = 0
        self.deepest = 0
        #: None while the anchored value is being read
        self.anchors: dict[str, _Anchored | None] = {}

    def document(self) -> tuple[Any, dict[str, int]]:
        self.loader.get_event()  # stream start
        if self.loader.check_event(yaml.StreamEndEvent):
            return None, {}
        self.loader.get_event()  # document start
        data = self.value("", 0)
        self.loader.get_event()  # document end
        if not self.loader.check_event(yaml.StreamEndEvent):
            raise self.error("more than one document in the file", self.loader.peek_event(), "remove the second '---'")
        return data, self.lines

    def error(self, message: str, event: Any, hint: str | None = None) -> InputFileError:
        return InputFileError(message, where=f"{self.path}:{event.start_mark.line + 1}", hint=hint)

    def note(self, error: InputFileError) -> None:
        if self.mistakes is None:
            raise error
        self.mistakes.found.append(error)

    def value(self, dotted: str, depth: int) -> Any:
        event = self.loader.get_event()
        self.count(event, 1, depth)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, dotted, depth)
        if getattr(event, "tag", None) not in (None, "!"):
            raise self.error(f"YAML tags are not allowed: {one_line(str(event.tag), limit=80)}", event)
        self.lines.setdefault(dotted, event.start_mark.line + 1)
        if event.anchor is None:
            return self.plain(event, dotted, depth)
        before, deepest = self.nodes - 1, self.deepest
        self.anchors[event.anchor], self.deepest = None, depth
        data = self.plain(event, dotted, depth)
        self.anchors[event.anchor] = _Anchored(data, dotted, self.nodes - before, self.deepest - depth)
        self.deepest = max(self.deepest, deepest)
        return data

    def count(self, event: Any, nodes: int, depth: int) -> None:
        self.nodes, self.deepest = self.nodes + nodes, max(self.deepest, depth)
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels", event)
        if self.nodes > MAX_NODES:
            raise self.error(f"more than {MAX_NODES} values, aliases written out", event)

    def plain(self, event: Any, dotted: str, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            if event.style not in ("'", '"', "|", ">") and _is_word(str(event.value)):
                self.words[dotted] = str(event.value)
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(dotted, depth)
        return self.mapping(dotted, depth)

    def alias(self, event: Any, dotted: str, depth: int) -> Any:
        """A copy of the anchored value; what is inside it has the lines where it was written."""
        name = one_line(str(event.anchor), limit=80)
        found = self.anchors.get(event.anchor)
        if found is None:
            why = "refers to itself" if event.anchor in self.anchors else f"has no anchor &{name} before it"
            raise self.error(f"the alias *{name} {why}", event, "write the value out")
        self.count(event, found.nodes - 1, depth + found.height)
        for written in _below(found.path, found.data):
            here = dotted + written[len(found.path) :]
            self.lines[here] = self.lines[written]
            if written in self.words:
                self.words[here] = self.words[written]
        self.lines[dotted] = event.start_mark.line + 1
        return copy.deepcopy(found.data)

    def scalar(self, event: Any) -> Any:
        text = str(event.value)
        if event.style in ("'", '"', "|", ">"):
            return text
        if text in _NULLS:
            return None
        if text in (text.lower(), text.capitalize(), text.upper()) and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if _AMBIGUOUS.match(text):
            hint = f'put it in quotes: "{text}"'
            self.note(self.error(f"{text} is read as a number by some and as text by others", event, hint))
            return None
        if _INT.match(text) and len(text) <= 19:
            return int(text)
        if _FLOAT.match(text) and len(text) <= 40:
            return float(text)
        if _DATE.match(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                self.note(self.error(f"{text} is not a date of the calendar", event))
                return None
        return text

    def sequence(self, dotted: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self.value(f"{dotted}.{len(items)}" if dotted else str(len(items)), depth + 1))
        self.loader.get_event()
        return items

    def mapping(self, dotted: str, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            event = self.loader.peek_event()
            if not isinstance(event, yaml.ScalarEvent):
                raise self.error("a key must be plain text", event)
            self.loader.get_event()
            key = str(event.value)
            if event.anchor is not None:
                raise self.error("a key has an anchor", event, "give the anchor to a value")
            if key == "<<" and event.style not in ("'", '"'):
                raise self.error("merge keys are not allowed", event, "write the values out where they are used")
            if key in result:
                self.note(self.error(f"key {one_line(key, limit=80)!r} appears twice", event, "keep one of them"))
            child = f"{dotted}.{key}" if dotted else key
            mark: Any = event.start_mark  # the stubs say it may be None; a parsed event has one
            self.lines[child] = mark.line + 1
            result[key] = self.value(child, depth + 1)
        self.loader.get_event()
        return result

"""YAML of other tools: anchors, merge keys and tags are read within limits, and nothing is constructed from a tag."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import InputFileError
from evalkit.importers.stream import small_text
from evalkit.text import one_line

MAX_BYTES = 16 << 20
MAX_DEPTH = 64
#: values after aliases are written out
MAX_VALUES = 500_000
#: the core schema of YAML 1.2: `yes` and `12:30` are texts
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False} | dict.fromkeys(
    ("null", "Null", "NULL", "~", "")
)
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True)
class Tagged:
    """A value with a tag of another tool (`!function utils.score`): shown, never obeyed."""

    tag: str
    text: str


@dataclass(frozen=True)
class Loose:
    """The data of a document, and the line of each path (`tests.0.assert` -> 12)."""

    data: Any
    lines: dict[str, int]

    def line(self, dotted: str) -> int:
        """The line of a path or of its nearest parent."""
        while dotted and dotted not in self.lines:
            dotted = dotted.rpartition(".")[0]
        return self.lines.get(dotted, 1)


def load(path: Path) -> Loose:
    """The first document of a YAML (or JSON) file.

    Raises:
        InputFileError: no YAML, or larger than the limits.
    """
    return parse(small_text(path, MAX_BYTES), path)


def parse(text: str, path: Path) -> Loose:
    """As `load`, from text."""
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
        return _Builder(path).document(node)
    except yaml.MarkedYAMLError as error:
        if text.lstrip()[:1] in '{["':  # JSON with an escape that YAML does not know
            with suppress(ValueError):
                return Loose(json.loads(text), {})
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputFileError(f"not valid YAML: {one_line(str(error.problem))}", where=where) from None
    except yaml.YAMLError as error:
        raise InputFileError(f"not valid YAML: {one_line(str(error))}", where=str(path)) from None
    except RecursionError:
        raise InputFileError("nested too deeply", where=str(path)) from None


class _Builder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, int] = {}
        self.values = 0

    def document(self, node: Any) -> Loose:
        return Loose(None if node is None else self.value(node, "", 0), self.lines)

    def value(self, node: Any, dotted: str, depth: int) -> Any:
        self.values += 1
        line = node.start_mark.line + 1
        if depth > MAX_DEPTH or self.values > MAX_VALUES:
            what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
            raise InputFileError(what, where=f"{self.path}:{line}")
        self.lines.setdefault(dotted, line)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            return Tagged(str(node.tag), "")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, f"{dotted}.{i}".lstrip("."), depth + 1) for i, one in enumerate(node.value)]
        return self.mapping(node, dotted, depth)

    def mapping(self, node: Any, dotted: str, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, inner in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                found = self.value(inner, dotted, depth + 1)
                for one in found if isinstance(found, list) else [found]:
                    merged = {**(one if isinstance(one, dict) else {}), **merged}
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else one_line(str(key.tag), limit=40)
            path = f"{dotted}.{name}".lstrip(".")
            self.lines[path] = key.start_mark.line + 1
            own[name] = self.value(inner, path, depth + 1)
        return {**merged, **own}

    def scalar(self, node: Any) -> Any:
        if not node.tag.startswith("tag:yaml.org,2002:"):
            return Tagged(str(node.tag), str(node.value))
        text = str(node.value)
        if node.style in ("'", '"', "|", ">"):
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text) and len(text) <= 19:
            return int(text)
        return float(text) if _FLOAT.match(text) and len(text) <= 40 else text

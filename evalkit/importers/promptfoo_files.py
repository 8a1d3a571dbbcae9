"""Data files that a promptfoo config names: text, tables, JSON and YAML below its folder. Code is never opened."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.files import resolve
from evalkit.errors import InputFileError
from evalkit.importers import loose_yaml
from evalkit.importers.promptfoo_asserts import is_script
from evalkit.importers.stream import small_text
from evalkit.text import cut

_MAX = 16 << 20
_TEXTS = (".txt", ".md", ".json", ".yaml", ".yml", ".jsonl", ".csv", ".tsv", ".j2")
_SEPARATOR = "---"


class Refused(Exception):  # noqa: N818  it is a reason, not an error of evalkit
    """Why a reference or template is not used."""


class Files:
    """What is next to a config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, reference: str) -> Path:
        """The local data file of a reference.

        Raises:
            Refused: code, an address, a pattern, outside the config's folder, or missing.
        """
        name = reference.removeprefix("file://").removeprefix("./")
        if is_script(reference) or reference.startswith(("exec:", "python:", "package:")):
            raise Refused(f"{cut(reference, 80)} is code, which is not run")
        if "://" in name:
            raise Refused(f"{cut(reference, 80)} is an address, which is not read")
        if any(mark in name for mark in "*?{}[]"):
            raise Refused(f"{cut(reference, 80)} is a pattern or template of names")
        if Path(name).suffix.lower() not in _TEXTS:
            raise Refused(f"{cut(reference, 80)} is not text, a table, JSON or YAML")
        try:
            path = resolve(self.folder, name)
        except InputFileError as error:
            raise Refused(str(error)) from None
        if ".." in Path(name).parts or not path.resolve().is_relative_to(self.folder.resolve()):
            raise Refused(f"{cut(reference, 80)} is outside the config's folder")
        if not path.is_file():
            raise Refused(f"{cut(reference, 80)}: no such file")
        return path

    def text(self, reference: str) -> str:
        try:
            return small_text(self.path(reference), _MAX)
        except InputFileError as error:
            raise Refused(str(error)) from None

    def prompts(self, raw: str) -> list[str]:
        """The prompts that `raw` is, or that are in the file which it names."""
        if raw.startswith(("exec:", "python:")):
            raise Refused(f"{cut(raw, 80)} is code, which is not run")
        named = raw.startswith("file://") or (
            "\n" not in raw and " " not in raw and Path(raw).suffix.lower() in (*_TEXTS, ".js", ".py", ".ts")
        )
        if not named:
            return [raw]
        text = self.text(raw)
        suffix = Path(raw).suffix.lower()
        if suffix in (".yaml", ".yml"):
            try:
                messages = loose_yaml.parse(text, self.folder / "prompt").data
            except InputFileError as error:
                raise Refused(str(error)) from None
            return [json.dumps(messages, ensure_ascii=False, default=str)]
        if suffix == ".jsonl":
            return [line for line in text.splitlines() if line.strip()]
        if suffix in (".txt", ".md"):
            parts, current = [], [""]
            for line in text.splitlines():
                if line.strip() == _SEPARATOR:
                    parts.append("\n".join(current).strip())
                    current = [""]
                else:
                    current.append(line)
            parts.append("\n".join(current).strip())
            return [part for part in parts if part]
        return [text]

    def tests(self, reference: str) -> Iterator[dict[str, Any]]:
        """Rows of a table, or a list of tests."""
        text = self.text(reference)
        suffix = Path(reference).suffix.lower()
        if suffix in (".csv", ".tsv"):
            delimiter = "\t" if suffix == ".tsv" else ","
            try:
                yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
            except csv.Error as error:
                raise Refused(f"{cut(reference, 80)} is not a table: {error}") from None
            return
        try:
            if suffix == ".jsonl":
                found: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
            else:
                found = loose_yaml.parse(text, self.folder / reference).data
        except (ValueError, RecursionError, InputFileError) as error:
            raise Refused(f"{cut(reference, 80)} cannot be read: {cut(str(error), 80)}") from None
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict):
                yield one

    def variable(self, value: Any) -> Any:
        """A variable's value, or the text of the file that it names."""
        if isinstance(value, str) and value.startswith("file://"):
            return self.text(value).rstrip("\n")
        return value

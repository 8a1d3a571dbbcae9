"""Files of other tools for the tests, and the command that imports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.checklist.schema import Request
from evalkit.importers.base import Options
from evalkit.importers.write import import_files
from evalkit.quality.suite import load_suite
from evalkit.timing.prompts import load_prompts


def imported(path: Path, kind: str | None = None, **options: Any) -> Result:
    out = path.parent / f"out-{len(list(path.parent.glob('out-*')))}"
    (one,) = import_files([path], out, Options(**options), kind)
    return Result(out, one)


class Result:
    """What an import wrote, as a run loads it."""

    def __init__(self, folder: Path, one: Any) -> None:
        self.folder, self.one, self.tally = folder, one, one.source.tally
        self.document = one.document()

    def rows(self, suffix: str = ".jsonl") -> list[dict[str, Any]]:
        paths = [
            p for p in self.one.written if p.name.endswith(suffix) and (suffix != ".jsonl" or ".cases." not in p.name)
        ]
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    @property
    def cases(self) -> list[dict[str, Any]]:
        return self.rows(".cases.jsonl")

    def prompts(self) -> Any:
        return load_prompts(
            [p for p in self.one.written if p.suffix == ".jsonl" and ".cases." not in p.name], Request()
        )

    def suite(self) -> Any:
        (path,) = [p for p in self.one.written if p.suffix == ".yaml"]
        return load_suite(path, Request())

    def count(self, group: str, words: str) -> int:
        return sum(one.count for what, one in getattr(self.tally, group).items() if words in what)


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path

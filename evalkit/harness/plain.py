"""Any tool's results as a table or JSON lines: case, score, and what else is known."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness.base import Read, Reader, Row, chosen, digest, files_below, score
from evalkit.importers.base import Options, Reading
from evalkit.importers.stream import json_lines, open_text
from evalkit.modes import INCUMBENT, canonical
from evalkit.text import one_line

_CASE = ("case", "case_id", "id", "sample_id", "doc_id")
_SCORE = ("score", "passed", "pass", "correct", "success", "reward")
_WORDS = {"true": 1.0, "yes": 1.0, "pass": 1.0, "passed": 1.0, "c": 1.0, "correct": 1.0,
          "false": 0.0, "no": 0.0, "fail": 0.0, "failed": 0.0, "i": 0.0, "incorrect": 0.0}  # fmt: skip
_SAME = ("task_version", "temperature", "max_tokens", "top_p", "seed", "system_prompt", "limit")
_ABOUT = ("endpoint", "model", "started_at", "finished_at")


def _read(path: Path, task: HarnessTask, mode: str) -> Iterator[Read]:
    patterns = [one for suffix in ("csv", "tsv", "jsonl") for one in _below(path, f"*.{suffix}")]
    if not patterns:
        raise InputFileError("no .csv, .tsv or .jsonl file", where=str(path))
    for file in patterns:
        yield _file(file, task, mode)


def _below(path: Path, pattern: str) -> list[Path]:
    if path.is_file():
        return [path] if pattern.endswith(path.suffix) else []
    return sorted(path.glob(pattern)) if path.is_dir() else files_below(path, pattern, "results")


def _file(file: Path, task: HarnessTask, mode: str) -> Read:
    read = Read(file.stem, sources=[file])
    about: dict[str, set[str]] = {}
    found = 0
    columns: tuple[str, str] | None = None
    for line, row in _rows(file):
        where = f"{file}:{line}"
        if columns is None:
            case = chosen([name for name in _CASE if name in row][:1], None, "column of cases", where, "case")
            named = [task.metric] if task.metric in row else [name for name in _SCORE if name in row][:1]
            columns = (case, chosen(named, task.metric, "column of scores", where, "metric"))
        if row.get("mode") not in (None, ""):
            read.shared = True
            if _mode(row["mode"], where) != mode:
                continue
        found += 1
        for name in (*_SAME, *_ABOUT):
            if row.get(name) not in (None, ""):
                about.setdefault(name, set()).add(str(row[name]))
        value = None if row.get("error") not in (None, "") else _value(row.get(columns[1]), where, columns[1])
        repeat = str(row.get("repeat") or 0)
        read.rows.append(
            Row(
                str(row.get(columns[0])), value,
                str(row.get("doc_hash") or "")[:64], str(row.get("prompt_hash") or "")[:64],
                int(repeat) if repeat.isdigit() else 0, str(row.get("cluster") or ""),
            )
        )  # fmt: skip
    for name, values in about.items():
        if len(values) > 1:
            read.problems.append(f"several values of {name}: {', '.join(sorted(values)[:3])}")
        elif name in _ABOUT:
            setattr(read, name, next(iter(values)))
        else:
            only = next(iter(values))
            read.settings[name] = digest(only) if name == "system_prompt" else only
    if not read.shared and sum(path == (task.results or {}).get(mode) for path in (task.results or {}).values()) > 1:
        read.problems.append("the file has no column `mode`, and is named for several modes")
    if not found:
        read.problems.append(f"no row of the mode {mode}")
    return read


def _mode(value: object, where: str) -> str:
    if value == INCUMBENT:
        return INCUMBENT
    try:
        return canonical(str(value))
    except ValueError as error:
        raise InputFileError(str(error), where=where) from None


def _value(value: object, where: str, what: str) -> float | None:
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        if text in _WORDS:
            return _WORDS[text]
        try:
            value = float(text)
        except ValueError:
            raise InputFileError(f"{what} is {one_line(text, limit=40)!r}, not a score", where=where) from None
    return score(value, where, what)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reading = Reading(file, Options())
    if file.suffix == ".jsonl":
        yield from json_lines(reading)
        return
    with open_text(reading) as text:
        reader = csv.DictReader(text, delimiter="\t" if file.suffix == ".tsv" else ",", strict=True)
        if reader.fieldnames:
            reader.fieldnames = [name.strip().lstrip("\ufeff") for name in reader.fieldnames]
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise InputFileError(
                        "another number of fields than the first line", where=f"{file}:{reader.line_num}"
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise InputFileError(f"not a table: {one_line(str(error))}", where=f"{file}:{reader.line_num}") from None


READER = Reader(
    kind="csv",
    title="a table (CSV, TSV) or JSON lines: case, score (or passed), and where they are known mode, repeat, cluster, "
    "doc_hash, prompt_hash, endpoint, model, temperature, max_tokens, seed, task_version, error",
    checked="whatever columns are there: what is not there cannot be compared, and without endpoint nothing shows "
    "which server answered",
    read=_read,
)

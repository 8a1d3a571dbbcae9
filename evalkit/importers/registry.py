"""The kinds of sources, and finding the kind of a file by what it contains."""

from __future__ import annotations

import json
import re
from pathlib import Path

from evalkit.checklist.errors import suggest
from evalkit.errors import InputFileError
from evalkit.importers import jsonl, lm_eval_task, openai, parquet, promptfoo, sharegpt, table, traces
from evalkit.importers.base import Head, Importer
from evalkit.importers.stream import encoding_of, open_binary

#: in the order in which they are asked; the last takes any JSON
IMPORTERS: tuple[Importer, ...] = (
    parquet.IMPORTER, sharegpt.IMPORTER, traces.IMPORTER, traces.GUIDELLM, openai.IMPORTER, promptfoo.IMPORTER,
    lm_eval_task.IMPORTER, table.IMPORTER, jsonl.IMPORTER,
)  # fmt: skip
KINDS = tuple(one.kind for one in IMPORTERS)
_HEAD = 1 << 18
#: how outputs of harnesses begin: they are results, and their prompts are those of the task that was run
_OUTPUTS = {
    "promptfoo": re.compile(r'\s*\{\s*"evalId":'),
    "inspect": re.compile(r'\s*\{\s*"version":\s*\d+,\s*"status":\s*"\w+",\s*"eval":'),
    "lm-eval": re.compile(r'\s*\{\s*(?:"results":\s*\{\s*"[^"]+":\s*\{\s*"(?:name|alias)":|"doc_id":\s*\d+,\s*"doc":)'),
    "nel": re.compile(r'\s*\{\s*(?:"run_id":\s*"eval-|"problem_idx":)'),
}
#: beginnings of files that have to become another kind first
_PACKED = {
    b"PK\x03\x04": ("a workbook or a zip archive", "save the sheet as CSV, or unpack the archive"),
    b"\x1f\x8b": ("compressed by gzip", "unpack it: gunzip --keep FILE"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it: unzstd FILE"),
}


def named(kind: str) -> Importer:
    """The importer of a kind.

    Raises:
        InputFileError: there is none.
    """
    for one in IMPORTERS:
        if one.kind == kind:
            return one
    raise InputFileError(
        f"--from {kind}: no such kind", hint=suggest(kind, list(KINDS)) or f"kinds: {', '.join(KINDS)}"
    )


def head_of(path: Path, encoding: str | None = None) -> Head:
    """The beginning of a file, with its first JSON object where it has one."""
    with open_binary(path) as file:
        start = file.read(_HEAD)
    text = start.decode(encoding_of(start[:4], encoding), "replace").lstrip("\ufeff")
    return Head(path, start, text, _first(text))


def _first(text: str) -> object:
    """The first JSON value that is complete in the head: of an array, its first entry."""
    text = text.lstrip()
    if text.startswith("["):
        text = text[1:].lstrip()
    if not text.startswith("{"):
        return None
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def detect(head: Head) -> Importer | None:
    """The importer whose kind the file is; None when it is of no known kind."""
    return next((one for one in IMPORTERS if one.sniff(head)), None)


def find(path: Path, kind: str | None, encoding: str | None = None) -> Importer:
    """As asked, or as found.

    Raises:
        InputFileError: missing, no such kind, or no kind is known for what it contains.
    """
    head = head_of(path, encoding)
    if kind is not None:
        return named(kind)
    if not head.start.strip():
        raise InputFileError("the file is empty", where=str(path))
    _is_prompts(head)
    found = detect(head)
    if found is None and re.search(r"^suite:", head.text, re.MULTILINE):
        raise InputFileError(
            "a suite in evalkit's own format", where=str(path), hint="name it under tasks: in the checklist as it is"
        )
    if found is None:
        raise InputFileError(
            "no known kind of prompts or tasks", where=str(path), hint=f"say it with --from: {', '.join(KINDS)}"
        )
    return found


def _is_prompts(head: Head) -> None:
    for magic, (what, hint) in _PACKED.items():
        if head.start.startswith(magic):
            raise InputFileError(what, where=str(head.path), hint=hint)
    for tool, begins in _OUTPUTS.items():
        if begins.match(head.text):
            raise InputFileError(
                f"results of {tool}, not the prompts and tasks that it ran", where=str(head.path),
                hint=f"name it in a checklist: tasks: [{{results: {{MODE: PATH}}, from: {tool}}}]; "
                "or say --from jsonl to take its rows",
            )  # fmt: skip

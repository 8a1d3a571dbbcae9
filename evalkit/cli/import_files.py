"""`evalkit import`: prompts and suites from other formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


def import_command(  # noqa: PLR0917  typer makes options of parameters
    files: Annotated[
        list[str],
        typer.Argument(help="Files, or a data set on the Hub.", metavar="FILE..."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write; nothing is replaced.")],
    kind: Annotated[
        str | None,
        typer.Option("--from", autocompletion=completion.kinds, help="The kind, where it is not found by content."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="prompt=question,answer=gold: columns of tables and JSON (repeat)."),
    ] = None,
    grader: Annotated[
        str, typer.Option(help="Grader of gold answers: contains, equals, number, regex, json_match.")
    ] = "contains",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out lines that cannot be used, and count.")
    ] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="Draw so many entries, always the same.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many entries.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a data set on the Hub.")] = None,
    split: Annotated[str | None, typer.Option(help="Only files of a data set whose name holds this.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the files, where it is not UTF-8.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write prompts and task suites of other tools in evalkit's own format, and say what could not be carried over.

    Nothing that a file contains is executed. Every line says where it came from. docs/import.md has the kinds.
    Exit codes: 0 written, 2 nothing that can be used.
    """
    import json

    from evalkit.errors import InputFileError
    from evalkit.importers.base import Options
    from evalkit.importers.stream import check_encoding
    from evalkit.importers.write import import_files
    from evalkit.secrets import redact
    from evalkit.text import json_safe, sanitize

    check_encoding(encoding)
    options = Options(
        columns=_columns(columns or []),
        skip_bad=skip_bad,
        encoding=encoding,
        grader=grader,
        limit=limit,
        sample=sample,
        revision=revision,
        split=split,
    )
    done = import_files([Path(file) for file in files], output, options, kind)
    if as_json:
        document = {"output": str(output), "files": [one.document() for one in done]}
        sys.stdout.write(json_safe(redact(json.dumps(document, indent=2, ensure_ascii=False))) + "\n")
    else:
        for one in done:
            sys.stdout.write("".join(f"{sanitize(redact(line))}\n" for line in one.text()))
    empty = [one for one in done if not one.source.prompts and not one.source.cases]
    if len(empty) == len(done):
        raise InputFileError(
            "no prompt and no case could be used", where=str(empty[0].source.path), hint="the reasons are listed above"
        )


def _columns(given: list[str]) -> dict[str, str]:
    from evalkit.errors import UsageError

    found = {}
    for pair in (pair for text in given for pair in text.split(",") if pair.strip()):
        key, equals, column = pair.partition("=")
        if not equals or not key.strip() or not column.strip():
            raise UsageError(f"--map {pair}: write KEY=COLUMN", hint="--map prompt=question,answer=gold")
        found[key.strip()] = column.strip()
    return found

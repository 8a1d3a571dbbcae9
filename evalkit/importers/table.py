"""CSV and TSV files with a line of column names."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from evalkit.errors import InputFileError
from evalkit.importers import rows
from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.stream import broken, open_text
from evalkit.text import one_line

_MAX_FIELD = 4 << 20
_DELIMITERS = (",", "\t", ";", "|")
_SUFFIXES = (".csv", ".tsv", ".tab")


def _sniff(head: Head) -> bool:
    if head.path.suffix.lower() in _SUFFIXES:
        return True
    first = head.text.lstrip("\ufeff").split("\n", 1)[0]
    names = [name.strip(' "\r').lower() for name in first.split(_delimiter(first))]
    known = {guess for guesses in rows.GUESSES.values() for guess in guesses}
    return len(names) > 1 and first[:1] not in "{[<" and sum(name in known for name in names) > 1


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _read(reading: Reading) -> Iterator[Entry]:
    yield from rows.entries(reading, read_rows(reading))


def read_rows(reading: Reading) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by column, with the line that each begins on."""
    csv.field_size_limit(_MAX_FIELD)
    with open_text(reading) as file:
        header = file.readline(1 << 20)
        if broken(header):
            raise InputFileError("not UTF-8", where=reading.at(1), hint="name the encoding with --encoding, as cp1252")
        delimiter = _delimiter(header)
        names = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        names = [name.strip() for name in names]
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice:
            raise InputFileError(
                f"the column {one_line(twice, limit=60)!r} appears twice", where=reading.at(1),
                hint="the first line names the columns, each once",
            )  # fmt: skip
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 2
            try:
                row = next(reader, None)
            except csv.Error as error:
                reading.bad(line, f"no row of a table: {one_line(str(error))}")
                continue
            if row is None:
                return
            if not any(value.strip() for value in row):
                continue
            if len(row) != len(names):
                reading.bad(line, f"{len(row)} fields where the first line names {len(names)} columns")
            elif any(map(broken, row)):
                reading.bad(line, "not UTF-8", "name the encoding with --encoding, as cp1252")
            else:
                yield line, dict(zip(names, row, strict=True))


IMPORTER = Importer(
    kind="csv",
    title="CSV or TSV with a line of column names",
    carries="prompt, gold answer, id, system, context, cluster, tags, max_tokens, temperature, tools: found by name or "
    "by --map",
    drops="other columns",
    sniff=_sniff,
    read=_read,
)

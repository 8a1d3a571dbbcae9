"""JSON objects of any shape, a line each or in an array: columns are found by name or given by --map."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.importers import rows
from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.importers.stream import objects, open_binary


def _sniff(head: Head) -> bool:
    return isinstance(head.first, dict)


def _read(reading: Reading) -> Iterator[Entry]:
    with open_binary(reading.path) as file:
        start = file.read(1 << 16)
    yield from rows.entries(reading, objects(reading, start))


IMPORTER = Importer(
    kind="jsonl",
    title="JSON objects of any shape, a line each or in an array",
    carries="as csv; `--map prompt=data.question` reaches into objects",
    drops="other keys",
    sniff=_sniff,
    read=_read,
)

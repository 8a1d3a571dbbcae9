"""Parquet files, where pyarrow is installed; columns as in tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalkit.errors import InputFileError, UsageError
from evalkit.importers import rows
from evalkit.importers.base import Entry, Head, Importer, Reading
from evalkit.text import one_line

_BATCH = 256


def _read(reading: Reading) -> Iterator[Entry]:
    yield from rows.entries(reading, _rows(reading))


def _rows(reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise UsageError(
            "reading Parquet needs pyarrow, which is not installed", where=str(reading.path),
            hint="in evalkit's checkout: pip install '.[parquet]'; or save the file as JSON lines",
        ) from None  # fmt: skip
    number = 0
    try:
        with parquet.ParquetFile(reading.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (ArrowException, OSError, ValueError) as error:
        raise InputFileError(f"not Parquet: {one_line(str(error), limit=120)}", where=reading.at(number + 1)) from None


def _sniff(head: Head) -> bool:
    return head.start.startswith(b"PAR1")


IMPORTER = Importer(
    kind="parquet",
    title="Parquet, where pyarrow is installed (extra `parquet`)",
    carries="as csv, with conversations in a `messages` column",
    drops="other columns",
    sniff=_sniff,
    read=_read,
)

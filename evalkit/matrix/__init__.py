"""Many variants, engines and machines: one cell is one run, and no comparison is split over cells."""

from __future__ import annotations

from pathlib import Path

#: the plan of a matrix, in its folder
INDEX = "matrix.json"


def is_matrix(path: Path) -> bool:
    """Whether `path` is a folder that `evalkit matrix` wrote."""
    return (path / INDEX).is_file()

"""The fault matrix, the other places: the window, the incumbent and the baseline."""

import resource

import pytest

from tests.faults.checks import judge
from tests.faults.matrix import cells

pytestmark = pytest.mark.slow

_MINE = [cell for cell in cells() if cell.place.name in ("context", "incumbent", "baseline")]


@pytest.mark.parametrize("cell", _MINE, ids=lambda cell: cell.name)
def test_a_fault_takes_no_more_than_its_evidence(matrix, capsys, cell):
    base = matrix.base
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome, struck = matrix.play(cell)
    judge(cell, outcome, base, struck)
    if cell.fault.large:
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 64, f"memory grew by {grown:.0f} MiB"

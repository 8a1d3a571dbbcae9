"""The fault matrix: an eighteenth of its cells in the suite, all of them by `make faults`."""

import resource

import pytest

from tests.faults.checks import judge
from tests.faults.matrix import PLACES, Cell, cells, sampled
from tests.support.faults import FAULTS

pytestmark = pytest.mark.slow

_CELLS = [pytest.param(cell, marks=() if sampled(cell) else pytest.mark.proof, id=cell.name) for cell in cells()]


def test_without_a_fault_the_run_is_a_go_for_the_fastest_mode(matrix):
    assert matrix.base.report["verdict"] == "go"
    assert matrix.base.report["recommended_mode"] == "diffusion"
    assert {mode["qualified"] for mode in matrix.base.report["modes"]} == {"pass"}


@pytest.mark.parametrize("cell", _CELLS)
def test_a_fault_takes_no_more_than_its_evidence(matrix, capsys, cell):
    base = matrix.base
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome, struck = matrix.play(cell)
    judge(cell, outcome, base, struck)
    if cell.fault.large:
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 64, f"memory grew by {grown:.0f} MiB"


@pytest.mark.parametrize(("fault", "word"), [("wrong-usage", "contradict"), ("missing-done", "[DONE]")])
def test_a_reply_that_is_kept_with_a_doubt_is_named(matrix, capsys, fault, word):
    outcome, _ = matrix.play(Cell(FAULTS[fault], PLACES["timing"], "early"))
    finding = outcome.finding("modes.stream", "diffusion")
    assert finding["status"] == "warn"
    assert word in finding["summary"]

"""The matrix is generated from the registry, and covers it."""

from tests.faults.__main__ import PAGE, page
from tests.faults.matrix import PLACES, STAGES, cells
from tests.support.faults import FAULTS

#: what the project promises to withstand; an entry may be renamed, not dropped
PROMISED = {
    "refuse", "reset-at-a-byte", "slow-headers", "drip", "silence", "stall", "endless", "half-json",
    "wrong-content-type", "html-page", "error-with-200", "error-in-stream", "abort", "missing-done", "no-usage",
    "wrong-usage", "duplicate-chunks", "out-of-order", "too-many-requests", "bursts-of-503", "key-revoked", "redirect",
    "huge-headers", "line-of-100-mb", "gzip-bomb", "invalid-utf8", "hostile-text", "model-swapped", "mode-swapped",
    "clock-jumps", "restart", "empty-answer", "no-end-word",
    "strange-end-word", "empty-end", "error-in-choice", "other-models-name", "redaction-bait", "redaction-bait-in-error",
    "header-without-end",
}  # fmt: skip


def test_every_promised_fault_is_there():
    assert set(FAULTS) >= PROMISED


def test_every_fault_meets_every_kind_of_place_and_every_stage():
    found = list(cells())
    for fault in FAULTS.values():
        mine = [cell for cell in found if cell.fault is fault]
        assert {c.place.name for c in mine} == {p.name for p in PLACES.values() if p.kind in fault.where}
        assert {c.stage for c in mine} == set(STAGES)


def test_most_cells_take_evidence_and_some_do_not():
    lost = [cell.lost for cell in cells()]
    assert 0.7 < sum(lost) / len(lost) < 1


def test_the_page_is_the_registry_s():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.faults`"

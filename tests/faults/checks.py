"""What must hold of every cell of the matrix, whatever its fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit.findings import ITEM_IDS
from evalkit.limits import FLUSH_S
from tests.faults.matrix import Cell
from tests.faults.scenario import AR, DIFFUSION, LIMITS, SELF, Outcome

#: what no text of a report may hold: C0 but tab and newline, DEL, C1, bidi controls, zero width
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
CARRIES = {"pass", "warn", "not-applicable", "waived"}


def judge(cell: Cell, outcome: Outcome, base: Outcome, struck: int) -> None:
    """Fails when the run says more than its evidence carries, or less than it could."""
    assert struck, "the fault never struck: the cell shows nothing"
    qualified = {mode["mode"]: mode["qualified"] for mode in outcome.report["modes"]}
    if cell.lost:
        assert all(qualified[mode] != "pass" for mode in cell.place.bears), "qualified without the evidence"
        assert outcome.report["recommended_mode"] not in cell.place.bears
        _explained(cell, outcome)
    else:
        assert [qualified[mode] for mode in cell.place.bears] == ["pass"] * len(cell.place.bears)
    untouched = next((mode for mode in (DIFFUSION, SELF) if not cell.lost or mode not in cell.place.bears), None)
    assert outcome.report["recommended_mode"] == untouched, "a mode that the fault did not touch is still a GO"
    assert outcome.exit_code == (0 if untouched else 3)
    _rest_done(cell, outcome, base)
    _bounded(cell, outcome, base, struck)
    clean(outcome.folder)


def _explained(cell: Cell, outcome: Outcome) -> None:
    """Some finding says what is missing, and what to do."""
    about = {*cell.place.bears, cell.place.server, None}
    open_findings = [
        finding
        for item in outcome.report["items"]
        for finding in item["findings"]
        if finding["counts"] and finding["status"] not in CARRIES and finding.get("mode") in about
    ]
    assert open_findings
    for finding in open_findings:
        assert len(finding["summary"]) > 20
        assert finding["remedy"], f"{finding['id']}: {finding['status']} without a way forward"
    assert outcome.report["verdict"] == "go" or outcome.report["reasons"]


def _rest_done(cell: Cell, outcome: Outcome, base: Outcome) -> None:
    assert [item["id"] for item in outcome.report["items"]] == list(ITEM_IDS)
    for item in ("license", "hardware"):
        assert _status(outcome, item) == _status(base, item)
    measured = {sample.mode for sample in outcome.facts.timed} | {answer.mode for answer in outcome.facts.answers}
    others = {AR, DIFFUSION, SELF} - ({AR} if cell.place.name == "baseline" else set(cell.place.bears))
    assert others <= measured, "the other modes are measured all the same"


def _status(outcome: Outcome, item: str) -> Any:
    return next(i["status"] for i in outcome.report["items"] if i["id"] == item)


def _bounded(cell: Cell, outcome: Outcome, base: Outcome, struck: int) -> None:
    """Every request that the fault struck costs at most its own deadline; a cache flush, which waits, is tried twice."""
    flushes = 2 * FLUSH_S if cell.place.name == "control" else 0.0
    assert outcome.seconds <= base.seconds + struck * (LIMITS["total_s"] + LIMITS["connect_s"]) + flushes + 1


def clean(folder: Path) -> None:
    """No file that a person opens holds a character that a terminal or a reader would obey."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found = UNSAFE.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.name} holds {found.group()!r} at {found.start()}"

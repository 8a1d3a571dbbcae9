"""`python -m tests.faults` writes docs/faults.md from the registry of faults and the places of the matrix."""

from __future__ import annotations

from pathlib import Path

from tests.faults.matrix import PLACES, STAGES, Cell, cells
from tests.support.faults import FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

_HEAD = """# What a faulty server does to a verdict

<!-- written by `python -m tests.faults`; do not edit -->

To look up: every fault that the tests play, and the verdict that it leads to.

A run lasts an hour and its result lets a change into production, so a server that crashes, stalls or lies must not get a
GO by it. The tests let a server misbehave in each of the ways below, at each kind of place in a run, and hold the report
to the table. Each cell is a whole run over real sockets: three modes, an incumbent whose comparison is required, and
without the fault a GO. Time is virtual, so that waiting costs nothing. Each fault begins once early, once in the middle
and once late, and stays for a third of the place's requests unless it says otherwise; where the three end differently,
the stages are named.

- **no**: the mode is not shown to qualify, some finding says what is missing and what to do, and the other modes are
  measured and recommended as if nothing had happened. At the incumbent's and the baseline's places no mode qualifies.
- **kept**: what the verdict rests on is there all the same, and the mode qualifies.
- **–**: the fault cannot strike there.
"""


def page() -> str:
    """The page in Markdown."""
    table: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells():
        table.setdefault((cell.fault.name, cell.place.name), []).append(cell)
    lines = [_HEAD, "| fault | " + " | ".join(PLACES) + " |", "|---" * (len(PLACES) + 1) + "|"]
    for name in FAULTS:
        row = [_outcome(table.get((name, place), [])) for place in PLACES]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    lines += ["", "## The faults", ""]
    lines += [f"- **{fault.name}**: {fault.text}." for fault in FAULTS.values()]
    lines += ["", "## The places", ""]
    lines += [f"- **{place.name}**: {place.text}." for place in PLACES.values()]
    runs = sum(map(len, table.values()))
    lines += ["", f"{len(FAULTS)} faults at {len(PLACES)} places in {len(STAGES)} stages: {runs} runs.", ""]
    return "\n".join(lines)


def _outcome(struck: list[Cell]) -> str:
    lost = [cell.stage for cell in struck if cell.lost]
    kept = [cell.stage for cell in struck if not cell.lost]
    if lost and kept:
        return f"no ({', '.join(lost)}), kept ({', '.join(kept)})"
    return "no" if lost else "kept" if kept else "–"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

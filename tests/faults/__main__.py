"""`python -m tests.faults` writes docs/faults.md from the registry of faults and the places of the matrix."""

from __future__ import annotations

from pathlib import Path

from tests.faults.matrix import PLACES, STAGES, cells
from tests.support.faults import FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

_HEAD = """# What a faulty server does to a verdict

<!-- written by `python -m tests.faults`; do not edit -->

A run lasts an hour and its result lets a change into production, so a server that crashes, stalls or lies must not get a
GO by it. The tests let a server misbehave in each of the ways below, at each kind of place in a run, and hold the report
to the table. Each cell is a whole run over real sockets: three modes, an incumbent whose comparison is required, and
without the fault a GO. Time is virtual, so that waiting costs nothing; the letter says when the fault began
(**e**arly, in the **m**iddle, **l**ate), and a fault stays for a third of the place's requests unless it says otherwise.

- **no**: the mode is not shown to qualify, some finding says what is missing and what to do, and the other modes are
  measured and recommended as if nothing had happened. At the incumbent's and the baseline's places no mode qualifies.
- **kept**: what the verdict rests on is there all the same, and the mode qualifies.
- **–**: the fault cannot strike there.
"""


def page() -> str:
    """The page in Markdown."""
    table = {(cell.fault.name, cell.place.name): cell for cell in cells()}
    lines = [_HEAD, "| fault | " + " | ".join(PLACES) + " |", "|---" * (len(PLACES) + 1) + "|"]
    for name in FAULTS:
        row = []
        for place in PLACES:
            cell = table.get((name, place))
            row.append(f"{'no' if cell.lost else 'kept'} ({cell.stage[0]})" if cell else "–")
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    lines += ["", "## The faults", ""]
    lines += [f"- **{fault.name}**: {fault.text}." for fault in FAULTS.values()]
    lines += ["", "## The places", ""]
    lines += [f"- **{place.name}**: {place.text}." for place in PLACES.values()]
    count = len(table)
    lines += ["", f"{len(FAULTS)} faults at {len(PLACES)} places, {count} cells; each fault meets {_all(STAGES)}.", ""]
    return "\n".join(lines)


def _all(stages: tuple[str, ...]) -> str:
    return f"all of {', '.join(stages)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

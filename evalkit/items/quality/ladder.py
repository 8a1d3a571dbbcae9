"""At which size of a task a mode's pass rate falls, beside the baseline's. Information: the suites decide."""

from __future__ import annotations

from dataclasses import asdict

from evalkit.analysis.ladder import Knee, Rung, axis_of, knee, rungs
from evalkit.analysis.pairs import Answers, Table
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.items.quality.loss import percent

_UNITS = {"items": "items", "distance": "lines from the end"}


def ladder(answers: Answers, data: Table) -> Finding | None:
    """The knee of one suite in one mode; None where its cases have no sizes."""
    mine = list(answers.first(data.suite.name, data.mode).values())
    axis = axis_of(mine)
    points = rungs(mine, axis) if axis else ()
    if axis is None or len(points) < 2:
        return None
    base = rungs(answers.first(data.suite.name, data.baseline).values(), axis)
    found, before = knee(points), knee(base) if len(base) > 1 else None
    earlier = found is not None and (before is None or found.falls < before.falls)
    unit = _UNITS[axis]
    shares = ", ".join(f"{percent(one.share)} at {one.size}" for one in points)
    info: dict[str, object] = {
        "suite": data.suite.name, "axis": axis, "rungs": [asdict(one) for one in points],
        "baseline_rungs": [asdict(one) for one in base], "knee": asdict(found) if found else None,
        "baseline_knee": asdict(before) if before else None,
    }  # fmt: skip
    text = f"{data.suite.name}: {_said(found, points, unit)} ({shares})"
    if data.mode != data.baseline:
        text += f"; in {data.baseline} {_said(before, base, unit)}" if base else ""
    return checks.LADDER.finding(
        Status.WARN if earlier and data.mode != data.baseline else Status.PASS, f"{text}.", mode=data.mode,
        observed=f"falls from {found.falls} {unit} on" if found else None, known_by=KnownBy.OBSERVED, counts=False,
        data=info,
    )  # fmt: skip


def _said(found: Knee | None, points: tuple[Rung, ...], unit: str) -> str:
    if found is None:
        return f"no fall is shown up to {points[-1].size} {unit}"
    return f"the pass rate falls from {found.falls} {unit} on, from {percent(found.before)} to {percent(found.after)}"

"""What would settle what is open or failed: each remedy once, what is between the run and a GO first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.findings import PER_MODE_ITEMS, Finding, Status
from evalkit.text import capital

if TYPE_CHECKING:
    from evalkit.verdict.results import ItemResult, ModeResult

_CANDIDATE, _ADOPTED, _OTHER = range(3)
Rank = tuple[int, int, int, bool]


def next_steps(items: Sequence[ItemResult], modes: Sequence[ModeResult]) -> tuple[str, ...]:
    """`Remedy (finding for mode, mode)`, one a remedy, of findings that count in required items.

    First what holds for the candidate as a whole, since it blocks every mode; then the modes that may be adopted, the
    one with the least in its way first, those still open before those that failed; last what no adopted mode needs.
    """
    found = [
        finding
        for item in items
        for finding in item.findings
        if item.required and finding.counts and finding.remedy and _wanting(finding)
    ]
    ways = _ways(found, modes)
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(str(finding.remedy), []).append(finding)
    ordered = sorted(groups.items(), key=lambda group: min(_rank(finding, ways) for finding in group[1]))
    return tuple(f"{capital(remedy.rstrip('. '))} ({_label(group)})" for remedy, group in ordered)


def _wanting(finding: Finding) -> bool:
    return finding.status.open or finding.status is Status.FAIL


def _ways(found: Sequence[Finding], modes: Sequence[ModeResult]) -> dict[str, tuple[int, int]]:
    """(whether it failed, how many findings are in its way) of each mode that may be adopted and does not qualify."""
    return {
        mode.mode: (int(mode.qualified == "fail"), sum(finding.mode == mode.mode for finding in found))
        for mode in modes
        if mode.adopted and mode.qualified != "pass"
    }


def _rank(finding: Finding, ways: dict[str, tuple[int, int]]) -> Rank:
    open_last = finding.status is not Status.FAIL
    if finding.mode is None:
        return (_CANDIDATE, int(finding.item in PER_MODE_ITEMS), 0, open_last)
    if finding.mode in ways:
        return (_ADOPTED, *ways[finding.mode], open_last)
    return (_OTHER, 0, 0, open_last)


def _label(group: Sequence[Finding]) -> str:
    """`quality.floor for autoregressive, diffusion`; findings that share a remedy follow each other."""
    modes: dict[str, list[str]] = {}
    for finding in group:
        names = modes.setdefault(finding.id, [])
        if finding.mode and finding.mode not in names:
            names.append(finding.mode)
    return "; ".join(f"{name} for {', '.join(names)}" if names else name for name, names in modes.items())

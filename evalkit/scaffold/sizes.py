"""Margins that the cases can show: derived from those that fit the budget, and stated. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalkit.analysis.pairs import alpha_of
from evalkit.analysis.suites import independent
from evalkit.run.fit import least_margin
from evalkit.stats.proportions import least_cases, power_noninferiority

if TYPE_CHECKING:
    from evalkit.run.setup import Setup

#: a wider margin is for a person to write: a loss of every sixth answer is not a small one
WIDEST = 0.15
#: none narrower is proposed
_NARROWEST = 0.03
#: chance that an equally good mode passes in all suites together, where this share of its cases differs
_POWER, _DIFFERING = 0.85, 0.02
#: of replies that differ from the baseline's, as a checklist has it that says nothing
_MATCH = 0.05


class Sized(NamedTuple):
    """Margin by kind of suite, as a share, and a remark a kind; `match`: that of replies equal to the baseline's."""

    margins: dict[str, float]
    remarks: tuple[str, ...]
    match: float = _MATCH


def sized(setup: Setup) -> Sized:
    """What the suites of `setup`, as they fit the budget, can show at the checklist's error."""
    alpha = alpha_of(setup.checklist)
    cases: dict[str, int] = {}
    for suite in setup.suites:
        cases[suite.kind] = min(independent(suite), cases.get(suite.kind, 1 << 30))
    power = _POWER ** (1 / max(len(setup.suites), 1))
    margins = {kind: margin_of(n, alpha, power) for kind, n in cases.items()}
    remarks = tuple(_remark(kind, n, margins[kind], alpha) for kind, n in cases.items())
    every = sum(independent(suite) for suite in setup.suites)
    return Sized(margins, remarks, max(_MATCH, margin_of(every, alpha, _POWER)) if every else _MATCH)


def margin_of(cases: int, alpha: float, power: float = _POWER) -> float:
    """The smallest margin that an equally good mode shows with this chance; `WIDEST` where the cases are too few."""
    least = max(least_margin(cases, alpha), _NARROWEST)
    for points in range(round(100 * least), round(100 * WIDEST) + 1):
        if power_noninferiority(cases, _DIFFERING, points / 100, alpha) >= power:
            return points / 100
    return WIDEST


def _remark(kind: str, cases: int, margin: float, alpha: float) -> str:
    points = f"{100 * margin:.0f} points"
    least = least_cases(margin, alpha)
    if cases < least:
        return f"{kind}: {cases} independent cases are too few for {points}: at least {least} are needed, add cases"
    best = f"{100 * least_margin(cases, alpha):.0f}"
    return f"{kind}: {cases} independent cases fit and show a loss of more than {points} (without a lost case: {best})"

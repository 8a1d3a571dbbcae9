"""Facts of a sweep: which settings of a mode were screened, what was seen of each, and which of them are decided."""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

from typing import Literal

from evalkit.findings import Frozen

#: finalist: decided by the run. failed: a finding fails. loses: it lost more cases than those kept, for its speed.
#: slower: others are faster. not-measured: its server did not come up or answered nothing.
Fate = Literal["finalist", "failed", "loses", "slower", "not-measured"]


class Seen(Frozen):
    """One setting in one stage of screening."""

    stage: int
    #: prompts that it and the baseline answered, and the ratio over this stage and those before
    prompts: int
    ratio: float | None = None
    #: cases scored in both, and those lost less those gained, over this stage and those before
    cases: int = 0
    lost: float = 0.0
    #: chance that no suite loses more than its margin, by these cases
    chance: float | None = None
    #: requests that it was sent in this stage
    requests: int = 0


class SweptSetting(Frozen):
    """One setting, from the first stage to its fate."""

    mode: str
    knobs: dict[str, float] = {}
    fate: Fate
    #: id of the finding that fails
    finding: str | None = None
    #: the stage after which it was dropped; None: it is decided
    dropped: int | None = None
    seen: tuple[Seen, ...] = ()


class SweepFacts(Frozen):
    """The screening of a run whose modes are what it left."""

    mode: str
    plan_sha256: str
    #: of the command that the settings were made from, keys masked; None: they were written by hand
    template_sha256: str | None = None
    settings: tuple[SweptSetting, ...]
    #: settings asked in each stage
    stages: tuple[int, ...]
    #: timed and task requests: sent while screening, the baseline's included
    screened: int
    #: planned at most: screening and decision, and the whole grid in one run
    planned: int
    grid: int
    #: the sweep asks more than half of the grid: too few settings or cases to save so much
    above_half: bool = False

    @property
    def finalists(self) -> tuple[str, ...]:
        return tuple(one.mode for one in self.settings if one.fate == "finalist")

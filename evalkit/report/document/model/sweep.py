"""How the settings among the modes were found, in report.json."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Stage(TypedDict):
    """What was seen of a setting by the end of one stage of screening."""

    stage: int
    """Number of the stage, from 1."""
    prompts: int
    """Prompts that it and the baseline answered, over this stage and those before."""
    ratio: float | None
    """The baseline's time divided by its time on these prompts. An estimate that ranks, without an interval."""
    cases: int
    """Cases scored in both."""
    lost: float
    """Cases that it lost, less those that it gained."""
    chance: float | None
    """Chance that no suite loses more than its margin, by these cases alone; null without a case."""
    requests: int
    """Timed and task requests that it was sent in this stage."""


class Swept(TypedDict):
    """One setting, from the first stage to its fate."""

    mode: str
    """Its name among the modes."""
    knobs: dict[str, float]
    """Values of the knobs; empty for a setting that was written by hand."""
    fate: Literal["finalist", "failed", "loses", "slower", "not-measured"]
    """finalist: decided by this run. failed: a finding failed. loses: lost more cases than those kept, for its speed.
    slower: others are faster. not-measured: its server did not come up, or answered nothing.
    """
    finding: NotRequired[str | None]
    """The finding that failed."""
    dropped: int | None
    """The stage after which it was dropped; null for one that is decided."""
    seen: list[Stage]
    """What each stage saw."""


class SweepPart(TypedDict):
    """The screening that left the settings among the modes. It decides nothing: the verdict rests on other prompts and
    cases.
    """

    mode: str
    """The mode whose settings were swept."""
    plan_sha256: str
    """Hash of settings, stages, prompts and cases."""
    settings: list[Swept]
    """Every setting, in the order of the grid."""
    stages: list[int]
    """Settings planned for each stage."""
    screened: int
    """Timed and task requests that screening sent, the baseline's included."""
    planned: int
    """Timed and task requests of screening and decision, at most."""
    grid: int
    """Those of one run that decides every setting on every prompt and case."""
    above_half: NotRequired[bool]
    """The sweep asks more than half of the grid, as there are few settings or cases."""

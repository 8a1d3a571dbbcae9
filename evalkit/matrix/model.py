"""The shape of matrix-report.json, from which its JSON Schema and its page in the docs are made."""

from __future__ import annotations

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from evalkit.matrix.outcome import Status
from evalkit.report.document.model.part import PART


class CellEntry(TypedDict):
    """One cell: its place, and what became of it."""

    id: str
    """Name of the cell and of its folder under `cells/`."""
    variant: str
    """Name of the model on its axis."""
    engine: str
    """Name of the engine on its axis."""
    hardware: str
    """Name of the kind of machine on its axis."""
    card: str
    """The card, with the number of them."""
    precision: str
    """bf16, fp8 or 4bit."""
    load: int | None
    """Concurrency that it decides at; null: what the base checklist says."""
    plan_sha256: str
    """Identity of its plan: checklist, requests, and files that its servers read."""
    status: Status
    """go, no-go and inconclusive are verdicts. All others say how it failed, and none is a pass."""
    detail: str
    """The first reason of the verdict, or what happened."""
    mode: str | None
    """The recommended mode, else the fastest with an interval. Figures are of this mode."""
    ratio: float | None
    """Speed-up over the baseline of the same cell."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end of its interval."""
    e2e_p50_ms: float | None
    """Median end-to-end latency at the deciding concurrency."""
    tokens_per_second: float | None
    """Output tokens a second of the whole server at that concurrency."""
    pass_share: float | None
    """Share of the cases of the tasks that passed."""
    hours: float | None
    """Length of the run, all sessions together."""
    usd: float | None
    """What the GPUs of the run cost at the price of the machine."""
    usd_per_1000_requests: float | None
    """What 1,000 requests cost."""
    usd_per_1000_right: float | None
    """What 1,000 right answers cost."""
    usd_right_low: float | None
    """Lower end of its interval; null where the run has none."""
    usd_right_high: float | None
    """Upper end of its interval."""
    capacity: float | None
    """Highest rate of requests a second at which the service level is kept; null where none was sought."""
    devices: str | None
    """Devices that the run lists."""


class LeftEntry(TypedDict):
    """A cell that was not planned."""

    id: str
    """Its name."""
    why: list[str]
    """Why it cannot work, or `exclude`."""


class Transfer(TypedDict):
    """Whether the speed-up of one mode is the same in the cells in which it is the best mode (Cochran's Q)."""

    mode: str
    """The mode."""
    cells: int
    """Cells with an interval."""
    smallest: float
    """Smallest speed-up."""
    largest: float
    """Largest speed-up."""
    q: float | None
    """Cochran's Q; null with fewer than two cells."""
    df: int | None
    """Its degrees of freedom."""
    p: float | None
    """Its p-value."""
    i2: float | None
    """Share of the spread that is more than the intervals explain."""
    pooled: float | None
    """Speed-up over all cells, for information."""
    answer: Literal["differs", "no-difference-shown", "not-tested"]
    """`no-difference-shown` is not proof that there is none."""


class ClaimedIn(TypedDict):
    """Our figure of the claim's kind in one cell."""

    id: str
    """The cell."""
    value: float
    """The figure, in the claim's unit as far as that can be measured."""
    differs: list[str]
    """What is between the two figures."""


class ClaimEntry(TypedDict):
    """What the vendor reports of the speed of a mode. Never evidence."""

    mode: str
    """The mode of our cells."""
    claim: str
    """What it says."""
    value: float
    """The figure."""
    unit: str
    """Its unit."""
    conditions: str | None
    """Machine and other conditions under which it was reported."""
    source: str
    """Where."""
    date: str | None
    """When the source was published or read."""
    known_by: Literal["vendor-reported"]
    """Always vendor-reported."""
    cells: list[ClaimedIn]
    """Cells that have a figure of this kind."""


class FrontierEntry(TypedDict):
    """A cell that may still be taken, in time, right answers and money."""

    id: str
    """The cell."""
    status: Literal["go", "inconclusive"]
    """An undecided cell dominates none that is GO."""
    mode: str | None
    """Its mode."""
    e2e_p50_ms: float
    """Median end-to-end latency."""
    pass_share: float
    """Share of cases that passed."""
    usd_per_1000_right: float | None
    """Money for 1,000 right answers; null where not all cells have a price, and then it does not count."""
    dominated_by: list[str]
    """Cells that are no worse in each and better in one, at the same load, by the figures alone."""


class Taken(TypedDict):
    """The cell to take."""

    id: str
    """The cell."""
    mode: str | None
    """Its recommended mode."""
    by: Literal["cost", "capacity", "latency"]
    """What it is best at among the cells that are GO."""
    tried: int
    """Cells with a speed-up."""
    low_over_all: float | None
    """Lower bound of its speed-up with all of them counted (Bonferroni)."""
    shown_over_all: bool | None
    """Whether that reaches what the checklist asks for."""


@with_config(PART)
class MatrixReport(TypedDict):
    """matrix-report.json."""

    schema_version: Literal[1]
    """Fields are only added within 1."""
    name: str
    """Title of the matrix."""
    exit_code: Literal[0, 1, 3]
    """0 a cell is GO, 1 every cell is NO-GO, 3 else."""
    cells: list[CellEntry]
    """Every planned cell, in the order of the axes."""
    left: list[LeftEntry]
    """Cells that were left out."""
    counts: dict[str, int]
    """Cells by status."""
    homogeneity: list[Transfer]
    """Whether the speed-up transfers between cells, by mode."""
    frontier: list[FrontierEntry]
    """Cells that are GO or undecided, and which dominate which."""
    vendor_claims: list[ClaimEntry]
    """The vendor's figures of speed, beside ours."""
    take: Taken | None
    """The cell to take; null where none is GO."""

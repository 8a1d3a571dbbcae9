"""The six items, each at one place: what it asks, what it shows, its checks, how it decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import ITEM_IDS, Check, Finding, ItemId
from evalkit.items.context import checks as context_checks
from evalkit.items.context import decide as context
from evalkit.items.hardware import checks as hardware_checks
from evalkit.items.hardware import decide as hardware
from evalkit.items.license import checks as license_checks
from evalkit.items.license import decide as license_item
from evalkit.items.modes import checks as modes_checks
from evalkit.items.modes import decide as modes
from evalkit.items.quality import checks as quality_checks
from evalkit.items.quality import decide as quality
from evalkit.items.serving import checks as serving_checks
from evalkit.items.serving import decide as serving


@dataclass(frozen=True)
class Item:
    """One of the buyer's six items."""

    id: ItemId
    #: as a buyer asks it
    question: str
    #: the check whose finding carries the item's figure, shown when nothing failed
    headline: Check
    checks: tuple[Check, ...]
    decide: Callable[[Checklist, Facts, datetime], list[Finding]]
    #: where in a checklist thresholds of the item stand: its own key first, then by the beginning of a check's id
    key: str | None = None
    keys: dict[str, str] = field(default_factory=dict)


_ITEMS = (
    Item(
        "license", "May we use it?", license_checks.USES["commercial"], license_checks.CHECKS, license_item.decide,
        key="use",
    ),
    Item(
        "modes", "Is a faster mode really faster?", modes_checks.SPEEDUP, modes_checks.CHECKS, modes.decide,
        keys={
            modes_checks.SPEEDUP.id: "items.modes.speedup", "modes.latency-": "items.modes.latency",
            modes_checks.OWN_PROMPTS.id: "prompts",
        },
    ),
    Item(
        "hardware", "Does it fit our hardware?", hardware_checks.FITS, hardware_checks.CHECKS, hardware.decide,
        key="items.hardware.declared",
    ),
    Item(
        "serving", "Does the server do what it says?", serving_checks.MODE, serving_checks.CHECKS, serving.decide,
        keys={serving_checks.PROVENANCE.id: "items.serving.allow"},
    ),
    Item(
        "quality", "Are the answers as good?", quality_checks.NON_INFERIORITY, quality_checks.CHECKS, quality.decide,
        keys={
            quality_checks.NON_INFERIORITY.id: "items.quality.margin", quality_checks.FLOOR.id: "items.quality.floor",
            quality_checks.OWN_TASKS.id: "tasks",
        },
    ),
    Item(
        "context", "Are our prompts short enough?", context_checks.WINDOW, context_checks.CHECKS, context.decide,
        key="items.context.need_tokens",
    ),
)  # fmt: skip
#: by id, in the order of the report
ITEMS: dict[ItemId, Item] = {item.id: item for item in _ITEMS}
assert tuple(ITEMS) == ITEM_IDS

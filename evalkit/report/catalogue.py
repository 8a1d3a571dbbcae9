"""Every check of the six items, found once; and the findings that every item can have."""

from __future__ import annotations

from functools import cache

from evalkit.findings import ITEM_IDS, Check


@cache
def checks() -> dict[str, Check]:
    """All checks by id, in the order of the items."""
    from evalkit.items import context, hardware, license, modes, quality, serving  # noqa: A004  the item's own name

    return {check.id: check for item in (license, modes, hardware, serving, quality, context) for check in item.CHECKS}


@cache
def common() -> dict[str, Check]:
    """What the verdict says of an item as a whole, by id: `license.skipped`, …"""
    found = [check for item in ITEM_IDS for check in _common(item)]
    return {check.id: check for check in found}


def _common(item: str) -> tuple[Check, ...]:
    return (
        Check(
            f"{item}.collected",
            f"What {item} needs could be collected",
            "A fact that is missing because something broke is not a fact that speaks for the model.",
            "Mend what the message names, and run again or resume.",
        ),
        Check(
            f"{item}.skipped",
            f"Somebody asked to leave {item} out",
            "A GO needs every required item: one that was left out was not shown.",
            f"Run again without --skip {item} and without an --only that leaves it out.",
        ),
        Check(
            f"{item}.not-applicable",
            f"The checklist declares that {item} does not apply",
            "Where an item cannot apply (the hardware of a hosted service), a declared reason stands for it, and the "
            "report shows the reason.",
            f"Remove items.{item}.not_applicable when it does apply.",
        ),
    )

"""Every check of the six items, found once; and the findings that every item can have."""

from __future__ import annotations

from functools import cache

from evalkit.findings import ITEM_IDS, Check


@cache
def checks() -> dict[str, Check]:
    """All checks by id, in the order of the items."""
    from evalkit.items.registry import ITEMS

    return {check.id: check for item in ITEMS.values() for check in item.checks}


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
            "Where an item cannot apply (the hardware of a hosted service), a declared reason takes its place, and the "
            "report shows the reason.",
            f"Remove items.{item}.not_applicable when it does apply.",
        ),
        Check(
            f"{item}.waiver-expired",
            f"No waiver of a finding of {item} has run out",
            "A waiver is a promise with a date. When the date passes, somebody must look again: it fails until then.",
            "Mend what was waived, or renew the waiver (180 days at most) after looking again.",
        ),
        Check(
            f"{item}.waiver-unused",
            f"Every waiver of {item} covers something",
            "A waiver that covers nothing hides the next failure: what it names passes, runs longer than 180 days, or "
            "is for another commit.",
            "Remove it, or correct the finding, mode, case, revision or date that it names.",
        ),
    )

"""Every check of the six items, found once."""

from __future__ import annotations

from functools import cache

from evalkit.findings import Check


@cache
def checks() -> dict[str, Check]:
    """All checks by id, in the order of the items."""
    from evalkit.items import context, hardware, license, modes, quality, serving  # noqa: A004  the item's own name

    return {check.id: check for item in (license, modes, hardware, serving, quality, context) for check in item.CHECKS}

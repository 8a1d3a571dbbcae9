"""Every check of the six items, found once. A module that is not there has none: titles fall back to ids."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from evalkit.findings import ITEM_IDS, Check

#: checks that stand beside an item's own (the verdict's, for one)
_MODULES = (*(f"evalkit.items.{item}" for item in ITEM_IDS), "evalkit.verdict")


@cache
def checks() -> dict[str, Check]:
    """All checks by id, in the order of the items."""
    found: dict[str, Check] = {}
    for name in _MODULES:
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        for check in getattr(module, "CHECKS", ()):
            found[check.id] = check
    return found

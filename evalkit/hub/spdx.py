"""SPDX expressions as a card writes them, checked by license-expression. Foreign text: never raises."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from evalkit.hub.facts import CardLicense

_LICENSE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,200}\Z")


@cache
def _licensing() -> Any:
    """Every license of SPDX: built once, it takes longer than what it is asked."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def normalise(value: str) -> str | None:
    """The expression in SPDX's own spelling (`apache-2.0 or mit` as `Apache-2.0 OR MIT`); None when it is none.

    Family names that old tools resolve by a guess (`gpl`) are for the license table to catch first.
    """
    text = value.strip()
    if not text or len(text) > 400:
        return None
    if _LICENSE_REF.match(text):
        return text
    try:
        result = _licensing().validate(text)
    except Exception:  # noqa: BLE001  its parser raises of several kinds on foreign text
        return None
    return None if result.errors else str(result.normalized_expression)


def with_spdx(card: CardLicense) -> CardLicense:
    """The card's license fields with the SPDX expression of its one name, where that is one."""
    entries = [entry for entry in card.license if entry.strip()]
    if len(entries) != 1:
        return card
    name = card.license_name if entries[0].casefold() == "other" else entries[0]
    return card.model_copy(update={"spdx": normalise(name)}) if name else card

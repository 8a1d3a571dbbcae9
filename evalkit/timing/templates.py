"""How many templates a set of prompts looks like: pointed at, never acted on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

#: prompts that are compared at most; more are not looked at
_MOST = 2000
#: words at the start or the end that two prompts of one template share, and share of all words that they have in common
_EDGE, _ALIKE = 6, 0.6
_WORD = re.compile(r"\w+")


def templates(texts: Iterable[str]) -> int:
    """Groups of texts that begin or end with the same six words, or share three fifths of their words.

    Digits count as one word whatever they are. A text is compared with the first of each group.
    """
    return _groups(tuple(texts)[:_MOST])


@lru_cache(maxsize=16)  # the same suites are looked at for each cell of a matrix, and quadratically
def _groups(texts: tuple[str, ...]) -> int:
    firsts: list[tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]] = []
    for text in texts:
        words = tuple("0" if word.isdigit() else word for word in _WORD.findall(text.lower()))
        long = len(words) > _EDGE
        mine = (words[:_EDGE] if long else (), words[-_EDGE:] if long else (), frozenset(words))
        if not any(_alike(mine, first) for first in firsts):
            firsts.append(mine)
    return len(firsts)


def some(count: int) -> str:
    """So many templates, in words."""
    return f"{count} template{'' if count == 1 else 's'}"


def _alike(
    one: tuple[tuple[str, ...], tuple[str, ...], frozenset[str]],
    other: tuple[tuple[str, ...], tuple[str, ...], frozenset[str]],
) -> bool:
    if one[0] and (one[0] == other[0] or one[1] == other[1]):
        return True
    both = one[2] | other[2]
    return bool(both) and len(one[2] & other[2]) >= _ALIKE * len(both)

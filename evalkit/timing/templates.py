"""How many templates a set of prompts looks like: pointed at, never acted on. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

#: prompts that are compared at most; more are not looked at
_MOST = 2000
#: words at the start or the end that two prompts of one template share, and share of all words that they have in common
_EDGE, _ALIKE = 6, 0.6
#: words of more than one text up to which sets of them are bits
_BITS = 65_536
_WORD = re.compile(r"\w+")


def templates(texts: Iterable[str]) -> int:
    """Groups of texts that begin or end with the same six words, or share three fifths of their words.

    Digits count as one word whatever they are. A text is compared with the first of each group.
    """
    return _groups(tuple(texts)[:_MOST])


@lru_cache(maxsize=16)  # the same suites are looked at for each cell of a matrix
def _groups(texts: tuple[str, ...]) -> int:
    every = [tuple("0" if word.isdigit() else word for word in _WORD.findall(text.lower())) for text in texts]
    sets = [frozenset(words) for words in every]
    often = Counter(word for one in sets for word in one)
    places = {word: place for place, word in enumerate(word for word, count in often.items() if count > 1)}
    firsts = _Bits(places) if len(places) <= _BITS else _Sets(often)
    edges: set[tuple[bool, tuple[str, ...]]] = set()
    groups = 0
    for words, mine in zip(every, sets, strict=True):
        own = {(False, words[:_EDGE]), (True, words[-_EDGE:])} if len(words) > _EDGE else set()
        if own & edges or firsts.has(mine):
            continue
        groups += 1
        edges |= own
        firsts.add(mine)
    return groups


class _Bits:
    """Sets of words as bits, which are compared with all others: quick where there are not too many words."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._known: list[tuple[int, int]] = []

    def _bits(self, words: frozenset[str]) -> int:
        raw = bytearray(len(self._places) // 8 + 1)
        for word in words:
            if (place := self._places.get(word)) is not None:
                raw[place >> 3] |= 1 << (place & 7)
        return int.from_bytes(raw, "little")

    def has(self, words: frozenset[str]) -> bool:
        mine, size = self._bits(words), len(words)
        return any(_alike(size, other, (mine & bits).bit_count()) for bits, other in self._known)

    def add(self, words: frozenset[str]) -> None:
        self._known.append((self._bits(words), len(words)))


class _Sets:
    """Sets of many words, by their rarest: those that are alike have one of them in common."""

    def __init__(self, often: Mapping[str, int]) -> None:
        self._often = often
        self._known: list[frozenset[str]] = []
        self._by_word: dict[str, list[int]] = {}

    def _rarest(self, words: frozenset[str]) -> list[str]:
        kept = len(words) - math.ceil(_ALIKE * len(words) - 1e-9) + 1
        return sorted(words, key=lambda word: (self._often[word], word))[:kept]

    def has(self, words: frozenset[str]) -> bool:
        near = {place for word in self._rarest(words) for place in self._by_word.get(word, ())}
        others = (self._known[place] for place in near)
        return any(_alike(len(words), len(other), len(words & other)) for other in others)

    def add(self, words: frozenset[str]) -> None:
        for word in self._rarest(words):
            self._by_word.setdefault(word, []).append(len(self._known))
        self._known.append(words)


def some(count: int) -> str:
    """So many templates, in words."""
    return f"{count} template{'' if count == 1 else 's'}"


def _alike(one: int, other: int, shared: int) -> bool:
    """Of the sizes of two sets of words, and how many they share."""
    return shared > 0 and shared >= _ALIKE * (one + other - shared)

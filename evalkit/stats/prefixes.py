"""How much of a series of texts was there before: whole texts, and beginnings that an earlier text has too. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

#: characters of a step: about the 16 tokens of a cache block
STEP = 64
#: beginnings that are remembered at most: 100,000 texts of a kilobyte fit; beyond, the share found is a lower bound
_MOST = 400_000


@dataclass
class Prefixes:
    """Texts as they come, one after the other. `share` is of all characters, in whole steps of 64."""

    texts: int = 0
    again: int = 0
    characters: int = 0
    shared: int = 0
    _whole: set[int] = field(default_factory=set)
    _begun: set[int] = field(default_factory=set)

    def add(self, text: str) -> None:
        """One more text, held against all before it."""
        self.texts += 1
        self.characters += len(text)
        whole = hash(text)
        if whole in self._whole:
            self.again += 1
            self.shared += len(text)
            return
        self._whole.add(whole)
        self.shared += self._common(text)

    def _common(self, text: str) -> int:
        """Characters of the longest beginning, in whole steps, that an earlier text has; all of them are known now."""
        chain, known, found = 0, True, 0
        for start in range(0, len(text) - STEP + 1, STEP):
            chain = hash((chain, text[start : start + STEP]))
            known = known and chain in self._begun
            if known:
                found = start + STEP
            elif len(self._begun) < _MOST:
                self._begun.add(chain)
            else:
                break
        return found

    @property
    def repeated(self) -> float:
        """Share of the texts that were there before, word for word."""
        return self.again / self.texts if self.texts else 0.0

    @property
    def share(self) -> float:
        """Share of the characters that an earlier text begins with too."""
        return self.shared / self.characters if self.characters else 0.0

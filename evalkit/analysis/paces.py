"""How long the scored replies of a mode took, against what its timed replies of that length take. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from evalkit.client.types import Exchange

#: timed and scored replies from which they are compared
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """Medians over scored replies, in ms: what they took, and what timed replies of their length take."""

    took: float
    usual: float

    @property
    def excess(self) -> float:
        """Beyond what the length explains: longer prompts, a check of the format, more requests in flight."""
        return max(0.0, self.took - self.usual)


def taken(timed: Sequence[Exchange], scored: Sequence[Exchange]) -> Taken | None:
    """None where too few replies have a time and a count. What a length takes is read off the line through the timed
    replies, and is no less than the quickest of them takes in proportion.
    """
    known, asked = (
        [_point(one) for one in of if one.ok and one.completion_tokens and one.e2e_us] for of in (timed, scored)
    )
    longest = max((tokens for tokens, _ in known), default=0.0)
    asked = [(tokens, ms) for tokens, ms in asked if tokens <= longest]  # beyond it nothing is known
    if min(len(known), len(asked)) < _FEWEST:
        return None
    x, y = fmean(tokens for tokens, _ in known), fmean(ms for _, ms in known)
    spread = math.fsum((tokens - x) ** 2 for tokens, _ in known)
    slope = math.fsum((tokens - x) * (ms - y) for tokens, ms in known) / spread if spread else 0.0
    quickest = min(ms / tokens for tokens, ms in known)
    usual = [max(y + max(slope, 0.0) * (tokens - x), quickest * tokens) for tokens, _ in asked]
    return Taken(median(ms for _, ms in asked), median(usual))


def _point(reply: Exchange) -> tuple[float, float]:
    return float(reply.completion_tokens or 0), (reply.e2e_us or 0) / 1000

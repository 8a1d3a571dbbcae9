"""How fast a mode decodes: scored replies against timed ones of their length, and tokens a forward pass. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.serving.engines import names as engine_names

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


_NAMES = tuple(engine_names())
#: counters of denoising steps, and of the tokens that they committed, by the engines' own names
STEPS = tuple(names.steps for names in _NAMES if names.steps)
COMMITTED = tuple(names.committed for names in _NAMES if names.committed)
#: how the fork's statistics file counts
FORK_COUNTS = "as the fork counts, without the pass that fills the cache"


def tokens_per_forward(facts: Facts, label: str) -> tuple[float, str] | None:
    """Tokens a forward pass as the server itself counted over the run, with the definition; None: it did not."""
    mine = [one for one in facts.forwards if one.mode == label]
    passes = sum(one.forward_passes for one in mine)
    if passes:
        return sum(one.tokens for one in mine) / passes, f"by the server's statistics file, {FORK_COUNTS}"
    counted = [c for c in facts.counters if c.mode == label and not c.opening]
    steps, committed = (sum(c.grew(name) or 0.0 for c in counted for name in names) for names in (STEPS, COMMITTED))
    if steps and committed:
        return committed / steps, "committed tokens a denoising step, by the server's counters"
    return None

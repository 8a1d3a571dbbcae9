"""Tokens per forward pass, as a server itself counted them over a run. Pure figures, with their definition."""

from __future__ import annotations

from evalkit.facts import Facts
from evalkit.serving.engines import names as engine_names

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

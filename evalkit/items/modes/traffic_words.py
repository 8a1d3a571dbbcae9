"""What the modes item says of traffic that comes again: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.findings import Values, Words
from evalkit.fmt import interval, plural, ratio, share


def _hits(mine: float | None, theirs: float | None, baseline: str) -> str:
    """`prefix cache: 90% of the prompt tokens, 88% with autoregressive`."""
    if mine is None and theirs is None:
        return "hits of the prefix cache are not reported"
    one, other = ("an unknown share" if part is None else share(part, 0) for part in (mine, theirs))
    return f"prefix cache: {one} of the prompt tokens, {other} with {baseline}"


class Repeated(Values):
    """The ratio of prompts that each mode had answered before, and what production is like: `outcome`. `cached`: share
    of the prompt tokens that came from the prefix cache; `asked_again`, `shared_prefix`: of `requests` in `source`.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("cached", "baseline_cached")
    outcome: Literal["fresh", "prefix", "repeated", "not-known"]
    mode: str
    baseline: str
    ratio: float
    low: float
    high: float
    pairs: int
    cached: float | None = None
    baseline_cached: float | None = None
    source: str | None = None
    requests: int | None = None
    asked_again: float | None = None
    shared_prefix: float | None = None

    def words(self) -> Words:
        hits = _hits(self.cached, self.baseline_cached, self.baseline)
        text = (
            f"{ratio(self.ratio)} the speed of {self.baseline} on prompts that were answered before "
            f"({interval(self.low, self.high)}, {plural(self.pairs, 'prompt')}; {hits}). Fresh prompts decide"
        )
        return Words(f"{text}{self._production()}")

    def _production(self) -> str:
        if self.outcome == "not-known":
            return "; how often production repeats a prompt is not known."
        said = {
            "fresh": ", and production resembles them",
            "prefix": "; production repeats beginnings of prompts, not whole prompts",
            "repeated": "; production resembles repeated prompts",
        }[self.outcome]
        return (
            f"{said}: of {plural(self.requests or 0, 'request')} in {self.source} {share(self.asked_again)} repeat an "
            f"earlier one, and {share(self.shared_prefix)} of the text is a beginning that an earlier one had."
        )


class Conversations(Values):
    """Conversations that were played turn by turn: ratio of the first turns and of the later ones, with intervals."""

    NULLS: ClassVar[tuple[str, ...]] = ("cached", "baseline_cached")
    outcome: Literal["scripted", "live"]
    mode: str
    baseline: str
    conversations: int
    turns: int
    first: tuple[float, float, float] | None = None
    later: tuple[float, float, float] | None = None
    cached: float | None = None
    baseline_cached: float | None = None

    def words(self) -> Words:
        said = [
            f"{ratio(one[0])} the speed of {self.baseline} on {name} ({interval(one[1], one[2])})"
            for name, one in (("first turns", self.first), ("later turns", self.later))
            if one is not None
        ]
        text = f"{plural(self.conversations, 'conversation')}, {plural(self.turns, 'turn')}: "
        text += ", ".join(said) or "too few for a ratio"
        hits = _hits(self.cached, self.baseline_cached, self.baseline)
        text += f"; later turns, {hits}"
        if self.outcome == "live":
            text += (
                ". Each mode's own replies were fed on, so that its later turns answer other texts than the "
                "baseline's: the ratio includes what it made of the conversation"
            )
        return Words(f"{text}.")

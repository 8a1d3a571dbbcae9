"""What the modes item says of traffic that comes again: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.findings import Values, Words
from evalkit.fmt import interval, plural, ratio, share


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
        text = (
            f"on prompts that were answered before {ratio(self.ratio)} the speed of {self.baseline} "
            f"({interval(self.low, self.high)}, {plural(self.pairs, 'prompt')}; {self._hits()}). Fresh prompts decide"
        )
        return Words(f"{text}{self._production()}")

    def _hits(self) -> str:
        if self.cached is None and self.baseline_cached is None:
            return "what came from the prefix cache is not reported"
        mine, theirs = (
            "an unknown share" if one is None else share(one, 0) for one in (self.cached, self.baseline_cached)
        )
        return f"from the prefix cache {mine} of their tokens, {theirs} with {self.baseline}"

    def _production(self) -> str:
        if self.outcome == "not-known":
            return "; whether production asks again is not known."
        said = {
            "fresh": ", and production resembles them",
            "prefix": "; in production beginnings come again, whole requests do not",
            "repeated": "; production resembles repeated ones",
        }[self.outcome]
        return (
            f"{said}: of {plural(self.requests or 0, 'request')} in {self.source} {share(self.asked_again)} repeat an "
            f"earlier one, and {share(self.shared_prefix)} of the text is a beginning that an earlier one had."
        )

"""The preset looks at the evidence: whether the claims of all modes are decided, so that timing may end early. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.analysis.readings import effective
from evalkit.stats.ratio import MIN_PAIRS, RatioEstimate, estimate, log_ratios
from evalkit.stats.sequential import confidence_of, obrien_fleming
from evalkit.timing.facts import Look

#: prompt -> mode -> ms of each repeat
Times = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Question:
    """What the looks decide: each of `modes` against `baseline`, at least `at_least` times as fast.

    `claims`: how many modes may be adopted by it. A pass is held to the confidence divided by them, so that it stands
    under Holm's rule too. `sizes`: numbers of complete prompts at which to look, the last one is all of them.
    """

    baseline: str
    modes: tuple[str, ...]
    at_least: float
    sizes: tuple[int, ...]
    repeats: int = 1
    confidence: float = 0.95
    claims: int = 1
    seed: int = 1

    def boundary(self, size: int) -> float:
        """The O'Brien-Fleming bound on |z| at the look of `size` prompts."""
        shares = tuple(n / self.sizes[-1] for n in self.sizes)
        return obrien_fleming(shares, 1 - self.confidence)[self.sizes.index(size)]

    def complete(self, times: Times) -> list[str]:
        """Prompts with all their repeats in every mode."""
        wanted = (self.baseline, *self.modes)
        return [p for p, modes in times.items() if all(len(modes.get(m, ())) >= self.repeats for m in wanted)]


def look(
    question: Question, times: Times, looked: Iterable[int], clusters: Mapping[str, str | None] | None = None
) -> Look | None:
    """The look that is due, if one is: at the largest size that is complete and was not looked at before.

    `looked` holds the sizes of earlier looks. The last look stops nothing: nothing is left to stop.
    """
    whole = question.complete(times)
    due = [n for n in question.sizes if max(looked, default=0) < n <= len(whole)]
    if not due:
        return None
    boundary = question.boundary(due[-1])
    settled = all(_settled(question, times, whole, mode, boundary, clusters or {}) for mode in question.modes)
    stop = settled and due[-1] < question.sizes[-1]
    reason = "the speed-up of every mode is decided" if stop else ""
    return Look(prompts=due[-1], boundary=boundary, stopped=stop, reason=reason)


def _settled(  # noqa: PLR0917  called once, right above
    question: Question,
    times: Times,
    whole: Sequence[str],
    mode: str,
    boundary: float,
    clusters: Mapping[str, str | None],
) -> bool:
    base = {p: times[p][question.baseline] for p in whole}
    logs = log_ratios(base, {p: times[p][mode] for p in whole})

    known = {p: clusters.get(p) for p in whole}

    def at(confidence: float) -> RatioEstimate | None:
        return estimate(logs, clusters=known, confidence=confidence, seed=question.seed)

    found = at(confidence_of(boundary))
    if found is None or min(found.pairs, effective(known.values())) < MIN_PAIRS:
        return False
    if found.high < question.at_least:
        return True
    strict = at(1 - (1 - confidence_of(boundary)) / question.claims) if question.claims > 1 else found
    return strict is not None and strict.low >= question.at_least

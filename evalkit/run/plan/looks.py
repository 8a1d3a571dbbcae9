"""The preset looks at the evidence: whether the claims of all modes are decided, so that timing may end early. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalkit.analysis.comparison import START_SD, Terms, compare, divided, enough
from evalkit.analysis.order import Reading
from evalkit.checklist.schema import Checklist
from evalkit.run.plan.schedule import Plan
from evalkit.stats.sequential import confidence_of, obrien_fleming
from evalkit.timing.facts import Look


@dataclass(frozen=True)
class Question:
    """What the looks decide: each of `modes` against `baseline`, at least `at_least` times as fast.

    `claims`: how many modes may be adopted by it. A pass is held to the confidence divided by them, so that it holds
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
    level: int = 1
    start_sd: float = START_SD

    def boundary(self, size: int) -> float:
        """The O'Brien-Fleming bound on |z| at the look of `size` prompts."""
        shares = tuple(n / self.sizes[-1] for n in self.sizes)
        return obrien_fleming(shares, 1 - self.confidence)[self.sizes.index(size)]

    def complete(self, readings: Iterable[Reading]) -> list[str]:
        """Prompts with all their repeats in every mode."""
        answered = Counter((r.unit, r.mode) for r in readings if r.log is not None)
        units = dict.fromkeys(unit for unit, _ in answered)
        wanted = (self.baseline, *self.modes)
        return [u for u in units if all(answered[u, mode] >= self.repeats for mode in wanted)]


def question(checklist: Checklist, plan: Plan, *, scored: bool) -> Question | None:
    """What may end timing early. None where something else needs every prompt, or the modes are not up together."""
    item = checklist.items.modes
    modes = tuple(mode for mode in checklist.modes if mode != plan.baseline)
    needs_all = item.goodput is not None or any(v is not None for v in item.latency.model_dump().values())
    if needs_all or scored or not plan.together or len(plan.looks) < 2 or not modes:
        return None
    return Question(
        baseline=plan.baseline, modes=modes, at_least=item.speedup.at_least, sizes=plan.looks, repeats=plan.repeats,
        confidence=item.confidence, claims=max(1, len(checklist.adopted)), seed=plan.seed, level=item.level,
        start_sd=item.start_sd,
    )  # fmt: skip


def look(asked: Question, readings: Sequence[Reading], looked: Iterable[int]) -> Look | None:
    """The look that is due, if one is: at the largest size that is complete and was not looked at before.

    `readings` are those of all modes at the deciding level; `looked` holds the sizes of earlier looks. The last look
    stops nothing: nothing is left to stop.
    """
    complete = set(asked.complete(readings))
    due = [n for n in asked.sizes if max(looked, default=0) < n <= len(complete)]
    if not due:
        return None
    boundary = asked.boundary(due[-1])
    stop = due[-1] < asked.sizes[-1]
    if stop:
        whole = [r for r in readings if r.unit in complete]
        stop = all(_settled(asked, whole, mode, boundary) for mode in asked.modes)
    reason = "the speed-up of every mode is decided" if stop else ""
    return Look(prompts=due[-1], planned=asked.sizes[-1], boundary=boundary, stopped=stop, reason=reason)


def _settled(asked: Question, whole: Sequence[Reading], mode: str, boundary: float) -> bool:
    terms = Terms(
        level=asked.level, confidence=confidence_of(boundary), stated=asked.confidence, start_sd=asked.start_sd,
        planned=asked.sizes[-1], seed=asked.seed,
    )  # fmt: skip
    found = compare(whole, asked.baseline, mode, terms)
    if found is None or not enough(found, terms.level):
        return False
    if found.estimate.high < asked.at_least:
        return True
    if found.estimate.low < asked.at_least:
        return False
    strict = found if asked.claims == 1 else compare(whole, asked.baseline, mode, divided(terms, asked.claims))
    return strict is not None and strict.estimate.low >= asked.at_least

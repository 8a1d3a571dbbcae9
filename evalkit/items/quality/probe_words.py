"""What the quality item says of sizes and of load: typed values, and the sentences made of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar, Literal

from evalkit.analysis.ladder import Knee, Rung
from evalkit.findings import Values, Words
from evalkit.fmt import difference, listed, margin, number, plural, share, span


class Ladder(Values):
    """Passed shares by size of the task, the size from which they fall, and the same of the baseline where it is
    another mode.
    """

    outcome: Literal["holds", "falls-earlier"]
    suite: str
    axis: Literal["items", "distance"]
    baseline: str | None = None
    rungs: tuple[Rung, ...]
    baseline_rungs: tuple[Rung, ...] = ()
    knee: Knee | None = None
    baseline_knee: Knee | None = None

    def data(self) -> dict[str, object]:
        return {
            "suite": self.suite, "axis": self.axis, "rungs": [asdict(one) for one in self.rungs],
            "baseline_rungs": [asdict(one) for one in self.baseline_rungs],
            "knee": asdict(self.knee) if self.knee else None,
            "baseline_knee": asdict(self.baseline_knee) if self.baseline_knee else None,
        }  # fmt: skip

    @property
    def _unit(self) -> str:
        return {"items": "items", "distance": "lines from the end"}[self.axis]

    def words(self) -> Words:
        shares = ", ".join(f"{share(one.share)} at {one.size}{_chunks(one.tokens_per_chunk)}" for one in self.rungs)
        text = f"{self.suite}: {self._said(self.knee, self.rungs)} ({shares})"
        if self.baseline and self.baseline_rungs:
            text += f"; in {self.baseline} {self._said(self.baseline_knee, self.baseline_rungs)}"
        return Words(f"{text}.", f"falls from {self.knee.falls} {self._unit} on" if self.knee else None)

    def _said(self, knee: Knee | None, rungs: tuple[Rung, ...]) -> str:
        if knee is None:
            return f"no fall is shown up to {rungs[-1].size} {self._unit}"
        fall = f"from {share(knee.before)} to {share(knee.after)}"
        return f"the pass rate falls from {knee.falls} {self._unit} on, {fall}"


class UnderLoad(Values):
    """The same cases at `concurrency` and alone. `difference`: under load less alone, `low` to `high`. `lost` pass
    alone only, `gained` under load only; `one_sided`: answered in one of the two. `cases_lost`: the first of them.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("difference", "low", "high")
    outcome: Literal["as-good", "falls", "falls-some", "open", "too-few", "no-pairs", "one-at-a-time"]
    concurrency: int
    margin: float
    pairs: int = 0
    independent: int = 0
    least_cases: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    share: float | None = None
    share_alone: float | None = None
    lost: int = 0
    gained: int = 0
    one_sided: int = 0
    cases_lost: tuple[str, ...] = ()

    def words(self) -> Words:
        limit = f"loss under {margin(self.margin)}"
        match self.outcome:
            case "one-at-a-time":
                remedy = "set items.quality.concurrency, or items.modes.decide_at, to the load of production"
                return Words("tasks are asked one at a time: there is no load to compare with.", remedy=remedy)
            case "no-pairs":
                remedy = "resume the run: only open cases are sent"
                return Words("no case was answered both under load and alone.", None, limit, remedy)
        text = (
            f"{plural(self.pairs, 'case')} with {self.concurrency} requests in flight and alone: {share(self.share)} "
        )
        text += f"and {share(self.share_alone)} pass, {difference(self.difference)} ({span(self.low, self.high)}); "
        text += f"{self.lost} lost and {self.gained} gained under load"
        if self.one_sided:
            text += f", {self.one_sided} answered in one of the two alone"
        if self.cases_lost:
            text += f" ({listed(self.cases_lost, 3)})"
        end, rest = self._end()
        return Words(f"{text}{end}.", difference(self.difference), limit, rest)

    def _end(self) -> tuple[str, str | None]:
        least, limit = number(self.least_cases), margin(self.margin)
        match self.outcome:
            case "falls":
                return f": quality falls by the margin of {limit} or more when the batch is full", None
            case "falls-some":
                return ": quality falls when the batch is full, by how much is not decided", None
            case "too-few":
                text = f": {self.independent} independent cases cannot show {limit}"
                return text, f"set items.quality.alone to at least {least}"
            case "open":
                return f": a loss of {limit} is neither shown nor excluded", "ask more cases alone: items.quality.alone"
        return "", None


def _chunks(tokens: float | None) -> str:
    return "" if tokens is None else f" with {number(tokens)} tokens a chunk"

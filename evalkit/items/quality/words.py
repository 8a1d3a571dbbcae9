"""What the quality item says of passed and failed cases: typed values, and the sentences made of them."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal

from evalkit.findings import Frozen, Values, Words
from evalkit.fmt import difference, listed, margin, plural, share, span
from evalkit.modes import INCUMBENT


class SuiteGiven(Frozen):
    """A suite of the run."""

    name: str
    cases: int
    shipped: bool
    #: of one that asks little: cases that a reply passes which answers nothing
    passed_by_any: int | None = None


class OwnTasks(Values):
    outcome: Literal["own", "shipped-only", "asks-little", "asks-nothing", "none", "not-asked"]
    suites: tuple[SuiteGiven, ...] = ()

    def words(self) -> Words:
        match self.outcome:
            case "own":
                own = [one.cases for one in self.suites if not one.shipped]
                return Words(f"{plural(sum(own), 'case')} of your own in {plural(len(own), 'suite')}.")
            case "shipped-only":
                return Words("only shipped suites were used: they say nothing about your own prompts.")
            case "asks-little" | "asks-nothing":
                empty = [one for one in self.suites if one.passed_by_any is not None]
                told = listed([f"{one.name} ({one.passed_by_any} of {plural(one.cases, 'case')})" for one in empty])
                passed = f"one reply that answers nothing, the same to every case, passes nearly all of {told}"
                rest = ": no suite shows what the modes are worth" if self.outcome == "asks-nothing" else ""
                return Words(f"{passed}{rest}.")
            case "none":
                return Words("no task suite was part of the run: nothing says what the modes are worth.")
            case "not-asked":
                return Words("the checklist has `tasks: []`: quality was not looked at.")


class OnSuite(Values):
    """Values on one suite. `cases` are planned, `scored` in the mode, `pairs` in both; None: on no suite."""

    suite: str | None = None
    kind: str | None = None
    shipped: bool | None = None
    cases: int = 0
    scored: int = 0
    pairs: int = 0

    def data(self) -> dict[str, object]:
        """Nothing where no suite is meant."""
        return super().data() if self.suite is not None else {}


class Scored(OnSuite):
    """`unscored`: cases by error or grader; `never_asked`: those that were not sent. `need`: share that decides."""

    outcome: Literal["complete", "open", "failed", "mode-unanswered", "no-suite"]
    scored_share: float = 0.0
    need: float = 1.0
    unscored: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    never_asked: int = 0

    def data(self) -> dict[str, object]:
        return {**super().data(), "unscored": dict(self._reasons())} if self.suite is not None else {}

    def _reasons(self) -> Counter[str]:
        return Counter(self.unscored) + Counter({"never asked": self.never_asked})

    def words(self) -> Words:
        if self.outcome == "mode-unanswered":
            remedy = "see the errors of the run; bring the mode's server up and resume: only open cases are sent"
            return Words("no case was answered in this mode.", remedy=remedy)
        if self.outcome == "no-suite":
            return Words("no task suite was part of the run.", remedy="name suites under `tasks`")
        seen, need = share(self.scored_share), share(self.need)
        text = f"{self.suite}: {self.scored} of {plural(self.cases, 'case')} scored ({seen})"
        if self.outcome == "complete":
            return Words(f"{text}.", None, need)
        why = ", ".join(f"{count} × {why}" for why, count in self._reasons().most_common(3))
        text += f", under the {need} that a decision needs: {why or 'some repeats have no grade'}."
        return Words(text, seen, need)


class Floor(OnSuite):
    """`share` of passed cases and its interval at `confidence`. `flaky`: cases that pass now and then."""

    NULLS: ClassVar[tuple[str, ...]] = ("share", "cases_that_would_decide")
    outcome: Literal["met", "below", "undecided", "unscored"]
    floor: float
    share: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.9
    repeats: int = 1
    pass_every_repeat: int | None = None
    flaky: tuple[str, ...] | None = None
    flaky_cases: int | None = None
    cases_that_would_decide: int | None = None

    def words(self) -> Words:
        limit = share(self.floor)
        if self.outcome == "unscored":
            return Words(f"{self.suite}: no case was scored.", None, f"at least {limit}")
        text, remedy = f"{self.suite}: {share(self.share)} of {plural(self.scored, 'case')} pass", None
        if self.flaky_cases is not None:
            often = f"{self.pass_every_repeat} each of {self.repeats} times, {self.flaky_cases} now and then"
            text += f" on average, {often}"
        text += f" ({_level(self.confidence)} interval {share(self.low)} to {share(self.high)})"
        match self.outcome:
            case "below":
                text += f", below the minimum pass rate of {limit}."
            case "met":
                text += f"; the floor is {limit}."
            case "undecided":
                text += f": at least {share(self.low)} pass, and the minimum pass rate of {limit} is undecided."
                more = self.cases_that_would_decide
                remedy = f"answer about {more} cases of this kind" if more else "the share lies at the floor: change it"
        return Words(text, share(self.share), f"at least {limit}", remedy)


class BaselineValid(OnSuite):
    NULLS: ClassVar[tuple[str, ...]] = ("baseline_share",)
    outcome: Literal["valid", "block-loop", "unscored", "passes-nothing", "below-floor"]
    baseline: str
    baseline_share: float | None = None
    floor: float

    def words(self) -> Words:
        passes = f"{self.suite}: {self.baseline} passes {share(self.baseline_share)}"
        if self.outcome == "valid":
            return Words(f"{passes}.")
        text = {
            "block-loop": f"{self.baseline} declares AR and runs the block loop: its text is not AR text",
            "unscored": f"{self.baseline} has no scored reply, so there is nothing to compare with",
            "passes-nothing": f"NOT COMPARED: {self.baseline} passes no case, so that nothing can be lost to it",
            "below-floor": f"the baseline is not valid here: {self.baseline} passes {share(self.baseline_share)}, "
            f"below the minimum pass rate of {share(self.floor)}; losing nothing to a failing baseline proves nothing",
        }[self.outcome]
        observed = None if self.baseline_share is None else share(self.baseline_share)
        return Words(f"{self.suite}: {text}.", observed, share(self.floor))


class NonInferiority(OnSuite):
    """The paired loss. `low` and `high`: of the difference, each side at one-sided `alpha`. `at_most`: the loss that is
    excluded beyond it. `one_sided`: cases that one of the two left unscored. `independent`: cases that count once.
    """

    NULLS: ClassVar[tuple[str, ...]] = (
        "difference", "low", "high", "share", "baseline_share", "cases_that_would_decide",
    )  # fmt: skip
    outcome: Literal[
        "shown", "lost", "carried", "too-small", "too-small-shipped", "too-small-and-losing", "no-pairs", "one-sided",
        "worse", "open", "asks-nothing", "is-the-baseline", "no-baseline-results",
    ]  # fmt: skip
    baseline: str = ""
    margin: float = 0.0
    alpha: float = 0.05
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = "none"
    both_pass: int = 0
    only_mode: int = 0
    only_baseline: int = 0
    neither: int = 0
    share: float | None = None
    baseline_share: float | None = None
    least_cases: int = 0
    independent: int = 0
    too_small: bool = False
    loses_at_most: float | None = None
    at_most: float = 1.0
    only_losses: bool = False
    one_sided: int = 0
    carried_by: str | None = None
    cases_that_would_decide: int | None = None
    #: where there is nothing to compare with: the task of another harness
    task: str | None = None

    def words(self) -> Words:
        if self.outcome == "is-the-baseline":
            return Words("it is the baseline itself.")
        if self.outcome == "no-baseline-results":
            return Words(f"{self.task}: there are no results of {self.baseline} to compare with.", remedy=RERUN)
        threshold = f"loss under {margin(self.margin)}"
        if self.outcome == "no-pairs":
            resume = "resume the run so that both modes answer the suite"
            return Words(f"{self.suite}: no case was scored in both modes.", None, threshold, resume)
        cases = plural(self.pairs, "case") + (f", {self.independent} independent" if self._clustered else "")
        text, remedy = self._decided()
        return Words(
            f"{self.suite}: {difference(self.difference)} on {cases} ({_level(1 - 2 * self.alpha)} interval "
            f"{span(self.low, self.high)}, margin {margin(self.margin)}): {text}.",
            difference(self.difference), threshold, remedy,
        )  # fmt: skip

    @property
    def _clustered(self) -> bool:
        return self.independent < self.pairs

    def _decided(self) -> tuple[str, str | None]:
        bound = f"loses at most {margin(self.at_most)}"
        answer = (
            f"answer about {self.cases_that_would_decide} cases of this kind, which would likely decide; or accept "
        )
        answer += "a larger margin before the run"
        match self.outcome:
            case "shown":
                only = "; every case that differs is a loss" if self.only_losses else ""
                return f"the loss compared with {self.baseline} is within the margin{only}", None
            case "lost":
                return f"the loss against {self.baseline} is at least the margin", None
            case "one-sided":
                left = f"{plural(self.one_sided, 'case')} that one of the two left unscored"
                hint = "resume the run so that the open cases are answered in both modes"
                return f"{bound} only if the {left} are left out", hint
            case "worse":
                return f"worse than the baseline, and not shown to stay within the margin: {bound}", answer
            case "open":
                return f"not decided: {bound}", answer
            case "asks-nothing":
                hint = "ask for a smaller loss (items.quality.margin), or for a minimum pass rate (items.quality.floor)"
                return (
                    f"{self.baseline} passes {share(self.baseline_share)}: a mode with hardly an answer would pass",
                    hint,
                )
        return self._too_small(bound)

    def _too_small(self, bound: str) -> tuple[str, str | None]:
        more = max(0, self.least_cases - self.independent)
        verb = "is" if self.independent == 1 else "are"
        small = f"{plural(self.independent, 'case')} {verb} too few for {margin(self.margin)} (at least "
        small += f"{self.least_cases}); {bound}"
        hint = f"add {more} or more cases, or a shipped suite of the same kind that carries the margin"
        match self.outcome:
            case "too-small-shipped":
                return small, f"run the full shipped suite: at least {self.least_cases} cases are needed"
            case "too-small-and-losing":
                text = f"{small}; the mean loss is the margin or more, and no other suite makes up for it"
                return text, f"look at the lost cases, and add {more} or more"
            case "carried":
                text = f"{small}; {self.carried_by!r} carries the margin, this suite decides by floor, critical cases "
                return f"{text}and mean loss", hint
        return f"{small}; no shipped suite carries the margin", hint


class Harm(OnSuite):
    """`cases_harmed`: lost cases with both replies, the first of them; `harmed` and `gained` count all."""

    outcome: Literal["none", "lost"]
    baseline: str
    cases_harmed: tuple[dict[str, Any], ...] = ()
    harmed: int = 0
    gained: int = 0

    def words(self) -> Words:
        if self.outcome == "none":
            text = f"no case that {self.baseline} passed was lost ({self.gained} gained)"
            return Words(f"{self.suite}: {text}.")
        ids = [str(one["case"]) for one in self.cases_harmed[:6]]
        lost = "1 case" if self.harmed == 1 else f"{self.harmed} cases"
        verb = "was" if self.harmed == 1 else "were"
        text = f"{lost} that {self.baseline} passed {verb} lost ({self.gained} gained): {listed(ids)}"
        return Words(f"{self.suite}: {text}.", str(self.harmed))


class Critical(Values):
    """Cases as suite/case. `open`: not compared; `failing`: fail in the mode and are not lost; `critical`: how many."""

    outcome: Literal["all-pass", "lost", "not-compared", "baseline-fails-too"]
    lost: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    critical: int

    def words(self) -> Words:
        count = plural(self.critical, "critical case")
        match self.outcome:
            case "lost":
                return Words(
                    f"{len(self.lost)} of {count} {'is' if len(self.lost) == 1 else 'are'} lost: {listed(self.lost)}."
                )
            case "not-compared":
                text = f"{len(self.open)} of {count} could not be compared: {listed(self.open)}."
                return Words(text, remedy="resume the run: only open cases are sent")
            case "baseline-fails-too":
                text = f"no critical case is lost, but {len(self.failing)} fail in the baseline too"
                return Words(f"{text}: {listed(self.failing)}.")
            case "all-pass":
                return Words("the critical case passes." if self.critical == 1 else f"all {count} pass.")


class Incumbent(OnSuite):
    """The difference to the model that is used today. `weak`: the one that passes nothing, or less than the floor.
    `task` and `doubts`: why results of another harness are not compared.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("difference", "low", "high")
    outcome: Literal[
        "better", "no-worse", "within-margin", "worse", "worse-for-information", "undecided", "undecided-worse",
        "not-configured", "no-answers", "no-pairs", "too-few-pairs", "passes-nothing", "below-floor", "doubted",
    ]  # fmt: skip
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    loses_at_most: float | None = None
    at_most: float = 1.0
    margin: float = 0.0
    required: bool = False
    weak: str | None = None
    weak_share: float | None = None
    floor: float | None = None
    task: str | None = None
    doubts: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return {**super().data(), "word": "NOT COMPARED" if self.suite is None else self._word()}

    def words(self) -> Words:
        if self.outcome == "doubted":
            return Words(f"{self.task}: NOT COMPARED with the incumbent: {'; '.join(self.doubts[:3])}.")
        if self.suite is None:
            return Words(f"{self._word()}.")
        threshold = f"loss under {margin(self.margin)}" if self.required else None
        if self.outcome == "no-pairs":
            return Words(f"{self.suite}: {self._word()}.", None, threshold)
        beside = f"{difference(self.difference)} against the incumbent"
        text = f"{self.suite}: {beside} ({span(self.low, self.high)}, {plural(self.pairs, 'case')}): {self._word()}."
        return Words(text, difference(self.difference), threshold)

    def _word(self) -> str:
        name = "the incumbent" if self.weak == INCUMBENT else self.weak
        bound = f"loses at most {margin(self.at_most)}"
        return {
            "better": "better",
            "no-worse": "the loss is within the margin",
            "within-margin": "worse, within the margin",
            "worse": "worse by the margin or more",
            "worse-for-information": "worse by the margin or more",
            "undecided": f"not decided, {bound}",
            "undecided-worse": f"worse, {bound}",
            "not-configured": "NOT COMPARED: no incumbent is configured",
            "no-answers": "NOT COMPARED: the incumbent answered no case",
            "no-pairs": "NOT COMPARED: no case was scored in both",
            "too-few-pairs": f"NOT COMPARED: only {self.pairs} of {self.cases} cases were scored in both",
            "passes-nothing": f"NOT COMPARED: {name} passes no case of {self.pairs}",
            "below-floor": f"NOT COMPARED: {name} passes {share(self.weak_share)}, below the minimum pass rate of "
            f"{share(self.floor)}",
            "doubted": "NOT COMPARED",
        }[self.outcome]


#: what to do where results of another harness do not count
RERUN = "let evalkit run the harness against the live servers: tasks: [{run: …}] or {command: …, reads: …}"


def _level(confidence: float) -> str:
    return f"{100 * confidence:.3g}%"


class Images(Values):
    """Cases with images of a vision-language model: `cases` in the plan, `scored` of them in this mode."""

    outcome: Literal["scored", "not-scored", "none"]
    mode: str
    model: str
    cases: int = 0
    scored: int = 0

    def words(self) -> Words:
        match self.outcome:
            case "scored":
                return Words(f"{self.scored} of {plural(self.cases, 'case')} with images scored.", str(self.scored))
            case "not-scored":
                text = f"none of {plural(self.cases, 'case')} with images was scored: how well it sees is not known."
                remedy = "see the errors of the cases with images: a server of text alone refuses them"
                return Words(text, "0", remedy=remedy)
        return Words(f"the model {self.model} takes images, and no task has one: how well it sees is not known.", "0")

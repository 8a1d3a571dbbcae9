"""What the quality item says of results of another harness: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.analysis.harness import Difference
from evalkit.findings import Frozen, Values, Words
from evalkit.fmt import listed, plural
from evalkit.items.quality.words import RERUN
from evalkit.text import cut

DoubtKind = Literal[
    "not-probed", "no-endpoint", "not-directed", "other-endpoint", "shared-address", "older", "other-model"
]

DIRECT = (
    "give the tool the server of the mode: {endpoint} in its command, or the variable EVALKIT_ENDPOINT in its config"
)


class Doubt(Frozen):
    """Why it is not shown that a mode's server gave the answers. `named`: by the results; `probed`: in this run."""

    kind: DoubtKind
    named: str | None = None
    probed: str | None = None
    others: tuple[str, ...] = ()

    def words(self) -> str:
        """As a clause."""
        return {
            "not-probed": "its server was not probed in this run",
            "no-endpoint": "the results do not say which server answered",
            "not-directed": "neither the command nor the results name the server",
            "other-endpoint": f"the results are of {self.named}, the server that was probed is {self.probed}",
            "shared-address": f"{', '.join(self.others)} was served at the same address, so the address does not "
            "tell the mode",
            "older": "the results are older than the server, which evalkit started in this run",
            "other-model": f"the results are of the model {self.named}, the server has {self.probed or 'another'}",
        }[self.kind]


def difference_words(found: Difference) -> str:
    """What was not the same in two results, as a clause; ids of settings included."""
    match found.kind:
        case "setting":
            return f"{found.name}: {_short(found.here)} here, {_short(found.there)} there"
        case "samples":
            return f"other samples: {found.here} are only here, {found.there} only there"
        case "hashes-of-one":
            return f"hashes of {found.name} are known of one only"
        case "content":
            what = {"docs": "documents"}.get(found.name, found.name)
            return f"{found.here} {what} differ, such as that of {listed(found.cases, 3)}"
        case "same-files":
            return "both were read from the same files"
        case "repeats":
            return f"repeats: {found.here} here, {found.there} there"


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{cut(text, 59)}…"


class HarnessResults(Values):
    """Whether results count. `problems`: what is not whole; `differences`: from the baseline's set-up; `unwitnessed`:
    why these servers are not shown to have answered, and `doubts` of which kind. `others`: modes with results.
    """

    NULLS: ClassVar[tuple[str, ...]] = ("tool_version", "endpoint", "model")
    outcome: Literal[
        "ran-here", "witnessed", "accepted", "unwitnessed", "not-comparable", "not-whole", "not-this-mode", "not-named",
        "no-results", "failed",
    ]  # fmt: skip
    suite: str
    mode: str
    baseline: str = ""
    tool: str | None = None
    tool_version: str | None = None
    samples: int = 0
    endpoint: str | None = None
    model: str | None = None
    ran_here: bool = False
    problems: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    unwitnessed: tuple[str, ...] = ()
    doubts: tuple[DoubtKind, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return super().data() if self.tool is not None else {}

    def words(self) -> Words:
        if self.tool is None:
            return self._missing()
        what = f"{self.suite} ({self.tool} {self.tool_version or ''}".rstrip() + ")"
        match self.outcome:
            case "not-whole":
                text = f"the results are not whole: {'; '.join(self.problems[:3])}"
                remedy: str | None = "run the harness again to its end, with samples"
            case "not-comparable":
                text = f"not comparable with {self.baseline}: {'; '.join(self.differences[:3])}"
                remedy = "run both modes with the same task, version, prompts, sampling and limits"
            case "unwitnessed":
                text = f"nothing shows that these servers gave the answers: {'; '.join(self.unwitnessed[:3])}"
                remedy = f"{DIRECT if self.ran_here else RERUN}; or accept_unwitnessed: true, which the report shows"
            case "accepted":
                text = f"accepted without a witness (accept_unwitnessed): {'; '.join(self.unwitnessed[:3])}"
                remedy = RERUN
            case _:
                how = "evalkit ran it" if self.ran_here else "it names the server that was probed"
                text, remedy = f"{plural(self.samples, 'sample')}; {how}", None
        return Words(f"{what}: {text}.", remedy=remedy)

    def _missing(self) -> Words:
        if self.outcome == "not-named":
            remedy = f"add `{self.mode}: PATH` under results"
            return Words(f"{self.suite}: no results of this mode are named.", remedy=remedy)
        if self.outcome == "not-this-mode":
            text = f"{self.suite}: there are results of {', '.join(self.others)}, none of this mode."
            return Words(text, remedy=RERUN)
        why = f": {self.problems[0]}" if self.problems else ""
        remedy = "see its log under logs/ of the run folder, then resume the run: only open modes are run again"
        return Words(f"{self.suite}: the harness gave no results in this mode{why}.", remedy=remedy)

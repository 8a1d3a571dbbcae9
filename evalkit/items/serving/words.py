"""What the serving item says of models and settings: the typed values of each check, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Values, Words

Matches = Literal[
    "same", "declared", "declared-weights", "card-not-read", "not-verified", "other-type", "other-architecture",
    "other-revision", "other-variant", "other-variant-named", "other-model", "differs-type", "differs-architecture",
    "differs-model", "differs-revision", "replies-differ", "replies-mixed", "fingerprints-mixed",
    "replies-of-baseline",
]  # fmt: skip


class SameModel(Values):
    """Which model a mode serves, against the candidate or against the mode `other`."""

    outcome: Matches
    mode: str
    #: what is served, and what it should be
    served: str = ""
    wanted: str = ""
    other: str = ""
    shown: str | None = None
    #: replies that carried each set of names or each fingerprint, and those that carried another than asked for
    named: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    differing: int = 0
    replies: int = 0

    def data(self) -> dict[str, object]:
        return {"outcome": self.outcome, "replies": self.replies, "differing": self.differing, "named": self.named}

    def words(self) -> Words:
        return Words(f"{self.mode}: {self._text()}.", self.shown)

    def _text(self) -> str:
        served, wanted = self.served or "(no name)", self.wanted
        if self.outcome.startswith("differs-"):
            what = self.outcome.removeprefix("differs-")
            return f"differs from {self.other}: {what} {served} against {wanted}"
        share = f"{self.differing} of {self.replies} replies"
        names = ", ".join(f"{count} {name}" for name, count in self.named.items())
        return {
            "same": f"serves {served}",
            "declared": f"serves {served}, which candidate.same_as declares to be {wanted}",
            "declared-weights": f"serves {served}, the candidate is {wanted}; candidate.same_weights declares one "
            "checkpoint",
            "card-not-read": "the candidate's card was not read, so the served model cannot be verified against it",
            "not-verified": f"the served name {served} does not show whether it is {wanted}",
            "other-type": f"serves model_type {served}, the candidate is {wanted}",
            "other-architecture": f"serves {served}, the candidate is {wanted}",
            "other-model": f"serves {served}, the candidate is {wanted}",
            "other-revision": f"serves revision {served}, the candidate is {wanted}",
            "other-variant": f"serves {served}, another variant than {wanted}",
            "other-variant-named": f"serves {served}, the name of another variant than {wanted}",
            "replies-differ": f"{share} name another model than {wanted} ({names})",
            "replies-mixed": f"{share} name another model than {wanted}, and not the same one ({names})",
            "replies-of-baseline": f"{share} of {self.other}, its baseline, are of another model ({names})",
            "fingerprints-mixed": f"{share} have another system_fingerprint than the others ({names})",
        }[self.outcome]


class Difference(Values):
    """A setting that is not equal in two modes, and what became of it."""

    outcome: Literal["unequal", "declared", "forced"]
    name: str
    mode: str
    baseline: str

    def words(self) -> Words:
        ending = {"unequal": "", "declared": " (part of the offer)", "forced": " (forced by the mode)"}
        return Words(f"{self.name} {self.mode} against {self.baseline}{ending[self.outcome]}")


class SameSettings(Values):
    outcome: Literal["equal", "not-known", "forced", "declared", "unequal"]
    mode: str
    other: str
    differ: tuple[Difference, ...] = ()
    not_known: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return {
            "against": self.other,
            "differ": {one.name: one.model_dump(mode="json", exclude={"name"}) for one in self.differ},
            "not_known": list(self.not_known),
        }

    def words(self) -> Words:
        shown = "; ".join(one.words().summary for one in self.differ)
        match self.outcome:
            case "equal":
                return Words(f"{self.mode} is started like {self.other}.")
            case "not-known":
                names = ", ".join(self.not_known)
                return Words(f"{self.mode}: {names} could not be compared with {self.other}, as a server does not say.")
            case _:
                return Words(f"{self.mode} is not started like {self.other}: {shown}.", shown)


class Shapes(Values):
    """Replies of one mode by how they came: token by token, or several tokens at a time."""

    outcome: Literal["mixed", "unlike-scored", "slower-scored"]
    mode: str
    timed: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    scored: dict[str, int] = {}  # noqa: RUF012
    timed_ms: float | None = None
    scored_ms: float | None = None

    def words(self) -> Words:
        timed, scored = _shapes(self.timed), _shapes(self.scored)
        match self.outcome:
            case "mixed":
                text = f"{self.mode}: its replies came in two shapes: timed {timed}; scored {scored}"
            case "unlike-scored":
                text = f"{self.mode}: the timed replies are unlike the scored ones: timed {timed}; scored {scored}"
            case "slower-scored":
                text = (
                    f"{self.mode}: the scored replies took {self.scored_ms:.1f} ms a token, the timed ones "
                    f"{self.timed_ms:.1f} ms"
                )
        return Words(f"{text}: the evidence may be of two modes.", text)


def _shapes(counts: dict[str, int]) -> str:
    words = {"tokens": "token by token", "blocks": "several tokens at a time"}
    return ", ".join(f"{count} {words[name]}" for name, count in counts.items()) or "none that shows"

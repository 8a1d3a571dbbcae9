"""What the modes item says of the timed replies: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalkit.findings import Frozen, Values, Words
from evalkit.fmt import ratio, threshold

#: a unit of length: characters without reasoning
VISIBLE = "visible characters"


class SignSeen(Frozen):
    """Prompts whose reply shows a sign, in the mode and in the baseline; `p`: as many more by chance alone."""

    mode: int
    baseline: int
    p: float


class Replies(Values):
    """`signs`: those of broken decoding that either mode shows."""

    outcome: Literal["as-sound", "few-more", "undecided", "never-ends", "not-own", "strange", "more"]
    mode: str
    baseline: str
    prompts: int
    signs: dict[str, SignSeen] = {}  # noqa: RUF012  pydantic copies defaults

    def words(self) -> Words:
        seen = [f"{one.mode} {sign} (baseline {one.baseline})" for sign, one in self.signs.items()]
        shown = ", ".join(seen) or "no sign of broken text"
        text = f"replies to {self.prompts} prompts: {shown}"
        match self.outcome:
            case "more":
                text += f": more than {self.baseline} by more than chance explains"
            case "never-ends":
                text += f": {self.baseline} closes thinking that its template opens, and {self.mode} may never come to "
                text += "an answer"
            case "not-own":
                text += f": {self.mode} may not answer what it is asked"
            case "strange":
                text += f": {self.mode} may answer something else than it is asked: compare them with {self.baseline}'s"
            case "undecided":
                text += f": more than {self.baseline}, and too few to decide whether by chance"
        return Words(f"{text}.", shown)


class ReplyLength(Values):
    """`length_ratios`: of replies, mode over baseline, by unit. The other ratios: speed-up for each unit of text."""

    NULLS: ClassVar[tuple[str, ...]] = ("length_ratio", "per_token_ratio", "per_character_ratio")
    outcome: Literal["alike", "apart", "unproven", "not-compared"]
    mode: str
    baseline: str
    at_least: float
    length_ratio: float | None = None
    length_ratios: dict[str, float] = {}  # noqa: RUF012  pydantic copies defaults
    per_token_ratio: float | None = None
    per_character_ratio: float | None = None

    def words(self) -> Words:
        if self.outcome == "not-compared":
            return Words(f"no prompt has replies of {self.mode} and {self.baseline}: lengths are not compared.")
        lengths = ", ".join(f"{ratio(value)} in {unit}" for unit, value in self.length_ratios.items())
        each = (("character", self.per_character_ratio), ("token", self.per_token_ratio))
        gains = ", ".join(f"{ratio(value)} per {unit}" for unit, value in each if value is not None)
        text = f"replies are {lengths} as long as those of {self.baseline}; the speed-up is {gains or 'not known'}"
        if self.outcome == "unproven":
            text += f": at equal length {threshold(self.at_least)} is not shown"
        return Words(f"{text}.", lengths, "0.8 to 1.25")


class TokenCounts(Values):
    """`ratio`: tokens a character in the mode over those in the baseline."""

    outcome: Literal["agree", "contradict"]
    mode: str
    baseline: str
    ratio: float

    def words(self) -> Words:
        text = f"{self.mode} counts {ratio(self.ratio)} the tokens of {self.baseline} for the same number of characters"
        if self.outcome == "contradict":
            text += ": one of the counts is wrong, so figures per token are not shown"
        return Words(f"{text}.")


class Twice(Frozen):
    """Of `prompts` asked twice: how many later samples took at most half, or at least twice the time."""

    prompts: int
    faster: int
    slower: int


class SecondReadings(Values):
    """`off`: modes whose later samples differ as chance does not explain. `warm`: prompts of the warm-up of a mode that
    all took half the time or less when timed. `fresh`: by how much longer the mode took, a token, for texts that no
    cache has seen, against the baseline.
    """

    outcome: Literal["alike", "read-once", "differ", "warm-up-slower", "fresh-differ"]
    readings: dict[str, Twice] = {}  # noqa: RUF012  pydantic copies defaults
    off: tuple[str, ...] = ()
    warm: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    mode: str = ""
    baseline: str = ""
    fresh: float | None = None

    def words(self) -> Words:
        match self.outcome:
            case "fresh-differ":
                longer = f"took {ratio(self.fresh or 0.0)} the time a character of the timed ones"
                against = f"compared with {self.baseline}: a cache may decide the claim."
                return Words(f"texts that no cache has seen {longer}, {against}")
            case "differ":
                shown = "; ".join(self._changed(mode) for mode in self.off)
                return Words(f"{shown}: a cache of replies, or another server, answers part of the requests.")
            case "warm-up-slower":
                shown = "; ".join(
                    f"{mode}: all {n} prompts of the warm-up took half the time or less"
                    for mode, n in self.warm.items()
                )
                text = f"{shown} when timed: a cache holds replies of an earlier run, or another server answers."
                return Words(text)
            case "read-once":
                return Words("each prompt was read once: a cache of replies would not show.")
            case "alike":
                return Words("two readings of a prompt take about the same time in each mode.")

    def _changed(self, mode: str) -> str:
        one = self.readings[mode]
        how = "half the time or less" if one.faster >= one.slower else "twice the time or more"
        return f"{mode}: {max(one.faster, one.slower)} of {one.prompts} prompts took {how} when asked again"

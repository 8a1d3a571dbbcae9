"""Does speculation return the baseline's text? Match rate beside the baseline's with itself; near-ties count as equal.

Why so: docs/decisions/0011-near-ties-count-as-equal.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.analysis.pairs import Answers, Sample, alpha_of, reading, sample
from evalkit.checklist.schema import Checklist
from evalkit.findings import Finding, KnownBy
from evalkit.items.quality import checks
from evalkit.items.quality.reply_words import Equivalence
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.quality.facts import Divergence, SuiteFacts
from evalkit.stats.proportions import least_cases

#: below this share of equal replies of the baseline to itself, equality of text carries no weight
NOISY = 0.9
#: nats: two tokens that the baseline tells apart by less are a near-tie. bf16 logits near 20 have steps of 0.125, and
#: another shape of batch moves them by some steps
NEAR_TIE = 0.5


@dataclass(frozen=True)
class Match:
    """One case: equal to the baseline's reply, the baseline equal to itself, and where the texts part."""

    case: str
    asked: str
    cluster: str
    same: bool
    again: bool | None
    greedy: bool
    parted: Divergence | None

    @property
    def tie(self) -> bool | None:
        """Whether the difference stands at a near-tie of the baseline; None: not known."""
        if self.same or self.parted is None or self.parted.lead is None:
            return None
        return self.parted.lead < NEAR_TIE


def equivalence(
    answers: Answers, suites: Sequence[SuiteFacts], divergences: dict[str, Divergence], mode: str, checklist: Checklist
) -> Finding:
    """Three-way on the drop of the match rate below the baseline's own, for modes that claim to be lossless."""
    make, baseline = checks.EQUIVALENCE.found, checklist.baseline.quality
    rows = [row for suite in suites for row in _matches(answers, suite.name, mode, baseline, divergences)]
    greedy = [row for row in rows if row.greedy]
    if base_mode(mode) not in (Mode.SELF_SPECULATION, Mode.SPECULATIVE):
        again = [row.again for row in greedy if row.again is not None]
        values = Equivalence(
            outcome="information", pairs=len(greedy), equal=sum(row.same for row in greedy), noise_pairs=len(again),
            noise=sum(again),
        )  # fmt: skip
        return make(values, mode=mode, counts=False)
    if baseline == INCUMBENT or (rows and not greedy):
        return make(Equivalence(outcome="other-model" if baseline == INCUMBENT else "sampled"), mode=mode)
    pairs = [row for row in greedy if row.again is not None]
    if not pairs:
        return make(Equivalence(outcome="no-noise-floor"), mode=mode)
    return make(_decided(pairs, checklist), mode=mode, known_by=KnownBy.OBSERVED)


def _decided(pairs: list[Match], checklist: Checklist) -> Equivalence:
    margin, alpha = checklist.items.quality.match_margin, alpha_of(checklist)
    n, differing = len(pairs), [row for row in pairs if not row.same]
    noise = sum(bool(row.again) for row in pairs) / n
    ties = sum(row.tie is True for row in differing)
    unknown = sum(row.tie is None for row in differing)
    sure = _sample([(row, row.same or row.tie is True) for row in pairs], alpha)
    strict, alone = sure.interval(), len(sure.units)
    lenient = _sample([(row, row.same or row.tie is not False) for row in pairs], alpha).interval()
    least = least_cases(margin, alpha)
    outcome: Literal["equal", "changed", "noisy", "noisy-and-few", "not-looked-up", "open"]
    if noise < NOISY:
        outcome = "noisy-and-few" if alone < least else "noisy"
    elif sure.shows(margin):
        outcome = "equal"
    elif lenient.high <= -margin:
        outcome = "changed"
    else:
        outcome = "not-looked-up" if unknown else "open"
    places = sorted(
        ((row.parted.at, row.case, row.parted.lead) for row in differing if row.parted is not None),
        key=lambda place: place[:2],
    )
    return Equivalence(
        outcome=outcome, pairs=n, independent=alone, equal=n - len(differing),
        match_rate=1 - len(differing) / n, noise_floor=noise, low=strict.low,
        high=strict.high, margin=margin, near_ties=ties, no_ties=len(differing) - ties - unknown,
        not_looked_up=unknown, least_cases=least, noisy_below=NOISY,
        may_differ=None if differing else 1 - alpha ** (1 / alone),
        first_divergences=tuple({"case": case, "character": at, "lead": lead} for at, case, lead in places[:20]),
    )  # fmt: skip


def _sample(cells: list[tuple[Match, bool]], alpha: float) -> Sample:
    rows = (reading(row.asked, row.cluster, float(equal), float(bool(row.again))) for row, equal in cells)
    return sample(rows, alpha)


def _matches(answers: Answers, suite: str, mode: str, baseline: str, divergences: dict[str, Divergence]) -> list[Match]:
    base, again = answers.first(suite, baseline), answers.first(suite, baseline, repeat=1)
    rows = []
    for case, one in answers.first(suite, mode).items():
        other, second = base.get(case), again.get(case)
        if other is None or not one.exchange.ok or not other.exchange.ok:
            continue
        same = one.reply_sha256 == other.reply_sha256
        known = second is not None and second.exchange.ok
        rows.append(
            Match(
                case=f"{suite}/{case}",
                asked=one.asked,
                cluster=one.goes_with,
                same=same,
                again=second.reply_sha256 == other.reply_sha256 if known and second else None,
                greedy=not one.temperature,
                parted=None if same else divergences.get(f"{mode}|{suite}|{case}"),
            )
        )
    return rows

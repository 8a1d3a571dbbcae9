"""Does speculation return the baseline's text? Match rate beside the baseline's with itself; near-ties count as equal.

Why so: docs/decisions/0011-near-ties-count-as-equal.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.analysis.pairs import Answers, Sample, alpha_of, reading, sample
from evalkit.checklist.schema import Checklist
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.items.quality.loss import percent
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
    make, baseline = checks.EQUIVALENCE.finding, checklist.baseline.quality
    rows = [row for suite in suites for row in _matches(answers, suite.name, mode, baseline, divergences)]
    greedy = [row for row in rows if row.greedy]
    if base_mode(mode) not in (Mode.SELF_SPECULATION, Mode.SPECULATIVE):
        equal = sum(row.same for row in greedy)
        said = f"{equal} of {len(greedy)} replies equal the baseline's"
        again = [row.again for row in greedy if row.again is not None]
        floor = f" (the baseline its own in {percent(sum(again) / len(again))})" if again else ""
        text = f"{said}{floor}; diffusion draws differently, so this is information."
        info: dict[str, object] = {"pairs": len(greedy), "equal": equal, "noise_pairs": len(again), "noise": sum(again)}
        return make(Status.NOT_APPLICABLE, text, mode=mode, counts=False, data=info)
    if baseline == INCUMBENT or (rows and not greedy):
        why = "the baseline is another model" if baseline == INCUMBENT else "all cases are sampled"
        return make(Status.NOT_APPLICABLE, f"text equality does not apply: {why}.", mode=mode)
    pairs = [row for row in greedy if row.again is not None]
    if not pairs:
        text = "the baseline's two readings are missing, so there is no noise floor to compare with."
        return make(Status.INCONCLUSIVE, text, mode=mode, remedy="resume the run: the baseline answers each case twice")
    return _decided(pairs, mode, checklist)


def _decided(pairs: list[Match], mode: str, checklist: Checklist) -> Finding:
    margin, alpha = checklist.items.quality.match_margin, alpha_of(checklist)
    n, differing = len(pairs), [row for row in pairs if not row.same]
    noise = sum(bool(row.again) for row in pairs) / n
    ties = sum(row.tie is True for row in differing)
    unknown = sum(row.tie is None for row in differing)
    sure = _sample([(row, row.same or row.tie is True) for row in pairs], alpha)
    strict, alone = sure.interval(), len(sure.units)
    lenient = _sample([(row, row.same or row.tie is not False) for row in pairs], alpha).interval()
    text = _figures(pairs, differing, noise, ties, unknown, alone, alpha)
    info: dict[str, object] = {
        "pairs": n, "independent": alone, "equal": n - len(differing), "match_rate": round(1 - len(differing) / n, 4),
        "noise_floor": round(noise, 4), "low": round(strict.low, 4), "high": round(strict.high, 4), "margin": margin,
        "near_ties": ties, "no_ties": len(differing) - ties - unknown, "not_looked_up": unknown,
        "first_divergences": [
            {"case": row.case, "character": row.parted.at, "lead": row.parted.lead}
            for row in sorted(differing, key=lambda row: row.parted.at if row.parted else 0)
            if row.parted is not None
        ][:20],
    }  # fmt: skip
    common: dict[str, Any] = {
        "mode": mode, "observed": percent(1 - len(differing) / n), "known_by": KnownBy.OBSERVED, "data": info,
        "threshold": f"{percent(noise)} − {100 * margin:g} points, near-ties counted as equal",
    }  # fmt: skip
    make, points = checks.EQUIVALENCE.finding, f"{100 * margin:g} points"
    least = least_cases(margin, alpha)
    if noise < NOISY and alone < least:
        common["remedy"] = f"compare at least {least} greedy replies, so that the baseline's own noise is known"
        end = f"below {percent(NOISY)} on so few cases: neither noise nor a change of text is shown"
        return make(Status.INCONCLUSIVE, f"{text}: {end}.", **common)
    if noise < NOISY:
        end = f"below {percent(NOISY)}, so equality of text carries no weight here"
        return make(Status.WARN, f"{text}: {end}.", **common)
    if sure.shows(margin):
        return make(Status.PASS, f"{text}.", **common)
    if lenient.high <= -margin:
        end = f"speculation changes the text by more than the margin of {points}, where the baseline is sure"
        return make(Status.FAIL, f"{text}: {end}.", **common)
    if unknown:
        common["remedy"] = (
            "serve the baseline so that it tells logprobs (then near-ties are told from faults), serve both with"
            " deterministic kernels, or raise items.quality.match_margin: the tasks still decide"
        )
        return make(
            Status.INCONCLUSIVE, f"{text}: whether the differences are near-ties or faults is not known.", **common
        )
    common["remedy"] = (
        f"compare more greedy replies (at least {least} cases, without a difference), or raise match_margin"
    )
    return make(Status.INCONCLUSIVE, f"{text}: not decided at a margin of {points}.", **common)


def _figures(  # noqa: PLR0917  called once
    pairs: list[Match], differing: list[Match], noise: float, ties: int, unknown: int, alone: int, alpha: float
) -> str:
    n = len(pairs)
    equal = n - len(differing)
    apart = f" ({alone} cases are independent)" if alone < n else ""
    text = f"{equal} of {n} greedy replies{apart} equal the baseline's; the baseline equals itself in {percent(noise)}"
    if not differing:
        return f"{text} (up to {percent(1 - alpha ** (1 / alone))} may still differ)"
    places = [(row.parted.at, row.case) for row in differing if row.parted is not None]
    if places:
        text += f"; the earliest difference is at character {min(places)[0] + 1} of {min(places)[1]}"
    if unknown < len(differing):
        text += f"; {ties} of the {len(differing) - unknown} differences looked up stand at near-ties of the baseline"
    return text


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

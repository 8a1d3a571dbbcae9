"""Findings on the texts themselves: degeneration and length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evalkit.analysis.pairs import Answers, Reading, Table, reading, sample
from evalkit.analysis.signs import ALWAYS, BLOCKING, SIGNS, signs
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.items.quality.loss import base_data
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.stats.distributions import t_quantile
from evalkit.text import cut

SEEN = KnownBy.OBSERVED


def degeneration(answers: Answers, data: Table, margin: float) -> Finding:
    """Three-way on the share of replies that show a sign of falling apart, against the baseline's."""
    mine, base = answers.first(data.suite.name, data.mode), answers.first(data.suite.name, data.baseline)
    blocking = BLOCKING if data.suite.kind in ("long", "tools") else ALWAYS
    shared = [case for case, one in mine.items() if one.exchange.ok and case in base and base[case].exchange.ok]
    counts = {sign: sum(sign in signs(mine[case]) for case in shared) for sign in SIGNS}
    before = {sign: sum(sign in signs(base[case]) for case in shared) for sign in SIGNS}
    info: dict[str, object] = {
        **base_data(data),
        "mode_counts": counts,
        "baseline_counts": before,
        "cases": _examples(mine, shared),
    }
    n = len(shared)
    make = checks.DEGENERATION.finding
    if not n:
        return make(
            Status.INCONCLUSIVE, f"{data.suite.name}: no reply of both modes to look at.", mode=data.mode, data=info
        )
    named = (
        ", ".join(f"{counts[s]} {s} (baseline {before[s]})" for s in SIGNS if counts[s] or before[s]) or "no sign of it"
    )
    text = f"{data.suite.name}: in {n} replies {named}"
    common: dict[str, Any] = {
        "mode": data.mode,
        "observed": named,
        "threshold": f"at most {100 * margin:g} points more than the baseline",
        "known_by": SEEN,
        "data": info,
    }
    broken = {c: (bool(signs(mine[c]) & blocking), bool(signs(base[c]) & blocking)) for c in shared}
    worst = _three_way(
        [
            reading(mine[c].asked, mine[c].goes_with, float(not ours), float(not theirs))
            for c, (ours, theirs) in broken.items()
        ],
        margin,
        data.alpha,
    )
    if worst is Status.FAIL:
        return make(
            Status.FAIL, f"{text}: more than the margin of {100 * margin:g} points over the baseline.", **common
        )
    if worst is Status.INCONCLUSIVE:
        return make(
            Status.INCONCLUSIVE, f"{text}: more than in the baseline, and too few cases to tell how much.", **common
        )
    rest = any(counts[s] > before[s] for s in SIGNS)
    return make(Status.WARN if rest else Status.PASS, f"{text}.", **common)


def _three_way(clean: list[Reading], margin: float, alpha: float) -> Status:
    """A mode that is unclean nowhere but where the baseline is passes at any n."""
    if all(one.mode >= one.base for one in clean):
        return Status.PASS
    units = sample(clean, alpha)
    if units.interval().high <= -margin:
        return Status.FAIL
    return Status.PASS if units.shows(margin) else Status.INCONCLUSIVE


def _examples(mine: dict[str, Answer], shared: list[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for case in shared:
        seen = sorted(signs(mine[case]))
        if seen:
            tokens = mine[case].signals.special_tokens if mine[case].signals else ()  # type: ignore[union-attr]
            found.append(
                {
                    "case": case,
                    "signs": seen,
                    "tokens": list(tokens),
                    "tail": cut(mine[case].exchange.text, 200, tail=True),
                }
            )
    return found[:20]


def length_honesty(answers: Answers, suites: Sequence[SuiteFacts], mode: str, baseline: str, alpha: float) -> Finding:
    """Geometric mean of the ratio of reply lengths, clustered by case, with its interval."""
    logs = []
    for suite in suites:
        base = answers.first(suite.name, baseline)
        for case, one in answers.first(suite.name, mode).items():
            if case in base and (a := _length(one)) and (b := _length(base[case])):
                logs.append(math.log(a / b))
    make = checks.LENGTH_HONESTY.finding
    n = len(logs)
    if n < 2:
        return make(Status.NOT_APPLICABLE, "fewer than two cases have replies in both modes.", mode=mode, counts=False)
    mean = sum(logs) / n
    error = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1) / n)
    half = t_quantile(1 - alpha, n - 1) * error
    ratio, low, high = math.exp(mean), math.exp(mean - half), math.exp(mean + half)
    info: dict[str, object] = {"pairs": n, "ratio": round(ratio, 4), "low": round(low, 4), "high": round(high, 4)}
    text = f"replies are {ratio:.2f} times as long as the baseline's ({low:.2f} to {high:.2f}, {n} cases)"
    common: dict[str, Any] = {
        "mode": mode,
        "observed": f"{ratio:.2f}",
        "threshold": "0.8 to 1.25",
        "known_by": SEEN,
        "data": info,
    }
    if low < 0.8 or high > 1.25:
        return make(Status.WARN, f"{text}: tokens per second of the two are not comparable.", **common)
    return make(Status.PASS, f"{text}.", **common)


def _length(one: Answer) -> int:
    """Tokens as the server counted them; characters where it did not (both modes are then counted so)."""
    return (one.exchange.completion_tokens or len(one.exchange.text)) if one.exchange.ok else 0

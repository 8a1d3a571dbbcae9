"""Findings on the replies themselves: degeneration, length, where along them they fail, the judge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from statistics import fmean
from typing import Literal

from evalkit.analysis.pairs import Answers, Reading, Table, reading, sample
from evalkit.analysis.suites import ALWAYS, BLOCKING, SIGNS, mean_of, signs, thirds_of
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.quality import checks
from evalkit.items.quality import reply_words as words
from evalkit.items.quality.loss import SEEN, on_suite
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.stats.distributions import t_quantile
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import guarded_mean
from evalkit.text import cut

#: ratios of lengths that are about the same
_LENGTH_RANGE = (0.8, 1.25)
#: share of the cases by which more of a mode's replies than of the baseline's may be word for word another case's
_SAME = 0.25
_EXAMPLES = 20
_JUDGED = frozenset({"rubric", "prefer"})


def degeneration(answers: Answers, data: Table, margin: float) -> Finding:
    """Three-way on the share of replies that show a sign of falling apart, against the baseline's."""
    mine, base = answers.first(data.suite.name, data.mode), answers.first(data.suite.name, data.baseline)
    blocking = BLOCKING if data.suite.kind in ("long", "tools") else ALWAYS
    shared = [case for case, one in mine.items() if one.exchange.ok and case in base and base[case].exchange.ok]
    seen, seen_before = ({case: signs(replies[case]) for case in shared} for replies in (mine, base))
    counts, before = _counted(seen), _counted(seen_before)
    clean = [
        reading(mine[c].asked, mine[c].goes_with, float(not seen[c] & blocking), float(not seen_before[c] & blocking))
        for c in shared
    ]
    outcome: Literal["as-sound", "more", "over-margin", "open", "no-replies"] = "no-replies"
    if shared:
        worst = _three_way(clean, margin, data.alpha)
        within: Literal["as-sound", "more"] = "more" if any(counts[s] > before[s] for s in SIGNS) else "as-sound"
        outcome = worst or within
    values = words.Degeneration(
        **on_suite(data), outcome=outcome, margin=margin, replies=len(shared), mode_counts=counts,
        baseline_counts=before, examples=_examples(mine, seen),
    )  # fmt: skip
    return checks.DEGENERATION.found(values, mode=data.mode, known_by=SEEN if shared else None)


def _counted(seen: dict[str, frozenset[str]]) -> dict[str, int]:
    """Of each sign, how many replies show it."""
    found = Counter(sign for signs in seen.values() for sign in signs)
    return {sign: found[sign] for sign in SIGNS}


def _three_way(clean: list[Reading], margin: float, alpha: float) -> Literal["over-margin", "open"] | None:
    """None: shown to lie within the margin. A mode that is unclean only where the baseline is passes at any n."""
    if all(one.mode >= one.base for one in clean):
        return None
    units = sample(clean, alpha)
    if units.interval().high <= -margin:
        return "over-margin"
    return None if units.shows(margin) else "open"


def _examples(mine: dict[str, Answer], seen: dict[str, frozenset[str]]) -> tuple[dict[str, object], ...]:
    found: list[dict[str, object]] = []
    for case in islice((case for case, broken in seen.items() if broken), _EXAMPLES):
        one = mine[case]
        tokens = list(one.signals.special_tokens) if one.signals else []
        tail = cut(one.exchange.text, 200, tail=True)
        found.append({"case": case, "signs": sorted(seen[case]), "tokens": tokens, "tail": tail})
    return tuple(found)


def length_honesty(  # noqa: PLR0917  called once
    answers: Answers, suites: Sequence[SuiteFacts], mode: str, baseline: str, alpha: float, unasked: bool
) -> Finding:
    """Geometric mean of the ratio of reply lengths, clustered by case, with its interval. `unasked`: a reply that
    answers nothing passes the suites, so that only the replies themselves show whether the mode answers.
    """
    both = [
        (one, base[case])
        for suite in suites
        for base in (answers.first(suite.name, baseline),)
        for case, one in answers.first(suite.name, mode).items()
        if case in base and one.exchange.ok and base[case].exchange.ok
    ]
    found = _ratio([(_length(one), _length(other)) for one, other in both], alpha)
    if found is None:
        return checks.LENGTH_HONESTY.found(words.LengthHonesty(outcome="too-few"), mode=mode, counts=False)
    if unasked:  # the count is the server's own
        seen = _ratio([(_characters(one), _characters(other)) for one, other in both], alpha)
        found = seen if seen is not None and _alike(found) else found
    same, before = (_same([pair[side] for pair in both]) for side in (0, 1))
    outcome: Literal["alike", "apart", "apart-unasked", "same-unasked"] = "alike"
    if not _alike(found):
        outcome = "apart-unasked" if unasked else "apart"
    elif unasked and same - before > _SAME * len(both):
        outcome = "same-unasked"
    n, ratio, low, high = found
    values = words.LengthHonesty(outcome=outcome, pairs=n, ratio=ratio, low=low, high=high)
    if outcome == "same-unasked":
        values = values.model_copy(update={"same": same, "baseline_same": before})
    return checks.LENGTH_HONESTY.found(values, mode=mode, known_by=SEEN)


def _ratio(lengths: Sequence[tuple[int, int]], alpha: float) -> tuple[int, float, float, float] | None:
    """How many pairs have both lengths, and the geometric mean of their ratios with its interval."""
    logs = [math.log(a / b) for a, b in lengths if a and b]
    n = len(logs)
    if n < 2:
        return None
    mean = sum(logs) / n
    error = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1) / n)
    half = t_quantile(1 - alpha, n - 1) * error
    return n, math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def _alike(found: tuple[int, float, float, float]) -> bool:
    _, _, low, high = found
    return low >= _LENGTH_RANGE[0] and high <= _LENGTH_RANGE[1]


def _length(one: Answer) -> int:
    """Tokens as the server counted them; characters where it did not (both modes are then counted so)."""
    return one.exchange.completion_tokens or len(one.exchange.text)


def _characters(one: Answer) -> int:
    return len(one.exchange.text) + sum(len(call.arguments) for call in one.exchange.tool_calls)


def _same(replies: Sequence[Answer]) -> int:
    """How many replies are also those to cases that ask something else."""
    asked: dict[str, set[str]] = {}
    for one in replies:
        asked.setdefault(one.reply_sha256, set()).add(one.asked)
    return sum(len(asked[one.reply_sha256]) > 1 for one in replies)


def by_position(answers: Answers, data: Table, margin: float) -> Finding | None:
    """The paired loss in the last third, and whether it grows along the reply. None where no case measures places."""
    mine, base = answers.first(data.suite.name, data.mode), answers.first(data.suite.name, data.baseline)
    pairs = [
        (case, found, before)
        for case, one in mine.items()
        if case in base and (found := thirds_of(one)) is not None and (before := thirds_of(base[case])) is not None
    ]
    if not pairs:
        return None
    clusters = {pair.case_id: pair.cluster for pair in data.pairs}
    last = _interval([(clusters[case], a[2] - b[2]) for case, a, b in pairs], data.alpha)
    growth = _interval([(clusters[case], (a[2] - a[0]) - (b[2] - b[0])) for case, a, b in pairs], data.alpha)
    outcome: Literal["even", "grows", "end-lost"] = "grows" if growth.high < 0 else "even"
    values = words.ByPosition(
        **on_suite(data), outcome="end-lost" if last.high <= -margin else outcome, margin=margin, replies=len(pairs),
        by_third=mean_of([a for _, a, _ in pairs]),
        baseline_by_third=mean_of([b for _, _, b in pairs]), last_third=last.estimate,
        low=last.low, high=last.high, growth_low=growth.low,
        growth_high=growth.high,
    )  # fmt: skip
    return checks.BY_POSITION.found(values, mode=data.mode, known_by=SEEN)


def _interval(differences: list[tuple[str, float]], alpha: float) -> Interval:
    groups: dict[str, list[float]] = {}
    for cluster, value in differences:
        groups.setdefault(cluster, []).append(float(value))
    return guarded_mean([group[0] if len(group) == 1 else fmean(group) for group in groups.values()], alpha)


def judge(checklist: Checklist, facts: Facts, mode: str) -> Finding | None:
    """Yes answers beside the baseline's, preferences, flips, and what stayed unscored. None: no case asks a judge.

    What a judge says is for people to read: it never counts.
    """
    asked = any(g.grader in _JUDGED for one in facts.answers if one.mode == mode for g in one.grades)
    mine = [one for one in facts.judgements if one.mode == mode]
    if not asked and not mine:
        return None
    if not mine:
        configured = checklist.items.quality.judge is not None
        none = words.Judged(outcome="not-asked" if configured else "not-configured")
        return checks.JUDGE.found(none, mode=mode, counts=False)
    baseline = checklist.baseline.quality
    preferences = Counter(one.preference for one in mine if one.preference)
    answers = [yes for one in mine for yes in one.answers]
    before = [yes for one in facts.judgements if one.mode == baseline for yes in one.answers]
    compared, flipped = preferences.total(), sum(one.flipped for one in mine)
    unscored = Counter(one.unscored for one in mine if one.unscored is not None)
    values = words.Judged(
        outcome="clear" if not unscored and flipped * 4 <= compared else "unclear", is_baseline=mode == baseline,
        judge=mine[-1].judge, judges=tuple(sorted({one.judge for one in mine})),
        prompts=tuple(sorted({one.prompt_sha256 for one in mine})), questions=len(answers), yes=sum(answers),
        baseline_questions=len(before), baseline_yes=sum(before), compared=compared, better=preferences["mode"],
        worse=preferences["baseline"], ties=preferences["tie"], flipped=flipped, unscored=unscored.total(),
        why_unscored={why: n for why, n in unscored.items() if why},
    )  # fmt: skip
    return checks.JUDGE.found(values, mode=mode, known_by=KnownBy.INFERRED, counts=False)

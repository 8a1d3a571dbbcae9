"""Whether the timed replies are what was asked for: sound texts, of honest length, each of them decoded. Pure."""

from __future__ import annotations

from evalkit.analysis import replies
from evalkit.analysis.readings import Readings, geometric
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status, worst
from evalkit.items.modes import checks as check
from evalkit.stats.ratio import log_ratios

#: one-sided error of "more than the baseline", shared by the six signs
_ALPHA = 0.05 / 6
#: share of the prompts by which a mode may show a sign more often than the baseline
_SLACK = 0.05
_LENGTH_RANGE = (0.8, 1.25)
#: prompts of the warm-up that are held against their timed readings
_FEWEST_WARM = 2


def of_replies(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> list[Finding]:
    """Findings on the texts of one mode's timed replies."""
    return [
        _sound(checklist, readings, mode),
        _length(checklist, readings, mode),
        *_token_counts(checklist, readings, mode),
        second_readings(checklist, facts, readings, mode),
    ]


def _sound(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    counts = replies.sign_counts(readings, mode, baseline, level)
    status = worst([Status.PASS, *(_status(one) for one in counts)])
    prompts = counts[0].prompts if counts else len(readings.times(mode, level))
    shown = ", ".join(f"{one.mode} {one.sign} (baseline {one.baseline})" for one in counts) or "no sign of broken text"
    text = f"replies to {prompts} prompts: {shown}"
    if status is Status.FAIL:
        text += f": more than {baseline} by more than chance explains"
    elif any(one.sign == replies.NO_END and _status(one) is Status.INCONCLUSIVE for one in counts):
        text += f": {baseline} closes thinking that its template opens, and {mode} may never come to an answer"
    elif status is Status.INCONCLUSIVE:
        text += f": more than {baseline}, and too few to tell whether by chance"
    data: dict[str, object] = {
        "prompts": prompts,
        "signs": {one.sign: {"mode": one.mode, "baseline": one.baseline, "p": round(one.p, 5)} for one in counts},
    }
    return check.REPLIES.finding(
        status, f"{text}.", mode=mode, observed=shown, known_by=KnownBy.OBSERVED, data=data
    )  # fmt: skip


def _status(one: replies.SignCount) -> Status:
    more = one.gained - one.lost
    if more <= 0:
        return Status.PASS
    if one.p <= _ALPHA:  # a mode that is not made to think has no end of thinking either
        return Status.INCONCLUSIVE if one.sign == replies.NO_END else Status.FAIL
    return Status.WARN if more <= max(1, _SLACK * one.prompts) else Status.INCONCLUSIVE


def _length(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    """By characters, and by tokens where both counts can be right: a gain that only shorter replies explain is none."""
    item, baseline, level = checklist.items.modes, checklist.baseline.speed, checklist.items.modes.level
    ratios = {"characters": geometric(log_ratios(*(replies.lengths(readings, m, level) for m in (mode, baseline))))}
    per = replies.per_character(readings, baseline, level), replies.per_character(readings, mode, level)
    each = {"characters": replies.gain(*per, item.confidence)}
    if replies.counts_agree(readings, mode, baseline, level):
        ratios["tokens"] = geometric(log_ratios(*(readings.tokens(m, level) for m in (mode, baseline))))
        per = readings.per_token(baseline, level), readings.per_token(mode, level)
        each["tokens"] = replies.gain(*per, item.confidence)
    known = {unit: ratio for unit, ratio in ratios.items() if ratio is not None}
    make = check.LENGTH.finding
    if not known:
        return make(
            Status.WARN, f"no prompt has replies of {mode} and {baseline}: lengths are not compared.", mode=mode
        )
    off = [unit for unit, ratio in known.items() if not _LENGTH_RANGE[0] <= ratio <= _LENGTH_RANGE[1]]
    under = [unit for unit in known if (one := each[unit]) is None or one.low < item.speedup.at_least]
    lengths = ", ".join(f"{ratio:.2f}x in {unit}" for unit, ratio in known.items())
    gains = ", ".join(f"{one.ratio:.2f}x per {unit[:-1]}" for unit, one in each.items() if one is not None)
    text = f"replies are {lengths} as long as those of {baseline}; the speed-up is {gains or 'not known'}"
    status = Status.PASS
    if off:
        status = Status.INCONCLUSIVE if under else Status.WARN
    if off and under:
        text += f": at equal length {item.speedup.at_least:g}x is not shown"
    data: dict[str, object] = {
        "length_ratio": known.get("tokens", known.get("characters")),
        "length_ratios": known,
        "per_token_ratio": one.ratio if (one := each.get("tokens")) else None,
        "per_character_ratio": one.ratio if (one := each.get("characters")) else None,
    }
    return make(
        status, f"{text}.", mode=mode, observed=lengths, threshold="0.8 to 1.25", known_by=KnownBy.OBSERVED, data=data
    )  # fmt: skip


def _token_counts(checklist: Checklist, readings: Readings, mode: str) -> list[Finding]:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    ratio = replies.token_size_ratio(readings, mode, baseline, level)
    if ratio is None:
        return []
    data: dict[str, object] = {"ratio": ratio}
    text = f"{mode} counts {ratio:.2f}x the tokens of {baseline} for the same number of characters"
    if replies.counts_agree(readings, mode, baseline, level):
        return [check.TOKEN_COUNTS.finding(Status.PASS, f"{text}.", mode=mode, known_by=KnownBy.OBSERVED, data=data)]
    text += ": one of the counts is wrong, so figures per token are not shown"
    return [check.TOKEN_COUNTS.finding(Status.WARN, f"{text}.", mode=mode, known_by=KnownBy.OBSERVED, data=data)]


def second_readings(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    """Two readings of one prompt that differ by 2x, again and again, are not of the same work; nor is the warm-up's."""
    level = checklist.items.modes.level
    both = {m: replies.again(readings, m, level) for m in dict.fromkeys((mode, checklist.baseline.speed))}
    seen = {m: {"prompts": one.prompts, "faster": one.faster, "slower": one.slower} for m, one in both.items()}
    off = {m: one for m, one in both.items() if one.systematic}
    make = check.SECOND_READINGS.finding
    data: dict[str, object] = {"readings": seen}
    if off:
        shown = "; ".join(
            f"{m}: {max(one.faster, one.slower)} of {one.prompts} prompts took "
            f"{'half the time or less' if one.faster >= one.slower else 'twice the time or more'} when asked again"
            for m, one in off.items()
        )
        text = f"{shown}: a cache of replies, or another server, answers part of the requests."
        return make(Status.INCONCLUSIVE, text, mode=mode, known_by=KnownBy.OBSERVED, data=data)
    warm = {m: replies.warm_ups(readings, facts.warmups, m, level) for m in both}
    kept = {m: n for m, (n, faster) in warm.items() if n >= _FEWEST_WARM and faster == n}
    if kept:
        shown = "; ".join(f"{m}: all {n} prompts of the warm-up took half the time or less" for m, n in kept.items())
        text = f"{shown} when timed: a cache holds replies of an earlier run, or another server answers."
        return make(Status.INCONCLUSIVE, text, mode=mode, known_by=KnownBy.OBSERVED, data=data)
    if not any(one.prompts for one in both.values()):
        return make(Status.WARN, "each prompt was read once: a cache of replies would not show.", mode=mode, data=data)
    text = "two readings of a prompt take about the same time in each mode."
    return make(Status.PASS, text, mode=mode, known_by=KnownBy.OBSERVED, data=data)

"""Whether the timed replies are what was asked for: sound texts, of honest length, each of them decoded. Pure."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.analysis import replies
from evalkit.analysis.copies import REPEATED
from evalkit.analysis.readings import Readings, geometric
from evalkit.analysis.speed import Claim
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import checks as check
from evalkit.items.modes import reply_words as words
from evalkit.stats.distributions import t_quantile
from evalkit.stats.ratio import log_ratios

#: one-sided error of "more than the baseline", shared by the ten signs
_ALPHA = 0.05 / 10
#: error of strange replies, and the share of the prompts up to which they are a warning: sound modes have next to none
_STRANGE = 0.05, 0.1
#: share of the prompts by which a mode may show a sign more often than the baseline
_SLACK = 0.05
#: share of the prompts from which on a sign of the baseline's lies in what is asked: a lack of it may be the fault
_USUAL = 0.25
_LENGTH_RANGE = (0.8, 1.25)
#: prompts of the warm-up that are compared with their timed readings
_FEWEST_WARM = 2
#: chance at which fresh texts are slower, and the factor (log) that another kind of text alone may explain
_SURE, _OTHER_KIND = 0.99, math.log(3)
#: what the signs amount to is the first of these that one of them shows
_WORST_FIRST = ("more", "never-ends", "not-own", "strange", "undecided", "few-more")


def of_replies(
    checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None = None
) -> list[Finding]:
    """Findings on the texts of one mode's timed replies."""
    return [
        _sound(checklist, readings, mode),
        _length(checklist, readings, mode),
        *_token_counts(checklist, readings, mode),
        second_readings(checklist, facts, readings, mode, claim),
    ]


def _sound(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    counts = replies.sign_counts(readings, mode, baseline, level)
    found = {_more(one) for one in counts}
    values = words.Replies(
        outcome=next((one for one in _WORST_FIRST if one in found), "as-sound"), mode=mode, baseline=baseline,
        prompts=counts[0].prompts if counts else len(readings.times(mode, level)),
        signs={one.sign: words.SignSeen(mode=one.mode, baseline=one.baseline, p=round(one.p, 5)) for one in counts},
    )  # fmt: skip
    return check.REPLIES.found(values, mode=mode, known_by=KnownBy.OBSERVED)


_More = Literal["more", "never-ends", "not-own", "strange", "undecided", "few-more"]


def _more(one: replies.SignCount) -> _More | None:
    """What more of a sign than in the baseline shows; None: there is no more of it."""
    more = one.gained - one.lost
    if more <= 0:
        return None
    if one.sign == replies.STRANGE:  # two sound modes may differ in some of their replies
        return "strange" if one.p <= _STRANGE[0] and more > _STRANGE[1] * one.prompts else "few-more"
    if one.p > _ALPHA and more <= max(1, _SLACK * one.prompts):
        return "few-more"
    if one.sign == replies.NO_END:  # a mode that is not made to think has no end of thinking either
        return "never-ends"
    if one.sign in replies.NOT_OWN:  # a baseline in another manner may put into words of its own what the mode quotes
        return "not-own" if one.p <= _ALPHA else "undecided"
    if one.sign == REPEATED and one.baseline >= _USUAL * one.prompts:
        return "not-own"
    return "undecided" if one.p > _ALPHA else "more"


def _length(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    """By characters, and by tokens where both counts can be right: a gain that only shorter replies explain is none."""
    item, baseline, level = checklist.items.modes, checklist.baseline.speed, checklist.items.modes.level
    ratios: dict[str, float | None] = {}
    each: dict[str, replies.Gain | None] = {}
    units = {"characters": False}
    if any(replies.reasons(readings, m, level) for m in (mode, baseline)):
        units[words.VISIBLE] = True  # what no user reads makes no reply longer
    for unit, visible in units.items():
        mine, theirs = (replies.lengths(readings, m, level, visible=visible) for m in (mode, baseline))
        ratios[unit] = geometric(log_ratios(mine, theirs))
        before, after = (replies.per_character(readings, m, level, visible=visible) for m in (baseline, mode))
        each[unit] = replies.gain(before, after, item.confidence)
    if replies.counts_agree(readings, mode, baseline, level):
        ratios["tokens"] = geometric(log_ratios(*(readings.tokens(m, level) for m in (mode, baseline))))
        per = readings.per_token(baseline, level), readings.per_token(mode, level)
        each["tokens"] = replies.gain(*per, item.confidence)
    known = {unit: ratio for unit, ratio in ratios.items() if ratio is not None}
    values = words.ReplyLength(outcome="not-compared", mode=mode, baseline=baseline, at_least=item.speedup.at_least)
    if not known:
        return check.LENGTH.found(values, mode=mode)
    off = any(not _LENGTH_RANGE[0] <= ratio <= _LENGTH_RANGE[1] for ratio in known.values())
    under = any((one := each[unit]) is None or one.low < item.speedup.at_least for unit in known)
    values = values.model_copy(update={
        "outcome": ("unproven" if under else "apart") if off else "alike",
        "length_ratio": known.get("tokens", known.get("characters")),
        "length_ratios": known,
        "per_token_ratio": one.ratio if (one := each.get("tokens")) else None,
        "per_character_ratio": one.ratio if (one := each.get("characters")) else None,
    })  # fmt: skip
    return check.LENGTH.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _token_counts(checklist: Checklist, readings: Readings, mode: str) -> list[Finding]:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    ratio = replies.token_size_ratio(readings, mode, baseline, level)
    if ratio is None:
        return []
    agree = replies.counts_agree(readings, mode, baseline, level)
    values = words.TokenCounts(outcome="agree" if agree else "contradict", mode=mode, baseline=baseline, ratio=ratio)
    return [check.TOKEN_COUNTS.found(values, mode=mode, known_by=KnownBy.OBSERVED)]


def second_readings(
    checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None = None
) -> Finding:
    """Two readings of one prompt that differ by 2x, again and again, are not of the same work; nor is the warm-up's."""
    level = checklist.items.modes.level
    both = {m: replies.again(readings, m, level) for m in dict.fromkeys((mode, checklist.baseline.speed))}
    seen = {m: words.Twice(prompts=one.prompts, faster=one.faster, slower=one.slower) for m, one in both.items()}
    off = tuple(m for m, one in both.items() if one.systematic)
    warm = {m: replies.warm_ups(readings, facts.warmups, m, level) for m in both}
    kept = {m: n for m, (n, faster) in warm.items() if n >= _FEWEST_WARM and faster == n}
    known: KnownBy | None = KnownBy.OBSERVED
    outcome: Literal["alike", "read-once", "differ", "warm-up-slower", "fresh-differ"] = "alike"
    fresh = _fresh(facts, readings, mode, claim)
    if off:
        outcome = "differ"
    elif kept:
        outcome = "warm-up-slower"
    elif fresh is not None:
        outcome = "fresh-differ"
    elif not any(one.prompts for one in both.values()):
        outcome, known = "read-once", None
    values = words.SecondReadings(
        outcome=outcome, readings=seen, off=off, warm=kept, mode=mode, baseline=checklist.baseline.speed, fresh=fresh,
    )  # fmt: skip
    return check.SECOND_READINGS.found(values, mode=mode, known_by=known)


def _fresh(facts: Facts, readings: Readings, mode: str, claim: Claim | None) -> float | None:
    """By how much fresh texts slow the mode more than the baseline, where that is beyond chance and the claim rests on
    it. New questions are of another kind than the prompts: only a large difference counts.
    """
    if claim is None or claim.estimate is None or claim.outcome not in {"shown", "below"}:
        return None
    for prompts, least in ((True, 0.0), (False, _OTHER_KIND)):
        mine, theirs = (
            replies.fresh(readings, facts.warmups, m, claim.concurrency, prompts=prompts)
            for m in (mode, claim.baseline)
        )
        if mine is None or theirs is None:
            continue
        gap, error = mine.mean - theirs.mean, math.hypot(mine.error, theirs.error)
        if abs(gap) <= max(least, t_quantile(_SURE, min(mine.df, theirs.df)) * error):
            continue
        low, high = claim.estimate.low * math.exp(-gap), claim.estimate.high * math.exp(-gap)
        if low < claim.at_least if claim.outcome == "shown" else high >= claim.at_least:
            return math.exp(gap)
    return None

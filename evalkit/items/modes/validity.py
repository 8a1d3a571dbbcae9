"""Whether the figures of a mode may be believed: failures, own error, noise, drift, engine, cache, launches, other work
on the machine, and the way to each server. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from statistics import fmean, median
from typing import Literal

from evalkit.analysis.order import Contrast
from evalkit.analysis.readings import Readings, geometric
from evalkit.analysis.speed import Claim, without_way
from evalkit.analysis.traffic import cached
from evalkit.analysis.witness import crowd, crowded
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Note
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import checks as check
from evalkit.items.modes import guard_words, words
from evalkit.items.modes.replies import of_replies
from evalkit.items.modes.worth import throttled
from evalkit.stats.percentiles import percentile
from evalkit.stats.proportions import wilson
from evalkit.stats.ratio import log_ratios
from evalkit.stats.trend import trend
from evalkit.timing.facts import MOST_CPU, MOST_ERROR

#: difference of failure shares that may be passed over
_FAILURE_SLACK = 0.01
#: share of failures from which nothing is passed over
_MOST_FAILED = 0.05
_CACHED_SLACK = 0.1
#: share by which late ends have to move a ratio, so that they may decide it
_TAIL = 0.02
#: share of the cores that a hypervisor may give to others
_MOST_STEAL = 0.05
_NOTED_SHARE = 0.05
#: what the client's notes on a stream amount to
_NOTES: dict[Note, guard_words.StreamFault] = {
    Note.COALESCED: "together", Note.CONTRADICTS: "contradiction", Note.BACKWARDS: "contradiction",
    Note.NO_TOKEN: "contradiction", Note.SAME_COUNT: "contradiction", Note.NO_COUNT: "contradiction",
    Note.REPEATED: "twice", Note.NO_DONE: "no-done", Note.NO_FINISH: "no-finish", Note.CUT: "cut", Note.CLOSED: "cut",
    Note.UNSTREAMED: "whole",
}  # fmt: skip


def validity(checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None) -> list[Finding]:
    """Findings that guard the figures of one mode."""
    found = [
        _failures(checklist, readings, mode),
        _client_error(checklist, facts, readings, mode),
        _warm_up(checklist, facts, mode),
        _stream(checklist, readings, mode),
        throttled(facts, mode, checklist.items.modes.level),
    ]
    if mode != checklist.baseline.speed:
        found += [
            _noise_floor(mode, claim),
            _order_trend(checklist, readings, mode, claim),
            *_witness(checklist, facts, mode),
            *_round_trip(checklist, facts, readings, mode, claim),
            *_tail(readings, mode, claim),
            *of_replies(checklist, facts, readings, mode, claim),
            _same_engine(checklist, facts, mode),
            _cache(checklist, facts, readings, mode, claim),
            _launches(checklist, readings, mode, claim),
        ]
    return found


def _failures(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    n, k = len(readings.all(mode, level)), readings.failed(mode, level)
    base_n, base_k = len(readings.all(baseline, level)), readings.failed(baseline, level)
    share, base = (k / n if n else 1.0), (base_k / base_n if base_n else 0.0)
    outcome: Literal["none", "as-rare", "unequal"] = "unequal"
    if k == 0 and base_k == 0:
        outcome = "none"
    elif abs(share - base) <= _FAILURE_SLACK and share <= _MOST_FAILED:
        outcome = "as-rare"
    values = guard_words.Failures(
        outcome=outcome, baseline=baseline, failed=k, requests=n, upper=wilson(k, n).high, baseline_failed=base_k,
        baseline_requests=base_n,
    )  # fmt: skip
    return check.FAILURES.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _client_error(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    item = checklist.items.modes
    level, at_least = item.level, item.speedup.at_least
    claimed = at_least > 1 and mode != checklist.baseline.speed
    limit = (at_least - 1) / 10 if claimed else MOST_ERROR
    known = [e for e in facts.client_errors if e.streams >= level]
    times = [t for each in readings.times(mode, level).values() for t in each]
    if not known or not times:
        missing = guard_words.ClientError(outcome="not-measured", streams=level, limit=limit, at_least=at_least)
        return check.CLIENT_ERROR.found(missing, mode=mode)
    nearest = min(e.streams for e in known)
    at = [e for e in known if e.streams == nearest]
    middle, own = median(times), max(abs(e.e2e_error_ms) for e in at)
    lags = sorted(s.loop_lag_p99_ms or 0.0 for s in readings.all(mode, level))
    shares = sorted(s.cpu_share or 0.0 for s in readings.all(mode, level))
    lag, cpu = percentile(lags, 0.5), percentile(shares, 0.9)
    short = next((e.warning for e in at if e.short), None)
    too_much = max(own, lag) / middle > limit or cpu > MOST_CPU
    values = guard_words.ClientError(
        outcome="too-large" if too_much else "not-known" if short else "small", streams=nearest, limit=limit,
        at_least=at_least, share=own / middle, error_ms=own, median_ms=middle, lag_ms=lag, worst_lag_ms=lags[-1],
        lag_share=lag / middle, cpu=cpu, most_cpu=MOST_CPU, transport=at[0].transport, loop=at[0].loop, short=short,
    )  # fmt: skip
    return check.CLIENT_ERROR.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _warm_up(checklist: Checklist, facts: Facts, mode: str) -> Finding:
    level = checklist.items.modes.level
    found = [w for w in facts.warmups if w.mode == mode and w.concurrency == level]
    if not found:
        return check.WARM_UP.found(guard_words.WarmedUp(outcome="none", mode=mode, streams=level), mode=mode)
    sent, restless = sum(w.requests for w in found), [w for w in found if not w.levelled]
    values = guard_words.WarmedUp(
        outcome="restless" if restless else "levelled", mode=mode, streams=level, requests=sent,
        last_ms=restless[-1].last_e2e_ms if restless else (),
    )  # fmt: skip
    return check.WARM_UP.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _noise_floor(mode: str, claim: Claim | None) -> Finding:
    """Each mode against itself: what the order of the readings explains is subtracted from the claim, and shown."""
    found = claim.comparison if claim else None
    if found is None or not any(found.order.again.values()):
        return check.NOISE_FLOOR.found(words.NoiseFloor(outcome="read-once", mode=mode), mode=mode)
    kinds: tuple[tuple[Literal["again", "after"], Mapping[str, Contrast | None]], ...] = (
        ("again", found.order.again), ("after", found.order.after),
    )  # fmt: skip
    contrasts = tuple(
        words.SelfContrast(
            outcome="differs" if one.found else "agrees", mode=name, kind=kind, change=math.exp(one.mean),
            error=one.error, n=one.n,
        )
        for kind, of in kinds
        for name, one in of.items()
        if one is not None
    )  # fmt: skip
    shift = found.estimate.shift
    alike: Literal["agree", "differ-alike"] = (
        "differ-alike" if any(one.outcome == "differs" for one in contrasts) else "agree"
    )
    values = words.NoiseFloor(
        outcome="flatters" if shift > 0 else "hinders" if shift < 0 else alike, mode=mode, contrasts=contrasts,
        subtracted=shift,
    )  # fmt: skip
    return check.NOISE_FLOOR.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _order_trend(checklist: Checklist, readings: Readings, mode: str, claim: Claim | None) -> Finding:
    """A claim that holds at one end of the run and not at the other depends on when it is read."""
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    logs = log_ratios(readings.times(baseline, level), readings.times(mode, level))
    places: dict[str, list[int]] = {}
    for s in readings.all(mode, level):
        places.setdefault(s.prompt, []).append(s.position)
    prompts = [p for p in logs if p in places]
    found = trend([fmean(places[p]) for p in prompts], [logs[p] for p in prompts])
    if found is None:
        return check.ORDER_TREND.found(words.OrderTrend(outcome="too-few"), mode=mode)
    drifts = found.p < 0.01 and abs(math.log(found.change)) > 0.05
    crosses = drifts and claim is not None and claim.outcome == "shown"
    crosses = crosses and min(found.first, found.last) < math.log(checklist.items.modes.speedup.at_least)
    values = words.OrderTrend(
        outcome="crosses" if crosses else "drifts" if drifts else "still", change=found.change, p=found.p,
        first=math.exp(found.first), last=math.exp(found.last), at_least=checklist.items.modes.speedup.at_least,
    )  # fmt: skip
    return check.ORDER_TREND.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _witness(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """What else the machine did; nothing where it was not seen."""
    seen, item = crowd(facts), checklist.items.modes
    if seen is None:
        return []
    known: KnownBy | None = KnownBy.OBSERVED
    outcome: Literal["quiet", "steal", "not-known", "crowded", "crowded-gpu"] = "quiet"
    if (busy := crowded(item, facts)) is not None:
        outcome = busy
    elif seen.outside_cpu is None:
        outcome, known = "not-known", None
    elif (seen.steal or 0.0) > _MOST_STEAL:
        outcome = "steal"
    values = guard_words.Witness(
        outcome=outcome, seen=seen, most=item.outside_cpu, busiest=seen.busiest(item.outside_gpu),
        most_gpu=item.outside_gpu,
    )  # fmt: skip
    return [check.WITNESS.found(values, mode=mode, known_by=known)]


def _round_trip(
    checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None
) -> list[Finding]:
    """Whether the claim holds (or falls) without the difference of the two ways."""
    baseline = checklist.baseline.speed
    ways = [served.round_trip_ms if (served := facts.endpoints.get(label)) else None for label in (mode, baseline)]
    if ways[0] is None or ways[1] is None or claim is None or claim.estimate is None:
        return []
    factor = without_way(readings, (mode, baseline), (ways[0], ways[1]), checklist.items.modes.level)
    if factor is None:
        return []
    found, target = claim.estimate, claim.at_least
    gained = claim.outcome == "shown" and found.low * factor < target
    lost = claim.outcome == "below" and found.high * factor >= target
    values = guard_words.RoundTrip(
        outcome="may-decide" if gained or lost else "not-decisive", mode=mode, baseline=baseline, mode_ms=ways[0],
        baseline_ms=ways[1], ratio_without=found.ratio * factor,
    )  # fmt: skip
    return [check.ROUND_TRIP.found(values, mode=mode, known_by=KnownBy.OBSERVED)]


def _tail(readings: Readings, mode: str, claim: Claim | None) -> list[Finding]:
    """Whether the claim holds (or falls) by the end of the streams, and not by the last text that a reader sees."""
    if claim is None or claim.estimate is None:
        return []
    level, names = claim.concurrency, (mode, claim.baseline)
    mine, theirs = (readings.until_text(name, level) for name in names)
    factor = geometric(log_ratios(theirs, mine)) or 1.0
    found, target = claim.estimate, claim.at_least
    gained = claim.outcome == "shown" and found.low * factor < target and factor < 1 - _TAIL
    lost = claim.outcome == "below" and found.high * factor >= target and factor > 1 + _TAIL
    if not gained and not lost:
        return []
    late = [median(readings.tails(name, level)) for name in names]
    values = guard_words.Tail(
        outcome="may-decide", mode=mode, baseline=claim.baseline, mode_ms=late[0], baseline_ms=late[1],
        ratio_without=found.ratio * factor,
    )  # fmt: skip
    return [check.TAIL.found(values, mode=mode, known_by=KnownBy.OBSERVED)]


def _stream(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    """Notes of the client on single replies: chunks that arrived together, counts that contradict the text."""
    good = readings.good(mode, checklist.items.modes.level)
    kinds: Counter[guard_words.StreamFault] = Counter()
    for s in good:
        kinds.update({_NOTES[note] for note in s.exchange.noted if note in _NOTES})
    uncounted = sum(s.exchange.completion_tokens is None for s in good)
    if uncounted:
        kinds["uncounted"] = uncounted
    noted = max(kinds.values(), default=0) > _NOTED_SHARE * len(good)
    values = guard_words.Stream(outcome="noted" if noted else "clean", replies=len(good), kinds=dict(kinds))
    return check.STREAM.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)


def _same_engine(checklist: Checklist, facts: Facts, mode: str) -> Finding:
    mine, theirs = facts.endpoints.get(mode), facts.endpoints.get(checklist.baseline.speed)
    if mine is None or theirs is None or not mine.engine or not theirs.engine:
        return check.SAME_ENGINE.found(guard_words.SameEngine(outcome="not-known"), mode=mode)
    one, other = (f"{end.engine} {end.engine_version or ''}".strip() for end in (mine, theirs))
    outcome: Literal["same", "different"] = "same" if one == other else "different"
    values = guard_words.SameEngine(outcome=outcome, engine=one, baseline_engine=other)
    return check.SAME_ENGINE.found(values, mode=mode, known_by=mine.known_by)


def _cache(checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    mine, theirs = (cached(readings.good(m, level)) for m in (mode, baseline))
    state = facts.caches.get(mode)
    gone = next((s for m in (mode, baseline) if (s := facts.caches.get(m)) and s.method == "none"), None)
    method = state.method if state else None
    known: KnownBy | None = KnownBy.DECLARED
    kept = all((s := facts.caches.get(m)) is not None and s.method != "none" for m in (mode, baseline))
    outcome: guard_words.CacheOutcome = "equal"
    if mine is None or theirs is None:
        outcome, known = ("not-kept", KnownBy.OBSERVED) if gone is not None else ("not-reported", None)
    elif abs(mine - theirs) > _CACHED_SLACK:
        # Pages of a block hold less of a short shared prefix than pages of one token: a gain is then too small, not
        # too large.
        gains = mine < theirs and kept and claim is not None and claim.outcome == "shown"
        outcome = "helped-less" if gains else "unequal"
    elif _drafts_from_earlier_answers(facts, mode) and method == "flush":
        outcome = "lower-bound"
    values = guard_words.CacheEqual(
        outcome=outcome, mode=mode, baseline=baseline, method=method, cached=mine, baseline_cached=theirs,
        left=gone.mode if gone else None, why=gone.detail if gone else None,
    )  # fmt: skip
    return check.CACHE.found(values, mode=mode, known_by=known)


def _drafts_from_earlier_answers(facts: Facts, mode: str) -> bool:
    """SGLang's flush resets the n-gram store of NGRAM speculation (0.5.23, speculative/ngram_worker.py)."""
    served = facts.endpoints.get(mode)
    return served is not None and served.settings.get("speculative_algorithm") == "NGRAM"


def _launches(checklist: Checklist, readings: Readings, mode: str, claim: Claim | None) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    starts = min(len(readings.launches(m, level)) for m in (mode, baseline))
    found = claim.comparison if claim else None
    servers = found.servers if found else "apart"
    values = words.Launches(
        outcome="no-common-prompt" if starts >= 2 and servers != "replicated" else servers,
        mode=mode, baseline=baseline, starts=starts, start_sd=checklist.items.modes.start_sd,
        bracket=math.exp(found.bracket) if found and servers == "bracketed" else None,
        tipping=claim.tipping if claim else None,
    )  # fmt: skip
    return check.LAUNCHES.found(values, mode=mode, known_by=KnownBy.OBSERVED)

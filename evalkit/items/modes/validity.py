"""Whether the figures of a mode may be believed: failures, own error, noise, drift, length, engine, cache, launches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from statistics import fmean, median
from typing import Literal

from evalkit.analysis.order import Contrast
from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import Claim
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes import checks as check
from evalkit.items.modes import words
from evalkit.items.modes.power import throttled
from evalkit.items.modes.replies import of_replies
from evalkit.stats.percentiles import percentile
from evalkit.stats.proportions import wilson
from evalkit.stats.ratio import log_ratios
from evalkit.stats.trend import trend
from evalkit.timing.facts import MOST_CPU, MOST_ERROR

#: difference of failure shares that may be passed over
_FAILURE_SLACK = 0.01
_CACHED_SLACK = 0.1
_NOTED_SHARE = 0.05
#: how a note of the client begins, and what it says of the reply
_NOTES = {
    "coalesced": "with chunks that arrived together",
    "usage contradicts": "with counts that contradict the chunks",
    "usage went backwards": "with counts that contradict the chunks",
    "usage counts no token": "with counts that contradict the chunks",
    "usage counts the same": "with counts that contradict the chunks",
    "usage is no count": "with counts that contradict the chunks",
    "a chunk was repeated": "with a chunk that came twice",
    "no [DONE]": "without [DONE]",
    "no finish reason": "without a finish reason",
}


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
            _order_trend(checklist, readings, mode),
            *of_replies(checklist, readings, mode),
            _same_engine(checklist, facts, mode),
            _cache(checklist, facts, readings, mode),
            _launches(checklist, readings, mode, claim),
        ]
    return found


def _failures(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    n, k = len(readings.all(mode, level)), readings.failed(mode, level)
    base_n, base_k = len(readings.all(baseline, level)), readings.failed(baseline, level)
    share, base = (k / n if n else 1.0), (base_k / base_n if base_n else 0.0)
    text = f"{k} of {n} requests failed or came back empty; {base_k} of {base_n} of {baseline}"
    data: dict[str, object] = {"failed": k, "requests": n, "upper": wilson(k, n).high, "baseline_failed": base_k}
    if k == 0 and base_k == 0:
        status = Status.PASS
    elif abs(share - base) <= _FAILURE_SLACK and share <= 0.05:
        status = Status.WARN
    else:
        status, text = Status.INCONCLUSIVE, f"{text}: the times cover different requests"
    return check.FAILURES.finding(
        status, text + ".", mode=mode, observed=f"{share:.1%}", known_by=KnownBy.OBSERVED, data=data
    )


def _client_error(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    item = checklist.items.modes
    level, at_least = item.level, item.speedup.at_least
    claimed = at_least > 1 and mode != checklist.baseline.speed
    limit = (at_least - 1) / 10 if claimed else MOST_ERROR
    threshold = f"at most {limit:.1%} of E2E"
    make = check.CLIENT_ERROR.finding
    known = [e for e in facts.client_errors if e.streams >= level]
    times = [t for each in readings.times(mode, level).values() for t in each]
    if not known or not times:
        text = f"evalkit's own error at {level} streams was not measured."
        remedy = "run again: the calibration on loopback precedes timing (`evalkit doctor` shows it alone)"
        return make(Status.INCONCLUSIVE, text, mode=mode, threshold=threshold, remedy=remedy)
    nearest = min(e.streams for e in known)
    at = [e for e in known if e.streams == nearest]
    middle, own = median(times), max(abs(e.e2e_error_ms) for e in at)
    lags = sorted(s.loop_lag_p99_ms or 0.0 for s in readings.all(mode, level))
    shares = sorted(s.cpu_share or 0.0 for s in readings.all(mode, level))
    lag, cpu = percentile(lags, 0.5), percentile(shares, 0.9)
    text = (
        f"own error {own:.2f} ms, {own / middle:.2%} of the median {middle:.0f} ms at {nearest} streams "
        f"({at[0].transport}); loop lag p99 {lag:.1f} ms (worst {lags[-1]:.1f}), {cpu:.0%} of a core"
    )
    too_much = [
        what
        for what, bad in (
            ("the own error", own / middle > limit),
            (f"the lag, {lag / middle:.1%},", lag / middle > limit),
            ("the share of a core", cpu > MOST_CPU),
        )
        if bad
    ]
    if too_much:
        text += f": {' and '.join(too_much)} is too much for a claim of {at_least:g}x"
    unknown = next((e.warning for e in at if e.short), None)
    if unknown:
        text += f"; {unknown}"
    status = Status.INCONCLUSIVE if too_much or unknown else Status.PASS
    data: dict[str, object] = {"share": own / middle, "limit": limit, "error_ms": own, "lag_ms": lag, "cpu": cpu}
    observed = f"{own / middle:.2%}"
    return make(
        status, f"{text}.", mode=mode, observed=observed, threshold=threshold, known_by=KnownBy.OBSERVED, data=data
    )


def _warm_up(checklist: Checklist, facts: Facts, mode: str) -> Finding:
    level = checklist.items.modes.level
    found = [w for w in facts.warmups if w.mode == mode and w.concurrency == level]
    make = check.WARM_UP.finding
    if not found:
        return make(Status.WARN, f"no request warmed {mode} up at {level} streams.", mode=mode)
    sent, restless = sum(w.requests for w in found), [w for w in found if not w.levelled]
    if not restless:
        text = f"{sent} requests before the first counted one; the last two rounds agree within 15%."
        return make(Status.PASS, text, mode=mode, known_by=KnownBy.OBSERVED, data={"requests": sent})
    last = " then ".join(f"{ms:.1f}" for ms in restless[-1].last_e2e_ms)
    text = f"after {sent} requests the last rounds still differ ({last} ms a token)."
    return make(Status.WARN, text, mode=mode, known_by=KnownBy.OBSERVED, data={"requests": sent})


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


def _order_trend(checklist: Checklist, readings: Readings, mode: str) -> Finding:
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
    values = words.OrderTrend(outcome="drifts" if drifts else "still", change=found.change, p=found.p)
    return check.ORDER_TREND.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _stream(checklist: Checklist, readings: Readings, mode: str) -> Finding:
    """Notes of the client on single replies: chunks that arrived together, counts that contradict the text."""
    good = readings.good(mode, checklist.items.modes.level)
    kinds: Counter[str] = Counter()
    for s in good:
        kinds.update({kind for note in s.exchange.notes for words, kind in _NOTES.items() if note.startswith(words)})
    uncounted = sum(s.exchange.completion_tokens is None for s in good)
    if uncounted:
        kinds["without token counts"] = uncounted
    shown = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    bad = max(kinds.values(), default=0) > _NOTED_SHARE * len(good)
    text = (
        f"of {len(good)} replies: {shown}."
        if shown
        else f"{len(good)} replies, chunk by chunk, with counts that agree."
    )
    data: dict[str, object] = {"replies": len(good), **kinds}
    status = Status.WARN if bad else Status.PASS
    return check.STREAM.finding(status, text, mode=mode, counts=False, known_by=KnownBy.OBSERVED, data=data)


def _same_engine(checklist: Checklist, facts: Facts, mode: str) -> Finding:
    mine, theirs = facts.endpoints.get(mode), facts.endpoints.get(checklist.baseline.speed)
    make = check.SAME_ENGINE.finding
    if mine is None or theirs is None or not mine.engine or not theirs.engine:
        return make(Status.WARN, "the engine behind one of the endpoints is not known.", mode=mode)
    one, other = (
        f"{mine.engine} {mine.engine_version or ''}".strip(),
        f"{theirs.engine} {theirs.engine_version or ''}".strip(),
    )
    if one == other:
        return make(Status.PASS, f"both on {one}.", mode=mode, known_by=mine.known_by)
    return make(
        Status.WARN, f"{one} against {other}: the ratio is of engine and mode.", mode=mode, known_by=mine.known_by
    )


def _cached(readings: Readings, mode: str, level: int) -> float | None:
    pairs = [
        (s.exchange.cached_tokens, s.exchange.prompt_tokens)
        for s in readings.good(mode, level)
        if s.exchange.cached_tokens is not None and s.exchange.prompt_tokens
    ]
    return sum(c for c, _ in pairs) / sum(p for _, p in pairs if p) if pairs else None


def _cache(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    mine, theirs = _cached(readings, mode, level), _cached(readings, baseline, level)
    state = facts.caches.get(mode)
    how = state.method if state else "left as it was"
    make = check.CACHE.finding
    gone = next((s for m in (mode, baseline) if (s := facts.caches.get(m)) and s.method == "none"), None)
    if gone is not None and (mine is None or theirs is None):
        text = f"the cache of {gone.mode} was not kept equal ({gone.detail}), and cached tokens are not reported."
        return make(Status.INCONCLUSIVE, text, mode=mode, known_by=KnownBy.OBSERVED)
    if mine is None or theirs is None:
        text = f"the servers do not report cached tokens, which is unknown, not zero (cache: {how})."
        return make(Status.WARN, text, mode=mode)
    text = f"{mine:.0%} of the prompt tokens came from the cache, {theirs:.0%} for {baseline} (cache: {how})."
    data: dict[str, object] = {"cached": mine, "baseline_cached": theirs}
    if abs(mine - theirs) > _CACHED_SLACK:
        return make(Status.INCONCLUSIVE, text, mode=mode, known_by=KnownBy.DECLARED, data=data)
    if _drafts_from_earlier_answers(facts, mode) and how == "flush":
        text += f" The flush also empties what {mode} drafts from, so its speed-up is a lower bound."
        return make(Status.WARN, text, mode=mode, known_by=KnownBy.DECLARED, data=data)
    return make(Status.PASS, text, mode=mode, known_by=KnownBy.DECLARED, data=data)


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

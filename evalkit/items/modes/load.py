"""Open load and capacity of one mode: what decides and what is information. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from evalkit.analysis import capacity as search
from evalkit.analysis.load import CAPACITY, behaviour, kept, shown
from evalkit.analysis.load_claims import LoadClaim, claims
from evalkit.analysis.replies import NO_FAULT
from evalkit.checklist.load import MIN_BLOCKS, LoadPoint, Slo
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import load_words as words
from evalkit.items.modes import traffic_checks as check
from evalkit.stats.edge import most_of
from evalkit.stats.percentiles import SHARES, percentile
from evalkit.timing.facts import MOST_ERROR, LoadBlock

#: from which share more of the replies with a sign a mode is worse, and the standard errors of that difference
_WORSE, _ERRORS = 0.05, 1.645
#: of the baseline's output tokens: below, a gain may be of the length
_SHORT = 0.8


def load(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """Findings of one mode under every open load of the checklist, and of its capacity."""
    item = checklist.items.modes
    found: list[Finding] = []
    for place, point in enumerate(item.load):
        deciding = item.decides == "load" and place == 0
        found += _of_point(checklist, facts, mode, point, deciding=deciding)
    if item.capacity is not None:
        found += _of_capacity(checklist, facts, mode, deciding=item.decides == "capacity")
    return found


def _of_point(checklist: Checklist, facts: Facts, mode: str, point: LoadPoint, *, deciding: bool) -> list[Finding]:
    blocks = _blocks(facts, mode, point.key)
    refused = _refused(facts, mode, point, deciding=deciding)
    found = [refused] if refused else []
    against = _against(checklist, blocks, point.key, mode, deciding=deciding)
    found += [against] if against and not refused else []
    if mode != checklist.baseline.speed:
        found.append(_load(checklist, facts, mode, point, refused=refused is not None, deciding=deciding))
        found += _replies(checklist, facts, mode, point.key, deciding=deciding)
    return [*found, *_latency(checklist, blocks, mode, point, deciding=deciding)]


def _blocks(facts: Facts, mode: str, load: str) -> list[LoadBlock]:
    return [block for block in facts.loads if block.mode == mode and block.load == load]


def _load(checklist: Checklist, facts: Facts, mode: str, point: LoadPoint, *, refused: bool, deciding: bool) -> Finding:
    item, baseline = checklist.items.modes, checklist.baseline.speed
    claim: LoadClaim = claims(checklist, facts, point.key)[mode]
    mine, theirs = (shown(_blocks(facts, name, point.key)) for name in (mode, baseline))
    one = claim.ratio
    outcome: Literal["not-measured"] | None = "not-measured" if mine is None or theirs is None else None
    assert claim.outcome != "coarse"
    values = words.Load(
        outcome=outcome or claim.outcome, mode=mode, baseline=baseline, load=point.key, at_least=claim.at_least,
        ratio=one.ratio if one else None, low=one.low if one else None, high=one.high if one else None,
        confidence=item.confidence, blocks=one.blocks if one else 0, requests=mine.requests if mine else 0,
        failed=mine.failed if mine else 0, baseline_failed=theirs.failed if theirs else 0,
        unfinished=sum(s.ends.get("u", 0) for s in (mine, theirs) if s), start_term=one.start if one else None,
        unseen_term=one.unseen if one else None, blocks_needed=claim.needed,
        empty=_played(facts, (mode, baseline), point) - (one.blocks if one else 0),
        minutes_needed=_minutes(facts, (mode, baseline), point.key, claim),
        why=_why_not(facts, mode, refused=refused) if outcome else None,
    )  # fmt: skip
    return check.LOAD.found(values, mode=mode, known_by=KnownBy.OBSERVED if one else None, counts=deciding)


def _played(facts: Facts, modes: Sequence[str], point: LoadPoint) -> int:
    """Blocks that every one of the modes got."""
    return min(len(_blocks(facts, mode, point.key)) for mode in modes)


def _why_not(facts: Facts, mode: str, *, refused: bool) -> str | None:
    """The error that kept a mode from being loaded."""
    if refused:
        return None
    return next((e.summary for e in facts.errors if e.item == "modes" and e.mode in (mode, None)), None)


def _minutes(facts: Facts, modes: Sequence[str], load: str, claim: LoadClaim) -> float | None:
    """Of the blocks that are still to be played, where more of them would likely settle the claim."""
    have = [block for block in facts.loads if block.load == load and block.mode in modes]
    done = len({block.block for block in have})
    if claim.needed is None or not done:
        return None
    each = sum(block.seconds for block in have) / done / 60
    return round(each * max(0, claim.needed - done), 1)


def _latency(
    checklist: Checklist, blocks: Sequence[LoadBlock], mode: str, point: LoadPoint, *, deciding: bool
) -> list[Finding]:
    """Each target by the share of blocks in which its percentile lies within."""
    item = checklist.items.modes
    targets = {name: float(value) for name, value in item.latency.model_dump().items() if value is not None}
    made = []
    for name, target in targets.items() if blocks else ():
        metric, share, _ = name.split("_")
        slo = Slo(
            ttft_ms=target if metric == "ttft" else None, e2e_ms=target if metric == "e2e" else None,
            share=SHARES[share],
        )  # fmt: skip
        met = sum(kept(block, slo) for block in blocks)
        sign = most_of(met, len(blocks), item.confidence)
        outcome: Literal["within", "beyond", "open", "too-few-blocks"] = (
            "too-few-blocks" if len(blocks) < MIN_BLOCKS
            else "within" if sign == "most" else "beyond" if sign == "few" else "open"
        )  # fmt: skip
        whole = shown(blocks)
        seen = (whole.ttft_ms if metric == "ttft" else whole.e2e_ms)[share] if whole else None
        values = words.LoadLatency(
            outcome=outcome, mode=mode, load=point.key, label=f"{metric.upper()} {share}", target_ms=target,
            observed_ms=seen, met=met, blocks=len(blocks), minutes_needed=None,
        )  # fmt: skip
        made.append(check.LOAD_LATENCY.found(values, mode=mode, known_by=KnownBy.OBSERVED, counts=deciding))
    return made


# -- capacity --------------------------------------------------------------------------------------------------------


def _of_capacity(checklist: Checklist, facts: Facts, mode: str, *, deciding: bool) -> list[Finding]:
    blocks = _blocks(facts, mode, CAPACITY)
    found = [_capacity(checklist, facts, mode, blocks, deciding=deciding)]
    against = _against(checklist, blocks, CAPACITY, mode, deciding=deciding)
    found += [against] if against else []
    if mode != checklist.baseline.speed:
        found += _replies(checklist, facts, mode, CAPACITY, deciding=deciding)
    return [*found, *_overload(checklist, blocks, mode)]


def _capacity(checklist: Checklist, facts: Facts, mode: str, blocks: Sequence[LoadBlock], *, deciding: bool) -> Finding:
    item, baseline = checklist.items.modes, checklist.baseline.speed
    asked = item.capacity
    assert asked is not None
    edges = search.edges_of(checklist, facts, mode)
    mine = search.capacity(edges, asked, item.confidence)
    claim = None if mode == baseline else claims(checklist, facts, CAPACITY)[mode]
    one = claim.ratio if claim else None
    died = next((block for block in blocks if behaviour(block, asked.slo) == "dies"), None)
    outcome = _capacity_outcome(claim, mine, measured=bool(blocks), died=died is not None)
    values = words.Capacity(
        outcome=outcome, mode=mode, baseline=baseline, slo=words.slo_words(asked.slo), at_least=asked.at_least,
        rate=mine.rate if mine else None, rate_low=mine.low if mine else None,
        rate_high=mine.high if mine and math.isfinite(mine.high) else None, lowest=mine.lowest if mine else None,
        ratio=one.ratio if one else None, low=one.low if one else None,
        high=one.high if one and math.isfinite(one.high) else None, confidence=item.confidence,
        blocks=mine.blocks if mine else 0, above=mine.above if mine else 0, below=mine.below if mine else 0,
        requests=mine.requests if mine else None, seconds=asked.seconds,
        seconds_needed=math.ceil(1.2 * asked.seconds / (mine.requests * (1 - asked.slo.share)))
        if mine and outcome == "coarse" else None,
        start_term=one.start if one else None, unseen_term=one.unseen if one else None,
        blocks_needed=claim.needed if claim else None,
        minutes_needed=_minutes(facts, (mode, baseline), CAPACITY, claim) if claim else None,
        died_at=died.rate if died else None, why=_why_not(facts, mode, refused=False),
    )  # fmt: skip
    counts = deciding and mode != baseline
    return check.CAPACITY.found(values, mode=mode, known_by=KnownBy.OBSERVED if mine else None, counts=counts)


_CapacityOutcome = Literal[
    "shown", "below", "measured", "never", "open", "not-after-holm", "too-few-blocks", "coarse", "died", "crowded",
    "not-measured",
]  # fmt: skip


def _capacity_outcome(
    claim: LoadClaim | None, mine: search.Capacity | None, *, measured: bool, died: bool
) -> _CapacityOutcome:
    if not measured:
        return "not-measured"
    if mine is None or (claim is not None and claim.outcome == "too-few-blocks"):
        return "died" if died else "too-few-blocks"
    if claim is None:
        return "never" if mine.below == mine.blocks else "measured"
    assert claim.outcome != "unfinished"
    assert claim.outcome != "failed"
    return claim.outcome


def _overload(checklist: Checklist, blocks: Sequence[LoadBlock], mode: str) -> list[Finding]:
    """The worst that was seen above the capacity, at the lowest rate at which it was."""
    asked = checklist.items.modes.capacity
    assert asked is not None
    for name in _GIVING_WAY:
        seen = [block for block in blocks if behaviour(block, asked.slo) == name]
        if seen:
            first = min(seen, key=lambda block: block.rate)
            away = sum(block.ends.count("s") for block in seen) / max(1, sum(len(block.ends) for block in seen))
            values = words.Overload(outcome=name, mode=mode, rate=first.rate, turned_away=away, after_ms=first.after_ms)
            return [check.OVERLOAD.found(values, mode=mode, known_by=KnownBy.OBSERVED, counts=False)]
    return []


#: worst first, but that a server which turns requests away is said to do that
_GIVING_WAY: tuple[Literal["dies", "sheds", "queues", "slows"], ...] = ("dies", "sheds", "queues", "slows")


# -- guards ----------------------------------------------------------------------------------------------------------


def _refused(facts: Facts, mode: str, point: LoadPoint, *, deciding: bool) -> Finding | None:
    """A rate beyond what evalkit can send and time was not sent."""
    limit = facts.client_limit
    rate = limit.refused.get(f"{point.key}|{mode}") if limit else None
    if limit is None or rate is None:
        return None
    values = words.LoadClient(
        outcome="refused", load=point.key, rate=rate, limit_rate=limit.rate(mode),
        limit_events=limit.events_per_s, events=limit.events[mode], beyond=limit.beyond,
    )  # fmt: skip
    return check.LOAD_CLIENT.found(values, mode=mode, known_by=KnownBy.OBSERVED, counts=deciding)


def _against(
    checklist: Checklist, blocks: Sequence[LoadBlock], load: str, mode: str, *, deciding: bool
) -> Finding | None:
    """Evalkit's own lateness against what it could move: the claim, or the tightest limit of the service level."""
    item = checklist.items.modes
    whole = shown(blocks)
    if whole is None:
        return None
    asked = item.capacity
    if load == CAPACITY and asked is not None:
        limits = [value for value in (asked.slo.ttft_ms, asked.slo.e2e_ms) if value is not None]
        # the requests that the share lets miss may be late as well
        against, late = min(limits, default=whole.e2e_ms["p50"] or 1.0), percentile(whole.late_ms, asked.slo.share)
        limit = MOST_ERROR
    else:
        claimed = item.speedup.at_least > 1 and mode != checklist.baseline.speed
        against, late = whole.e2e_ms["p50"] or 1.0, percentile(whole.late_ms, 0.5)
        limit = (item.speedup.at_least - 1) / 10 if claimed else MOST_ERROR
    share = late / max(against, 1e-9)
    cpu = max((block.cpu_share or 0.0 for block in blocks), default=0.0)
    values = words.LoadClient(
        outcome="too-late" if share > limit else "small", load=load, late_p50_ms=percentile(whole.late_ms, 0.5),
        late_p99_ms=percentile(whole.late_ms, 0.99), against_ms=against, late_share=share, limit=limit, cpu=cpu,
    )  # fmt: skip
    return check.LOAD_CLIENT.found(values, mode=mode, known_by=KnownBy.OBSERVED, counts=deciding)


def _replies(checklist: Checklist, facts: Facts, mode: str, load: str, *, deciding: bool) -> list[Finding]:
    """Signs and length of the mode's replies under this load beside the baseline's."""
    baseline, item = checklist.baseline.speed, checklist.items.modes
    mine, theirs = (_answered(facts, name, load) for name in (mode, baseline))
    if mine is None or theirs is None:
        return []
    length, seen = (a / b if a and b else None for a, b in ((mine.tokens, theirs.tokens), (mine.seen, theirs.seen)))
    worst = max(
        ((mine.signs[name] / mine.looked - theirs.signs[name] / theirs.looked, name) for name in mine.signs),
        default=(0.0, None),
    )
    sign = worst[1]
    broken = sign is not None and _beyond(mine, theirs, sign)
    claim = claims(checklist, facts, load)[mode]
    # a gain that holds per output token as well is none of the length
    target = item.capacity.at_least if load == CAPACITY and item.capacity else item.speedup.at_least
    low = claim.ratio.low if claim.ratio is not None else math.inf
    short = any(one is not None and one < _SHORT and low * one < target for one in (length, seen))
    values = words.LoadReplies(
        outcome="broken" if broken else "shorter" if short else "alike", mode=mode, baseline=baseline, load=load,
        sign=sign, mine=mine.signs[sign] / mine.looked if sign else None,
        theirs=theirs.signs[sign] / theirs.looked if sign else None, looked_at=mine.looked, length_ratio=length,
        characters_ratio=seen,
    )  # fmt: skip
    return [check.LOAD_REPLIES.found(values, mode=mode, known_by=KnownBy.OBSERVED, counts=deciding)]


class _Answers:
    """Replies of one mode under one load: signs and characters of those that were looked at, mean output tokens."""

    def __init__(self, blocks: Sequence[LoadBlock]) -> None:
        self.looked = sum(block.looked_at for block in blocks)
        self.signs = Counter[str]()
        for block in blocks:
            self.signs.update({name: n for name, n in block.signs.items() if name not in NO_FAULT})
        counts = [n for block in blocks for n, end in zip(block.tokens, block.ends, strict=True) if end == "a" and n]
        self.tokens = fmean(counts) if counts else 0.0
        self.seen = sum(block.looked_characters for block in blocks) / max(1, self.looked)


def _answered(facts: Facts, mode: str, load: str) -> _Answers | None:
    found = _Answers(_blocks(facts, mode, load))
    return found if found.looked else None


def _beyond(mine: _Answers, theirs: _Answers, sign: str) -> bool:
    a, b = mine.signs[sign] / mine.looked, theirs.signs[sign] / theirs.looked
    error = math.sqrt(a * (1 - a) / mine.looked + b * (1 - b) / theirs.looked)
    return a - b > max(_WORSE, _ERRORS * error)

"""Serving: the evidence of the mode, declared, observed and corroborated; and of what kind the engine is."""

from __future__ import annotations

from typing import Literal

from evalkit.analysis import replies
from evalkit.analysis.exchanges import scored_of, timed_of
from evalkit.analysis.paces import Taken, taken
from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import claims
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.items.serving.words import UNKNOWN_ENGINE, Provenance
from evalkit.items.serving.words_mode import BlockLoop, Decodes, Decoding, Preflight, Shapes
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.serving.engines import engine_of
from evalkit.serving.facts import EndpointFacts

RUNS = (Mode.SELF_SPECULATION.value, Mode.SPECULATIVE.value)
#: share of replies in another shape that a mode may have
_MINORITY = 0.05
#: replies of a shape, timed and scored, from which the two are compared
_FEWEST = 5
#: from how many times the time of timed replies of their length on short scored ones were decoded otherwise
_LONGER = 3.0
#: from how many times the time per token of the timed replies on the scored ones were decoded otherwise; both against
#: the baseline's, since tasks are other texts
_SLOWER = 2.0
#: from how many times the time per token of the scored replies on the timed ones were slowed: where each token is a
#: pass of its own, texts change it little; else a text may be decoded in fewer passes
_SLOWED, _OTHERWISE = 1.25, 2.0


def decodes(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    """The table "evidence of the mode": what the label wants, what is declared, what was seen."""
    want, said, seen = base_mode(label).value, served.declared_mode, served.observed_mode
    outcome, known = _evidence(checklist, want, served)
    cause = None
    if outcome in ("ar-contradicted", "contradicted"):
        cause = next((w.summary for w in served.warnings if w.id == checks.MODE.id), None)
    values = Decodes(
        outcome=outcome, mode=label, wanted=want, declared=said, declared_why=served.declared_why, observed=seen,
        observed_why=served.observed_why, cause=cause,
    )  # fmt: skip
    return checks.MODE.found(values, mode=label, known_by=known)


def _evidence(checklist: Checklist, want: str, served: EndpointFacts) -> tuple[Decoding, KnownBy | None]:
    said, seen = served.declared_mode, served.observed_mode
    if said is None:
        return _inferred(checklist, want, seen)
    if said != want:
        return "another-method" if {said, want} == set(RUNS) else "another-mode", KnownBy.DECLARED
    if served.block_loop:
        return "block-loop", KnownBy.DECLARED
    if seen is None:
        return "declared", KnownBy.DECLARED
    if _alike(seen, said):
        return "seen", KnownBy.OBSERVED
    return "ar-contradicted" if want == Mode.AUTOREGRESSIVE.value else "contradicted", KnownBy.OBSERVED


def _inferred(checklist: Checklist, want: str, seen: str | None) -> tuple[Decoding, KnownBy | None]:
    if seen is None:
        return "unknown", None
    if not _alike(seen, want):
        return "ar-looks-otherwise" if want == Mode.AUTOREGRESSIVE.value else "looks-otherwise", KnownBy.OBSERVED
    return "inferred-accepted" if checklist.items.serving.accept_inferred else "inferred", KnownBy.INFERRED


def _alike(seen: str, want: str) -> bool:
    return seen == want or (seen in RUNS and want in RUNS)


def baseline_decodes(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """A baseline that decodes in another way than its label says is not what the mode is compared with."""
    found = []
    for name in dict.fromkeys((checklist.baseline.speed, checklist.baseline.quality)):
        served = facts.endpoints.get(name)
        if name in (label, INCUMBENT) or name not in checklist.modes or served is None or not served.reachable:
            continue
        seen = decodes(checklist, name, served)
        if seen.status is Status.FAIL:
            values = Decodes(outcome="baseline-differs", mode=label, baseline=name, quoted=seen.summary)
            found.append(checks.MODE.found(values, mode=label, known_by=seen.known_by))
    return found


def unlike(checklist: Checklist, facts: Facts, label: str) -> Shapes | None:
    """Replies of one mode that came in two shapes, or were scored in another than they were timed in."""
    timed, scored = timed_of(facts, label), scored_of(facts, label)
    ours, theirs = replies.shapes(timed), replies.shapes(scored)
    both = {"timed": dict(ours), "scored": dict(theirs)}
    kind = base_mode(label)
    if kind is not Mode.SPECULATIVE:  # its drafts may be refused through a whole reply
        for counts in (ours, theirs):
            odd = replies.minority(counts)
            if odd > max(1, _MINORITY * counts.total()):
                return Shapes.model_validate({"outcome": "mixed", "mode": label, **both})
        tops = [counts.most_common(1)[0] for counts in (ours, theirs) if counts]
        if len(tops) == 2 and tops[0][0] != tops[1][0] and min(tops[0][1], tops[1][1]) >= _FEWEST:
            return Shapes.model_validate({"outcome": "unlike-scored", "mode": label, **both})
    paces = replies.pace(timed, _FEWEST), replies.pace(scored, _FEWEST)
    if paces[0] and paces[1] and paces[1] > _SLOWER * paces[0] * _slower_anyway(checklist, facts, label):
        fields = {"outcome": "slower-scored", "mode": label, "timed_ms": paces[0], "scored_ms": paces[1]}
        return Shapes.model_validate({**fields, **both})
    found = None if paces[0] and paces[1] else _much_longer(checklist, facts, label)
    return None if found is None else Shapes.model_validate({
        "outcome": "longer-scored", "mode": label, "timed_ms": found.usual, "scored_ms": found.took, **both,
    })  # fmt: skip


def _much_longer(checklist: Checklist, facts: Facts, label: str) -> Taken | None:
    """What short scored replies took, where it is a multiple of what timed ones of that length take. What tasks take
    beyond that in the baseline, they may take here as well.
    """
    item, baseline = checklist.items, checklist.baseline.speed
    if label in (baseline, checklist.baseline.quality):
        return None  # nothing shows what else its tasks take
    crowded = max(1.0, item.streams / item.modes.level)
    most = max((prompts.max_tokens for prompts in facts.prompts), default=0)
    mine, theirs = (
        # a canvas of so many tokens takes its time, however short the reply in it
        taken(timed_of(facts, m), [a.exchange for a in facts.answers if a.mode == m and a.max_tokens <= most])
        for m in (label, baseline)
    )
    if mine is None or theirs is None:
        return None
    return mine if mine.took - theirs.excess > _LONGER * crowded * mine.usual else None


def _slower_anyway(checklist: Checklist, facts: Facts, label: str) -> float:
    """By how much tasks may slow a mode, a token: as they slow the baseline, or as more requests in flight do."""
    item, baseline = checklist.items, checklist.baseline.speed
    crowded = item.streams / item.modes.level
    if baseline == label:
        return max(1.0, crowded)
    paces = replies.pace(timed_of(facts, baseline), _FEWEST), replies.pace(scored_of(facts, baseline), _FEWEST)
    return max(1.0, crowded, paces[1] / paces[0] if paces[0] and paces[1] else 1.0)


# -- a baseline that is timed slower than it is on the tasks makes every mode look fast ------------------------------


def slower_timed(checklist: Checklist, facts: Facts, label: str) -> Shapes | None:
    """What the baseline's replies took a token, timed and scored, where a mode's speed-up may come from that.

    What slows the mode as well (longer prompts, a busier machine, more requests in flight) is no doubt about it.
    """
    baseline = checklist.baseline.speed
    if label == baseline:
        return None
    timed, scored = timed_of(facts, baseline), scored_of(facts, baseline)
    singly = [replies.shapes(of).get("tokens", 0) * 2 > len(of) for of in (timed, scored)]
    paces = replies.pace(timed, _FEWEST), replies.pace(scored, _FEWEST)
    if paces[0] and paces[1]:
        theirs, most = (paces[0], paces[1]), _SLOWED if all(singly) else _OTHERWISE
    elif (whole := taken(timed, scored)) is not None:
        theirs, most = (whole.usual, whole.took), _OTHERWISE
    else:
        return None
    slowed = theirs[0] / theirs[1] / _slowed_anyway(checklist, facts, label)
    if slowed <= most or not _decides(checklist, facts, label, slowed):
        return None
    fields = {"mode": label, "baseline": baseline, "timed_ms": theirs[0], "scored_ms": theirs[1]}
    return Shapes.model_validate({"outcome": "slower-timed" if all(paces) else "longer-timed", **fields})


def _slowed_anyway(checklist: Checklist, facts: Facts, label: str) -> float:
    """By how much timed requests may be slower: as those of the mode are, or as more of them are in flight."""
    timed, scored = timed_of(facts, label), scored_of(facts, label)
    paces, whole = (replies.pace(timed, _FEWEST), replies.pace(scored, _FEWEST)), taken(timed, scored)
    mine = paces[0] / paces[1] if paces[0] and paces[1] else 1.0
    mine = max(mine, whole.usual / whole.took if whole else 1.0)
    return max(1.0, mine, checklist.items.modes.level / checklist.items.streams)


def _decides(checklist: Checklist, facts: Facts, label: str, slowed: float) -> bool:
    """Whether a speed-up that is shown would not be, with the baseline at the pace that it has on the tasks."""
    claim = claims(checklist, facts, Readings(facts.timed)).get(label)
    if claim is None or claim.estimate is None or claim.outcome != "shown":
        return False
    return claim.estimate.low / slowed < claim.at_least


def shapes(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """One finding for a mode whose replies, or those of a baseline, are of two modes by how they came."""
    names = dict.fromkeys((label, checklist.baseline.speed, checklist.baseline.quality))
    found = next((one for name in names if name != INCUMBENT and (one := unlike(checklist, facts, name))), None)
    found = found or slower_timed(checklist, facts, label)
    return [checks.MODE.found(found, mode=label, known_by=KnownBy.OBSERVED)] if found else []


def block_loop(label: str, served: EndpointFacts) -> list[Finding]:
    if not served.block_loop:
        return []
    values = BlockLoop(mode=label, declared_why=served.declared_why, observed_why=served.observed_why)
    known = KnownBy.OBSERVED if served.observed_mode == Mode.DIFFUSION.value else KnownBy.DECLARED
    return [checks.BLOCK_LOOP.found(values, mode=label, known_by=known)]


def engine_name(served: EndpointFacts) -> str:
    return " ".join(filter(None, (served.engine or UNKNOWN_ENGINE, served.engine_version)))


def provenance(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    allow, kind = checklist.items.serving.allow, served.release
    outcome: Literal["release", "allowed", "not-allowed", "unknown", "reference"] = "not-allowed"
    if engine_of(served.engine).timing_label:
        outcome = "reference"
    elif kind == "unknown":
        outcome = "unknown"
    elif kind in allow:
        outcome = "release" if kind == "release" else "allowed"
    values = Provenance(
        outcome=outcome, mode=label, engine=engine_name(served), kind=kind, allowed=tuple(allow),
        details=dict(served.provenance),
    )  # fmt: skip
    return checks.PROVENANCE.found(values, mode=label, known_by=KnownBy.DECLARED)


def preflight(facts: Facts, label: str | None) -> list[Finding]:
    """What was known to conflict before the first timed request of a mode, or (None) of the whole run."""
    seen = facts.preflights.get(label or "run")
    if seen is None or (label is None and not seen.conflicts):
        return []
    if not seen.conflicts:
        return [checks.PREFLIGHT.found(Preflight(outcome="clear", mode=label), mode=label)]
    values = Preflight(
        outcome="stopped" if seen.stopped else "conflicts", mode=label, conflicts=tuple(c.what for c in seen.conflicts),
        remedies=tuple(dict.fromkeys(conflict.remedy for conflict in seen.conflicts)),
    )  # fmt: skip
    return [checks.PREFLIGHT.found(values, mode=label, known_by=KnownBy.DECLARED)]

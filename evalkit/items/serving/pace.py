"""Serving: a baseline that decodes slower while it is timed than on the tasks makes every mode look fast."""

from __future__ import annotations

from evalkit.analysis import replies
from evalkit.analysis.exchanges import scored_of, timed_of
from evalkit.analysis.paces import taken
from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import claims
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.items.serving.words_mode import Shapes

#: replies, timed and scored, from which they have a pace
_FEWEST = 5
#: from how many times the time per token of the scored replies on the timed ones were slowed: where each token is a
#: pass of its own, texts change it little; else a text may be decoded in fewer passes
_SLOWED, _OTHERWISE = 1.25, 2.0


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

"""Serving: who answered the requests of a run, and in what shape the replies came, timed and scored."""

from __future__ import annotations

import re
from collections import Counter

from evalkit.analysis import replies
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.items.serving.words import SameModel
from evalkit.items.serving.words_mode import Shapes
from evalkit.modes import Mode, base_mode
from evalkit.serving.facts import EndpointFacts

#: share of replies in another shape that a mode may have
_MINORITY = 0.05
#: replies of a shape, timed and scored, from which the two are compared
_FEWEST = 5
#: from how many times the time per token of the timed replies on the scored ones were decoded otherwise; both against
#: the baseline's, since tasks are other texts
_SLOWER = 2.0
#: what servers put behind a model's name: a revision, a provider, a date
_ENDING = re.compile(r"[@:].+|-latest|-\d{4}|-\d{8}|-\d{4}-\d{2}-\d{2}")


def same_names(checklist: Checklist) -> frozenset[str]:
    """The names that the buyer declares to be the candidate's, in lower case."""
    return frozenset(name.casefold() for name in checklist.candidate.same_as) if checklist.candidate else frozenset()


def _timed(facts: Facts, label: str) -> list[Exchange]:
    return [s.exchange for s in facts.timed if s.mode == label]


def _scored(facts: Facts, label: str) -> list[Exchange]:
    return [a.exchange for a in facts.answers if a.mode == label]


def who_answered(checklist: Checklist, facts: Facts, served: EndpointFacts, label: str) -> SameModel | None:
    """What the replies say of who made them, where it is not what was asked for; None: nothing speaks against it."""
    sent = [*_timed(facts, label), *_scored(facts, label)]
    marked = replies.fingerprints(sent)
    if len(marked) > 1:
        return _counted("fingerprints-mixed", dict(marked), "", replies.minority(marked))
    found = replies.names(sent)
    by_name: Counter[str] = Counter()
    for names, count in found.items():
        by_name[" + ".join(names)] += count
    good = _accepted(checklist, facts, served, label)
    differing = sum(n for names, n in found.items() if not all(_is_one_of(name, good) for name in names))
    if not differing:
        return None
    wanted = next(iter(good), "")
    if differing < found.total():
        return _counted("replies-differ", dict(by_name), wanted, differing)
    return _counted("replies-mixed" if len(found) > 1 else "replies-differ", dict(by_name), wanted, differing)


def _counted(outcome: str, named: dict[str, int], wanted: str, differing: int) -> SameModel:
    fields = {"outcome": outcome, "named": named, "wanted": wanted, "differing": differing}
    return SameModel.model_validate({**fields, "mode": "", "replies": sum(named.values())})


def _accepted(checklist: Checklist, facts: Facts, served: EndpointFacts, label: str) -> dict[str, None]:
    """Names under which the mode's own model may answer; the one that is asked for comes first."""
    endpoint = checklist.modes.get(label)
    asked = [endpoint.model if endpoint else None, served.model]
    # a server with one model may call it as it likes; of a gateway's many models only the one that is asked counts
    listed = served.served_models if len(served.served_models) == 1 or not any(asked) else ()
    candidate = facts.candidate
    known = [*asked, served.model_path, *listed, candidate.model if candidate else None, *same_names(checklist)]
    return dict.fromkeys(name for name in known if name)


def _is_one_of(name: str, good: dict[str, None]) -> bool:
    return any(_same(name.casefold(), other.casefold()) for other in good)


def _same(name: str, other: str) -> bool:
    """Equal, but for folders in front and a revision, provider or date behind."""
    ours, theirs = (one.replace("\\", "/").rstrip("/").rpartition("/")[2] for one in (name, other))
    if name.count("/") == other.count("/") == 1 and "…" not in name + other:
        ours, theirs = name, other  # two ids of the Hub: the owner counts
    if ours == theirs:
        return True
    return ours.startswith(theirs) and _ENDING.fullmatch(ours[len(theirs) :]) is not None


def unlike(facts: Facts, label: str, baseline: str | None = None) -> Shapes | None:
    """Replies of one mode that came in two shapes, or were scored in another than they were timed in."""
    timed, scored = _timed(facts, label), _scored(facts, label)
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
    if paces[0] and paces[1] and paces[1] > _SLOWER * paces[0] * _slower_anyway(facts, label, baseline):
        fields = {"outcome": "slower-scored", "mode": label, "timed_ms": paces[0], "scored_ms": paces[1]}
        return Shapes.model_validate({**fields, **both})
    return None


def _slower_anyway(facts: Facts, label: str, baseline: str | None) -> float:
    """By how much the tasks slow the baseline, a token; at least 1."""
    if baseline is None or baseline == label:
        return 1.0
    paces = replies.pace(_timed(facts, baseline), _FEWEST), replies.pace(_scored(facts, baseline), _FEWEST)
    return max(1.0, paces[1] / paces[0]) if paces[0] and paces[1] else 1.0

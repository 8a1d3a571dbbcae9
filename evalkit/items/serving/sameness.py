"""Serving: is it the candidate, is it one model across modes, with one set of settings, in separate processes?"""

from __future__ import annotations

import re

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.serving import checks
from evalkit.items.serving.replies import same_names, who_answered
from evalkit.items.serving.words import Distinct, SameModel
from evalkit.items.serving.words import Matches as Outcome
from evalkit.serving.facts import EndpointFacts

_ARCH_TAIL = re.compile(r"(ForCausalLM|ForConditionalGeneration|ForBlockDiffusion|LMHeadModel|ModelLM|Model)$")
_QUANT_TAIL = re.compile(
    r"[-_.](fp8|nvfp4|int4|int8|4bit|8bit|awq|gptq|bnb|w4a16|q\d\w*|gguf|bf16)(?=$|[-_.])", re.IGNORECASE
)


def family(architectures: tuple[str, ...]) -> frozenset[str]:
    """Architecture names without the tail by which engines name their own classes."""
    return frozenset(_ARCH_TAIL.sub("", name) for name in architectures)


def _is_id(name: str) -> bool:
    """Whether a served name is an id of the Hub and no path of the server's machine."""
    return name.count("/") == 1 and name[:1] not in "/.~…" and not name.endswith("/")


def _short(name: str) -> str:
    return _QUANT_TAIL.sub("", name.rstrip("/").rpartition("/")[2]).lower()


def same_model(
    checklist: Checklist, facts: Facts, served: EndpointFacts, label: str, *against: EndpointFacts | None
) -> Finding:
    """Against the candidate's card, the modes that the others are compared with, and the names in the replies."""
    shown = ", ".join(filter(None, (served.model_path, served.model_type, *served.architectures))) or None
    values = _against_candidate(checklist, facts, served)
    others = (one for one in against if one is not None and one.label != served.label)
    apart = next((found for one in others if (found := _difference(checklist, facts, one, served))), None)
    values = apart or values
    known = KnownBy.DECLARED
    if checks.SAME_MODEL.outcomes[values.outcome] is not Status.FAIL:
        compared = [one for one in against if one is not None and one.label != served.label]
        replies = who_answered(checklist, facts, served, label) or _of_baseline(checklist, facts, compared)
        values, known = (replies, KnownBy.OBSERVED) if replies else (values, known)
    values = values.model_copy(update={"mode": label, "shown": shown})
    return checks.SAME_MODEL.found(values, mode=label, known_by=known)


def _of_baseline(checklist: Checklist, facts: Facts, compared: list[EndpointFacts]) -> SameModel | None:
    """What speaks against the replies of a mode that this one is compared with: the comparison is open then."""
    for one in compared:
        found = who_answered(checklist, facts, one, one.label)
        if found is not None:
            return found.model_copy(update={"outcome": "replies-of-baseline", "other": one.label})
    return None


def _against_candidate(checklist: Checklist, facts: Facts, served: EndpointFacts) -> SameModel:
    candidate, asked = facts.candidate, checklist.candidate
    if candidate is None or candidate.error:
        return _found("card-not-read")
    weights = asked is not None and asked.same_weights
    if served.model_type and candidate.model_type and served.model_type != candidate.model_type:
        return _found("declared-weights" if weights else "other-type", served.model_type, candidate.model_type)
    ours, theirs = family(candidate.architectures), family(served.architectures)
    if ours and theirs and not ours & theirs:
        names = ", ".join(served.architectures), ", ".join(candidate.architectures)
        return _found("declared-weights" if weights else "other-architecture", *names)
    if any(name and name.casefold() in same_names(checklist) for name in (served.model_path, served.model)):
        return _found("declared", served.model_path or served.model or "", candidate.model)
    return _by_name(facts, candidate, served)


def _found(outcome: Outcome, served: str = "", wanted: str = "", other: str = "") -> SameModel:
    return SameModel(outcome=outcome, mode="", served=served, wanted=wanted, other=other)


def _by_name(facts: Facts, candidate: CandidateFacts, served: EndpointFacts) -> SameModel:
    name = served.model_path or served.model or ""
    if name.lower() == candidate.model.lower():
        said, want = served.revision, candidate.revision
        if said and want and re.fullmatch(r"[0-9a-f]{40}", said) and said != want:
            return _found("other-revision", said[:8], want[:8])
        return _found("same", name, candidate.model)
    others = [v.model for v in facts.variants if v.kind != "folder" and _short(v.model) != _short(candidate.model)]
    if any(_short(name) == _short(other) for other in others):
        return _found("other-variant" if served.model_path else "other-variant-named", name, candidate.model)
    # a folder, and a name to serve under, have names that somebody gave them: they contradict no repository
    loaded = served.model_path is not None and candidate.kind != "folder"
    if loaded and _is_id(name) and _short(name) != _short(candidate.model):
        return _found("other-model", name, candidate.model)
    return _found("not-verified", name, candidate.model)


def _difference(checklist: Checklist, facts: Facts, first: EndpointFacts, served: EndpointFacts) -> SameModel | None:
    weights = checklist.candidate is not None and checklist.candidate.same_weights
    if first.model_type and served.model_type and first.model_type != served.model_type and not weights:
        return _found("differs-type", served.model_type, first.model_type, first.label)
    ours, theirs = family(first.architectures), family(served.architectures)
    if ours and theirs and not ours & theirs and not weights:
        return _found(
            "differs-architecture", ", ".join(served.architectures), ", ".join(first.architectures), first.label
        )
    names = (first.model_path or "", served.model_path or "")
    one = {*same_names(checklist), *([facts.candidate.model.casefold()] if facts.candidate else [])}
    apart = names[0].lower() != names[1].lower() and not all(n.casefold() in one for n in names)
    if apart and all(_is_id(n) for n in names):
        return _found("differs-model", names[1], names[0], first.label)
    if first.revision and served.revision and first.revision != served.revision:
        return _found("differs-revision", served.revision, first.revision, first.label)
    return None


def distinct(checklist: Checklist, facts: Facts) -> list[Finding]:
    """One finding for each mode that shares its process, or may share it, with an earlier one."""
    found = []
    probed = [(label, facts.endpoints[label]) for label in checklist.modes if label in facts.endpoints]
    probed = [(label, served) for label, served in probed if served.reachable]
    shared: dict[str, str] = {}
    for label, served in probed:
        key = f"launch:{label}" if served.launched else served.process or f"url:{served.endpoint.lower()}"
        twin = shared.setdefault(key, label)
        if twin == label:
            continue
        values = Distinct(
            outcome="same-process" if served.process else "same-address", first=twin, second=label,
            endpoint=served.endpoint,
        )  # fmt: skip
        against = (checklist.baseline.speed, checklist.baseline.quality)
        # a baseline that is listed last takes the mode that it shares with along
        both = (label, twin) if label in against and twin not in against else (label,)
        found += [checks.DISTINCT.found(values, mode=one, known_by=KnownBy.DECLARED) for one in both]
    return found

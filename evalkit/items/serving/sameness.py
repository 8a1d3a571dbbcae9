"""Serving: is it the candidate, is it one model across modes, with one set of settings, in separate processes?"""

from __future__ import annotations

import re

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.serving import checks
from evalkit.serving.facts import EndpointFacts

_ARCH_TAIL = re.compile(r"(ForCausalLM|ForConditionalGeneration|ForBlockDiffusion|LMHeadModel|ModelLM|Model)$")
_QUANT_TAIL = re.compile(
    r"[-_.](fp8|nvfp4|int4|int8|4bit|8bit|awq|gptq|bnb|w4a16|q\d\w*|gguf|bf16)(?=$|[-_.])", re.IGNORECASE
)
SETTINGS = ("dtype", "quantization", "kv_cache_dtype", "context", "adapters", "override_keys")


def family(architectures: tuple[str, ...]) -> frozenset[str]:
    """Architecture names without the tail by which engines name their own classes."""
    return frozenset(_ARCH_TAIL.sub("", name) for name in architectures)


def _is_id(name: str) -> bool:
    """Whether a served name is an id of the Hub and no path of the server's machine."""
    return name.count("/") == 1 and name[0] not in "/.~…" and not name.endswith("/")


def _short(name: str) -> str:
    return _QUANT_TAIL.sub("", name.rstrip("/").rpartition("/")[2]).lower()


def same_model(facts: Facts, served: EndpointFacts, label: str, *against: EndpointFacts | None) -> Finding:
    """Against the candidate's card, then against the modes that the others are compared with, in time and in text."""
    status, text = _against_candidate(facts, served)
    for first in against:
        if first is not None and first.label != served.label and (other := _difference(first, served)):
            status, text = Status.FAIL, f"differs from {first.label}: {other}"
            break
    shown = ", ".join(filter(None, (served.model_path, served.model_type, *served.architectures))) or None
    return checks.SAME_MODEL.finding(status, f"{label}: {text}.", mode=label, observed=shown, known_by=KnownBy.DECLARED)


def _against_candidate(facts: Facts, served: EndpointFacts) -> tuple[Status, str]:
    candidate = facts.candidate
    if candidate is None or candidate.error:
        return Status.WARN, "the candidate's card was not read, so the served model cannot be verified against it"
    if served.model_type and candidate.model_type and served.model_type != candidate.model_type:
        return Status.FAIL, f"serves model_type {served.model_type}, the candidate is {candidate.model_type}"
    ours, theirs = family(candidate.architectures), family(served.architectures)
    if ours and theirs and not ours & theirs:
        return (
            Status.FAIL,
            f"serves {', '.join(served.architectures)}, the candidate is {', '.join(candidate.architectures)}",
        )
    return _by_name(facts, candidate, served)


def _by_name(facts: Facts, candidate: CandidateFacts, served: EndpointFacts) -> tuple[Status, str]:
    name = served.model_path or served.model or ""
    if name.lower() == candidate.model.lower():
        told, want = served.revision, candidate.revision
        if told and want and re.fullmatch(r"[0-9a-f]{40}", told) and told != want:
            return Status.FAIL, f"serves revision {told[:8]}, the candidate is {want[:8]}"
        return Status.PASS, f"serves {name}"
    others = [v.model for v in facts.variants if v.kind != "folder" and _short(v.model) != _short(candidate.model)]
    if any(_short(name) == _short(other) for other in others):
        return Status.FAIL, f"serves {name}, another variant than {candidate.model}"
    # a folder has a name that somebody gave it: it cannot contradict the name of a repository
    if candidate.kind != "folder" and _is_id(name) and _short(name) != _short(candidate.model):
        return Status.FAIL, f"serves {name}, the candidate is {candidate.model}"
    return Status.WARN, f"the served name {name or '(none)'} does not tell whether it is {candidate.model}"


def _difference(first: EndpointFacts, served: EndpointFacts) -> str | None:
    if first.model_type and served.model_type and first.model_type != served.model_type:
        return f"model_type {served.model_type} against {first.model_type}"
    ours, theirs = family(first.architectures), family(served.architectures)
    if ours and theirs and not ours & theirs:
        return f"architecture {', '.join(served.architectures)} against {', '.join(first.architectures)}"
    names = (first.model_path or "", served.model_path or "")
    if all(_is_id(n) for n in names) and names[0].lower() != names[1].lower():
        return f"model {names[1]} against {names[0]}"
    if first.revision and served.revision and first.revision != served.revision:
        return f"revision {served.revision} against {first.revision}"
    return None


def settings_of(served: EndpointFacts) -> dict[str, object]:
    """The settings that must be equal; a missing key was not told."""
    told = {name: served.settings[name] for name in SETTINGS if name in served.settings}
    context = served.context.max_model_len or served.context.context_length
    if context is not None:
        told["context"] = context
    keys = [key for key in str(told.get("override_keys", "")).split(", ") if key and key != "ar_mode"]
    if served.settings:
        told["override_keys"] = ", ".join(keys)
        told.setdefault("adapters", 0)
    return told


def same_settings(served: EndpointFacts, label: str, first: EndpointFacts | None) -> Finding | None:
    if first is None or first.label == served.label:
        return None
    ours, theirs = settings_of(first), settings_of(served)
    shared = [name for name in SETTINGS if name in ours and name in theirs]
    differ = [n for n in shared if ours[n] != theirs[n] and "auto" not in (ours[n], theirs[n])]
    untold = [n for n in ("dtype", "quantization", "kv_cache_dtype", "context") if n not in shared]
    untold += [n for n in shared if n not in differ and ours[n] != theirs[n]]
    check, known = checks.SAME_SETTINGS, KnownBy.DECLARED
    if differ:
        text = "; ".join(f"{n} {theirs[n]} against {ours[n]}" for n in differ)
        return check.finding(
            Status.INCONCLUSIVE,
            f"{label} is not started like {first.label}: {text}.",
            mode=label,
            observed=text,
            known_by=known,
        )
    if untold:
        text = f"{label}: {', '.join(untold)} could not be compared with {first.label}, as a server does not tell."
        return check.finding(Status.WARN, text, mode=label, known_by=known)
    return check.finding(Status.PASS, f"{label} is started like {first.label}.", mode=label, known_by=known)


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
        text = f"{label} and {twin} are answered by the same server process at {served.endpoint}."
        if served.process is None:
            text = f"{label} and {twin} have the same address, and the server does not tell whether it was restarted."
        status = Status.FAIL if served.process else Status.INCONCLUSIVE
        against = (checklist.baseline.speed, checklist.baseline.quality)
        # a baseline that is listed last takes the mode that it shares with along
        told = (label, twin) if label in against and twin not in against else (label,)
        found += [
            checks.DISTINCT.finding(status, text, mode=one, observed=served.endpoint, known_by=KnownBy.DECLARED)
            for one in told
        ]
    return found

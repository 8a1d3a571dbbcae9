"""Serving: is it the candidate, who answered, is it one model with one set of settings, in separate processes?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from evalkit.analysis import replies
from evalkit.analysis.exchanges import of_mode
from evalkit.checklist.base import LIMITS, PARALLEL, PRECISION, SETTINGS, TEMPLATE
from evalkit.checklist.schema import Checklist
from evalkit.data.records import forced
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.serving import checks
from evalkit.items.serving.words import Difference, Distinct, SameModel, SameSettings
from evalkit.items.serving.words import Matches as Outcome
from evalkit.modes import Mode, base_mode
from evalkit.serving.facts import EndpointFacts

_ARCH_TAIL = re.compile(r"(ForCausalLM|ForConditionalGeneration|ForBlockDiffusion|LMHeadModel|ModelLM|Model)$")
_QUANT_TAIL = re.compile(
    r"[-_.](fp8|nvfp4|int4|int8|4bit|8bit|awq|gptq|bnb|w4a16|q\d\w*|gguf|bf16)(?=$|[-_.])", re.IGNORECASE
)
#: what servers put behind a model's name: a revision, a provider, a date
_ENDING = re.compile(r"[@:].+|-latest|-\d{4}|-\d{8}|-\d{4}-\d{2}-\d{2}")
#: settings that must have been read on both sides before two modes count as started alike
_MUST_KNOW = ("dtype", "quantization", "kv_cache_dtype", "context")
#: drafting runs without the overlap schedule, and on the backends that can verify
_DRAFTING = frozenset({"disable_overlap_schedule", "attention_backend"})
#: backends that an engine falls back to: no mode forces its baseline on one of them
_FALLBACKS = frozenset({"torch_native", "flex_attention", "torch_sdpa", "sdpa", "eager"})
_DRAFTERS = (Mode.SPECULATIVE.value, Mode.SELF_SPECULATION.value)

#: overrides that choose the class which decodes: another class is seen by serving.same-model
_OF_CLASS = frozenset({"ar_mode", "architectures"})

Why = Literal["unequal", "declared", "forced"]
_WORST: tuple[Why, ...] = ("unequal", "declared", "forced")


def family(architectures: tuple[str, ...]) -> frozenset[str]:
    """Architecture names without the tail by which engines name their own classes."""
    return frozenset(_ARCH_TAIL.sub("", name) for name in architectures)


def _is_id(name: str) -> bool:
    """Whether a served name is an id of the Hub and no path of the server's machine."""
    return name.count("/") == 1 and name[:1] not in "/.~…" and not name.endswith("/")


def _base_name(name: str) -> str:
    """The last part of an id or path, without what names its precision."""
    return _QUANT_TAIL.sub("", name.rstrip("/").rpartition("/")[2]).lower()


def same_model(
    checklist: Checklist, facts: Facts, served: EndpointFacts, label: str, *against: EndpointFacts | None
) -> Finding:
    """Against the candidate's card, the modes that the others are compared with, and the names in the replies."""
    shown = ", ".join(filter(None, (served.model_path, served.model_type, *served.architectures))) or None
    values = _against_candidate(checklist, facts, served)
    others = [one for one in against if one is not None and one.label != served.label]
    apart = next((found for one in others if (found := _difference(checklist, facts, one, served))), None)
    values = apart or values
    known = KnownBy.DECLARED
    if checks.SAME_MODEL.outcomes[values.outcome] is not Status.FAIL:
        answered = who_answered(checklist, facts, served, label) or _of_baseline(checklist, facts, others)
        values, known = (answered, KnownBy.OBSERVED) if answered else (values, known)
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
    others = [
        v.model for v in facts.variants if v.kind != "folder" and _base_name(v.model) != _base_name(candidate.model)
    ]
    if any(_base_name(name) == _base_name(other) for other in others):
        return _found("other-variant" if served.model_path else "other-variant-named", name, candidate.model)
    # a folder, and a name to serve under, have names that somebody gave them: they contradict no repository
    loaded = served.model_path is not None and candidate.kind != "folder"
    if loaded and _is_id(name) and _base_name(name) != _base_name(candidate.model):
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


def same_names(checklist: Checklist) -> frozenset[str]:
    """The names that the buyer declares to be the candidate's, in lower case."""
    return frozenset(name.casefold() for name in checklist.candidate.same_as) if checklist.candidate else frozenset()


def who_answered(checklist: Checklist, facts: Facts, served: EndpointFacts, label: str) -> SameModel | None:
    """What the replies say of who made them, where it is not what was asked for; None: nothing speaks against it."""
    sent = of_mode(facts, label)
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
    mixed = len(found) > 1 and differing == found.total()
    return _counted("replies-mixed" if mixed else "replies-differ", dict(by_name), next(iter(good), ""), differing)


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


def settings_of(served: EndpointFacts, gpus: str | None = None) -> dict[str, object]:
    """The settings that must be equal; a missing key was not read."""
    raw = served.settings
    known = {name: raw[name] for name in SETTINGS if name in raw and (raw[name] is not None or name == "quantization")}
    context = served.context.max_model_len or served.context.context_length
    if context is not None:
        known["context"] = context
    if raw:
        keys = [key for key in str(raw.get("override_keys") or "").split(", ") if key and key not in _OF_CLASS]
        known["override_keys"] = ", ".join(keys)
        known.setdefault("adapters", 0)
    around = served.capability(TEMPLATE)
    if around is not None and isinstance(around.value, int):
        known[TEMPLATE] = int(around.value)
    if gpus is not None:
        known["gpu"] = gpus
    return known


def same_settings(
    checklist: Checklist, facts: Facts, served: EndpointFacts, label: str, first: EndpointFacts | None
) -> Finding | None:
    """One finding for a mode against another one."""
    if first is None or first.label == served.label:
        return None
    ours, theirs = settings_of(first, _gpus(facts, first.label)), settings_of(served, _gpus(facts, label))
    names = _unequal(ours, theirs, alike=first.engine == served.engine)
    names = [n for n in names if n not in LIMITS or _reached(facts, checklist, n, ours[n], theirs[n])]
    may = _declared(checklist, label, first.label)
    differ = tuple(
        Difference(outcome=_why(n, may, served, first, theirs[n], ours[n]), name=n, mode=str(theirs[n]),
                   baseline=str(ours[n]))
        for n in names
    )  # fmt: skip
    untold = [n for n in _MUST_KNOW if n not in ours or n not in theirs]
    untold += [n for n in _MUST_KNOW if n not in untold and ours[n] != theirs[n] and n not in names]
    outcomes = {one.outcome for one in differ}
    worst: Literal["unequal", "declared", "forced", "not-known", "equal"] = next(
        (one for one in _WORST if one in outcomes), "not-known" if untold else "equal"
    )
    values = SameSettings(outcome=worst, mode=label, other=first.label, differ=differ, not_known=tuple(untold))
    return checks.SAME_SETTINGS.found(values, mode=label, known_by=KnownBy.DECLARED)


def _unequal(ours: Mapping[str, object], theirs: Mapping[str, object], *, alike: bool) -> list[str]:
    """Names of the settings that differ. Engines that are not `alike` have their own backends and schedules."""
    comparable = (
        SETTINGS if alike else (*PRECISION, *PARALLEL, "max_running_requests", "disable_cuda_graph", TEMPLATE, "gpu")
    )
    names = [name for name in comparable if name in ours and name in theirs and ours[name] != theirs[name]]
    if TEMPLATE in names and abs(int(str(ours[TEMPLATE])) - int(str(theirs[TEMPLATE]))) <= 1:
        names.remove(TEMPLATE)  # one server counts a token at the beginning, the other does not
    return [name for name in names if "auto" not in (ours[name], theirs[name])]


def _reached(facts: Facts, checklist: Checklist, name: str, *values: object) -> bool:
    """Whether the run can have come to the lower of two limits: one that was never reached limits nothing."""
    limits = [value for value in values if isinstance(value, int) and not isinstance(value, bool) and value > 0]
    if not limits:
        return False
    timed = {sample.concurrency for sample in facts.timed} or {*checklist.items.modes.concurrency}
    at_once = max([*timed, checklist.items.quality.concurrency or 1])
    replies = [s.exchange for s in facts.timed] + [a.exchange for a in facts.answers]
    longest = max((reply.prompt_tokens or 0 for reply in replies), default=0)
    most = {"chunked_prefill_size": longest, "max_prefill_tokens": longest * at_once}.get(name, at_once)
    return most > min(limits)


def _declared(checklist: Checklist, *labels: str) -> frozenset[str]:
    """Settings whose difference is part of the offer, by the checklist."""
    return frozenset(name for label in labels if label in checklist.modes for name in checklist.modes[label].differs)


def _why(  # noqa: PLR0917  one private reader
    name: str, may: frozenset[str], served: EndpointFacts, first: EndpointFacts, mode: object, baseline: object
) -> Why:
    if name in may:
        return "declared"
    if name == "attention_backend" and (str(mode).lower() in _FALLBACKS) != (str(baseline).lower() in _FALLBACKS):
        return "unequal"
    sides = ((served, mode), (first, baseline))
    return "forced" if any(_is_forced(one, name, value) for one, value in sides) else "unequal"


def _is_forced(served: EndpointFacts, name: str, value: object) -> bool:
    """Whether the decoding mode forces this value on the engine, by the support records."""
    mode = base_mode(served.label).value
    if mode in _DRAFTERS and name in _DRAFTING:
        return True
    records = forced(served.engine, mode, served.architectures)
    if name == "attention_backend":
        return str(value).lower() in records.get(name, "").lower()
    return name in records


def _gpus(facts: Facts, label: str) -> str | None:
    """Names of the devices that the mode's server runs on, where they were seen."""
    if facts.hardware is None or label not in facts.hardware.endpoint_gpus:
        return None
    by_index = {gpu.index: gpu.name for gpu in facts.hardware.gpus}
    names = sorted(by_index.get(index, "?") for index in facts.hardware.endpoint_gpus[label])
    return ", ".join(f"{names.count(name)}x {name}" for name in dict.fromkeys(names)) or None


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

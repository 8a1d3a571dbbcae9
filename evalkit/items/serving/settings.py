"""Serving: whether two modes are started alike, in all that changes speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from evalkit.checklist.schema import Checklist
from evalkit.checklist.settings import LIMITS, PARALLEL, PRECISION, SETTINGS, TEMPLATE
from evalkit.data.records import forced
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.serving import checks
from evalkit.items.serving.words import Difference, SameSettings
from evalkit.modes import Mode, base_mode
from evalkit.serving.facts import EndpointFacts

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

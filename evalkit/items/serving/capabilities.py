"""Serving: what the server can do, asked by name, each with how it is known."""

from __future__ import annotations

from typing import Literal

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.serving import checks
from evalkit.items.serving.words_mode import Asked, Parallel, Sampling, Streaming, Tools
from evalkit.serving.facts import EndpointFacts

_SEEN = KnownBy.OBSERVED


def parallel(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    item = checklist.items.modes
    reported = served.capability("max_running_requests")
    limit = reported.value if reported is not None and isinstance(reported.value, int) else None
    highest = max(item.concurrency)
    outcome: Literal["enough", "below-highest", "below-deciding", "not-reported", "one-needed"] = "enough"
    if limit is None:
        outcome = "not-reported" if item.level > 1 else "one-needed"
    elif limit < item.level:
        outcome = "below-deciding"
    elif limit < highest:
        outcome = "below-highest"
    values = Parallel(
        outcome=outcome, mode=label, limit=None if limit is None else int(limit), level=item.level, highest=highest,
        detail=reported.detail if reported else "",
    )  # fmt: skip
    known = reported.known_by if reported is not None and limit is not None else None
    return checks.PARALLEL.found(values, mode=label, known_by=known)


def streaming(label: str, served: EndpointFacts) -> Finding:
    usage, streams = served.capability("continuous_usage"), served.capability("streaming")
    if usage is None or streams is None:
        return checks.STREAMING.found(Streaming(outcome="not-seen", mode=label, why=served.observed_why), mode=label)
    outcome: Literal["counted", "without-counts", "one-piece"] = "without-counts" if streams.value else "one-piece"
    values = Streaming(outcome="counted" if usage.value else outcome, mode=label, detail=streams.detail)
    return checks.STREAMING.found(values, mode=label, known_by=_SEEN)


def sampling(checklist: Checklist, facts: Facts, label: str, served: EndpointFacts) -> Finding:
    check, asked = checks.SAMPLING, checklist.request.temperature
    matters = asked > 0
    reported = served.capability("temperature")
    draws = next((probe for probe in reversed(facts.sampling) if probe.mode == label), None)
    if draws is not None and draws.draws - draws.failed >= 2:
        outcome = "ignored" if matters else "ignored-unasked"
        if draws.distinct_at_one > 1:
            outcome = "one-at-production" if draws.distinct_at_asked == 1 else "honoured"
        values = Sampling.model_validate({
            "outcome": outcome, "mode": label, "asked": asked, "draws": draws.draws, "at_one": draws.distinct_at_one,
            "at_zero": draws.distinct_at_zero, "at_asked": draws.distinct_at_asked, "tried": draws.temperature,
        })  # fmt: skip
        return check.found(values, mode=label, known_by=_SEEN, counts=matters)
    if reported is not None and reported.value is False:
        refused = Sampling(
            outcome="not-honoured" if matters else "not-honoured-unasked", mode=label, asked=asked,
            detail=reported.detail,
        )  # fmt: skip
        return check.found(refused, mode=label, known_by=reported.known_by, counts=matters)
    unknown = Sampling(outcome="not-probed" if matters else "not-sampled", mode=label, asked=asked)
    return check.found(unknown, mode=label, counts=matters)


def tools(facts: Facts, label: str, served: EndpointFacts) -> list[Finding]:
    if not any(suite.kind == "tools" for suite in facts.suites):
        return []
    reported = served.capability("tool_calls")
    if reported is None or reported.value is None:
        return [checks.TOOLS.found(Tools(outcome="not-reported", mode=label), mode=label)]
    values = Tools(outcome="parsed" if reported.value else "not-parsed", mode=label, detail=reported.detail)
    return [checks.TOOLS.found(values, mode=label, known_by=reported.known_by)]


#: asked by name, shown for those who build on them; where a suite or a setting needs one, another finding decides
_SHOWN = {
    "ignore_eos": checks.IGNORE_EOS,
    "json_schema": checks.JSON_SCHEMA,
    "logprobs": checks.LOGPROBS,
    "seed": checks.SEED,
    "template_tokens": checks.TEMPLATE,
    "mask_text": checks.MASK_TEXT,
    "stop_inside_block": checks.STOP,
    "odd_max_tokens": checks.ODD_LENGTH,
    "context_enforced": checks.ENFORCED,
}


def named(label: str, served: EndpointFacts) -> list[Finding]:
    """What was asked by name and decides nothing by itself."""
    found = []
    for name, check in _SHOWN.items():
        seen = served.capability(name)
        if seen is None:
            continue
        outcome: Literal["yes", "no"] = "yes" if seen.value else "no"
        values = Asked(
            outcome="not-known" if seen.value is None else outcome, mode=label, capability=name, detail=seen.detail
        )
        found.append(check.found(values, mode=label, known_by=seen.known_by, counts=False))
    return found

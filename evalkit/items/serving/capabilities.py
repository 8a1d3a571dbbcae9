"""Serving: what the server can do, asked by name, each with how it is known."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.serving.facts import EndpointFacts


def parallel(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    check, item = checks.PARALLEL, checklist.items.modes
    told = served.capability("max_running_requests")
    if told is None or not isinstance(told.value, int):
        return check.finding(
            Status.WARN if item.level > 1 else Status.PASS,
            f"{label}: no limit of running requests is told; {item.level} at a time are decided.",
            mode=label,
            threshold=str(item.level),
        )
    limit, most = int(told.value), max(item.concurrency)
    status = Status.INCONCLUSIVE if limit < item.level else Status.WARN if limit < most else Status.PASS
    detail = f" ({told.detail})" if told.detail else ""
    text = f"{label}: the server runs {limit} requests at a time{detail}; {item.level} decides, {most} is the highest."
    return check.finding(
        status, text, mode=label, observed=str(limit), threshold=str(item.level), known_by=told.known_by
    )


def streaming(label: str, served: EndpointFacts) -> Finding:
    check = checks.STREAMING
    usage, streams = served.capability("continuous_usage"), served.capability("streaming")
    if usage is None or streams is None:
        why = served.observed_why or "no stream was tried"
        return check.finding(Status.INCONCLUSIVE, f"{label}: streaming was not seen: {why}.", mode=label)
    known = KnownBy.OBSERVED
    if usage.value:
        return check.finding(
            Status.PASS, f"{label}: each event carries the count of tokens so far.", mode=label, known_by=known
        )
    if streams.value:
        text = f"{label}: it streams ({streams.detail}), without counts on the events."
        return check.finding(Status.WARN, text, mode=label, known_by=known)
    return check.finding(Status.WARN, f"{label}: the reply came in one piece.", mode=label, known_by=known)


def sampling(checklist: Checklist, facts: Facts, label: str, served: EndpointFacts) -> Finding:
    check, asked = checks.SAMPLING, checklist.request.temperature
    matters = asked > 0
    told = served.capability("temperature")
    draws = next((probe for probe in reversed(facts.sampling) if probe.mode == label), None)
    if draws is not None and draws.draws - draws.failed >= 2:
        honoured = draws.distinct_at_one > 1
        one, zero = draws.distinct_at_one, draws.distinct_at_zero
        text = f"{label}: {one} different replies of {draws.draws} at temperature 1, {zero} at 0"
        status = Status.PASS if honoured else (Status.FAIL if matters else Status.WARN)
        if draws.distinct_at_asked is not None:
            text += f", {draws.distinct_at_asked} at production's {draws.temperature:g}"
            if honoured and draws.distinct_at_asked == 1:
                status = Status.WARN
        text += "." if honoured else ": temperature is ignored."
        return check.finding(status, text, mode=label, known_by=KnownBy.OBSERVED, counts=matters)
    if told is not None and told.value is False:
        status = Status.FAIL if matters else Status.WARN
        text = f"{label}: temperature is not honoured: {told.detail}; {asked:g} is asked."
        return check.finding(status, text, mode=label, known_by=told.known_by, counts=matters)
    if not matters:
        return check.finding(
            Status.NOT_APPLICABLE, f"{label}: temperature 0 is asked, nothing is sampled.", mode=label, counts=False
        )
    remedy = "Run again without a budget that cuts the sampling probe (10 short requests a mode)."
    return check.finding(Status.INCONCLUSIVE, f"{label}: sampling was not probed.", mode=label, remedy=remedy)


def tools(facts: Facts, label: str, served: EndpointFacts) -> list[Finding]:
    if not any(suite.kind == "tools" for suite in facts.suites):
        return []
    told = served.capability("tool_calls")
    check = checks.TOOLS
    if told is None or told.value is None:
        text = f"{label}: whether tool calls are parsed is not told; the suite's own replies show it."
        return [check.finding(Status.WARN, text, mode=label)]
    status = Status.PASS if told.value else Status.ERROR
    text = f"{label}: tool calls are {'parsed' if told.value else 'not parsed'} ({told.detail})."
    return [check.finding(status, text, mode=label, known_by=told.known_by)]


#: asked by name, shown for those who build on them; where a suite or a setting needs one, another finding decides
_SHOWN = {
    "ignore_eos": (checks.IGNORE_EOS, "ignore_eos is honoured", "ignore_eos is not honoured"),
    "json_schema": (checks.JSON_SCHEMA, "replies are held to a JSON schema", "a JSON schema is not enforced"),
    "logprobs": (checks.LOGPROBS, "log probabilities are given", "log probabilities are not given"),
    "seed": (checks.SEED, "a seed is taken", "a seed is refused"),
    "template_tokens": (checks.TEMPLATE, "a chat template is applied", "no chat template is applied"),
    "mask_text": (checks.MASK_TEXT, "a prompt with mask text is answered", "a prompt with mask text is not answered"),
    "stop_inside_block": (checks.STOP, "a stop string ends a reply inside a block", "a stop string is passed over"),
    "odd_max_tokens": (checks.ODD_LENGTH, "max_tokens binds inside a block", "max_tokens does not bind inside a block"),
    "context_enforced": (
        checks.ENFORCED,
        "a request over the context limit is refused",
        "a request over the context limit is taken",
    ),
}


def named(label: str, served: EndpointFacts) -> list[Finding]:
    """What was asked by name and decides nothing by itself."""
    found = []
    for name, (check, yes, no) in _SHOWN.items():
        told = served.capability(name)
        if told is None:
            continue
        status = Status.INCONCLUSIVE if told.value is None else Status.PASS if told.value else Status.WARN
        what = f"whether {yes} is open" if told.value is None else yes if told.value else no
        detail = f" ({told.detail})" if told.detail else ""
        text = f"{label}: {what}{detail}."
        found.append(check.finding(status, text, mode=label, known_by=told.known_by, counts=False))
    return found

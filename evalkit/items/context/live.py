"""What live servers reported and did about long prompts and replies, mode by mode."""

from __future__ import annotations

import re
from typing import Literal

from evalkit.analysis.exchanges import of_mode as exchanges_of
from evalkit.analysis.need import REFUSED, Need
from evalkit.analysis.window import server_limits, usable
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.context import checks as check
from evalkit.items.context.rates import rates
from evalkit.items.context.words import Output, OverLimit, Probe, ServerLimit
from evalkit.serving.context_facts import ContextProbe
from evalkit.serving.facts import EndpointFacts

#: tokens of a probe's own question and answer
_PROBE_REST = 48
#: how runs before 0.2 have the status of an answer: in the message alone
_STATUS = re.compile(r"HTTP (\d{3})\b")


def of_mode(checklist: Checklist, facts: Facts, need: Need | None, mode: str) -> list[Finding]:
    """All live findings of one mode."""
    endpoint, probe = facts.endpoints.get(mode), facts.context_probes.get(mode)
    findings = [_server_limit(endpoint, probe, facts, need, mode)]
    if checklist.items.context.need_output_tokens:
        findings.append(_output(endpoint, probe, facts, checklist.items.context.need_output_tokens, mode))
    if probe or checklist.items.context.probe:
        findings += [_probe(probe, need, mode), _over_limit(probe, mode)]
    return [*findings, *rates(checklist, facts, endpoint, mode)]


def _server_limit(
    endpoint: EndpointFacts | None, probe: ContextProbe | None, facts: Facts, need: Need | None, mode: str
) -> Finding:
    values = ServerLimit(outcome="not-reachable", mode=mode, need=need, why=endpoint.error if endpoint else None)
    if endpoint is None or not endpoint.reachable:
        return check.SERVER_LIMIT.found(values, mode=mode)
    limits = server_limits(mode, endpoint)
    window = usable(limits)
    if need is None:
        unknown = values.model_copy(update={"outcome": "need-unknown", "window": window})
        return check.SERVER_LIMIT.found(unknown, mode=mode)
    if window is not None:
        source = min((limit for limit in limits if limit.binding), key=lambda limit: limit.tokens).source
        told = values.model_copy(update={"window": window, "source": source})
        return _against_window(told, window, endpoint.context.max_req_input_len, need)
    seen = _answered(facts, probe, mode)
    if seen is not None and seen >= (need.tokens if need.source != "counted" else need.input) * 0.98:
        answered = values.model_copy(update={"outcome": "answered", "window": seen})
        return check.SERVER_LIMIT.found(answered, mode=mode, known_by=KnownBy.OBSERVED)
    return check.SERVER_LIMIT.found(values.model_copy(update={"outcome": "not-reported"}), mode=mode)


def _against_window(values: ServerLimit, window: int, longest_prompt: int | None, need: Need) -> Finding:
    known = KnownBy.DECLARED
    update: dict[str, object]
    if window >= need.tokens and (longest_prompt is None or longest_prompt >= need.input):
        update = {"outcome": "fits"}
    else:
        long = window >= need.tokens  # the prompt's own limit is what it exceeds
        update = {"outcome": "prompt-too-long", "longest_prompt": longest_prompt} if long else {"outcome": "too-short"}
        if window >= need.least and need.source == "estimated":
            update["outcome"], known = "need-estimated", KnownBy.INFERRED
    return check.SERVER_LIMIT.found(values.model_copy(update=update), mode=values.mode, known_by=known)


def _answered(facts: Facts, probe: ContextProbe | None, mode: str) -> int | None:
    """Most tokens (prompt, and reply where counted) that this mode's server was seen to take."""
    exchanges = exchanges_of(facts, mode)
    counts = [e.prompt_tokens + (e.completion_tokens or 0) for e in exchanges if e.ok and e.prompt_tokens]
    if probe and probe.longest_ok and probe.outcome in ("ok", "no-recall"):
        counts.append(probe.longest_ok + _PROBE_REST)
    return max(counts, default=None)


def _output(
    endpoint: EndpointFacts | None, probe: ContextProbe | None, facts: Facts, wanted: int, mode: str
) -> Finding:
    known = KnownBy.OBSERVED
    if probe and probe.output_asked and probe.output_asked >= wanted:
        values = _tried(probe, wanted, mode)
    else:
        seen = max((e.completion_tokens or 0 for e in exchanges_of(facts, mode) if e.ok), default=0)
        cap = endpoint.context.max_output_tokens if endpoint else None
        if seen >= 0.98 * wanted:
            values = Output(outcome="reached-in-run", mode=mode, wanted=wanted, seen=seen)
        elif cap is not None and cap < wanted:
            values, known = Output(outcome="capped", mode=mode, wanted=wanted, seen=cap), KnownBy.DECLARED
        else:
            values = Output(outcome="not-seen", mode=mode, wanted=wanted, seen=seen)
    return check.OUTPUT.found(values, mode=mode, known_by=known)


def _tried(probe: ContextProbe, wanted: int, mode: str) -> Output:
    reached = probe.output_reached or 0
    if probe.output_error:
        written = _STATUS.match(probe.output_error)
        refused = (probe.output_status or int(written[1] if written else 0)) in REFUSED
        return Output(outcome="refused" if refused else "error", mode=mode, wanted=wanted, why=probe.output_error)
    outcome: Literal["reached", "cut", "ended"] = "ended"
    if reached >= 0.98 * wanted:
        outcome = "reached"
    elif probe.output_finish == "length":
        outcome = "cut"
    return Output(outcome=outcome, mode=mode, wanted=wanted, seen=reached)


def _probe(probe: ContextProbe | None, need: Need | None, mode: str) -> Finding:
    if probe is None:
        return check.PROBE.found(Probe(outcome="not-asked", mode=mode), mode=mode)
    last = probe.steps[-1] if probe.steps else None
    error, at = probe.error, None
    missed: tuple[int, ...] = ()
    if last and not error and last.error:
        error, at = last.error, last.asked_tokens
    elif last and not error and last.recalled and probe.outcome in ("truncated", "lost-middle", "lost"):
        missed = tuple(round(100 * float(depth)) for depth, found in last.recalled.items() if not found)
        at = last.counted_tokens or last.asked_tokens
    short = need is not None and (probe.longest_ok or 0) < 0.9 * (need.tokens - _PROBE_REST)
    outcome = "too-short" if short and check.PROBE.outcomes[probe.outcome].carries else probe.outcome
    values = Probe(
        outcome=outcome, mode=mode, need=need, longest=probe.longest_ok, at_tokens=at, missed=missed, error=error,
        steps=tuple(step.model_dump(mode="json") for step in probe.steps),
    )  # fmt: skip
    return check.PROBE.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def _over_limit(probe: ContextProbe | None, mode: str) -> Finding:
    outcome = probe.over_limit if probe else "not-tried"
    values = OverLimit(outcome=outcome, mode=mode, detail=probe.over_limit_detail if probe else None)
    if outcome == "not-tried" and probe and probe.outcome in ("ok", "no-recall"):
        # nothing is known to be over a limit that is not reported; the need itself was answered
        values = values.model_copy(update={"outcome": "no-limit-reported"})
    return check.OVER_LIMIT.found(values, mode=mode, known_by=KnownBy.OBSERVED)

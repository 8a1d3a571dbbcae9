"""What live servers said and did about long prompts and replies, mode by mode."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.analysis.need import Need
from evalkit.analysis.window import server_limits, usable
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.context import checks as check
from evalkit.items.context.rates import rates
from evalkit.serving.context_facts import ContextProbe
from evalkit.serving.facts import EndpointFacts

_PROBE_NEEDED = "let the server tell its window, or set `context: {probe: true}` so that the length is tried"


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
    def say(status: Status, text: str, known: KnownBy | None, window: int | None, remedy: str | None = None) -> Finding:
        shown = f"{window:,} tokens" if window is not None else None
        wanted = f"{need.tokens:,} tokens" if need else None
        return check.SERVER_LIMIT.finding(
            status, text, mode=mode, observed=shown, threshold=wanted, known_by=known, remedy=remedy
        )

    if endpoint is None or not endpoint.reachable:
        why = (endpoint.error if endpoint else None) or "it was not probed"
        remedy = "start the server and run again"
        return say(Status.INCONCLUSIVE, f"{mode}: the server's window is not known ({why}).", None, None, remedy)
    limits = server_limits(mode, endpoint)
    window, longest_prompt = usable(limits), endpoint.context.max_req_input_len
    if need is None:
        text = f"{mode}: what is needed is not known."
        return say(Status.INCONCLUSIVE, text, None, window, "set context.need_tokens, or give prompts")
    if window is not None:
        least = min((limit for limit in limits if limit.binding), key=lambda limit: limit.tokens)
        return _against_window(say, mode, window, least.source, longest_prompt, need)
    seen = _answered(facts, probe, mode)
    if seen is not None and seen >= (need.tokens if need.source != "counted" else need.input) * 0.98:
        text = f"{mode}: the server tells no window, but answered {seen:,} tokens; {need.text}."
        return say(Status.PASS, text, KnownBy.OBSERVED, seen)
    return say(Status.INCONCLUSIVE, f"{mode}: the server does not tell its window.", None, None, _PROBE_NEEDED)


def _against_window(  # noqa: PLR0917  one table of cases
    say: Callable[..., Finding], mode: str, window: int, source: str, longest_prompt: int | None, need: Need
) -> Finding:
    trap = " 2,048 is the default of NVIDIA's launch script." if window <= 2048 else ""
    if window >= need.tokens and (longest_prompt is None or longest_prompt >= need.input):
        finding: Finding = say(
            Status.PASS, f"{mode}: {window:,} tokens ({source}); {need.text}.", KnownBy.DECLARED, window
        )
        return finding
    if window >= need.tokens and longest_prompt is not None:
        text = f"{mode}: prompts up to {longest_prompt:,} tokens, {need.input:,} are needed."
    else:
        text = f"{mode}: {window:,} tokens ({source}), below the need: {need.text}.{trap}"
    if window >= need.least and need.source == "estimated":
        remedy = "the need is an estimate: set context.need_tokens to what you need"
        return say(Status.INCONCLUSIVE, text, KnownBy.INFERRED, window, remedy)
    return say(Status.FAIL, text, KnownBy.DECLARED, window)


def _answered(facts: Facts, probe: ContextProbe | None, mode: str) -> int | None:
    """Most tokens (prompt, and reply where counted) that this mode's server was seen to take."""
    exchanges = [s.exchange for s in facts.timed if s.mode == mode] + [
        a.exchange for a in facts.answers if a.mode == mode
    ]
    counts = [e.prompt_tokens + (e.completion_tokens or 0) for e in exchanges if e.ok and e.prompt_tokens]
    if probe and probe.longest_ok and probe.outcome in ("ok", "no-recall"):
        counts.append(probe.longest_ok + 48)
    return max(counts, default=None)


def _output(
    endpoint: EndpointFacts | None, probe: ContextProbe | None, facts: Facts, wanted: int, mode: str
) -> Finding:
    def say(status: Status, text: str, known: KnownBy | None, seen: int | None, remedy: str | None = None) -> Finding:
        shown = f"{seen:,} tokens" if seen is not None else None
        return check.OUTPUT.finding(
            status, text, mode=mode, observed=shown, threshold=f"{wanted:,} tokens", known_by=known, remedy=remedy
        )

    if probe and probe.output_asked and probe.output_asked >= wanted:
        reached = probe.output_reached or 0
        if probe.output_error:
            text = f"{mode}: a reply of {wanted:,} tokens was refused: {probe.output_error}."
            refused = probe.output_error.startswith(("HTTP 400", "HTTP 413", "HTTP 422"))
            return say(Status.FAIL if refused else Status.INCONCLUSIVE, text, KnownBy.OBSERVED, None)
        if reached >= 0.98 * wanted:
            return say(Status.PASS, f"{mode}: a reply of {reached:,} tokens came back.", KnownBy.OBSERVED, reached)
        if probe.output_finish == "length":
            text = f"{mode}: the reply was cut at {reached:,} tokens, though {wanted:,} were allowed."
            return say(Status.FAIL, text, KnownBy.OBSERVED, reached)
        text = (
            f"{mode}: the model ended by itself after {reached:,} tokens: that {wanted:,} are reachable was not shown."
        )
        remedy = "give a prompt whose reply is long (a `long` task suite), or a server that honours ignore_eos"
        return say(Status.INCONCLUSIVE, text, KnownBy.OBSERVED, reached, remedy)
    exchanges = [s.exchange for s in facts.timed if s.mode == mode] + [
        a.exchange for a in facts.answers if a.mode == mode
    ]
    seen = max((e.completion_tokens or 0 for e in exchanges if e.ok), default=0)
    if seen >= 0.98 * wanted:
        return say(Status.PASS, f"{mode}: a reply of {seen:,} tokens came back during the run.", KnownBy.OBSERVED, seen)
    cap = endpoint.context.max_output_tokens if endpoint else None
    if cap is not None and cap < wanted:
        return say(Status.FAIL, f"{mode}: the server caps replies at {cap:,} tokens.", KnownBy.DECLARED, cap)
    text = f"{mode}: no reply of {wanted:,} tokens was seen (longest {seen:,})."
    return say(Status.INCONCLUSIVE, text, KnownBy.OBSERVED, seen, "set `context: {probe: true}` so that it is tried")


_OUTCOMES: dict[str, tuple[Status, str]] = {
    "ok": (Status.PASS, "every planted fact that a short prompt gives back came back at every length"),
    "truncated": (Status.FAIL, "the prompt is cut silently"),
    "lost-middle": (Status.FAIL, "facts in the middle are lost while the ends come back"),
    "lost": (Status.FAIL, "facts that came back from a short prompt are lost in a long one"),
    "refused": (Status.FAIL, "the server refuses a prompt within the need"),
    "no-recall": (
        Status.WARN,
        "no fact is recalled even from a short prompt: it cannot be probed by recall; the server counted whole prompts",
    ),
    "unclear": (Status.INCONCLUSIVE, "the probe could not be done"),
    "not-run": (Status.INCONCLUSIVE, "the probe did not run"),
}


def _probe(probe: ContextProbe | None, need: Need | None, mode: str) -> Finding:
    if probe is None:
        return check.PROBE.finding(Status.INCONCLUSIVE, f"{mode}: asked for, but it was not run.", mode=mode)
    status, text = _OUTCOMES[probe.outcome]
    last = probe.steps[-1] if probe.steps else None
    detail = [text]
    if probe.error:
        detail.append(probe.error)
    elif last and last.error:
        detail.append(f"at {last.asked_tokens:,} tokens: {last.error}")
    if (
        last
        and last.recalled
        and not all(last.recalled.values())
        and probe.outcome in ("truncated", "lost-middle", "lost")
    ):
        missed = ", ".join(f"{float(depth):.0%}" for depth, found in last.recalled.items() if not found)
        detail.append(f"at {last.counted_tokens or last.asked_tokens:,} tokens the facts at depth {missed} were missed")
    short = need is not None and (probe.longest_ok or 0) < 0.9 * (need.tokens - 48)
    if status.carries and short and need:
        status = Status.INCONCLUSIVE
        detail.append(f"but only up to {probe.longest_ok or 0:,} of {need.tokens:,} tokens")
    return check.PROBE.finding(
        status,
        f"{mode}: {'; '.join(detail)}.",
        mode=mode,
        observed=f"{probe.longest_ok:,} tokens" if probe.longest_ok else None,
        threshold=f"{need.tokens:,} tokens" if need else None,
        known_by=KnownBy.OBSERVED,
        data={"steps": [step.model_dump(mode="json") for step in probe.steps]},
    )


def _over_limit(probe: ContextProbe | None, mode: str) -> Finding:
    cases = {
        "refused": (Status.PASS, "was refused"),
        "truncated": (Status.FAIL, "was cut silently"),
        "accepted": (Status.WARN, "was accepted: the limit that the server tells is not the real one"),
        "unclear": (Status.INCONCLUSIVE, "gave no clear answer"),
        "not-tried": (Status.INCONCLUSIVE, "was not tried"),
    }
    outcome = probe.over_limit if probe else "not-tried"
    status, text = cases[outcome]
    detail = f" ({probe.over_limit_detail})" if probe and probe.over_limit_detail else ""
    if outcome == "not-tried" and probe and probe.outcome in ("ok", "no-recall"):
        status = Status.WARN  # nothing is known to be over a limit that is not told; the need itself was answered
    return check.OVER_LIMIT.finding(
        status, f"{mode}: an over-long request {text}{detail}.", mode=mode, observed=outcome, known_by=KnownBy.OBSERVED
    )

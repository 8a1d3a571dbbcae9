"""Item 4, serving: is there a server for each mode, is it what it says, and is it the candidate?"""

from __future__ import annotations

from datetime import datetime

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.findings import Check, Finding, KnownBy, Status
from evalkit.items import serving_checks as checks
from evalkit.items.serving_sameness import distinct, same_model, same_settings
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.run.facts import Facts
from evalkit.serving.facts import EndpointFacts, LaunchFacts
from evalkit.serving.support import recipe_for, rows_for

CHECKS: tuple[Check, ...] = checks.CHECKS

_RUNS = (Mode.SELF_SPECULATION.value, Mode.SPECULATIVE.value)
_BY_KIND = {
    "refused": "Start the server, or correct host and port; `evalkit probe URL` tells when it answers.",
    "timeout": "The server accepts connections but does not answer: read its log, then restart it.",
    "auth": "Name the variable that holds the key in modes.NAME.api_key_env and export it.",
    "not-json": "Something else listens there: give the address of the OpenAI-style server itself, without a path.",
    "not-found": "No /v1/models there: give the server's root address, for example http://127.0.0.1:30000.",
    "http": "Ask the server by hand: curl URL/v1/models; give the address behind a redirect directly.",
    "protocol": "The answer is not usable HTTP: check the scheme (http or https), the port, and proxies in between.",
}


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings about each configured mode's server, and about the incumbent's. Missing facts are never a pass."""
    del now
    if not checklist.modes:
        return [*_nothing_configured(checklist), *_incumbent(checklist, facts)]
    found: list[Finding] = []
    first = _first(checklist, facts)
    for label, endpoint in checklist.modes.items():
        found += _mode(checklist, facts, label, endpoint, first)
    found += distinct(checklist, facts)
    found += _incumbent(checklist, facts)
    found += _required(checklist, found)
    return found


def _first(checklist: Checklist, facts: Facts) -> EndpointFacts | None:
    """The mode that the others must equal: the speed baseline, else the first that answers."""
    order = [checklist.baseline.speed, *checklist.modes]
    probed = (facts.endpoints.get(label) for label in order if label in checklist.modes)
    return next((served for served in probed if served is not None and served.reachable), None)


def _mode(
    checklist: Checklist, facts: Facts, label: str, endpoint: Endpoint, first: EndpointFacts | None
) -> list[Finding]:
    found = _launches(facts, label)
    served = facts.endpoints.get(label)
    found.append(_reachable(checklist, label, endpoint, served))
    if endpoint.endpoint is None and endpoint.launch is None:
        return [*found, *_support(checklist, label)]
    if served is None or not served.reachable:
        return found
    found += [
        _decodes(checklist, label, served),
        *_block_loop(label, served),
        _provenance(checklist, label, served),
    ]
    found.append(same_model(facts, served, label, first))
    settings = same_settings(served, label, first)
    found += [settings] if settings else []
    found += [
        _parallel(checklist, label, served),
        _streaming(label, served),
        _sampling(checklist, facts, label, served),
    ]
    return [*found, *_tools(facts, label, served), *_stability(checklist, facts, label)]


def _model(checklist: Checklist) -> str:
    return checklist.candidate.model if checklist.candidate else "MODEL"


def _start(checklist: Checklist, label: str, port: int = 30000) -> str:
    """How to start a server for the mode, in one line, and how to name it."""
    model = _model(checklist)
    recipe = recipe_for(model, base_mode(label).value)
    if recipe is None:
        return f"Start a server that decodes in this mode, then: evalkit run --mode {label}=http://HOST:PORT"
    note = f" ({recipe.note})" if recipe.note else ""
    command = recipe.command(model=model, port=port)
    return f"Start {recipe.title}{note}:\n  {command}\nthen: evalkit run --mode {label}=http://127.0.0.1:{port}"


def _nothing_configured(checklist: Checklist) -> list[Finding]:
    """The first thing a new user sees: what to start, and how."""
    remedy = (
        f"{_start(checklist, Mode.AUTOREGRESSIVE.value, 30000)}\n"
        "and the same for the mode that you want to adopt, on another port: --mode diffusion=http://127.0.0.1:30001\n"
        "(one GPU: give modes.NAME.launch in the checklist, and evalkit starts them one after the other; "
        "no GPU: evalkit run --demo shows a whole run)"
    )
    nothing = checks.REACHABLE.finding(Status.ERROR, "No mode is configured, so no server was asked.", remedy=remedy)
    modes = (Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value, Mode.SELF_SPECULATION.value)
    return [nothing, *(finding for mode in modes for finding in _support(checklist, mode, shown_only=True))]


def _support(checklist: Checklist, label: str, *, shown_only: bool = False) -> list[Finding]:
    mode = base_mode(label).value
    rows = rows_for(_model(checklist), mode)
    if not rows:
        return []
    text = "; ".join(f"{row.engine} {row.version}: {row.status} ({row.note})" for row in rows)
    data: dict[str, object] = {"rows": [row.model_dump() for row in rows]}
    known = KnownBy.THIRD_PARTY_REPORTED
    status = Status.INCONCLUSIVE if rows[0].status != "not-supported" else Status.FAIL
    finding = checks.SUPPORT.finding(
        status,
        f"{_model(checklist)} in mode {mode}, as documented: {text}.",
        mode=None if shown_only else label,
        known_by=known,
        counts=False,
        remedy=_start(checklist, label),
        data=data,
    )
    return [finding]


def _launches(facts: Facts, label: str) -> list[Finding]:
    return [_launch(label, launch) for launch in facts.launches if launch.mode == label]


def _launch(label: str, launch: LaunchFacts) -> Finding:
    if launch.error:
        tail = "\n".join(launch.log_tail[-8:])
        summary = f"{label}: the launch failed: {launch.error}."
        remedy = f"{checks.LAUNCH.remedy}\n{tail}" if tail else None
        return checks.LAUNCH.finding(Status.ERROR, summary, mode=label, known_by=KnownBy.OBSERVED, remedy=remedy)
    if launch.ready_s is None:
        return checks.LAUNCH.finding(Status.ERROR, f"{label}: the launch was never seen ready.", mode=label)
    text = f"{label}: start {launch.launch + 1} was ready after {launch.ready_s:.1f} s."
    return checks.LAUNCH.finding(
        Status.PASS, text, mode=label, observed=f"{launch.ready_s:.1f} s", known_by=KnownBy.OBSERVED
    )


def _reachable(checklist: Checklist, label: str, endpoint: Endpoint, served: EndpointFacts | None) -> Finding:
    check = checks.REACHABLE
    if endpoint.endpoint is None and endpoint.launch is None:
        text = f"{label}: neither an endpoint nor a launch command is configured."
        return check.finding(Status.ERROR, text, mode=label, remedy=_start(checklist, label))
    if served is None:
        text = f"{label}: its server was not probed."
        return check.finding(Status.ERROR, text, mode=label, remedy="Run again with --resume; see errors of this mode.")
    if not served.reachable:
        text = f"{label}: {served.endpoint} cannot be used: {served.error or 'no answer'}."
        remedy = _BY_KIND.get(served.error_kind or "", check.remedy)
        return check.finding(
            Status.ERROR, text, mode=label, observed=served.error_kind, known_by=KnownBy.OBSERVED, remedy=remedy
        )
    engine = " ".join(filter(None, (served.engine or "an unknown engine", served.engine_version)))
    text = f"{label}: {served.endpoint} answers ({engine})."
    return check.finding(Status.PASS, text, mode=label, observed=engine, known_by=KnownBy.OBSERVED)


def _decodes(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    """The table "evidence of the mode": what the label wants, what is declared, what was seen."""
    want, said, seen = base_mode(label).value, served.declared_mode, served.observed_mode
    told = f"declared {said or 'unknown'} ({served.declared_why})"
    why = f"{told}, observed {seen or 'not'} ({served.observed_why or 'not tried'})"
    observed = f"declared {said or 'unknown'}, observed {seen or 'not seen'}"

    def finding(status: Status, text: str, known: KnownBy | None, remedy: str | None = None) -> Finding:
        return checks.MODE.finding(
            status,
            f"{label}: {text}: {why}.",
            mode=label,
            observed=observed,
            threshold=want,
            known_by=known,
            remedy=remedy,
        )

    if said is None:
        return _inferred(checklist, want, seen, finding)
    if said != want:
        if {said, want} == set(_RUNS):
            return finding(Status.FAIL, f"this is {said}, another method", KnownBy.DECLARED, f"Label the mode {said}.")
        return finding(Status.FAIL, f"the server declares {said}", KnownBy.DECLARED)
    if served.block_loop:
        return finding(Status.WARN, "autoregressive by name, run as a block loop", KnownBy.DECLARED)
    if seen is None:
        return finding(Status.PASS, "as declared; the stream could not show it", KnownBy.DECLARED)
    if _alike(seen, said):
        return finding(Status.PASS, "as declared, and seen in the stream", KnownBy.OBSERVED)
    status = Status.FAIL if want == Mode.AUTOREGRESSIVE.value else Status.INCONCLUSIVE
    cause = next((w.summary for w in served.warnings if w.id == checks.MODE.id), None)
    return finding(status, "the stream contradicts the declaration", KnownBy.OBSERVED, cause)


def _alike(seen: str, want: str) -> bool:
    return seen == want or (seen in _RUNS and want in _RUNS)


def _inferred(checklist: Checklist, want: str, seen: str | None, finding) -> Finding:  # type: ignore[no-untyped-def]  # noqa: ANN001
    if seen is None:
        remedy = "Ask the server directly instead of through a gateway, so that /server_info or /metrics can be read."
        result: Finding = finding(Status.INCONCLUSIVE, "the mode is neither declared nor seen", None, remedy)
    elif not _alike(seen, want):
        status = Status.FAIL if want == Mode.AUTOREGRESSIVE.value else Status.INCONCLUSIVE
        result = finding(status, "not declared, and the stream looks otherwise", KnownBy.OBSERVED)
    elif checklist.items.serving.accept_inferred:
        result = finding(Status.WARN, "inferred from the stream alone, as accepted", KnownBy.INFERRED)
    else:
        remedy = "Let evalkit reach /server_info (or vLLM's /metrics), or set items.serving.accept_inferred: true."
        result = finding(Status.INCONCLUSIVE, "only inferred from the stream", KnownBy.INFERRED, remedy)
    return result


def _block_loop(label: str, served: EndpointFacts) -> list[Finding]:
    if not served.block_loop:
        return []
    text = f"{label}: AR by name, a block loop by {served.declared_why}: for speed only, no quality baseline."
    known = KnownBy.OBSERVED if served.observed_mode == Mode.DIFFUSION.value else KnownBy.DECLARED
    return [checks.BLOCK_LOOP.finding(Status.WARN, text, mode=label, observed=served.observed_why, known_by=known)]


def _provenance(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
    allow = checklist.items.serving.allow
    kind = served.release
    engine = " ".join(filter(None, (served.engine or "an unknown engine", served.engine_version)))
    more = "".join(f", {name} {value}" for name, value in served.provenance.items())
    text = f"{label}: {engine} is of kind {kind}{more}."
    if kind == "unknown":
        status = Status.INCONCLUSIVE
        remedy = (
            "Let the server's version be read (/server_info, /version), or state it in modes.NAME.note and waive this."
        )
    else:
        allowed = kind in allow
        status = (Status.PASS if kind == "release" else Status.WARN) if allowed else Status.FAIL
        remedy = None
    return checks.PROVENANCE.finding(
        status,
        text,
        mode=label,
        observed=kind,
        threshold=", ".join(allow),
        known_by=KnownBy.DECLARED,
        remedy=remedy,
        data={"provenance": dict(served.provenance)},
    )


def _parallel(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
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


def _streaming(label: str, served: EndpointFacts) -> Finding:
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


def _sampling(checklist: Checklist, facts: Facts, label: str, served: EndpointFacts) -> Finding:
    check, asked = checks.SAMPLING, checklist.request.temperature
    matters = asked > 0
    told = served.capability("temperature")
    draws = next((probe for probe in reversed(facts.sampling) if probe.mode == label), None)
    if draws is not None and draws.draws - draws.failed >= 2:
        honoured = draws.distinct_at_one > 1
        one, zero = draws.distinct_at_one, draws.distinct_at_zero
        text = f"{label}: {one} different replies of {draws.draws} at temperature 1, {zero} at 0."
        status = Status.PASS if honoured else (Status.FAIL if matters else Status.WARN)
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


def _tools(facts: Facts, label: str, served: EndpointFacts) -> list[Finding]:
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


def _stability(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    asked = checklist.items.serving.stability
    if asked is None:
        return []
    check, soak = checks.STABILITY, facts.stability.get(label)
    if soak is None:
        remedy = "Run again with --resume and enough budget for the soak."
        return [check.finding(Status.INCONCLUSIVE, f"{label}: the soak was not run.", mode=label, remedy=remedy)]
    leak = None if soak.kv_before is None or soak.kv_after is None else soak.kv_after - soak.kv_before
    text = (
        f"{label}: {soak.requests} requests in {soak.minutes:g} min, {soak.failed} failed, "
        f"{soak.disconnects} disconnects, "
        f"{soak.idle_s:g} s idle, answer after it {'right' if soak.right_after else 'not right'}"
    )
    text += "" if leak is None else f", KV use {leak * 100:+.1f} points"
    if soak.requests == 0 or soak.right_after is None:
        status = Status.INCONCLUSIVE
    elif soak.failed or not soak.right_after or (leak is not None and leak > 0.02):
        status = Status.FAIL
    else:
        status = Status.WARN if leak is None or leak > 0.005 or soak.minutes < asked.minutes * 0.9 else Status.PASS
    return [check.finding(status, f"{text}.", mode=label, known_by=KnownBy.OBSERVED, data=soak.model_dump())]


def _incumbent(checklist: Checklist, facts: Facts) -> list[Finding]:
    if checklist.incumbent is None:
        return []
    finding = _reachable(checklist, INCUMBENT, checklist.incumbent, facts.endpoints.get(INCUMBENT))
    return [finding.model_copy(update={"counts": checklist.incumbent.required})]


def _required(checklist: Checklist, found: list[Finding]) -> list[Finding]:
    """Modes that were required by name block every mode; the configured ones are judged each for itself."""
    named = checklist.items.serving.require
    if named is None:
        return []
    out = []
    for label in named:
        parts = [f.status for f in found if f.mode == label and f.id in (checks.REACHABLE.id, checks.MODE.id)]
        if label not in checklist.modes:
            status, text = Status.ERROR, f"{label} is required, but not configured."
        elif parts and all(status.carries for status in parts):
            status, text = Status.PASS, f"{label} is required, and served."
        else:
            failed = Status.FAIL in parts
            status, text = (
                (Status.FAIL if failed else Status.INCONCLUSIVE),
                f"{label} is required, but not shown to be served.",
            )
        remedy = None if status is Status.PASS else _start(checklist, label)
        out.append(checks.REQUIRED.finding(status, text, threshold=label, remedy=remedy))
    return out

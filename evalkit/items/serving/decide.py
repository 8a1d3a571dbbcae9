"""Item 4, serving: is there a server for each mode, is it what it says, and is it the candidate?"""

from __future__ import annotations

from datetime import datetime
from textwrap import indent

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.data.records import records_for
from evalkit.facts import Facts
from evalkit.findings import Check, Evidence, Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.items.serving.capabilities import named, parallel, sampling, streaming, tools
from evalkit.items.serving.counters import corroborated, forward_passes
from evalkit.items.serving.mode import baseline_decodes, block_loop, decodes, preflight, provenance, shapes
from evalkit.items.serving.sameness import distinct, same_model
from evalkit.items.serving.settings import same_settings
from evalkit.items.serving.stability import stability
from evalkit.items.serving.unchanged import unchanged
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.serving.facts import Attempt, EndpointFacts, LaunchFacts
from evalkit.serving.support import line, recipe_for, unknown

CHECKS: tuple[Check, ...] = checks.CHECKS

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
        return [*_nothing_configured(checklist, facts), *_incumbent(checklist, facts)]
    found: list[Finding] = []
    first = _first(checklist, facts)
    for label, endpoint in checklist.modes.items():
        found += _mode(checklist, facts, label, endpoint, first)
    found += preflight(facts, None)
    found += distinct(checklist, facts)
    found += _incumbent(checklist, facts)
    found += _required(checklist, facts, found)
    return found


def _first(checklist: Checklist, facts: Facts) -> EndpointFacts | None:
    """The mode that the others must equal: the speed baseline, else the first that answers."""
    order = [checklist.baseline.speed, *checklist.modes]
    probed = (facts.endpoints.get(label) for label in order if label in checklist.modes)
    return next((served for served in probed if served is not None and served.reachable), None)


def _quality_baseline(checklist: Checklist, facts: Facts, label: str) -> EndpointFacts | None:
    """Where texts are compared with another mode than times are; the incumbent is another model anyway."""
    name = checklist.baseline.quality
    served = facts.endpoints.get(name) if name in checklist.modes and name != label else None
    return served if served is not None and served.reachable else None


def _mode(
    checklist: Checklist, facts: Facts, label: str, endpoint: Endpoint, first: EndpointFacts | None
) -> list[Finding]:
    found = _launches(facts, label)
    served = facts.endpoints.get(label)
    found.append(_reachable(checklist, facts, label, endpoint, served))
    if endpoint.endpoint is None and endpoint.launch is None:
        return [*found, *_support(checklist, facts, label)]
    if served is None or not served.reachable:
        return found
    quality = _quality_baseline(checklist, facts, label)
    found += [
        *preflight(facts, label),
        decodes(checklist, label, served),
        *baseline_decodes(checklist, facts, label),
        *block_loop(label, served),
        *corroborated(facts, label, served),
        *forward_passes(facts, label, endpoint),
        *unchanged(checklist, facts, label),
        provenance(checklist, label, served),
        same_model(checklist, facts, served, label, first, quality),
        *shapes(checklist, facts, label),
    ]
    against = {other.label: other for other in (first, quality) if other is not None}
    settings = (same_settings(checklist, facts, served, label, other) for other in against.values())
    found += [one for one in settings if one is not None]
    found += [parallel(checklist, label, served), streaming(label, served), sampling(checklist, facts, label, served)]
    return [*found, *tools(facts, label, served), *named(label, served), *stability(checklist, facts, label)]


def _architectures(facts: Facts) -> tuple[str, ...]:
    """By which a model that no record names is known: a folder, a fine-tune, a copy."""
    return facts.candidate.architectures if facts.candidate else ()


def _model(checklist: Checklist) -> str:
    return checklist.candidate.model if checklist.candidate else "MODEL"


def _start(checklist: Checklist, facts: Facts, label: str, port: int = 30000) -> str:
    """How to start a server for the mode, in one line, and how to name it."""
    model = _model(checklist)
    recipe = recipe_for(model, base_mode(label).value, _architectures(facts))
    if recipe is None:
        then = f"Start a server that decodes in this mode, then: `evalkit run --mode {label}=http://HOST:PORT`"
        return f"{unknown(model, base_mode(label).value)} {then}"
    files = "".join(f"\n  {file.name}:\n{indent(file.text, '    ')}" for file in recipe.side_files)
    command = recipe.command(model=model, port=port)
    start = f"Start {recipe.title} ({recipe.record.note}):\n  `{command}`{files.rstrip()}"
    return f"{start}\nthen: `evalkit run --mode {label}=http://127.0.0.1:{port}`"


def _nothing_configured(checklist: Checklist, facts: Facts) -> list[Finding]:
    """The first thing a new user sees: what can serve the model in each mode today, and how to start it."""
    modes = (Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value, Mode.SELF_SPECULATION.value)
    ports = {mode: 30000 + place for place, mode in enumerate(modes)}
    shown = [finding for mode, port in ports.items() for finding in _support(checklist, facts, mode, port=port)]
    given = " ".join(f"--mode {mode}=http://127.0.0.1:{port}" for mode, port in list(ports.items())[:2])
    first = "as serving.support says below." if shown else f"for example:\n{_start(checklist, facts, modes[0])}"
    remedy = (
        f"Start a server for {modes[0]} and one for each mode that you want to adopt, {first}\n"
        f"Then: `evalkit run {given}`\n"
        "One GPU: give modes.NAME.launch in the checklist, and evalkit starts them in turn. "
        "No GPU: `evalkit run --demo` shows a whole run."
    )
    nothing = checks.REACHABLE.finding(Status.ERROR, "No mode is configured, so no server was asked.", remedy=remedy)
    return [nothing, *shown]


def _support(checklist: Checklist, facts: Facts, label: str, *, port: int | None = None) -> list[Finding]:
    """What is documented to serve the mode. It never decides: a live server would override it."""
    mode = base_mode(label).value
    rows = records_for(_model(checklist), mode, _architectures(facts))
    if not rows:
        return []
    text = "; ".join(line(row) for row in rows)
    return [
        checks.SUPPORT.finding(
            Status.INCONCLUSIVE,
            f"{_model(checklist)} in mode {mode}, as documented: {text}.",
            mode=None if port else label,
            known_by=KnownBy.THIRD_PARTY_REPORTED,
            counts=port is not None,
            evidence=tuple(Evidence(url=url) for url in dict.fromkeys(row.source for row in rows)),
            remedy=_start(checklist, facts, label, port or 30000),
            data={"rows": [row.model_dump() for row in rows]},
        )
    ]


def _its_turn(checklist: Checklist, label: str, endpoint: Endpoint) -> str:
    again = f"`evalkit run CHECKLIST --only-mode {label} --resume RUN-FOLDER`"
    others = [name for name, other in checklist.modes.items() if name != label and other.endpoint == endpoint.endpoint]
    if endpoint.launch is None and others:
        return f"Restart the server at {endpoint.endpoint} in this mode, then: {again}"
    return f"Go on with the run: {again}"


def _launches(facts: Facts, label: str) -> list[Finding]:
    """The try, and each start as it went last: one that failed in an earlier session may have come up since."""
    latest = {launch.launch: launch for launch in facts.launches if launch.mode == label}
    found = [_launch(label, launch) for launch in latest.values()]
    tried = facts.attempts.get(label)
    failed = any(one.status is Status.ERROR for one in found)
    return [*found, _try(tried)] if tried is not None and not (failed or (tried.ok and found)) else found


def _try(tried: Attempt) -> Finding:
    ready = "" if tried.ready_s is None else f"ready after {tried.ready_s:.1f} s, "
    if tried.ok:
        text = f"{tried.mode}: its launch was tried: {ready}{tried.said}."
        return checks.LAUNCH.finding(Status.PASS, text, mode=tried.mode, known_by=KnownBy.OBSERVED)
    tail = "\n".join(tried.log_tail[-8:])
    remedy = f"{checks.LAUNCH.remedy}\n{tail}" if tail else None
    text = f"{tried.mode}: its launch was tried and failed: {ready}{tried.said}."
    return checks.LAUNCH.finding(Status.ERROR, text, mode=tried.mode, known_by=KnownBy.OBSERVED, remedy=remedy)


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


def _reachable(
    checklist: Checklist, facts: Facts, label: str, endpoint: Endpoint, served: EndpointFacts | None
) -> Finding:
    check = checks.REACHABLE
    if endpoint.endpoint is None and endpoint.launch is None:
        text = f"{label}: neither an endpoint nor a launch command is configured."
        return check.finding(Status.ERROR, text, mode=label, remedy=_start(checklist, facts, label))
    if served is None:
        text = f"{label}: its server was not probed."
        return check.finding(Status.ERROR, text, mode=label, remedy=_its_turn(checklist, label, endpoint))
    if not served.reachable:
        text = f"{label}: {served.endpoint} cannot be used: {served.error or 'no answer'}."
        remedy = _BY_KIND.get(served.error_kind or "", check.remedy)
        return check.finding(
            Status.ERROR, text, mode=label, observed=served.error_kind, known_by=KnownBy.OBSERVED, remedy=remedy
        )
    engine = " ".join(filter(None, (served.engine or "an unknown engine", served.engine_version)))
    text = f"{label}: {served.endpoint} answers ({engine})."
    return check.finding(Status.PASS, text, mode=label, observed=engine, known_by=KnownBy.OBSERVED)


def _incumbent(checklist: Checklist, facts: Facts) -> list[Finding]:
    if checklist.incumbent is None:
        return []
    found = [_reachable(checklist, facts, INCUMBENT, checklist.incumbent, facts.endpoints.get(INCUMBENT))]
    found += unchanged(checklist, facts, INCUMBENT)
    return [finding.model_copy(update={"counts": checklist.incumbent.required}) for finding in found]


def _required(checklist: Checklist, facts: Facts, found: list[Finding]) -> list[Finding]:
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
        remedy = None if status is Status.PASS else _start(checklist, facts, label)
        out.append(checks.REQUIRED.finding(status, text, threshold=label, remedy=remedy))
    return out

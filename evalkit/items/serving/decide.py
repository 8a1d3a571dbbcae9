"""Item 4, serving: is there a server for each mode, is it what it says, and is it the candidate?"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.data.records import records_for
from evalkit.facts import Facts
from evalkit.findings import Evidence, Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.items.serving.afterwards import stability, unchanged
from evalkit.items.serving.capabilities import named, parallel, sampling, streaming, tools
from evalkit.items.serving.counters import corroborated, forward_passes
from evalkit.items.serving.mode import baseline_decodes, block_loop, decodes, engine_name, preflight, provenance, shapes
from evalkit.items.serving.prompts_read import prompts_read
from evalkit.items.serving.sameness import distinct, same_model, same_settings
from evalkit.items.serving.words import Launch, Reachable, Required, Start, Supported
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.serving.facts import Attempt, EndpointFacts, LaunchFacts


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings about each configured mode's server, and about the incumbent's. Missing facts are never a pass."""
    if not checklist.modes:
        return [*_nothing_configured(checklist, facts, now.date()), *_incumbent(checklist, facts)]
    found: list[Finding] = []
    first = _first(checklist, facts)
    for label, endpoint in checklist.modes.items():
        found += _mode(checklist, facts, label, endpoint, first, now.date())
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


def _mode(  # noqa: PLR0917  called once, right above
    checklist: Checklist, facts: Facts, label: str, endpoint: Endpoint, first: EndpointFacts | None, today: date
) -> list[Finding]:
    found = _launches(facts, label)
    served = facts.endpoints.get(label)
    found.append(_reachable(checklist, facts, label, endpoint, served))
    if endpoint.endpoint is None and endpoint.launch is None:
        return [*found, *_support(_start(checklist, facts, label), today, counts=False, mode=label)]
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
    found += prompts_read(checklist, facts, label)
    found += [parallel(checklist, label, served), streaming(label, served), sampling(checklist, facts, label, served)]
    return [*found, *tools(facts, label, served), *named(label, served), *stability(checklist, facts, label)]


def _architectures(facts: Facts) -> tuple[str, ...]:
    """By which a model that no record names is known: a folder, a fine-tune, a copy."""
    return facts.candidate.architectures if facts.candidate else ()


def _start(checklist: Checklist, facts: Facts, label: str, port: int = 30000) -> Start:
    model = checklist.candidate.model if checklist.candidate else None
    return Start(label, base_mode(label).value, model, _architectures(facts), port)


def _nothing_configured(checklist: Checklist, facts: Facts, today: date) -> list[Finding]:
    """The first thing a new user sees: what can serve the model in each mode today, and how to start it."""
    modes = (Mode.AUTOREGRESSIVE.value, Mode.DIFFUSION.value, Mode.SELF_SPECULATION.value)
    starts = tuple(_start(checklist, facts, mode, 30000 + place) for place, mode in enumerate(modes))
    shown = [finding for start in starts for finding in _support(start, today, counts=True)]
    values = Reachable(outcome="no-mode", starts=starts, recorded=bool(shown))
    return [checks.REACHABLE.found(values), *shown]


def _support(start: Start, today: date, *, counts: bool, mode: str | None = None) -> list[Finding]:
    """What is documented to serve the mode. It never decides: a live server would override it."""
    rows = tuple(records_for(start.model or "MODEL", start.decoding, start.architectures))
    if not rows:
        return []
    evidence = tuple(Evidence(url=url) for url in dict.fromkeys(row.source for row in rows))
    return [
        checks.SUPPORT.found(
            Supported(rows=rows, start=start, today=today), mode=mode, known_by=KnownBy.THIRD_PARTY_REPORTED,
            counts=counts, evidence=evidence,
        )
    ]  # fmt: skip


def _launches(facts: Facts, label: str) -> list[Finding]:
    """The try, and each start as it went last: one that failed in an earlier session may have come up since."""
    latest = {launch.launch: launch for launch in facts.launches if launch.mode == label}
    found = [_launch(label, launch) for launch in latest.values()]
    tried = facts.attempts.get(label)
    failed = any(one.status is Status.ERROR for one in found)
    return [*found, _try(tried)] if tried is not None and not (failed or (tried.ok and found)) else found


def _try(tried: Attempt) -> Finding:
    values = Launch(
        outcome="tried" if tried.ok else "try-failed", mode=tried.mode, ready_s=tried.ready_s, why=tried.said,
        log_tail=tried.log_tail,
    )  # fmt: skip
    return checks.LAUNCH.found(values, mode=tried.mode, known_by=KnownBy.OBSERVED)


def _launch(label: str, launch: LaunchFacts) -> Finding:
    ready = "ready" if launch.ready_s is not None else "never-ready"
    values = Launch.model_validate({
        "outcome": "failed" if launch.error else ready, "mode": label, "launch": launch.launch,
        "ready_s": launch.ready_s, "why": launch.error or "", "log_tail": launch.log_tail,
    })  # fmt: skip
    seen = None if values.outcome == "never-ready" else KnownBy.OBSERVED
    return checks.LAUNCH.found(values, mode=label, known_by=seen)


def _reachable(
    checklist: Checklist, facts: Facts, label: str, endpoint: Endpoint, served: EndpointFacts | None
) -> Finding:
    check = checks.REACHABLE
    if endpoint.endpoint is None and endpoint.launch is None:
        missing = Reachable(outcome="not-configured", mode=label, starts=(_start(checklist, facts, label),))
        return check.found(missing, mode=label)
    if served is None:
        others = [one for name, one in checklist.modes.items() if name != label and one.endpoint == endpoint.endpoint]
        restart = endpoint.launch is None and bool(others)
        unasked = Reachable(outcome="not-probed", mode=label, endpoint=endpoint.endpoint, restart=restart)
        return check.found(unasked, mode=label)
    values = Reachable(
        outcome="answers" if served.reachable else "unusable", mode=label, endpoint=served.endpoint,
        engine=engine_name(served), error=served.error, error_kind=served.error_kind,
    )  # fmt: skip
    return check.found(values, mode=label, known_by=KnownBy.OBSERVED)


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
        outcome: Literal["not-configured", "served", "not-served", "not-shown"] = "not-shown"
        if label not in checklist.modes:
            outcome = "not-configured"
        elif parts and all(status.carries for status in parts):
            outcome = "served"
        elif Status.FAIL in parts:
            outcome = "not-served"
        start = None if outcome == "served" else _start(checklist, facts, label)
        out.append(checks.REQUIRED.found(Required(outcome=outcome, mode=label, start=start)))
    return out

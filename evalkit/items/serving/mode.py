"""Serving: the evidence of the mode, declared, observed and corroborated; and of what kind the engine is."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.items.serving.replies import unlike
from evalkit.modes import INCUMBENT, Mode, base_mode
from evalkit.serving.facts import Conflict, EndpointFacts
from evalkit.text import capital

RUNS = (Mode.SELF_SPECULATION.value, Mode.SPECULATIVE.value)


def decodes(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
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
        if {said, want} == set(RUNS):
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


def baseline_decodes(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """A baseline that decodes in another way than its label says is not what the mode is compared with."""
    found = []
    for name in dict.fromkeys((checklist.baseline.speed, checklist.baseline.quality)):
        served = facts.endpoints.get(name)
        if name in (label, INCUMBENT) or name not in checklist.modes or served is None or not served.reachable:
            continue
        seen = decodes(checklist, name, served)
        if seen.status is Status.FAIL:
            text = f"{label}: its baseline is not {name}: {seen.summary}"
            found.append(checks.MODE.finding(Status.INCONCLUSIVE, text, mode=label, known_by=seen.known_by))
    return found


def shapes(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """One finding for a mode whose replies, or those of a baseline, are of two modes by how they came."""
    names = dict.fromkeys((label, checklist.baseline.speed, checklist.baseline.quality))
    found = next((one for name in names if name != INCUMBENT and (one := unlike(facts, name))), None)
    return [checks.MODE.found(found, mode=label, known_by=KnownBy.OBSERVED)] if found else []


def _alike(seen: str, want: str) -> bool:
    return seen == want or (seen in RUNS and want in RUNS)


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


def block_loop(label: str, served: EndpointFacts) -> list[Finding]:
    if not served.block_loop:
        return []
    text = f"{label}: AR by name, a block loop by {served.declared_why}: for speed only, no quality baseline."
    known = KnownBy.OBSERVED if served.observed_mode == Mode.DIFFUSION.value else KnownBy.DECLARED
    return [checks.BLOCK_LOOP.finding(Status.WARN, text, mode=label, observed=served.observed_why, known_by=known)]


def provenance(checklist: Checklist, label: str, served: EndpointFacts) -> Finding:
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


def preflight(facts: Facts, label: str | None) -> list[Finding]:
    """What was known to conflict before the first timed request of a mode, or (None) of the whole run."""
    seen = facts.preflights.get(label or "run")
    if seen is None or (label is None and not seen.conflicts):
        return []
    check, name = checks.PREFLIGHT, label or "the run"
    if not seen.conflicts:
        return [check.finding(Status.PASS, f"{name}: nothing asked is known to fail.", mode=label)]
    what = "; ".join(c.what for c in seen.conflicts)
    text = f"{name}: {'not measured, as ' if seen.stopped else ''}{what}."
    status = Status.ERROR if seen.stopped else Status.WARN
    return [check.finding(status, text, mode=label, known_by=KnownBy.DECLARED, remedy=_remedies(seen.conflicts))]


def _remedies(conflicts: tuple[Conflict, ...]) -> str:
    text = "; ".join(dict.fromkeys(conflict.remedy for conflict in conflicts))
    return f"{capital(text)}."

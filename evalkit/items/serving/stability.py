"""Serving: what load, disconnects and silence did to the server."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks

#: growth of the KV pool's use, as a share of it, that is a leak, and that is worth a word
_LEAK, _DRIFT = 0.02, 0.005
#: disconnects that hit a request in work; replies that were there before the client left show nothing
_ENOUGH = 10


def stability(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
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
    text += ", KV use not told" if leak is None else f", KV use {leak * 100:+.1f} points"
    if leak is not None and not soak.flushed:
        text += " (cache included, as it could not be emptied)"
    if soak.requests == 0 or (soak.right_after is None and not soak.failed):
        status = Status.INCONCLUSIVE
    elif soak.failed or not soak.right_after or (soak.flushed and leak is not None and leak > _LEAK):
        status = Status.FAIL
        text += f" ({soak.detail})" if soak.detail and soak.failed else ""
    else:
        short = soak.minutes < asked.minutes * 0.9 or soak.disconnects < _ENOUGH
        status = Status.WARN if leak is None or leak > _DRIFT or short else Status.PASS
    return [check.finding(status, f"{text}.", mode=label, known_by=KnownBy.OBSERVED, data=soak.model_dump())]

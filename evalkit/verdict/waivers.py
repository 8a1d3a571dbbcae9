"""Waivers: a named person accepts a finding until a date. Pure.

A live waiver turns what is open or failed into `waived` and keeps the original status. One that has run out fails the
item, so that somebody looks again; one that covers nothing warns. A waiver covers one model (that of its checklist)
and, when it names a revision, one commit.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

from evalkit.checklist.schema import Checklist, Waiver
from evalkit.findings import ITEM_IDS, Finding, Frozen, ItemId, Status

#: the furthest expiry, from the day of the decision
LONGEST = timedelta(days=180)
State = Literal["used", "expired", "unused", "too-long", "other-revision"]
_WAIVABLE = (Status.FAIL, Status.INCONCLUSIVE, Status.ERROR)
Found = dict[ItemId, list[Finding]]


class WaiverUse(Frozen):
    """What became of one waiver. `expires` is inclusive."""

    finding: str
    mode: str | None
    case: str | None = None
    kind: str = "accepted-risk"
    reason: str
    owner: str
    expires: str
    ticket: str | None = None
    revision: str | None = None
    state: State
    original_status: Status | None = None


def apply(
    findings: Found, checklist: Checklist, revision: str | None, now: datetime
) -> tuple[Found, tuple[WaiverUse, ...]]:
    """The findings with live waivers laid over them, and the use of each waiver in order."""
    result: Found = {item: list(found) for item, found in findings.items()}
    uses = []
    for waiver in checklist.waivers:
        item = next(i for i in ITEM_IDS if i == waiver.finding.split(".")[0])
        hits = [n for n, f in enumerate(findings[item]) if _covers(waiver, f)]
        dead = _dead(waiver, revision, now.date())
        whole = [n for n in hits if not dead and _whole(findings[item][n], checklist.waivers, revision, now)]
        for n in whole:
            f = findings[item][n]
            result[item][n] = f.model_copy(update={"status": Status.WAIVED, "original_status": f.status})
        state: State = "unused" if not hits else dead or ("used" if whole else "unused")
        result[item] += _remarks(waiver, item, state, [findings[item][n].mode for n in hits])
        uses.append(
            WaiverUse(
                **waiver.model_dump(
                    include={"finding", "mode", "case", "kind", "reason", "owner", "ticket", "revision"}
                ),
                expires=waiver.expires.isoformat(),
                state=state,
                original_status=findings[item][hits[0]].status if hits else None,
            )
        )
    return result, tuple(uses)


def _dead(waiver: Waiver, revision: str | None, today: date) -> Literal["expired", "too-long", "other-revision"] | None:
    if waiver.expires < today:
        return "expired"
    if waiver.expires > today + LONGEST:
        return "too-long"
    return "other-revision" if waiver.revision not in (None, revision) else None


def _covers(waiver: Waiver, finding: Finding) -> bool:
    if finding.id != waiver.finding or finding.status not in _WAIVABLE or waiver.mode not in (None, finding.mode):
        return False
    return waiver.case is None or any(_is(waiver.case, case) for case in cases_of(finding))


def _whole(finding: Finding, waivers: list[Waiver], revision: str | None, now: datetime) -> bool:
    """Whether live waivers cover the finding: as a whole, or each of its cases."""
    live = [w for w in waivers if _covers(w, finding) and not _dead(w, revision, now.date())]
    if any(w.case is None for w in live):
        return True
    return all(any(_is(w.case or "", case) for w in live) for case in cases_of(finding))


def cases_of(finding: Finding) -> list[str]:
    """The cases (`suite/case`) that make a finding what it is, where it lists them."""
    found: list[str] = []
    for name in ("lost", "open"):
        listed = finding.data.get(name)
        found += [str(one) for one in listed] if isinstance(listed, list) else []
    return found


def _is(written: str, case: str) -> bool:
    return written in (case, case.partition("/")[2])


def _remarks(waiver: Waiver, item: ItemId, state: State, modes: list[str | None]) -> list[Finding]:
    """What a waiver that does not hold makes of its item: run out, it fails; covering nothing, it warns."""
    until = f"valid through {waiver.expires}, owner {waiver.owner}"
    if state == "expired":
        summary = f"the waiver of {waiver.finding} has run out ({until})."
        remedy = "mend what was waived, or renew the waiver after looking again"
        return [
            Finding(
                id=f"{item}.waiver-expired", item=item, status=Status.FAIL, mode=mode, summary=summary, remedy=remedy,
                observed=waiver.expires.isoformat(),
            )
            for mode in dict.fromkeys(modes)
        ]  # fmt: skip
    why = {
        "unused": "covers nothing: the finding does not fail, or other cases fail too",
        "too-long": f"runs for more than {LONGEST.days} days, so it covers nothing",
        "other-revision": f"is for the commit {waiver.revision}, which was not evaluated",
    }.get(state)
    if why is None:
        return []
    summary = f"the waiver of {waiver.finding} {why} ({until})."
    remedy = "remove it, or correct what it names"
    return [
        Finding(
            id=f"{item}.waiver-unused", item=item, status=Status.WARN, mode=waiver.mode, summary=summary, remedy=remedy
        )
    ]

"""Findings and waivers become a verdict. Pure: the same facts, checklist and time give the same decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import ITEM_IDS, PER_MODE_ITEMS, Finding, ItemId, Status, worst
from evalkit.items.modes import checks as modes_checks
from evalkit.items.modes import traffic_checks as modes_load_checks
from evalkit.items.quality import checks as quality_checks
from evalkit.items.quality.checks import VERSUS
from evalkit.items.registry import ITEMS
from evalkit.modes import INCUMBENT
from evalkit.text import capital
from evalkit.verdict.results import EXIT_CODES, LARGE_LOSS, Decision, ItemResult, ModeResult, Qualified
from evalkit.verdict.waivers import WaiverUse, apply

#: items of which one must be required and shown for a mode, so that it can be adopted
_WORTH: tuple[ItemId, ...] = ("modes", "quality")
#: checks of which one decides the speed of a mode, by `decide_at`: only that one counts
_DECIDING = (modes_checks.SPEEDUP.id, modes_load_checks.LOAD.id, modes_load_checks.CAPACITY.id)


def decide(checklist: Checklist, facts: Facts, now: datetime, *, strict: bool = False) -> Decision:
    """The decision on what was collected. `strict` turns warn into fail."""
    findings = {item: gather(item, checklist, facts, now) for item in ITEM_IDS}
    findings, waivers = apply(findings, checklist, facts.candidate.revision if facts.candidate else None, now)
    if strict:
        findings = {item: [_strict(f) for f in found] for item, found in findings.items()}
    speeds: dict[str | None, object] = {
        f.mode: f.data.get("ratio") for f in findings["modes"] if f.id in _DECIDING and f.mode and f.counts
    }
    if facts.candidate and facts.candidate.record:  # no commit was read: a first look, whatever the checklist asks
        checklist = checklist.model_copy(update={"profile": "first-look"})
    return settle(checklist, findings, waivers, speeds=speeds, strict=strict)


def gather(item: ItemId, checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """The findings of one item, with what the checklist or the collection says of the item as a whole."""
    configured = checklist.items.of(item)
    if configured.not_applicable:
        reason = f"declared not applicable: {configured.not_applicable.reason}"
        return [Finding(id=f"{item}.not-applicable", item=item, status=Status.NOT_APPLICABLE, summary=reason)]
    for skipped in facts.skipped:
        if skipped.item == item:
            summary = skipped.reason
            remedy = f"run again with {item} for a whole verdict"
            return [Finding(id=f"{item}.skipped", item=item, status=Status.SKIPPED, summary=summary, remedy=remedy)]
    found = ITEMS[item].decide(checklist, facts, now)
    found += [
        Finding(
            id=f"{item}.collected", item=item, status=Status.ERROR, summary=e.summary, mode=e.mode,
            remedy=e.remedy or "mend what the message names and run again",
        )
        for e in facts.errors
        if e.item == item
    ]  # fmt: skip
    return found


def _strict(finding: Finding) -> Finding:
    return finding.model_copy(update={"status": Status.FAIL}) if finding.status is Status.WARN else finding


def settle(
    checklist: Checklist,
    findings: dict[ItemId, list[Finding]],
    waivers: tuple[WaiverUse, ...] = (),
    *,
    speeds: dict[str | None, object] | None = None,
    strict: bool = False,
) -> Decision:
    """Findings of the six items become the decision."""
    results = [_qualify(mode, checklist, findings) for mode in dict.fromkeys([*checklist.adopted, *checklist.modes])]
    adopted = [r for r in results if r.adopted]
    best = _fastest([r.mode for r in adopted if r.qualified == "pass"], checklist, speeds or {})
    shown = best or None
    items = tuple(_item(item, checklist, findings[item], adopted, shown) for item in ITEM_IDS)
    blocked = [i for i in items if i.required and i.id not in PER_MODE_ITEMS and not i.status.carries]
    failed = [i for i in blocked if i.status is Status.FAIL]
    verdict = _verdict(adopted, best, blocked, failed, checklist)
    return Decision(
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        recommended_mode=best if verdict == "go" else None,
        reasons=tuple(_reasons(verdict, best, results, adopted, blocked, checklist)),
        items=items,
        modes=tuple(results),
        waivers=waivers,
        strict=strict,
        next_steps=next_steps(items, results),
        profile=checklist.profile,
        incumbent=_incumbent(checklist, findings, best),
    )


def _verdict(
    adopted: list[ModeResult],
    best: str | None,
    blocked: list[ItemResult],
    failed: list[ItemResult],
    checklist: Checklist,
) -> Literal["go", "no-go", "inconclusive"]:
    every_mode_failed = bool(adopted) and all(r.qualified == "fail" for r in adopted)
    if failed or every_mode_failed:
        return "no-go"
    if best is not None and not blocked and checklist.profile != "first-look":
        return "go"
    return "inconclusive"


def counted(findings: list[Finding], mode: str | None = None) -> list[Finding]:
    """Findings that count, for the whole candidate (`mode` None) or for one mode with those of no mode."""
    mine = [f for f in findings if f.counts]
    return [f for f in mine if f.mode is None] if mode is None else [f for f in mine if f.mode in (None, mode)]


def _qualify(mode: str, checklist: Checklist, findings: dict[ItemId, list[Finding]]) -> ModeResult:
    """A mode qualifies only when every required item that covers it passes."""
    statuses: list[Status] = []
    reasons: list[tuple[bool, str]] = []  # failures before what is open
    for item in ITEM_IDS:
        if not checklist.required(item):
            continue
        per_mode = item in PER_MODE_ITEMS
        mine = counted(findings[item], mode) if per_mode else [f for f in findings[item] if f.counts and f.mode == mode]
        incumbent = checklist.incumbent
        if incumbent and incumbent.required and per_mode:
            mine += [f for f in findings[item] if f.counts and f.mode == INCUMBENT]
        if not mine and not per_mode:
            continue
        statuses.append(worst([f.status for f in mine]))
        reasons += [(f.status is not Status.FAIL, f"{f.id}: {f.summary}") for f in mine if not f.status.carries]
        if not mine:
            reasons.append((True, f"{item}: nothing was measured"))
    incumbent = checklist.incumbent
    if incumbent and incumbent.required:  # also where quality as such is not asked for
        compared = [
            f for f in findings["quality"] if f.counts and f.mode == mode and f.id == quality_checks.INCUMBENT.id
        ]
        statuses.append(worst([f.status for f in compared]))
        reasons += [(f.status is not Status.FAIL, f"{f.id}: {f.summary}") for f in compared if not f.status.carries]
        if not compared:
            reasons.append((True, "quality.incumbent: required, and not compared"))
    if not statuses or (not _compared(mode, checklist, findings) and all(s.carries for s in statuses)):
        statuses.append(Status.INCONCLUSIVE)
        reasons.append((True, f"nothing was shown for {mode}"))
    if any(s is Status.FAIL for s in statuses):
        qualified: Qualified = "fail"
    else:
        qualified = "pass" if all(s.carries for s in statuses) else "inconclusive"
    return ModeResult(
        mode=mode,
        qualified=qualified,
        adopted=mode in checklist.adopted,
        reasons=tuple(text for _, text in sorted(dict.fromkeys(reasons), key=lambda r: r[0])),
    )


def _compared(mode: str, checklist: Checklist, findings: dict[ItemId, list[Finding]]) -> bool:
    """Whether something that is asked for shows what the mode is worth: its speed, or its answers. What is waived or
    does not apply shows nothing, nor does a server that is what it should be, nor a threshold that most modes meet.
    """
    asked = [
        f for item in _WORTH if checklist.required(item) and not _lenient(item, checklist, findings[item], mode)
        for f in findings[item]
    ]  # fmt: skip
    if checklist.incumbent and checklist.incumbent.required:
        asked += [f for f in findings["quality"] if f.id == quality_checks.INCUMBENT.id]
    return any(f.mode == mode and f.counts and f.status in (Status.PASS, Status.WARN) for f in asked)


def _lenient(item: ItemId, checklist: Checklist, findings: list[Finding], mode: str) -> bool:
    """Whether a mode may be slower than the baseline by what is asked of its speed, or lose much of its answers."""
    speed = checklist.items.modes
    if item == "modes":
        limits = (speed.goodput, speed.capacity, *speed.latency.model_dump().values())
        slower = mode != checklist.baseline.speed and speed.speedup.at_least < 1
        return slower and all(limit is None for limit in limits)
    margins = [f.data["margin"] for f in findings if f.mode == mode and f.data.get("margin") is not None]
    return bool(margins) and all(isinstance(m, float) and m >= LARGE_LOSS for m in margins)


def _fastest(modes: list[str], checklist: Checklist, speeds: dict[str | None, object]) -> str | None:
    def ratio(mode: str) -> float:
        value = speeds.get(mode)
        return float(value) if isinstance(value, int | float) else (1.0 if mode == checklist.baseline.speed else 0.0)

    return max(modes, key=ratio) if modes else None


def _item(
    item: ItemId, checklist: Checklist, findings: list[Finding], adopted: list[ModeResult], shown: str | None
) -> ItemResult:
    counting = [f for f in findings if f.counts]
    if item in PER_MODE_ITEMS:
        status = _per_mode_status(counting, [r.mode for r in adopted], shown)
    else:
        candidate = [f for f in counting if f.mode is None or f.mode == shown]
        status = worst([f.status for f in candidate])
    return ItemResult(
        id=item, status=status, required=checklist.required(item), summary=_summary(counting, status, shown, adopted),
        findings=tuple(findings),
    )  # fmt: skip


def _per_mode_status(findings: list[Finding], adopted: list[str], shown: str | None) -> Status:
    """That of the recommended mode; without one, three-way any over the adopted modes.

    Where no mode may be adopted, what holds for the candidate alone shows nothing of a mode: it carries no item.
    """
    if shown is not None:
        return worst([f.status for f in findings if f.mode in (None, shown)])
    each = [worst([f.status for f in findings if f.mode in (None, mode)]) for mode in adopted]
    if not each:
        alone = worst([f.status for f in findings if f.mode is None])
        return Status.INCONCLUSIVE if alone.carries else alone
    carrying = [s for s in each if s.carries]
    still_open = [s for s in each if s.open]
    return worst(carrying) if carrying else worst(still_open) if still_open else Status.FAIL


def _summary(findings: list[Finding], status: Status, shown: str | None, adopted: list[ModeResult]) -> str:
    """The sentence of the finding that made the status: of the recommended mode, else of one that is open."""
    same = [f for f in findings if f.status is status]
    if findings and not same:
        return "no mode that may be adopted was measured"
    groups = (
        (None, shown),
        [r.mode for r in adopted if r.qualified == "inconclusive"],
        [r.mode for r in adopted],
    )
    chosen = next((found for modes in groups if (found := [f for f in same if f.mode in modes])), same) or findings
    if not chosen:
        return "nothing was collected"
    speaking = [f for f in chosen if f.mode is not None] or chosen
    first = speaking[0]
    of = first.mode or first.variant
    return first.summary if not of or first.summary.startswith(of) else f"{of}: {first.summary}"


def _shortfall(result: ModeResult) -> str:
    """`diffusion does not qualify: quality.floor: …`."""
    word = "does not qualify" if result.qualified == "fail" else "is not shown to qualify"
    return f"{result.mode} {word}: {result.reasons[0] if result.reasons else ''}"


def _reasons(  # noqa: PLR0917  called once
    verdict: str,
    best: str | None,
    results: list[ModeResult],
    adopted: list[ModeResult],
    blocked: list[ItemResult],
    checklist: Checklist,
) -> list[str]:
    reasons: list[str] = []
    if verdict == "go":
        reasons.append(f"{best} passes every required item and is the fastest mode that does.")
    if checklist.profile == "first-look" and verdict == "inconclusive" and best and not blocked:
        reasons.append(f"A first look never ends GO: {best} is worth a full run (profile: decide).")
    reasons += [f"{i.id} is {i.status.value}: {i.summary}" for i in blocked]
    if not adopted:
        reasons.append("No mode other than the baseline is configured: there is nothing to adopt.")
    if verdict != "go":
        short = [r for r in adopted if r.qualified != "pass"]
        reasons += [_shortfall(r) for r in sorted(short, key=lambda r: r.qualified == "fail")]  # what is open first
        plain = next((r for r in results if r.mode == checklist.baseline.speed and not r.adopted), None)
        if verdict == "no-go" and plain and plain.qualified == "pass":
            reasons.append(f"Plain {plain.mode} would pass.")
    else:
        reasons += [_shortfall(r) for r in adopted if r.qualified != "pass" and r.reasons]
    return list(dict.fromkeys(reasons))


def _incumbent(checklist: Checklist, findings: dict[ItemId, list[Finding]], best: str | None) -> str:
    if checklist.incumbent is None:
        return "NOT COMPARED: no incumbent is configured"
    compared = [f for f in findings["quality"] if f.id == quality_checks.INCUMBENT.id]
    # without a mode that qualifies, of the first that was compared
    mode = best or next((m for m in checklist.adopted if any(f.mode == m for f in compared)), None)
    found = [f for f in compared if f.mode == mode]
    if not found and checklist.baseline.speed == INCUMBENT and checklist.items.quality.not_applicable:
        return "NOT COMPARED: tasks are not part of this run; it is the baseline of the speed-up"
    if not found:
        return "NOT COMPARED: no mode was compared with it"
    answered = [(VERSUS.get(f.outcome, "NOT COMPARED"), f.summary) for f in found]
    rank = ("worse", "NOT COMPARED", "better", "no worse")  # of several suites: better if one is, and none is worse
    answer, summary = min(answered, key=lambda one: rank.index(one[0]))
    return f"{answer}: {mode}, {summary}"


# -- what would settle what is open or failed ------------------------------------------------------------------------

_CANDIDATE, _ADOPTED, _OTHER = range(3)
Rank = tuple[int, int, int, bool]


def next_steps(items: Sequence[ItemResult], modes: Sequence[ModeResult]) -> tuple[str, ...]:
    """`Remedy (finding for mode, mode)`, one a remedy, of findings that count in required items.

    First what holds for the candidate as a whole, since it blocks every mode; then the modes that may be adopted, the
    one with the least in its way first, those still open before those that failed; last what no adopted mode needs.
    """
    found = [
        finding
        for item in items
        for finding in item.findings
        if item.required and finding.counts and finding.remedy and _wanting(finding)
    ]
    ways = _ways(found, modes)
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(str(finding.remedy), []).append(finding)
    ordered = sorted(groups.items(), key=lambda group: min(_rank(finding, ways) for finding in group[1]))
    return tuple(f"{capital(remedy.rstrip('. '))} ({_label(group)})" for remedy, group in ordered)


def _wanting(finding: Finding) -> bool:
    return finding.status.open or finding.status is Status.FAIL


def _ways(found: Sequence[Finding], modes: Sequence[ModeResult]) -> dict[str, tuple[int, int]]:
    """(whether it failed, how many findings are in its way) of each mode that may be adopted and does not qualify."""
    return {
        mode.mode: (int(mode.qualified == "fail"), sum(finding.mode == mode.mode for finding in found))
        for mode in modes
        if mode.adopted and mode.qualified != "pass"
    }


def _rank(finding: Finding, ways: dict[str, tuple[int, int]]) -> Rank:
    open_last = finding.status is not Status.FAIL
    if finding.mode is None:
        return (_CANDIDATE, int(finding.item in PER_MODE_ITEMS), 0, open_last)
    if finding.mode in ways:
        return (_ADOPTED, *ways[finding.mode], open_last)
    return (_OTHER, 0, 0, open_last)


def _label(group: Sequence[Finding]) -> str:
    """`quality.floor for autoregressive, diffusion`; findings that share a remedy follow each other."""
    modes: dict[str, list[str]] = {}
    for finding in group:
        names = modes.setdefault(finding.id, [])
        if finding.mode and finding.mode not in names:
            names.append(finding.mode)
    return "; ".join(f"{name} for {', '.join(names)}" if names else name for name, names in modes.items())

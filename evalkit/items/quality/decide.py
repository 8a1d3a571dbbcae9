"""Item 5, quality: what the user's own tasks say of each mode, paired with the baseline. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from evalkit.analysis.harness import suite_of
from evalkit.analysis.pairs import Answers, Table, alpha_of, table
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks, equivalence, harness, loss, probes, texts, tools
from evalkit.items.quality.words import Images, Incumbent, NonInferiority, OwnTasks, Scored, SuiteGiven
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import SuiteFacts

#: kinds of shipped suites that may carry the margin for a small suite of another kind
_GENERAL = ("chat", "structured", "custom")


def decide(checklist: Checklist, facts: Facts, _now: datetime) -> list[Finding]:
    """Findings per configured mode, and whether own tasks were used."""
    if checklist.tasks == []:
        return [checks.OWN_TASKS.found(OwnTasks(outcome="not-asked"))]
    answers = Answers(facts.answers)
    findings = [own_tasks([*facts.suites, *_reported(facts)], checklist)]
    for mode in checklist.modes:
        reported = harness.of_mode(checklist, facts, mode)
        asked = bool(facts.suites) or not checklist.harnesses
        findings += of_mode(checklist, facts, answers, mode) if asked else []
        findings += reported
        findings += _images(facts, mode)
        if not asked and not any(one.id == checks.INCUMBENT.id for one in reported):
            findings += against_incumbent(checklist, facts, answers, mode)
    return findings


def _reported(facts: Facts) -> list[SuiteFacts]:
    """Tasks of other harnesses, once each."""
    return list({(one.entry, one.task): suite_of(one) for one in facts.harness.values() if one.task}.values())


def own_tasks(suites: Iterable[SuiteFacts], checklist: Checklist) -> Finding:
    """Whether any suite is the buyer's own, and asks for something that not every reply gives."""
    margins = checklist.items.quality.margin
    given = tuple(
        SuiteGiven(
            name=s.name, cases=s.cases, shipped=s.shipped,
            passed_by_any=count if (count := s.passed_by_any or 0) >= (1 - margins.of(s.kind)) * s.cases else None,
        )
        for s in suites
    )  # fmt: skip
    empty = [one for one in given if one.passed_by_any]
    outcome: Literal["own", "shipped-only", "asks-little", "asks-nothing", "none"] = "none"
    if empty:
        outcome = "asks-nothing" if len(empty) == len(given) else "asks-little"
    elif given:
        outcome = "shipped-only" if all(one.shipped for one in given) else "own"
    return checks.OWN_TASKS.found(OwnTasks(outcome=outcome, suites=given))


def of_mode(checklist: Checklist, facts: Facts, answers: Answers, mode: str) -> list[Finding]:
    baseline = checklist.baseline.quality
    if mode not in answers.modes:
        return [checks.SCORED.found(Scored(outcome="mode-unanswered"), mode=mode)]
    item = checklist.items.quality
    alpha = alpha_of(checklist)
    tables = [table(answers, suite, mode, baseline, alpha) for suite in facts.suites]
    findings: list[Finding] = []
    usable: list[Table] = []
    for data in tables:
        available = tools.tools_available(answers, data.suite, mode)
        parity = tools.stream_parity(answers, data.suite, mode, item.margin.of(data.suite.kind))
        outcomes = tools.outcomes(answers, data.suite, mode, baseline)
        findings += [one for one in (available, outcomes, parity) if one is not None]
        findings.append(loss.scored(data, item))
        if available is None or available.status is not Status.ERROR:
            usable.append(data)
    looped = tools.loops(facts, mode, baseline)
    findings += [looped] if looped else []
    if not facts.suites:
        findings.append(checks.SCORED.found(Scored(outcome="no-suite"), mode=mode))
    findings += [loss.floor(data, item) for data in usable]
    if mode == baseline:
        findings.append(checks.NON_INFERIORITY.found(NonInferiority(outcome="is-the-baseline"), mode=mode))
    else:
        findings += against_baseline(checklist, facts, answers, usable)
    findings += [found for data in usable if (found := probes.ladder(answers, data)) is not None]
    crowded = probes.under_load(checklist, facts, answers, mode)
    findings += [crowded] if crowded else []
    critical = loss.critical(tables, mode, against_itself=mode == baseline)
    findings += [critical] if critical else []
    judged = texts.judge(checklist, facts, mode)
    findings += [judged] if judged else []
    return findings + against_incumbent(checklist, facts, answers, mode)


def against_baseline(checklist: Checklist, facts: Facts, answers: Answers, tables: list[Table]) -> list[Finding]:
    """Loss, harm, equality, degeneration and length of one mode beside the baseline."""
    item, baseline = checklist.items.quality, checklist.baseline.quality
    endpoint = facts.endpoints.get(baseline)
    block_loop = endpoint is not None and endpoint.block_loop
    findings: list[Finding] = []
    valid = []
    for data in tables:
        worth = loss.baseline_valid(data, item, block_loop=block_loop)
        findings += [worth, loss.harm(data)]
        if worth.status.carries:
            valid.append(data)
        findings.append(texts.degeneration(answers, data, item.margin.of(data.suite.kind)))
        placed = texts.by_position(answers, data, item.margin.of(data.suite.kind))
        findings += [placed] if placed else []
    # shipped suites first: what they show may carry the margin for smaller suites
    shown: dict[str, tuple[str, float]] = {}
    for data in sorted(valid, key=lambda one: not one.suite.shipped):
        margin = item.margin.of(data.suite.kind)
        carrier, floor = _carrier(shown, data.suite.kind, margin), item.floor.of(data.suite.kind)
        finding = loss.non_inferiority(data, margin, floor=floor, carried_by=carrier)
        findings.append(finding)
        if data.suite.shipped and finding.status is Status.PASS:
            shown.setdefault(data.suite.kind, (data.suite.name, margin))
    if tables:
        mode = tables[0].mode
        findings.append(equivalence.equivalence(answers, facts.suites, facts.divergences, mode, checklist))
        unasked = own_tasks(facts.suites, checklist).outcome == "asks-nothing"
        findings.append(texts.length_honesty(answers, facts.suites, mode, baseline, alpha_of(checklist), unasked))
    return findings


def _carrier(shown: dict[str, tuple[str, float]], kind: str, margin: float) -> str | None:
    """Name of a shipped suite of the same kind (a general suite: of a general kind) that showed this margin or less."""
    kinds = (kind, *_GENERAL) if kind in _GENERAL else (kind,)
    return next((shown[k][0] for k in kinds if k in shown and shown[k][1] <= margin), None)


def against_incumbent(checklist: Checklist, facts: Facts, answers: Answers, mode: str) -> list[Finding]:
    item = checklist.items.quality
    if checklist.incumbent is None:
        return [checks.INCUMBENT.found(Incumbent(outcome="not-configured"), mode=mode, counts=False)]
    required = checklist.incumbent.required
    if INCUMBENT not in answers.modes:
        return [checks.INCUMBENT.found(Incumbent(outcome="no-answers"), mode=mode, counts=required)]
    findings = []
    for suite in facts.suites:
        data = table(answers, suite, mode, INCUMBENT, alpha_of(checklist))
        margin = item.incumbent_margin if item.incumbent_margin is not None else item.margin.of(suite.kind)
        findings.append(loss.incumbent(data, margin, item, required=required))
    return findings


def _images(facts: Facts, mode: str) -> list[Finding]:
    """One finding for a candidate that takes images; nothing for a model of text."""
    candidate = facts.candidate
    if candidate is None or not candidate.sees:
        return []
    planned = {(suite.name, case) for suite in facts.suites for case in suite.image_cases}
    scored = {(one.suite, one.case_id) for one in facts.answers if one.mode == mode and one.passed is not None}
    outcome: Literal["scored", "not-scored", "none"] = "none"
    if planned:
        outcome = "scored" if planned & scored else "not-scored"
    values = Images(outcome=outcome, mode=mode, model=candidate.model, cases=len(planned), scored=len(planned & scored))
    return [checks.IMAGES.found(values, mode=mode, known_by=KnownBy.OBSERVED if planned else None)]

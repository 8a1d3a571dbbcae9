"""Findings on results of another harness: whether they count, and the decisions as on evalkit's own cases. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from evalkit.analysis import harness
from evalkit.analysis.pairs import Table, alpha_of
from evalkit.checklist.schema import Checklist
from evalkit.checklist.tasks import HarnessTask
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.harness.facts import HarnessFacts
from evalkit.items.quality import checks, loss
from evalkit.modes import INCUMBENT
from evalkit.serving.facts import EndpointFacts

REPORTED = KnownBy.THIRD_PARTY_REPORTED
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  compared, never bound
_ADDRESS = re.compile(r"(?:([a-z]+)://)?(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]+)(?::([0-9]+))?")
_RERUN = "let evalkit run the harness against the live servers: tasks: [{run: …}] or {command: …, reads: …}"


def of_mode(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """All findings on one mode."""
    found: list[Finding] = []
    for place, task in checklist.harnesses:
        known: dict[str, dict[str, HarnessFacts]] = {}
        for one in facts.harness.values():
            if one.entry == place and one.task:
                known.setdefault(one.mode, {})[one.task] = one
        if mode not in known:
            found.append(_nothing(task, mode, facts.harness.get(f"{place}||{mode}")))
            continue
        for name in sorted({name for by_task in known.values() for name in by_task}):
            found += _task(checklist, facts, task, name, mode, {m: by[name] for m, by in known.items() if name in by})
    return found


def _nothing(task: HarnessTask, mode: str, failed: HarnessFacts | None) -> Finding:
    what = task.name or task.reader
    if task.results is not None:
        text, remedy = f"{what}: no results of this mode are named.", f"add `{mode}: PATH` under results"
    else:
        text = f"{what}: the harness gave no results in this mode{': ' + failed.problems[0] if failed else ''}."
        remedy = "see its log under logs/ of the run folder, then resume the run: only open modes are run again"
    status = Status.ERROR if failed else Status.INCONCLUSIVE
    return checks.HARNESS.finding(status, text, mode=mode, remedy=remedy, known_by=REPORTED)


def _task(  # noqa: PLR0917  called once
    checklist: Checklist, facts: Facts, task: HarnessTask, name: str, mode: str, known: dict[str, HarnessFacts]
) -> Iterator[Finding]:
    own, baseline = known.get(mode), checklist.baseline.quality
    if own is None:
        text = f"{name}: there are results of {', '.join(sorted(known))}, none of this mode."
        yield checks.HARNESS.finding(Status.INCONCLUSIVE, text, mode=mode, known_by=REPORTED, remedy=_RERUN)
        return
    base = known.get(baseline) if mode != baseline else None
    counted = _counted(facts, task, own, base, mode, baseline)
    yield counted
    data = harness.table(own, base, alpha_of(checklist))
    trusted = counted.status.carries
    for finding in _decided(checklist, facts, data, mode, base, comparable=not counted.data["differences"]):
        yield finding.model_copy(update={"known_by": REPORTED, "counts": finding.counts and trusted})
    yield from _incumbent(checklist, facts, task, own, known, mode)


def _counted(  # noqa: PLR0917  the two sides with their names
    facts: Facts, task: HarnessTask, own: HarnessFacts, base: HarnessFacts | None, mode: str, baseline: str
) -> Finding:
    """Whether the results may count: whole, comparable, and of the servers of this run."""
    sides = [(mode, own), *([(baseline, base)] if base else [])]
    problems = [f"{label}: {problem}" for label, one in sides for problem in one.problems]
    differs = harness.differences(own, base) if base else []
    unwitnessed = [f"{label}: {why}" for label, one in sides if (why := _doubt(facts, one, label))]
    info: dict[str, object] = {
        "suite": own.task, "tool": own.reader, "tool_version": own.tool_version, "samples": len(own.cases),
        "endpoint": own.endpoint, "model": own.model, "ran_here": own.ran_here, "problems": problems,
        "differences": differs, "unwitnessed": unwitnessed, "sources": [list(one) for one in own.sources],
    }  # fmt: skip
    what, make = f"{own.task} ({own.reader} {own.tool_version or ''}".rstrip() + ")", checks.HARNESS.finding
    common = {"mode": mode, "known_by": REPORTED, "data": info}
    if problems:
        text = f"{what}: the results are not whole: {'; '.join(problems[:3])}."
        return make(Status.INCONCLUSIVE, text, remedy="run the harness again to its end, with samples", **common)  # type: ignore[arg-type]
    if differs:
        text = f"{what}: not comparable with {baseline}: {'; '.join(differs[:3])}."
        remedy = "run both modes with the same task, version, prompts, sampling and limits"
        return make(Status.INCONCLUSIVE, text, remedy=remedy, **common)  # type: ignore[arg-type]
    if unwitnessed and not task.accept_unwitnessed:
        text = f"{what}: nothing shows that these servers gave the answers: {'; '.join(unwitnessed[:3])}."
        return make(
            Status.INCONCLUSIVE, text, remedy=f"{_RERUN}; or accept_unwitnessed: true, which the report shows", **common  # type: ignore[arg-type]
        )  # fmt: skip
    if unwitnessed:
        text = f"{what}: accepted without a witness (accept_unwitnessed): {'; '.join(unwitnessed[:3])}."
        return make(Status.WARN, text, remedy=_RERUN, **common)  # type: ignore[arg-type]
    how = "evalkit ran it" if own.ran_here else "it names the server that was probed"
    return make(Status.PASS, f"{what}: {len(own.cases)} samples; {how}.", **common)  # type: ignore[arg-type]


def _doubt(facts: Facts, one: HarnessFacts, label: str) -> str | None:
    """Why it is not shown that this mode's server gave the answers; None when it is."""
    probed = facts.endpoints.get(label)
    if probed is None or not probed.reachable:
        return "its server was not probed in this run"
    if one.ran_here:
        return None
    if one.endpoint is None:
        return "the results do not say which server answered"
    if _place(one.endpoint) != _place(probed.endpoint):
        return f"the results are of {one.endpoint}, the server that was probed is {probed.endpoint}"
    twins = [
        name for name, e in facts.endpoints.items() if name != label and _place(e.endpoint) == _place(one.endpoint)
    ]
    if twins:
        return f"{', '.join(twins)} was served at the same address, so the address does not tell the mode"
    if probed.launched and not _since(one.finished_at, facts.start.started_at):
        return "the results are older than the server, which evalkit started in this run"
    if one.model is not None and not _same_model(one.model, probed):
        return f"the results are of the model {one.model}, the server has {probed.model or 'another'}"
    return None


def _since(at: str | None, start: str) -> bool:
    """Whether `at` is known and not before `start`; both ISO 8601, without a zone: UTC."""
    try:
        times = [datetime.fromisoformat(one) for one in (at or "", start)]
    except ValueError:
        return False
    first, second = (one if one.tzinfo else one.replace(tzinfo=UTC) for one in times)
    return first >= second


def _place(url: str) -> tuple[str, str]:
    """Host and port; every name of loopback is one."""
    found = _ADDRESS.match(url.strip())
    if found is None:
        return url, ""
    scheme, host, port = found.groups()
    host = host.strip("[]").lower()
    return ("loopback" if host in _LOOPBACK else host), port or ("443" if scheme == "https" else "80")


def _same_model(named: str, probed: EndpointFacts) -> bool:
    """Harnesses put a provider before the name that the server serves."""
    served = {name for name in (probed.model, probed.model_path, *probed.served_models) if name}
    return not served or any(named == name or named.endswith((f"/{name}", f":{name}")) for name in served)


def _decided(
    checklist: Checklist, facts: Facts, data: Table, mode: str, base: HarnessFacts | None, *, comparable: bool
) -> Iterator[Finding]:
    item, baseline = checklist.items.quality, checklist.baseline.quality
    yield loss.scored(data, item)
    yield loss.floor(data, item)
    if mode == baseline:
        yield checks.NON_INFERIORITY.finding(Status.NOT_APPLICABLE, "it is the baseline itself.", mode=mode)
        return
    if base is None:
        text = f"{data.suite.name}: there are no results of {baseline} to compare with."
        yield checks.NON_INFERIORITY.finding(Status.INCONCLUSIVE, text, mode=mode, remedy=_RERUN)
        return
    if not comparable:
        return
    endpoint = facts.endpoints.get(baseline)
    problem = loss.baseline_problem(data, item, endpoint is not None and endpoint.block_loop)
    yield problem or loss.baseline_valid(data)
    yield loss.harm(data)
    if problem is None:
        yield loss.non_inferiority(data, item.margin.of(data.suite.kind), carried_by=None)


def _incumbent(  # noqa: PLR0917  called once
    checklist: Checklist, facts: Facts, task: HarnessTask, own: HarnessFacts, known: dict[str, HarnessFacts], mode: str
) -> Iterator[Finding]:
    if checklist.incumbent is None or INCUMBENT not in known:
        return
    item, other, required = checklist.items.quality, known[INCUMBENT], checklist.incumbent.required
    doubts = [*other.problems, *harness.differences(own, other)]
    doubt = None if task.accept_unwitnessed else _doubt(facts, other, INCUMBENT)
    doubts += [doubt] if doubt else []
    if doubts:
        text = f"{own.task}: NOT COMPARED with the incumbent: {'; '.join(doubts[:3])}."
        info: dict[str, object] = {"word": "NOT COMPARED"}
        yield checks.INCUMBENT.finding(Status.INCONCLUSIVE, text, mode=mode, counts=required, data=info)
        return
    margin = item.incumbent_margin if item.incumbent_margin is not None else item.margin.of(own.kind)
    data = harness.table(own, other, alpha_of(checklist))
    found = loss.incumbent(data, margin, item, required=required)
    yield found.model_copy(update={"known_by": REPORTED})

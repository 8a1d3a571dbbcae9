"""Findings on results of another harness: whether they count, and the decisions as on evalkit's own cases. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from evalkit.analysis import harness
from evalkit.analysis.pairs import Table, alpha_of
from evalkit.checklist.schema import Checklist
from evalkit.checklist.tasks import HarnessTask
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.harness.facts import HarnessFacts
from evalkit.items.quality import checks, loss
from evalkit.items.quality.harness_words import Doubt, HarnessResults, difference_words
from evalkit.items.quality.words import Incumbent, NonInferiority
from evalkit.modes import INCUMBENT
from evalkit.serving.facts import EndpointFacts

REPORTED = KnownBy.THIRD_PARTY_REPORTED
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  compared, never bound
_ADDRESS = re.compile(r"(?:([a-z]+)://)?(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]+)(?::([0-9]+))?")


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
    outcome: Literal["failed", "not-named", "no-results"] = "no-results" if task.results is None else "not-named"
    values = HarnessResults(
        outcome="failed" if failed else outcome, suite=task.name or task.reader, mode=mode,
        problems=failed.problems if failed else (),
    )  # fmt: skip
    return checks.HARNESS.found(values, mode=mode, known_by=REPORTED)


def _task(  # noqa: PLR0917  called once
    checklist: Checklist, facts: Facts, task: HarnessTask, name: str, mode: str, known: dict[str, HarnessFacts]
) -> Iterator[Finding]:
    own, baseline = known.get(mode), checklist.baseline.quality
    if own is None:
        other = HarnessResults(outcome="not-this-mode", suite=name, mode=mode, others=tuple(sorted(known)))
        yield checks.HARNESS.found(other, mode=mode, known_by=REPORTED)
        return
    base = known.get(baseline) if mode != baseline else None
    values = _counted(facts, task, own, base, (mode, baseline))
    counted = checks.HARNESS.found(values, mode=mode, known_by=REPORTED)
    yield counted
    data, trusted = harness.table(own, base, alpha_of(checklist)), counted.status.carries
    for finding in _decided(checklist, facts, data, mode, base, comparable=not values.differences):
        yield finding.model_copy(update={"known_by": REPORTED, "counts": finding.counts and trusted})
    yield from _incumbent(checklist, facts, task, own, known, mode)


def _counted(
    facts: Facts, task: HarnessTask, own: HarnessFacts, base: HarnessFacts | None, modes: tuple[str, str]
) -> HarnessResults:
    """Whether the results may count: whole, comparable, and of the servers of this run. `modes`: own and baseline."""
    sides = [(modes[0], own), *([(modes[1], base)] if base else [])]
    problems = tuple(f"{label}: {problem}" for label, one in sides for problem in one.problems)
    differs = tuple(difference_words(one) for one in harness.differences(own, base)) if base else ()
    doubts = [(label, why) for label, one in sides if (why := _doubt(facts, one, label, task))]
    outcome: Literal["ran-here", "witnessed", "accepted", "unwitnessed", "not-comparable", "not-whole"]
    if problems:
        outcome = "not-whole"
    elif differs:
        outcome = "not-comparable"
    elif doubts:
        outcome = "accepted" if task.accept_unwitnessed else "unwitnessed"
    else:
        outcome = "ran-here" if own.ran_here else "witnessed"
    return HarnessResults(
        outcome=outcome, suite=own.task, mode=modes[0], baseline=modes[1], tool=own.reader,
        tool_version=own.tool_version, samples=len(own.cases), endpoint=own.endpoint, model=own.model,
        ran_here=own.ran_here, problems=problems, differences=differs,
        unwitnessed=tuple(f"{label}: {why.words()}" for label, why in doubts),
        doubts=tuple(why.kind for _, why in doubts),
        sources=own.sources,
    )  # fmt: skip


def _doubt(facts: Facts, one: HarnessFacts, label: str, task: HarnessTask) -> Doubt | None:
    """Why it is not shown that this mode's server gave the answers; None when it is. A tool that evalkit ran may have
    settings of its own that send it elsewhere: what it names is held against the server all the same.
    """
    probed = facts.endpoints.get(label)
    if probed is None or not probed.reachable:
        return Doubt(kind="not-probed")
    if one.endpoint is None:
        if not one.ran_here:
            return Doubt(kind="no-endpoint")
        if not task.names_endpoint:
            return Doubt(kind="not-directed")
    elif _place(one.endpoint) != _place(probed.endpoint):
        return Doubt(kind="other-endpoint", named=one.endpoint, probed=probed.endpoint)
    if one.model is not None and not _same_model(one.model, probed):
        return Doubt(kind="other-model", named=one.model, probed=probed.model)
    return None if one.ran_here else _of_before(facts, one, label, probed)


def _of_before(facts: Facts, one: HarnessFacts, label: str, probed: EndpointFacts) -> Doubt | None:
    """Why results that were brought may be of another server at the same address."""
    place = _place(probed.endpoint)
    twins = [name for name, e in facts.endpoints.items() if name != label and _place(e.endpoint) == place]
    if twins:
        return Doubt(kind="shared-address", others=tuple(twins))
    if probed.launched and not _since(one.finished_at, facts.start.started_at):
        return Doubt(kind="older")
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
        yield checks.NON_INFERIORITY.found(NonInferiority(outcome="is-the-baseline"), mode=mode)
        return
    if base is None:
        none = NonInferiority(outcome="no-baseline-results", task=data.suite.name, baseline=baseline)
        yield checks.NON_INFERIORITY.found(none, mode=mode)
        return
    if not comparable:
        return
    endpoint = facts.endpoints.get(baseline)
    valid = loss.baseline_valid(data, item, block_loop=endpoint is not None and endpoint.block_loop)
    yield valid
    yield loss.harm(data)
    if valid.status.carries:
        kind = data.suite.kind
        yield loss.non_inferiority(data, item.margin.of(kind), floor=item.floor.of(kind), carried_by=None)


def _incumbent(  # noqa: PLR0917  called once
    checklist: Checklist, facts: Facts, task: HarnessTask, own: HarnessFacts, known: dict[str, HarnessFacts], mode: str
) -> Iterator[Finding]:
    if checklist.incumbent is None or INCUMBENT not in known:
        return
    item, other, required = checklist.items.quality, known[INCUMBENT], checklist.incumbent.required
    doubts = [*other.problems, *map(difference_words, harness.differences(own, other))]
    doubt = None if task.accept_unwitnessed else _doubt(facts, other, INCUMBENT, task)
    doubts += [doubt.words()] if doubt else []
    if doubts:
        values = Incumbent(outcome="doubted", task=own.task, doubts=tuple(doubts))
        yield checks.INCUMBENT.found(values, mode=mode, counts=required)
        return
    margin = item.incumbent_margin if item.incumbent_margin is not None else item.margin.of(own.kind)
    data = harness.table(own, other, alpha_of(checklist))
    found = loss.incumbent(data, margin, item, required=required)
    yield found.model_copy(update={"known_by": REPORTED})

"""Runs side by side: what differs in where they come from, then the same prompts and cases paired where both have them.

Two questions: did a mode become faster or slower (time of the first run over that of the later one, prompt by prompt),
and does the speed-up over the baseline transfer (later speed-up over the first one, prompt by prompt).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from evalkit import fmt
from evalkit.analysis.levels import summarise_modes
from evalkit.analysis.pairs import Answers, paired
from evalkit.analysis.readings import Readings, geometric
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.report.document.build import scrub
from evalkit.stats.ratio import MIN_PAIRS, estimate, log_ratios
from evalkit.stored.pack import REDACTED

#: shares of output length outside of these make times of whole answers hard to compare
_SAME_LENGTH = (0.8, 1.25)
#: one-sided error of a difference in passed cases
ALPHA = 0.05
#: identity of a run, no difference between two
_NO_DIFFERENCE = ("run_id", "date", "speedups")


class Run(NamedTuple):
    """One side. `notes`: what its evidence lacks, or a pack cannot do."""

    name: str
    checklist: Checklist
    facts: Facts
    notes: tuple[str, ...] = ()


def compare(runs: Sequence[Run | tuple[str, Checklist, Facts]], *, confidence: float = 0.95) -> dict[str, Any]:
    """Every later run against the first. A ratio above 1: the later run is faster, or gains more."""
    sides = [Run(*one) for one in runs]
    pairs = [_against(sides[0], other, confidence) for other in sides[1:]]
    document: dict[str, Any] = scrub(
        {
            "schema_version": 1,
            "runs": [{"run": one.name, "notes": list(one.notes), **_origin(one), **_speedups(one)} for one in sides],
            "comparisons": pairs,
            "comparable": all(pair["comparable"] for pair in pairs),
        }
    )
    return document


def _origin(run: Run) -> dict[str, Any]:
    """What a difference could come from."""
    checklist, facts = run.checklist, run.facts
    candidate, hardware = facts.candidate, facts.hardware
    cards = sorted(gpu.name for gpu in hardware.gpus) if hardware else []
    return {
        "run_id": facts.start.run_id,
        "date": fmt.day(facts.start.started_at),
        "simulated": facts.start.simulated,
        "model": candidate.model if candidate else None,
        "revision": candidate.revision if candidate else None,
        "hardware": ", ".join(cards) or (hardware.declared or hardware.cpu if hardware else None) or "unknown",
        "driver": hardware.driver if hardware else None,
        "engines": {k: f"{e.engine} {e.engine_version}" for k, e in sorted(facts.endpoints.items())},
        "settings": {k: dict(sorted(e.settings.items())) for k, e in sorted(facts.endpoints.items())},
        "prompts": sorted(p.sha256 for p in facts.prompts),
        "tasks": {s.name: s.sha256 for s in facts.suites},
        "request": checklist.request.model_dump(mode="json"),
        "baseline": checklist.baseline.speed,
        "evalkit_version": facts.start.evalkit_version,
    }


def _speedups(run: Run) -> dict[str, Any]:
    """The speed-up of each mode where it is decided, by the run's own checklist."""
    found = summarise_modes(list(run.checklist.modes), run.facts, run.checklist)
    return {"speedups": {m: s.speedup.model_dump(mode="json") for m, s in found.items() if s.speedup is not None}}


def _against(first: Run, other: Run, confidence: float) -> dict[str, Any]:
    a, b = _origin(first), _origin(other)
    systems = (a["request"]["system"], b["request"]["system"])
    if all(systems) and any(one.startswith(REDACTED) for one in systems):
        a["request"], b["request"] = ({**one["request"], "system": f"{REDACTED}not compared"} for one in (a, b))
    refused = _refusals(a, b)
    rows = [] if refused else _times(first, other, confidence)
    cases = _cases(first.facts, other.facts, b["tasks"])
    if not refused and not rows:
        refused = ["no mode was timed at the same load with the same prompts in both"]
    return {
        "first": first.name,
        "other": other.name,
        "comparable": not refused,
        "refused": refused,
        "differs": _differs({k: v for k, v in a.items() if k not in _NO_DIFFERENCE}, b),
        "rows": rows,
        "speedups": [] if refused or a["baseline"] != b["baseline"] else _transfer(first, other, confidence),
        "quality": cases,
    }


def _differs(a: Mapping[str, Any], b: Mapping[str, Any], path: str = "") -> dict[str, list[Any]]:
    """[first, other] by dotted path, for each value that is not the same."""
    found: dict[str, list[Any]] = {}
    for key in [*a, *(k for k in b if k not in a and path)]:
        old, new, at = a.get(key), b.get(key), f"{path}{key}"
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found |= _differs(old, new, f"{at}.")
        else:
            found[at] = [old, new]
    return found


def _refusals(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    reasons = []
    if a["simulated"] != b["simulated"]:
        reasons.append("one run is simulated, the other is not")
    if a["prompts"] != b["prompts"]:
        reasons.append("the prompts differ: times of different prompts cannot be paired")
    if a["request"] != b["request"]:
        reasons.append("the requests differ (temperature, length, system prompt or extras)")
    return reasons


def _times(first: Run, other: Run, confidence: float) -> list[dict[str, Any]]:
    """Whole-answer times, mode by mode and load by load."""
    left, right = Readings(first.facts.timed), Readings(other.facts.timed)
    rows = []
    for mode, level in _shared(left, right, first):
        logs = log_ratios(left.times(mode, level), right.times(mode, level))
        if not logs:
            continue
        row = {"mode": mode, "concurrency": level, **_ratio(logs, confidence, ("faster", "slower"))}
        length = geometric(log_ratios(right.tokens(mode, level), left.tokens(mode, level)))
        row["length_ratio"] = length
        if length is not None and not _SAME_LENGTH[0] <= length <= _SAME_LENGTH[1]:
            row["answer"] += f"; its answers are {length:.2f} times as long"
        rows.append(row)
    return rows


def _transfer(first: Run, other: Run, confidence: float) -> list[dict[str, Any]]:
    """The speed-up over the run's own baseline, compared with that of the first run."""
    left, right, baseline = Readings(first.facts.timed), Readings(other.facts.timed), first.checklist.baseline.speed
    rows = []
    for mode, level in _shared(left, right, first):
        gains = [log_ratios(one.times(baseline, level), one.times(mode, level)) for one in (left, right)]
        both = {prompt: gains[1][prompt] - gain for prompt, gain in gains[0].items() if prompt in gains[1]}
        if mode == baseline or not both:
            continue
        row = {"mode": mode, "concurrency": level, "first": geometric(gains[0]), "other": geometric(gains[1])}
        rows.append({**row, **_ratio(both, confidence, ("gains more", "gains less"))})
    return rows


def _shared(left: Readings, right: Readings, first: Run) -> list[tuple[str, int]]:
    """(mode, load) that both runs timed, in the first run's order."""
    order = [*first.checklist.modes, "incumbent"]
    return [(mode, level) for mode in order for level in sorted(set(left.levels(mode)) & set(right.levels(mode)))]


def _ratio(logs: Mapping[str, float], confidence: float, words: tuple[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"pairs": len(logs), "ratio": None, "low": None, "high": None, "confidence": confidence}
    found = estimate(logs, confidence=confidence) if len(logs) >= MIN_PAIRS else None
    if found is None:
        return {**row, "answer": f"too few pairs (at least {MIN_PAIRS} are needed)"}
    more, less = words
    answer = more if found.low > 1 else less if found.high < 1 else "no difference shown"
    return {**row, "ratio": found.ratio, "low": found.low, "high": found.high, "answer": answer}


def _cases(first: Facts, other: Facts, tasks: Mapping[str, str]) -> list[dict[str, Any]]:
    """Passed shares on the same suites, case by case; 90% interval of the difference (each side one-sided 5%)."""
    rows = []
    left, right = Answers(first.answers), Answers(other.answers)
    for suite in (s for s in first.suites if tasks.get(s.name) == s.sha256):
        for mode in sorted(left.modes & right.modes):
            sides = left.of(suite.name, mode), right.of(suite.name, mode)
            if not all(sides):
                continue
            data = paired(suite, ("other", sides[1]), ("first", sides[0]), ALPHA)
            interval, pairs = data.interval(), data.both
            answer = "better" if interval.low > 0 else "worse" if interval.high < 0 else "no difference shown"
            rows.append(
                {
                    "suite": suite.name,
                    "mode": mode,
                    "pairs": len(pairs),
                    "first": fmean(pair.base or 0.0 for pair in pairs) if pairs else None,
                    "other": fmean(pair.mode or 0.0 for pair in pairs) if pairs else None,
                    "difference": interval.estimate,
                    "low": interval.low,
                    "high": interval.high,
                    "answer": answer if pairs else "no case was scored in both",
                }
            )
    return rows

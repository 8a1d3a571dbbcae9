"""Results of another harness in one mode beside another: what differs in the set-up, and the table of pairs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Literal, NamedTuple

from evalkit.analysis.pairs import Pair, Table
from evalkit.harness.facts import HarnessFacts
from evalkit.quality.facts import SuiteFacts


def suite_of(facts: HarnessFacts) -> SuiteFacts:
    """The task as a suite."""
    return SuiteFacts(
        name=facts.task, kind=facts.kind, path=facts.reader, sha256="".join(h for _, h in facts.sources)[:64],
        cases=len(facts.by_case), repeats=max((len(rows) for rows in facts.by_case.values()), default=1),
    )  # fmt: skip


class Difference(NamedTuple):
    """What was not the same in two results: a setting, samples that only one has, hashes of documents or prompts that
    one lacks or whose content differs in some `cases`, repeats, or nothing at all, as the files are the same ones.
    `here` and `there`: values, or counts.
    """

    kind: Literal["setting", "samples", "hashes-of-one", "content", "repeats", "same-files"]
    name: str = ""
    here: object = None
    there: object = None
    cases: tuple[str, ...] = ()


def differences(mode: HarnessFacts, base: HarnessFacts) -> list[Difference]:
    """What was not the same, so that the two cannot be compared."""
    found = []
    shared = mode.reader == "csv" if mode.shared is None else mode.shared
    scored = any(score is not None for score in mode.scores)  # tables without a grade are alike in all modes
    if scored and not shared and _files(mode) == _files(base):
        found.append(Difference("same-files"))
    for key in sorted({*mode.settings, *base.settings}):
        one, other = mode.settings.get(key), base.settings.get(key)
        if one != other:
            found.append(Difference("setting", key, one, other))
    only, missing = set(mode.by_case) - set(base.by_case), set(base.by_case) - set(mode.by_case)
    if only or missing:
        found.append(Difference("samples", here=len(only), there=len(missing)))
    for name in ("docs", "prompts"):
        column, second = getattr(mode, name), getattr(base, name)
        if bool(column) != bool(second):
            found.append(Difference("hashes-of-one", name))
        elif column:
            changed = tuple(
                case for case in mode.by_case
                if case in base.by_case and column[mode.by_case[case][0]] != second[base.by_case[case][0]]
            )  # fmt: skip
            if changed:
                found.append(Difference("content", name, len(changed), len(changed), changed))
    counts = [max((len(rows) for rows in one.by_case.values()), default=0) for one in (mode, base)]
    if counts[0] != counts[1]:
        found.append(Difference("repeats", here=counts[0], there=counts[1]))
    return found


def _files(facts: HarnessFacts) -> set[str]:
    return {sha for _, sha in facts.sources}


def table(mode: HarnessFacts, base: HarnessFacts | None, alpha: float) -> Table:
    """Paired by case; repeats become shares."""
    pairs = tuple(_pairs(mode, base))
    planned = max(len(pairs), _planned(mode))
    scored = sum(pair.mode is not None for pair in pairs)
    return Table(
        suite_of(mode),
        mode.mode,
        base.mode if base else "",
        planned,
        pairs,
        scored / planned if planned else 0.0,
        alpha,
    )


def _planned(facts: HarnessFacts) -> int:
    """Cases that the harness says it had."""
    repeats = max((len(rows) for rows in facts.by_case.values()), default=1)
    return -(-(facts.planned or 0) // repeats)


def _pairs(mode: HarnessFacts, base: HarnessFacts | None) -> Iterator[Pair]:
    for case, rows in mode.by_case.items():
        own = _scores(mode, rows)
        other = _scores(base, base.by_case.get(case, [])) if base else []
        # two samples of one document and prompt are one question
        asked = f"{mode.docs[rows[0]]}{mode.prompts[rows[0]]}" if mode.docs and mode.prompts else case
        yield Pair(
            case_id=case,
            cluster=(mode.clusters[rows[0]] if mode.clusters else "") or f"\x00{asked}",
            severity="normal",
            mode=fmean(own) if len(own) == len(rows) else None,
            base=fmean(other) if base and other and len(other) == len(base.by_case[case]) else None,
            mode_answer=None,
            base_answer=None,
            asked=asked,
            mode_most=_most(own),
            base_most=_most(other),
        )


def _scores(facts: HarnessFacts, rows: list[int]) -> list[float]:
    return [score for row in rows if (score := facts.scores[row]) is not None]


def _most(scores: list[float]) -> bool | None:
    """Whether most repeats reached one half."""
    return 2 * sum(score >= 0.5 for score in scores) > len(scores) if scores else None

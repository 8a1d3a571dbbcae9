"""Decides a stored run again for CI: does its verdict still hold? Anything that cannot be trusted is exit 3."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import NamedTuple

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError, UsageError
from evalkit.facts import Facts
from evalkit.hub.facts import CandidateFacts
from evalkit.stored.changes import Change, changes
from evalkit.stored.contents import contents, readable
from evalkit.stored.folder import Source
from evalkit.verdict.decide import decide
from evalkit.verdict.results import Decision

_AGE = re.compile(r"(\d{1,5})([mhdw])\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class GateResult(NamedTuple):
    """`exit_code` 0 GO still holds, 1 NO-GO still holds, 3 cannot be trusted; `reasons` and `notes` one line each."""

    exit_code: int
    verdict: str
    reasons: tuple[str, ...]
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_age(text: str) -> timedelta:
    """`30d`, `12h`, `90m`, `2w`.

    Raises:
        UsageError: anything else.
    """
    match = _AGE.match(text)
    if match is None:
        raise UsageError(f"--max-age {text!r} is not an age", hint="a number and m, h, d or w: 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def gate(
    source: Source,
    now: datetime,
    *,
    checklist: LoadedChecklist | None = None,
    max_age: timedelta = timedelta(days=30),
    revision: str | None = None,
    accept_changed_checklist: bool = False,
    strict: bool = False,
) -> GateResult:
    """Whether the run's verdict holds at `now` (aware), by its own checklist or a new one."""
    try:
        facts, stored = source.facts(), source.checklist()
        problems = source.verify(facts)
    except RunFolderError as error:
        return GateResult(3, "inconclusive", (f"the run cannot be read: {error}",))
    used = checklist or stored
    differing = _differing(stored, checklist, facts)
    doubts = [f"changed: {problem}" for problem in problems]
    doubts += distrust(facts, now, max_age=max_age, revision=revision, checklist=used.checklist, folder=used.folder)
    looser = [change for change in differing if change.looser]
    if looser and not accept_changed_checklist:
        doubts.append(
            "the checklist asks less, or something else, than the run's (--accept-changed-checklist takes it)"
        )
        doubts += [str(change) for change in looser]
    told = tuple(str(change) for change in differing)
    decision: Decision = decide(used.checklist, facts, now, strict=strict or facts.start.strict)
    notes = _notes(source, decision, facts) + tuple(f"checklist {one}" for one in differing if not one.looser)
    if doubts:
        return GateResult(3, decision.verdict, tuple(doubts), told, notes)
    return GateResult(decision.exit_code, decision.verdict, decision.reasons, told, notes)


def _differing(stored: LoadedChecklist, asked: LoadedChecklist | None, facts: Facts) -> list[Change]:
    """What `asked` changes. Prompts and suites of a checklist that is a file are compared by what they hold."""
    if asked is None:
        return []
    found = changes(stored.checklist, asked.checklist)
    if asked.path is None:
        return found
    here, missing = readable(asked)
    return [one for one in found if one.path not in here] + contents(asked, facts, here) + missing


def _notes(source: Source, decision: Decision, facts: Facts) -> tuple[str, ...]:
    """What a reader of the outcome should know: a pack without texts, and what holds by a waiver."""
    lines = [f"redacted pack: it cannot {', '.join(source.cannot)}"] if source.cannot else []
    lines += facts.other_versions()
    lines += [
        f"waiver of {w.finding}{f' ({w.mode})' if w.mode else ''} is {w.state}"
        f"{f', was {w.original_status.value}' if w.original_status else ''}, valid through {w.expires}"
        for w in decision.waivers
    ]
    return tuple(lines)


def untrusted(source: Source) -> list[str]:
    """Why a run says nothing at any time: it was changed, simulated, or did not finish."""
    facts = source.facts()
    found = [f"changed: {problem}" for problem in source.verify()]
    return found + _void(facts)


def _void(facts: Facts) -> list[str]:
    doubts = []
    if facts.start.simulated:
        doubts.append("the run was simulated: it says nothing about a real model")
    if facts.end is None or facts.end.interrupted:
        doubts.append("the run did not finish: resume it with evalkit run --resume")
    return doubts


def distrust(
    facts: Facts,
    now: datetime,
    *,
    max_age: timedelta,
    revision: str | None,
    checklist: Checklist,
    folder: Path = Path(),
) -> list[str]:
    """Why a run says nothing here and now, whatever it decided."""
    doubts = _void(facts) + _age(facts, now, max_age)
    candidate = facts.candidate
    commits = [name for name in (candidate.commit, candidate.revision) if name] if candidate else []
    if revision is not None and not any(_same_commit(commit, revision) for commit in commits):
        seen = commits[0] if commits else "unknown"
        doubts.append(f"the run evaluated commit {seen}, not {revision}: run again at that commit")
    asked = checklist.candidate
    if asked is not None and candidate is not None and not same_candidate(asked.model, folder, candidate):
        doubts.append(f"the run evaluated {candidate.model}, the checklist asks for {asked.model}")
    return doubts


def same_candidate(asked: str, folder: Path, read: CandidateFacts) -> bool:
    """Whether the model that a checklist in `folder` asks for is the one that was read.

    A local one is compared as it is written, as it is next to the checklist, and, where a run has but the whole path
    or a pack but the bare name of it, by what both have. What a folder contains is pinned by its content hash.
    """
    if asked in (read.model, read.asked):
        return True
    if read.kind == "hub":
        return False
    wanted, stored = PurePath(os.path.normpath(asked)), PurePath(os.path.normpath(read.asked or read.model))
    if stored == wanted or os.path.normpath(folder / asked) in (os.path.normpath(read.model), str(stored)):
        return True
    if wanted.is_absolute():
        return len(stored.parts) == 1 and stored.name == wanted.name
    tail = tuple(part for part in wanted.parts if part != "..")
    whole = stored.is_absolute() or read.asked is None
    return whole and asked.startswith(".") and bool(tail) and stored.parts[-len(tail) :] == tail


def _same_commit(commit: str, asked: str) -> bool:
    commit, asked = commit.removeprefix("sha256:"), asked.removeprefix("sha256:")
    return commit == asked or (len(asked) >= 7 and commit.startswith(asked))


def _age(facts: Facts, now: datetime, max_age: timedelta) -> list[str]:
    """By its start: a run that is resumed ends today, with evidence from then."""
    stamps = [facts.start.started_at, *([facts.end.finished_at] if facts.end else [])]
    try:
        dates = [datetime.fromisoformat(stamp) for stamp in stamps]
    except ValueError:
        return ["the run's date cannot be read"]
    dates = [then if then.tzinfo else then.replace(tzinfo=now.tzinfo) for then in dates]
    if max(dates) > now + timedelta(minutes=10):
        return [f"the run is dated in the future ({max(dates).isoformat()})"]
    if dates[-1] < dates[0]:
        return [f"the run ended ({dates[-1].isoformat()}) before it began: a clock was set, or it was changed"]
    if now - min(dates) > max_age:
        return [f"the run is {(now - min(dates)).days} days old, at most {max_age.days} are allowed: run again"]
    return []

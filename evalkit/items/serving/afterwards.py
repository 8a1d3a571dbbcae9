"""Serving: what the work did to the server: whether it is the one that was probed, and how it bore load and silence."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from evalkit.checklist.items import Stability
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.serving import checks
from evalkit.items.serving.words import Change, Unchanged
from evalkit.items.serving.words_mode import Soak
from evalkit.modes import INCUMBENT
from evalkit.serving.facts import Afterwards, Identity, StabilityFacts
from evalkit.text import cut

#: what a server says of itself, beside its settings
_NAMES = (
    "engine", "engine_version", "model_path", "model_type", "architectures", "revision", "served_models",
    "declared_mode",
)  # fmt: skip
#: what a process draws when it starts, unless it is given
_DRAWN = ("random_seed",)
#: what an engine reckons from the memory that is free when it starts; within this share it is the same start command
_RECKONED, _NEAR = ("max_total_num_tokens", "max_running_requests", "max_req_input_len"), 0.05
#: growth of the KV pool's use, as a share of it, that is a leak, and that is worth a word
_LEAK, _DRIFT = 0.02, 0.005
#: disconnects that hit a request in work; replies that were there before the client left show nothing
_ENOUGH = 10


class _Problem(NamedTuple):
    """Why a server is not shown to be the one that was probed."""

    outcome: Literal["not-asked", "gone", "changed", "changed-between", "restarted"]
    changes: tuple[Change, ...] = ()
    error: str | None = None


def unchanged(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """One finding for a mode whose server was asked again; the baselines it is compared with count as well."""
    mine = [seen for seen in facts.afterwards if seen.mode == label]
    if not mine or mine[-1].opening:
        return _not_asked(facts, label)
    baselines = [] if label == INCUMBENT else [checklist.baseline.speed, checklist.baseline.quality]
    every = {label: mine}
    every |= {b: [seen for seen in facts.afterwards if seen.mode == b] for b in baselines if b != label}
    for name, sessions in every.items():
        problem = _problem(sessions)
        if problem is not None:
            values = Unchanged(
                outcome=problem.outcome, mode=label, of=None if name == label else name, changes=problem.changes,
                error=problem.error,
            )  # fmt: skip
            return [checks.UNCHANGED.found(values, mode=label, known_by=KnownBy.OBSERVED)]
    cut_off = next((name for name, sessions in every.items() if _cut_off(sessions)), None)
    if cut_off is not None:
        values = Unchanged(outcome="cut-off", mode=label, of=None if cut_off == label else cut_off)
    else:
        values = Unchanged(outcome="same", mode=label)
    return [checks.UNCHANGED.found(values, mode=label, known_by=KnownBy.DECLARED)]


def _problem(sessions: list[Afterwards]) -> _Problem | None:
    """What changed within a session, or between two of them: then a restart is as it should be, all else is not."""
    if sessions and sessions[-1].opening:
        return _Problem("not-asked")
    within = next((found for seen in sessions if (found := _difference(seen))), None)
    if within is not None:
        return within
    between = (_changes(one.after, other.before, again=True) for one, other in pairwise(sessions))
    changes = next((found for found in between if found), None)
    return _Problem("changed-between", changes) if changes else None


def _cut_off(sessions: list[Afterwards]) -> bool:
    """Whether a session has no closing look, and the next one did not find the very same process."""
    return any(
        one.opening and other.opening and (other.before.process is None or one.before.process != other.before.process)
        for one, other in pairwise(sessions)
    )


def _not_asked(facts: Facts, label: str) -> list[Finding]:
    """Runs from before this was asked have no such facts for any mode."""
    if not facts.afterwards or label not in {one.mode for one in facts.timed} | {one.mode for one in facts.answers}:
        return []
    return [checks.UNCHANGED.found(Unchanged(outcome="not-asked", mode=label), mode=label)]


def _difference(seen: Afterwards) -> _Problem | None:
    """What differs; None: the same server, as far as it reports."""
    before, after = seen.before, seen.after
    if not after.reachable:
        return _Problem("gone", error=after.error)
    changes = _changes(before, after)
    if changes:
        return _Problem("changed", changes)
    restarted = before.process and after.process and before.process != after.process
    return _Problem("restarted") if restarted else None


def _changes(before: Identity, after: Identity, *, again: bool = False) -> tuple[Change, ...]:
    """What differs; `again`: the server may have been started anew, by the same command."""
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in _NAMES]
    names = sorted({*before.settings, *after.settings})
    settings = [(name, before.settings.get(name), after.settings.get(name)) for name in names]
    pairs += [
        (f"settings.{name}", old, new) for name, old, new in settings if not (again and _of_start(name, old, new))
    ]
    return tuple(Change(name, _shown(old), _shown(new)) for name, old, new in pairs if old != new)


def _of_start(name: str, old: object, new: object) -> bool:
    """Whether a difference comes from starting anew alone."""
    if name in _DRAWN:
        return True
    if name not in _RECKONED or not isinstance(old, int) or not isinstance(new, int):
        return False
    return min(old, new) > 0 and abs(old - new) <= _NEAR * max(old, new)


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return cut(text, 200) if value or value == 0 else "unknown"


def stability(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """The soak, where the checklist asks for one."""
    asked = checklist.items.serving.stability
    if asked is None:
        return []
    soak = facts.stability.get(label)
    if soak is None:
        return [checks.STABILITY.found(Soak(outcome="not-run", mode=label), mode=label)]
    leak = None if soak.kv_before is None or soak.kv_after is None else soak.kv_after - soak.kv_before
    values = Soak(outcome=_soaked(soak, leak, asked), mode=label, soak=soak, leak=leak)
    return [checks.STABILITY.found(values, mode=label, known_by=KnownBy.OBSERVED)]


def _soaked(
    soak: StabilityFacts, leak: float | None, asked: Stability
) -> Literal[
    "not-shown", "failed", "wrong-after-idle", "leaks", "memory-unknown", "memory-drifts", "too-short", "steady"
]:
    if soak.requests == 0 or (soak.right_after is None and not soak.failed):
        return "not-shown"
    if soak.failed:
        return "failed"
    if not soak.right_after:
        return "wrong-after-idle"
    if soak.flushed and leak is not None and leak > _LEAK:
        return "leaks"
    if leak is None:
        return "memory-unknown"
    if leak > _DRIFT:
        return "memory-drifts"
    short = soak.minutes < asked.minutes * 0.9 or soak.disconnects < _ENOUGH
    return "too-short" if short else "steady"

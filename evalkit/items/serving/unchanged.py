"""Serving: whether the server at the end of the work is the one that was probed at its start."""

from __future__ import annotations

from itertools import pairwise

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.serving import checks
from evalkit.modes import INCUMBENT
from evalkit.serving.facts import Afterwards, Identity
from evalkit.text import cut

_NAMES = {
    "engine": "the engine",
    "engine_version": "its version",
    "model_path": "the model",
    "model_type": "model_type",
    "architectures": "the architecture",
    "revision": "the revision",
    "served_models": "the served names",
    "declared_mode": "the declared mode",
}

_TWO = "the evidence is of two servers"


def unchanged(checklist: Checklist, facts: Facts, label: str) -> list[Finding]:
    """One finding for a mode whose server was asked again; the baselines it is compared with count as well."""
    mine = [seen for seen in facts.afterwards if seen.mode == label]
    if not mine or mine[-1].opening:
        return _not_asked(facts, label)
    problem = _problem(mine)
    baselines = [] if label == INCUMBENT else [checklist.baseline.speed, checklist.baseline.quality]
    against = {b: [seen for seen in facts.afterwards if seen.mode == b] for b in baselines if b != label}
    if problem is None:
        changed = ((b, _open(sessions) or _problem(sessions)) for b, sessions in against.items())
        problem = next((f"{b}, which it is compared with: {text}" for b, text in changed if text), None)
    cut = next((name for name, sessions in {label: mine, **against}.items() if _cut_off(sessions)), None)
    if problem is None and cut is not None:
        text = (
            f"{label}: a session was cut off before the server of {cut} was asked again: it says the same of itself"
            " since, but whether it was restarted before that session ended is not known."
        )
        return [checks.UNCHANGED.finding(Status.WARN, text, mode=label, known_by=KnownBy.DECLARED)]
    if problem is None:
        text = f"{label}: its server says the same of itself as before the work."
        return [checks.UNCHANGED.finding(Status.PASS, text, mode=label, known_by=KnownBy.DECLARED)]
    text = f"{label}: {problem}."
    return [checks.UNCHANGED.finding(Status.INCONCLUSIVE, text, mode=label, known_by=KnownBy.OBSERVED)]


def _problem(sessions: list[Afterwards]) -> str | None:
    """What changed within a session, or between two of them: then a restart is as it should be, all else is not."""
    within = next((text for seen in sessions if (text := difference(seen))), None)
    if within is not None:
        return f"{within}: {_TWO}"
    for one, other in pairwise(sessions):
        parts = [f"{text} {_shown(old)} became {_shown(new)}" for text, old, new in _changes(one.after, other.before)]
        if parts:
            return f"between two sessions {'; '.join(parts)}: {_TWO}"
    return None


def _open(sessions: list[Afterwards]) -> str | None:
    return (
        "it was not asked again after the work, so nothing shows that it stayed the same"
        if sessions and sessions[-1].opening
        else None
    )


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
    text = f"{label}: its server was not asked again after the work."
    return [checks.UNCHANGED.finding(Status.INCONCLUSIVE, text, mode=label)]


def difference(seen: Afterwards) -> str | None:
    """What differs, in words; None: the same server, as far as it tells."""
    before, after = seen.before, seen.after
    if not after.reachable:
        return f"after the work the server no longer answered ({after.error or 'no answer'})"
    parts = [f"{text} {_shown(old)} became {_shown(new)}" for text, old, new in _changes(before, after)]
    if parts:
        return "during the work " + "; ".join(parts)
    if before.process and after.process and before.process != after.process:
        return "the server was restarted during the work"
    return None


def _changes(before: Identity, after: Identity) -> list[tuple[str, object, object]]:
    pairs = [(text, getattr(before, name), getattr(after, name)) for name, text in _NAMES.items()]
    names = sorted({*before.settings, *after.settings})
    pairs += [(f"setting {name}", before.settings.get(name), after.settings.get(name)) for name in names]
    return [(text, old, new) for text, old, new in pairs if old != new]


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return cut(text, 200) if value or value == 0 else "unknown"

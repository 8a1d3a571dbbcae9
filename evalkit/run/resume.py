"""Whether a run may be continued: under the same plan, whatever its files look like."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evalkit.errors import UsageError
from evalkit.run.setup import Setup
from evalkit.secrets import redact_words
from evalkit.stored.folder import RunFolder
from evalkit.text import one_line

#: differences that a message names
_MOST = 8
_WORDS = {
    "sweep": "the plan of the sweep",
    "prompts": "the prompts",
    "modes": "the timed modes",
    "requests": "the order or number of the timed requests",
    "starts": "the starts of launched servers",
    "seed": "the seed of the order",
    "simulated": "--demo",
}


def resumed(folder: RunFolder, setup: Setup) -> Setup:
    """The setup of a further session. A checklist that asks the same in other words counts as the one of the run.

    Raises:
        UsageError: see `same_plan`.
    """
    same_plan(folder, setup)
    return replace(setup, loaded=setup.loaded.model_copy(update={"sha256": folder.checklist().sha256}))


def same_plan(folder: RunFolder, setup: Setup) -> None:
    """Resume continues a run; it never changes one.

    Raises:
        UsageError: another plan than the one that the run began with, naming what differs; or another rule.
    """
    start = folder.start()
    began = f"; it began as: {shlex.join(['evalkit', *start.argv])}" if start else ""
    found = differences(folder, setup)
    if found:
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise UsageError(
            f"the plan differs from the one that this run began with: {'; '.join(found[:_MOST])}{more}",
            where=str(folder.path),
            hint=f"resume with the same checklist, flags, prompts and tasks, or start a new run{began}",
        )  # fmt: skip
    if start and start.strict != setup.strict:
        raise UsageError(
            f"this run began {'with' if start.strict else 'without'} --strict", where=str(folder.path),
            hint=f"resume it likewise, or start a new run{began}",
        )  # fmt: skip


def differences(folder: RunFolder, setup: Setup) -> list[str]:
    """What differs from the run, in words; empty when it may be continued."""
    old, new = folder.plan(), setup.document()
    found = []
    if old.get("checklist") != new.get("checklist"):
        found += _checklist(folder, setup)
    suites, now = old.get("suites") or {}, new.get("suites") or {}
    for name in {**suites, **now}:
        if suites.get(name) != now.get(name):
            change = "is new" if name not in suites else "is gone" if name not in now else "has changed"
            found.append(f"the suite {one_line(name, limit=60)} {change}")
    if (old.get("reported") or {}) != (new.get("reported") or {}):
        found.append("the results of a harness, or the files that hold them, changed")
    for key, words in _WORDS.items():
        if old.get(key) != new.get(key):
            found.append(f"{words} changed")
    if (old.get("skip") or {}) != (new.get("skip") or {}):
        left_out = [", ".join(sorted(one or {})) or "nothing" for one in (old.get("skip"), new.get("skip"))]
        found.append(f"left out were {left_out[0]}, now {left_out[1]}")
    # fewer requests follow from another mode or prompt: the cause is enough
    return found if len(found) < 2 else [one for one in found if not one.startswith(_WORDS["requests"])]


def _checklist(folder: RunFolder, setup: Setup) -> list[str]:
    before = _flat(folder.checklist().checklist.model_dump(mode="json"))
    after = _flat(setup.checklist.model_dump(mode="json"))
    if setup.simulated:  # the demo's servers listen elsewhere each time
        before, after = (
            {key: one for key, one in flat.items() if not key.endswith(".endpoint")} for flat in (before, after)
        )
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key} was {_shown(before.get(key))}, is {_shown(after.get(key))}" for key in keys]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Values by dotted path; lists are values."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {key: one for name, inner in value.items()
            for key, one in _flat(inner, f"{path}.{name}" if path else str(name)).items()}  # fmt: skip


def _shown(value: Any) -> str:
    if value is None or value in ({}, []):
        return "not set"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return one_line(shlex.join(redact_words(value)), limit=80)
    return one_line(str(value), limit=80)


def continued(words: Sequence[str], folder: str, *, only_mode: str | None = None) -> str:
    """The command that continues the run in `folder`; `only_mode` is the mode of its next session."""
    session = ("--output-dir", "--resume", *(("--only-mode",) if only_mode else ()))
    kept: list[str] = []
    skip = False
    for word in words:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in session:
            skip = not equals
        else:
            kept.append(word)
    more = ("--only-mode", only_mode) if only_mode else ()
    return shlex.join(["evalkit", *kept, *more, "--resume", folder])

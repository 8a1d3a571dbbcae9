"""A checklist with a sweep, its swept mode replaced by the settings that the sweep left or that a run decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.checklist.files import sha256_of
from evalkit.checklist.schema import Checklist, Endpoint, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.secrets import redact_words
from evalkit.stored.folder import Source


def command_hash(template: Endpoint | None) -> str | None:
    """Of a start command, keys in it masked; None without one."""
    return sha256_of("\0".join(redact_words(template.launch))) if template and template.launch else None


def as_decided(asked: LoadedChecklist, source: Source) -> LoadedChecklist:
    """`asked` with the run's settings in the place of the swept mode, where both sweep the same by the same command.

    Else `asked` as it is: its modes then differ from the run's, which a gate does not take.
    """
    sweep = asked.checklist.sweep
    if sweep is None:
        return asked
    try:
        facts, stored = source.facts().sweep, source.checklist().checklist
    except RunFolderError:
        return asked
    template = command_hash(asked.checklist.modes.get(sweep.mode))
    if facts is None or stored.sweep != sweep or facts.template_sha256 != template:
        return asked
    own = {label: asked.checklist.modes.get(label, stored.modes.get(label)) for label in facts.finalists}
    chosen = {label: one for label, one in own.items() if one is not None}
    return asked.model_copy(update={"checklist": settled(asked.checklist, chosen)})


def settled(checklist: Checklist, chosen: Mapping[str, Endpoint]) -> Checklist:
    """The checklist with `chosen` in the place of the swept mode and its configurations: what the run decides."""
    sweep = checklist.sweep
    assert sweep is not None
    data: dict[str, Any] = checklist.model_dump(mode="python", exclude_unset=True)
    own = {label: one.model_dump(mode="python", exclude_unset=True) for label, one in chosen.items()}
    modes: dict[str, Any] = {}
    for label, endpoint in data.get("modes", {}).items():
        modes |= own if is_swept(label, sweep.mode) else {label: endpoint}
    items = data.get("items", {})
    timed, serving = items.get("modes", {}), items.get("serving", {})
    for part, key in ((timed, "adopt"), (timed, "launch_order"), (serving, "require")):
        if isinstance(part.get(key), list):
            part[key] = _named(part[key], sweep.mode, list(own))
    return Checklist.model_validate({**data, "modes": modes})


def is_swept(label: str, mode: str) -> bool:
    """Whether a label is the swept mode or a configuration of it."""
    return label == mode or label.startswith(f"{mode}@")


def _named(labels: Sequence[str], mode: str, chosen: Sequence[str]) -> list[str]:
    """`labels` with the chosen settings where the swept mode is."""
    every = (one for label in labels for one in (chosen if is_swept(label, mode) else (label,)))
    return list(dict.fromkeys(every))

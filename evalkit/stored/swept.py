"""A checklist with a sweep beside a run that it was decided by: what it asks of the settings that the run decided."""

from __future__ import annotations

from evalkit.checklist.files import sha256_of
from evalkit.checklist.schema import Endpoint, LoadedChecklist
from evalkit.checklist.settled import settled
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

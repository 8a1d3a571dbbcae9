"""A model without the Hub: the packaged record of a repository, as it was seen on a date. A first look, no commit."""

from __future__ import annotations

from typing import Literal

from evalkit.data import load_variants
from evalkit.hub.config import read_config
from evalkit.hub.facts import CandidateFacts, CardLicense
from evalkit.hub.source import SourceProblem
from evalkit.hub.spdx import with_spdx

#: problems that say nothing of the model: the Hub was not there to be asked
_UNASKED = ("offline", "network", "server", "rate-limit")


def from_record(
    model: str, problem: SourceProblem, *, role: Literal["candidate", "variant"], revision: str, at: str
) -> CandidateFacts | None:
    """What the record of `model` says, where the Hub could not be asked; None where there is no record."""
    row = next((v for v in load_variants() if v.id.casefold() == model.casefold()), None)
    if row is None or problem.kind not in _UNASKED:
        return None
    config = read_config(row.config(), {}, {})
    notes = [f"the Hub was not read: {problem.message}", *row.notes]
    if row.layers is None:
        notes.append("the record holds no configuration: it was not read")
    limits = config.context
    if limits.config_source:
        marked = f"{limits.config_source} (shipped record of {row.date}, not this commit)"
        limits = limits.model_copy(update={"config_source": marked})
    return CandidateFacts(
        model=row.id,
        role=role,
        kind="record",
        record=row.date,
        requested_revision=revision,
        fetched_at=at,
        card=with_spdx(CardLicense(license=("other",), license_name=row.license)),
        architectures=(row.architecture,) if row.architecture else (),
        model_type=row.model_type,
        config=config.values,
        context=limits,
        notes=tuple(notes),
    )

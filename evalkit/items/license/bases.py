"""The licenses of the base models, upward from what the card names. Pure."""

from __future__ import annotations

import re

from evalkit.checklist.schema import Use
from evalkit.data import load_related, load_variants
from evalkit.findings import SEVERITY, Evidence, Finding, KnownBy
from evalkit.hub.facts import BaseModelFacts, CandidateFacts
from evalkit.items.license.checks import BASE, USES
from evalkit.items.license.terms import Named, allowed, named
from evalkit.items.license.words import Base

#: words in a name or tag of which each says that the weights were made from others
_DERIVED = re.compile(
    r"(?i)(?:^|[-_./:\s])(gguf|mlx|awq|gptq|exl[23]|[qw]?\d+[-_]?bits?|q\d_[0-9k]\w*|quanti[sz]ed|finetuned?|fine-tuned?|"
    r"merged?|lora|abliterated|distill(?:ed)?)(?:$|[-_./:\s])"
)


def of_bases(candidate: CandidateFacts, use: Use) -> list[Finding]:
    """One finding for each base model; one if the card names none but its name or tags suggest a derivative."""
    if not candidate.base_model:
        return _none_named(candidate)
    bases = candidate.bases or tuple(BaseModelFacts(model=m) for m in candidate.base_model)
    return [_base(base, candidate, use) for base in bases]


def _base(base: BaseModelFacts, candidate: CandidateFacts, use: Use) -> Finding:
    where = f"{base.model}@{base.revision[:12]}" if base.revision else base.model
    evidence = (Evidence(path=base.text.path, sha256=base.text.sha256, note=where),) if base.text else ()
    if base.card is None:
        return BASE.found(Base(outcome="not-known", model=where, why=base.error), evidence=evidence)
    license_ = named(base.card)
    if license_.row is None:
        values = Base(outcome="not-known", model=where, why=str(license_.problem), stated=license_.name)
        return BASE.found(values, evidence=evidence)
    own = named(candidate.card)
    values = Base(
        outcome="allows", model=where, license=license_.row.name, stated=license_.name,
        obligations=license_.row.obligations,
    )  # fmt: skip
    answers = [(USES[facet].outcomes[one.outcome], one)
               for facet, one in ((f, allowed(f, license_, use, None)) for f in USES if getattr(use, f))]  # fmt: skip
    refused = [one for one in answers if not one[0].carries]
    if refused:
        worst = min(refused, key=lambda one: SEVERITY.index(one[0]))[1]
        values = Base(
            outcome="stricter", model=where, license=license_.row.name, stated=license_.row.id, facet=worst.facet,
            why=worst.sentence(), ours=own.row.name if own.row else own.name, ours_id=own.row.id if own.row else None,
        )  # fmt: skip
    return BASE.found(values, known_by=KnownBy.DECLARED, evidence=evidence)


def upstream(candidate: CandidateFacts) -> str | None:
    """What the packaged tables know of where the weights come from, when the card does not say."""
    wanted = candidate.model.casefold()
    row = next((v for v in load_variants() if v.id.casefold() == wanted), None)
    if row is not None:
        return row.upstream
    known = next((r for r in load_related() if r.relation == "derivative" and r.id.casefold() == wanted), None)
    return known.of if known else None


def _none_named(candidate: CandidateFacts) -> list[Finding]:
    known = upstream(candidate)
    if known is not None:
        return [BASE.found(Base(outcome="by-table", model=known), known_by=KnownBy.VENDOR_REPORTED)]
    words = (candidate.model.rpartition("/")[2], *candidate.tags, candidate.library_name or "")
    sign = next((m[1] for m in (_DERIVED.search(word) for word in words) if m), None)
    return [] if sign is None else [BASE.found(Base(outcome="unnamed", sign=sign), known_by=KnownBy.INFERRED)]


def base_rows(candidate: CandidateFacts) -> list[tuple[BaseModelFacts, Named]]:
    """Each base model with the license that its card names."""
    return [(base, named(base.card)) for base in candidate.bases]

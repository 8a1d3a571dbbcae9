"""The licenses of the base models, upward from what the card names. Pure."""

from __future__ import annotations

import re

from evalkit.checklist.schema import Use
from evalkit.data import load_related, load_variants
from evalkit.findings import SEVERITY, Evidence, Finding, KnownBy, Status
from evalkit.hub.facts import BaseModelFacts, CandidateFacts
from evalkit.items.license.checks import BASE, USES
from evalkit.items.license.terms import Named, allowed, named

#: words in a name or tag of which each says that the weights were made from others
_DERIVED = re.compile(
    r"(?i)(?:^|[-_./:\s])(gguf|mlx|awq|gptq|exl[23]|[qw]?\d+[-_]?bits?|q\d_[0-9k]\w*|quanti[sz]ed|finetuned?|fine-tuned?|"
    r"merged?|lora|abliterated|distill(?:ed)?)(?:$|[-_./:\s])"
)


def of_bases(candidate: CandidateFacts, use: Use) -> list[Finding]:
    """One finding for each base model; one when the card names none and something speaks of one."""
    if not candidate.base_model:
        return _none_named(candidate)
    bases = candidate.bases or tuple(
        BaseModelFacts(model=m, error="its card was not read") for m in candidate.base_model
    )
    return [_base(base, candidate, use) for base in bases]


def _base(base: BaseModelFacts, candidate: CandidateFacts, use: Use) -> Finding:
    where = f"{base.model}@{base.revision[:12]}" if base.revision else base.model
    evidence = (Evidence(path=base.text.path, sha256=base.text.sha256, note=where),) if base.text else ()
    if base.card is None:
        return BASE.finding(
            Status.INCONCLUSIVE, f"the license of the base model {where} is not known: {base.error or 'no card'}",
            evidence=evidence,
        )  # fmt: skip
    license_ = named(base.card)
    if license_.row is None:
        text = f"the base model {where}: {license_.problem}"
        return BASE.finding(Status.INCONCLUSIVE, text, observed=license_.name, evidence=evidence)
    answers = [(facet, *allowed(facet, license_, use, None)) for facet in USES if getattr(use, facet)]
    own = named(candidate.card)
    ours = own.row.name if own.row else own.name
    refused = [(facet, status, text) for facet, status, text in answers if not status.carries]
    if not refused:
        text = f"the base model {where} is under {license_.row.name}, which allows what is asked"
        return BASE.finding(
            Status.PASS, text, observed=license_.name, known_by=KnownBy.DECLARED, evidence=evidence,
            data={"obligations": list(license_.row.obligations)},
        )  # fmt: skip
    facet, _, why = min(refused, key=lambda one: SEVERITY.index(one[1]))
    text = f"the card names {ours}, its base model {where} is under {license_.row.name} ({facet} use: {why})"
    return BASE.finding(
        Status.INCONCLUSIVE, text, observed=license_.row.id, threshold=own.row.id if own.row else None,
        known_by=KnownBy.DECLARED, evidence=evidence,
    )  # fmt: skip


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
        text = f"the card names no base model; by the tables of evalkit it comes from {known}"
        return [BASE.finding(Status.WARN, text, known_by=KnownBy.VENDOR_REPORTED)]
    words = (candidate.model.rpartition("/")[2], *candidate.tags, candidate.library_name or "")
    sign = next((m[1] for m in (_DERIVED.search(word) for word in words) if m), None)
    if sign is None:
        return []
    text = f"the card names no base model, but {sign!r} speaks of weights made from others: their license still binds"
    return [BASE.finding(Status.WARN, text, known_by=KnownBy.INFERRED)]


def base_rows(candidate: CandidateFacts) -> list[tuple[BaseModelFacts, Named]]:
    """Each base model with the license that its card names."""
    return [(base, named(base.card)) for base in candidate.bases]

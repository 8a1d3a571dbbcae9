"""The chain of base models, upward from what a card names: the license of an original binds its derivatives."""

from __future__ import annotations

from evalkit.hub.card import Card, card_in, from_fields, with_spdx
from evalkit.hub.facts import BaseModelFacts, TextFile
from evalkit.hub.source import ID, AccessDenied, Keep, SourceProblem, digest
from evalkit.secrets import redact

_MOST = 4


def follow(model: str, named: tuple[str, ...], keep: Keep) -> tuple[BaseModelFacts, ...]:
    """Cards of the base models and of their bases, at most four and never in a circle. Never raises."""
    seen = {model.casefold()}
    queue = list(named)
    bases: list[BaseModelFacts] = []
    while queue and len(bases) < _MOST:
        name = queue.pop(0)
        if name.casefold() in seen:
            continue
        seen.add(name.casefold())
        base = _read(name, keep)
        bases.append(base)
        queue += base.base_model
    return tuple(bases)


def _read(name: str, keep: Keep) -> BaseModelFacts:
    if not ID.match(name):
        return BaseModelFacts(model=name, error="not a Hub id")
    from evalkit.hub.api import open_hub

    try:
        source = open_hub(name, "main")
    except SourceProblem as e:
        return BaseModelFacts(model=name, error=redact(e.message))
    content: bytes | None = None
    try:
        content = source.reader.read("README.md") if any(f.name == "README.md" for f in source.files) else None
    except SourceProblem as e:
        return BaseModelFacts(model=source.model, revision=source.revision, error=redact(e.message))
    except AccessDenied:  # the card's fields are public all the same
        if not source.api_card:
            return BaseModelFacts(model=source.model, revision=source.revision, error="gated")
    card = card_in(content) if content is not None else from_fields(source.api_card)
    return BaseModelFacts(
        model=source.model, revision=source.revision, card=with_spdx(card.license), base_model=card.base_model,
        text=_kept(source.model, content, keep), error=None if _says_something(card) else "its card names nothing",
    )  # fmt: skip


def _says_something(card: Card) -> bool:
    return bool(card.license.license or card.license.license_name or card.license.license_link)


def _kept(model: str, content: bytes | None, keep: Keep) -> TextFile | None:
    if content is None:
        return None
    name = f"base-{model.replace('/', '-')}-README.md"
    return TextFile(name="README.md", sha256=digest(content), size=len(content), path=keep(name, content))

"""From a name to facts: open the source, read its few texts, keep them as evidence."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from evalkit.errors import InputFileError
from evalkit.hub._card import Card, from_fields, read_card
from evalkit.hub._config import Config, load_json, read_config
from evalkit.hub._source import CONFIGS, TEXT_CAP, AccessDenied, Source, SourceProblem, is_license_file, wanted
from evalkit.hub.facts import BaseModelFacts, CandidateFacts, ContextLimits, TextFile
from evalkit.run.files import make_private, write_atomic
from evalkit.secrets import redact
from evalkit.text import one_line

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?\Z")
_BASES = 4


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_source(model: str, revision: str) -> Source:
    """Raises SourceProblem. A folder or file of that name comes before a Hub id."""
    try:
        path = Path(model).expanduser()
        if model and path.is_dir():  # an empty name is not the current folder
            from evalkit.hub._folder import open_folder

            return open_folder(path, model)
        if model and path.exists():
            from evalkit.hub._snapshot import open_snapshot

            return open_snapshot(path, model)
    except (OSError, ValueError, RuntimeError):
        pass  # no path of this machine: an id, or nothing
    if not _ID.match(model) or ".." in model or "--" in model or model.endswith(".json"):
        raise SourceProblem(
            "invalid",
            "no such folder or snapshot file, and no id of the Hub (OWNER/NAME)",
            nearest(model) or "name a Hub id, a folder with README.md and config.json, or a snapshot file",
        )
    from evalkit.hub._hub import open_hub

    return open_hub(model, revision)


def nearest(model: str) -> str | None:
    """A hint that names the real id for a wrong one, or None."""
    from evalkit.data import load_variants

    known = {v.id: v for v in load_variants()}
    folded = model.casefold()
    for variant in known.values():
        if folded in (w.casefold() for w in variant.wrong_ids):
            return f"the id is {variant.id}"
    words = _words(folded) - {"instruct", "chat", "it"}
    same = [i for i in known if _words(i.casefold()) == words and i.casefold() != folded]
    close = same or difflib.get_close_matches(model, [i for i in known if i.casefold() != folded], n=1, cutoff=0.85)
    return f"did you mean {close[0]}?" if close else None


def _words(text: str) -> set[str]:
    return set(re.split(r"[-_/]", text))


def collect(
    model: str,
    *,
    revision: str,
    role: Literal["candidate", "variant"],
    evidence_dir: Path | None,
    license_text: Path | None,
) -> CandidateFacts:
    given = read_given(license_text) if license_text is not None else None
    shown = one_line(redact(model), limit=512)
    try:
        source = open_source(model, revision)
        return _facts(source, revision, role, _keeper(evidence_dir, source), given)
    except SourceProblem as e:
        hint = nearest(model) if e.kind == "missing" else None
        return CandidateFacts(
            model=shown, role=role, kind="folder" if model and Path(model).is_dir() else "hub",
            requested_revision=revision, fetched_at=now(),
            error=redact(e.message), error_kind=e.kind, hint=f"{hint}; {e.hint}" if hint else e.hint,
        )  # fmt: skip


def read_given(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(TEXT_CAP + 1)
    except OSError as e:
        raise InputFileError(f"the license text cannot be read: {e.strerror}", where=str(path)) from e
    if len(content) > TEXT_CAP or not content.strip():
        raise InputFileError("the license text is empty or larger than 4 MiB", where=str(path))
    return content


Keep = Callable[[str, bytes], str | None]


def _keeper(evidence_dir: Path | None, source: Source) -> Keep:
    def keep(name: str, content: bytes) -> str | None:
        if evidence_dir is None:
            return None
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", source.model).strip("-.")[-80:] or "model"
        tag = hashlib.sha256(f"{source.model}{source.revision}".encode("utf-8", "replace")).hexdigest()[:8]
        folder = evidence_dir / "hub" / f"{slug}-{tag}"
        make_private(folder)
        path = folder / re.sub(r"[^A-Za-z0-9._-]+", "-", name)
        write_atomic(path, content)
        return path.relative_to(evidence_dir.parent).as_posix()

    return keep


def _facts(
    source: Source, revision: str, role: Literal["candidate", "variant"], keep: Keep, given: bytes | None
) -> CandidateFacts:
    raw, denied = _read(source)
    texts = [_text(name, content, keep) for name, content in raw.items()]
    licenses = [t for t in texts if is_license_file(t.name)]
    if given is not None:
        licenses.append(_text("license-text", given, keep).model_copy(update={"origin": "given"}))
    notes = source.notes
    readme = raw.get("README.md")
    card = _card(readme, source, notes)
    config = read_config(*(load_json(raw.get(n), n, notes) for n in CONFIGS))
    if "config.json" not in raw:
        notes.append("config.json is absent or was not read")
    return CandidateFacts(
        model=source.model,
        role=role,
        kind=source.kind,
        asked=source.asked,
        requested_revision=revision,
        revision=source.revision,
        fetched_at=source.fetched_at or now(),
        gated=source.gated,
        access_denied=denied,
        card=card.license if readme is not None or source.api_card else None,
        base_model=card.base_model,
        bases=_bases(source, card),
        library_name=card.library_name,
        pipeline_tag=card.pipeline_tag,
        tags=card.tags,
        architectures=config.architectures,
        model_type=config.model_type,
        remote_code=config.remote_code,
        config=config.values,
        context=_trained(config, card, source.model),
        files=source.files,
        texts=tuple(t for t in texts if not is_license_file(t.name)),
        license_texts=tuple(licenses),
        notes=tuple(dict.fromkeys(one_line(redact(n)) for n in [*notes, *card.notes, *config.notes]))[:100],
    )


def _read(source: Source) -> tuple[dict[str, bytes], bool]:
    raw: dict[str, bytes] = {}
    for name in wanted(source.files):
        try:
            content = source.reader.read(name)
        except AccessDenied:
            source.notes.append("the repository is gated and this account has no access: files were not read")
            return raw, True
        if content is not None:
            raw[name] = content
    return raw, False


def _card(readme: bytes | None, source: Source, notes: list[str]) -> Card:
    if readme is not None:
        return read_card(readme.decode("utf-8", "replace"))
    if source.api_card:
        notes.append("README.md was not read: the card's fields come from the Hub's API")
        return from_fields(source.api_card)
    notes.append("README.md is absent or was not read")
    return Card()


def _text(name: str, content: bytes, keep: Keep) -> TextFile:
    return TextFile(
        name=one_line(name, limit=200),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        path=keep(name, content),
        matches=_matches(content) if is_license_file(name) or name == "license-text" else (),
    )


def _matches(content: bytes) -> tuple[str, ...]:
    """Rows of the license table all of whose phrases the text contains."""
    from evalkit.data import load_licenses

    text = " ".join(content.decode("utf-8", "replace").casefold().split())
    rows = [row for row in load_licenses() if row.markers and all(m in text for m in row.markers)]
    return tuple(row.id for row in rows)


def _trained(config: Config, card: Card, model: str) -> ContextLimits:
    from evalkit.data import load_variants
    from evalkit.findings import KnownBy

    update: dict[str, object] = {"card_claims": card.claims}
    variant = next((v for v in load_variants() if v.id.casefold() == model.casefold()), None)
    if variant is not None and variant.trained is not None:
        update |= {
            "trained": variant.trained,
            "trained_source": variant.trained_source,
            "trained_known_by": KnownBy.VENDOR_REPORTED,
        }
    return config.context.model_copy(update=update)


def _bases(source: Source, card: Card) -> tuple[BaseModelFacts, ...]:
    """Cards of the base models, upward; only a Hub model's chain is followed, and never in a circle."""
    if source.kind != "hub":
        return ()
    seen = {source.model.casefold()}
    queue = list(card.base_model)
    bases: list[BaseModelFacts] = []
    while queue and len(bases) < _BASES:
        name = queue.pop(0)
        if name.casefold() in seen:
            continue
        seen.add(name.casefold())
        fact, further = _base(name)
        bases.append(fact)
        queue += further
    return tuple(bases)


def _base(name: str) -> tuple[BaseModelFacts, list[str]]:
    if not _ID.match(name):
        return BaseModelFacts(model=name, error="no id of the Hub"), []
    try:
        from evalkit.hub._hub import open_hub

        base = open_hub(name, "main")
        content = base.reader.read("README.md") if any(f.name == "README.md" for f in base.files) else None
        card = _card(content, base, [])
        return BaseModelFacts(model=base.model, revision=base.revision, card=card.license), list(card.base_model)
    except SourceProblem as e:
        return BaseModelFacts(model=name, error=redact(e.message)), []
    except AccessDenied:
        return BaseModelFacts(model=name, error="gated"), []

"""From a name to facts: open the source, read its few texts, keep them as evidence."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from evalkit.checklist.files import read_bytes
from evalkit.data import load_licenses, load_variants
from evalkit.errors import HubError, InputFileError
from evalkit.files import make_private, write_atomic
from evalkit.findings import KnownBy
from evalkit.hub.bases import follow
from evalkit.hub.card import Card, card_in, from_fields, with_spdx
from evalkit.hub.config import load_json, read_config
from evalkit.hub.facts import CandidateFacts, CardLicense, ContextLimits, TextFile
from evalkit.hub.source import (
    CONFIGS,
    EXTRA_NAMES,
    ID,
    SIDE_CONFIGS,
    TEXT_CAP,
    AccessDenied,
    ExtraText,
    Keep,
    Source,
    SourceProblem,
    digest,
    is_license_file,
    wanted,
)
from evalkit.secrets import redact
from evalkit.text import one_line


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_source(model: str, revision: str) -> Source:
    """Raises SourceProblem. A folder or file of that name comes before a Hub id."""
    try:
        path = Path(model).expanduser()
        if model and path.is_dir():  # an empty name is not the current folder
            from evalkit.hub.folder import open_folder

            return open_folder(path, model)
        if model and path.exists():
            from evalkit.hub.snapshot import open_snapshot

            return open_snapshot(path, model)
    except (OSError, ValueError, RuntimeError):
        pass  # no path of this machine: an id, or nothing
    if not ID.match(model) or ".." in model or "--" in model or model.endswith(".json"):
        raise SourceProblem(
            "invalid",
            "no such folder or snapshot file, and not a Hub id (OWNER/NAME)",
            nearest(model) or "name a Hub id, a folder with README.md and config.json, or a snapshot file",
        )
    from evalkit.hub.api import open_hub

    return open_hub(model, revision)


def full_id(model: str) -> str:
    """The id of a recorded repository whose name alone was given; a folder or file of that name comes first."""
    if not model or "/" in model or Path(model).exists():
        return model
    wanted = model.casefold()
    return next((v.id for v in load_variants() if v.id.rpartition("/")[2].casefold() == wanted), model)


def nearest(model: str, *, wrong_only: bool = False) -> str | None:
    """A hint that names the real id for a wrong one, or None. `wrong_only`: no guesses, only ids known to be wrong."""
    known = {v.id: v for v in load_variants()}
    folded = model.casefold()
    if folded in (i.casefold() for i in known):
        return None  # it is one
    for variant in known.values():
        if folded in (w.casefold() for w in variant.wrong_ids):
            return f"the id is {variant.id}"
    if wrong_only:
        return None
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
    fetch_license: bool,
) -> CandidateFacts:
    given = read_given(license_text) if license_text is not None else None
    model = full_id(model)
    shown = one_line(model, limit=512)
    try:
        source = open_source(model, revision)
        return _facts(source, revision, role, _keeper_of(evidence_dir, source), given, fetch=fetch_license)
    except SourceProblem as e:
        known = from_record(model, e, role=role, revision=revision, at=now())
        if known is not None:
            texts = (_extra(given, _keeper(evidence_dir, known.model, "record")),) if given else ()
            limits = trained(known.context, known.model)
            return known.model_copy(update={"context": limits, "license_texts": texts})
        hint = nearest(model, wrong_only=e.kind != "missing")
        return CandidateFacts(
            model=shown, role=role, kind="folder" if model and Path(model).is_dir() else "hub",
            requested_revision=revision, fetched_at=now(),
            error=redact(e.message), error_kind=e.kind, hint=f"{hint}; {e.hint}" if hint else e.hint,
        )  # fmt: skip


def read_given(path: Path) -> ExtraText:
    """A license text that the user has.

    Raises:
        InputFileError: it cannot be read, is empty or too large.
    """
    content = read_bytes(path, max_bytes=TEXT_CAP)
    if not content.strip():
        raise InputFileError("the license text is empty", where=str(path))
    return ExtraText("license-text", content, "given", now())


def extra_texts(source: Source, card: Card, given: ExtraText | None, *, fetch: bool) -> tuple[ExtraText, ...]:
    """Texts that the source keeps, the one given, and, when asked for, the page behind the card's license_link."""
    texts = [*source.extra, *([given] if given else [])]
    link = card.license.license_link
    if fetch and link is None:
        source.notes.append("the card has no license_link: nothing was fetched")
    elif fetch and link is not None:
        from evalkit.hub.link import LinkProblem, fetch_text

        try:
            page = fetch_text(link)
            texts.append(ExtraText("license-link", page.content, "link", now(), page.url))
        except LinkProblem as e:
            source.notes.append(f"the card's license_link was not fetched: {e}")
    return tuple(texts)


def _keeper_of(evidence_dir: Path | None, source: Source) -> Keep:
    shown = Path(source.model).expanduser().resolve().name if source.kind == "folder" else source.model
    return _keeper(evidence_dir, shown, source.revision or "")


def _keeper(evidence_dir: Path | None, shown: str, revision: str) -> Keep:
    def keep(name: str, content: bytes) -> str | None:
        if evidence_dir is None:
            return None
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", shown).strip("-.")[-80:] or "model"
        tag = hashlib.sha256(f"{shown}{revision}".encode("utf-8", "replace")).hexdigest()[:8]
        folder = evidence_dir / "hub" / f"{slug}-{tag}"
        make_private(folder.parent)
        make_private(folder)
        path = folder / re.sub(r"[^A-Za-z0-9._-]+", "-", name)
        write_atomic(path, content)
        return path.relative_to(evidence_dir.parent).as_posix()

    return keep


def _facts(
    source: Source,
    revision: str,
    role: Literal["candidate", "variant"],
    keep: Keep,
    given: ExtraText | None,
    *,
    fetch: bool,
) -> CandidateFacts:
    raw, denied = _read(source)
    texts = [_text(name, content, keep) for name, content in raw.items()]
    licenses = [t for t in texts if is_license_file(t.name)]
    notes = source.notes
    readme = raw.get("README.md")
    card = card_of(readme, source)
    licenses += [_extra(extra, keep) for extra in extra_texts(source, card, given, fetch=fetch)]
    config = read_config(*(load_json(raw.get(n), n, notes) for n in (*CONFIGS, *SIDE_CONFIGS)))
    if "config.json" not in raw:
        notes.append("config.json is absent or was not read")
    return CandidateFacts(
        model=source.model,
        role=role,
        kind=source.kind,
        asked=source.asked,
        requested_revision=revision,
        revision=source.revision,
        commit=source.commit,
        fetched_at=source.fetched_at or now(),
        gated=source.gated,
        access_denied=denied,
        card=with_spdx(card.license) if readme is not None or source.api_card else None,
        base_model=card.base_model,
        bases=follow(source.model, card.base_model, keep) if source.bases is None else source.bases,
        library_name=card.library_name,
        pipeline_tag=card.pipeline_tag,
        tags=card.tags,
        architectures=config.architectures,
        model_type=config.model_type,
        remote_code=config.remote_code,
        config=config.values,
        context=trained(config.context.model_copy(update={"card_claims": card.claims}), source.model),
        files=source.files,
        texts=tuple(t for t in texts if not is_license_file(t.name)),
        license_texts=tuple(licenses),
        notes=tuple(dict.fromkeys(one_line(n) for n in [*notes, *card.notes, *config.notes]))[:100],
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


def card_of(readme: bytes | None, source: Source) -> Card:
    """The card as read; for a gated repository its public fields."""
    if readme is not None:
        return card_in(readme)
    if source.api_card:
        source.notes.append("README.md was not read: the card's fields come from the Hub's API")
        return from_fields(source.api_card)
    source.notes.append("README.md is absent or was not read")
    return Card()


def _text(name: str, content: bytes, keep: Keep) -> TextFile:
    return TextFile(
        name=one_line(name, limit=200),
        sha256=digest(content),
        size=len(content),
        path=keep(name, content),
        matches=_matches(content) if is_license_file(name) or name in EXTRA_NAMES else (),
    )


def _extra(extra: ExtraText, keep: Keep) -> TextFile:
    where = {"origin": extra.origin, "url": extra.url, "taken_at": extra.taken_at}
    return _text(extra.name, extra.content, keep).model_copy(update=where)


def _matches(content: bytes) -> tuple[str, ...]:
    """Rows of the license table all of whose phrases the text contains."""
    text = " ".join(content.decode("utf-8", "replace").casefold().split())
    rows = [row for row in load_licenses() if row.markers and all(m in text for m in row.markers)]
    return tuple(row.id for row in rows)


def trained(limits: ContextLimits, model: str) -> ContextLimits:
    """`limits` with the trained length, where a source of the packaged tables names one."""
    variant = next((v for v in load_variants() if v.id.casefold() == model.casefold()), None)
    if variant is None or variant.trained is None:
        return limits
    source = {"trained_source": variant.trained_source, "trained_known_by": KnownBy.VENDOR_REPORTED}
    return limits.model_copy(update={"trained": variant.trained, **source})


def write_snapshot(model: str, output: Path, *, revision: str, license_text: Path | None, fetch_license: bool) -> str:
    from evalkit.hub.bases import follow
    from evalkit.hub.snapshot import Extra, Snapshot

    given = read_given(license_text) if license_text is not None else None
    try:
        source = open_source(model, revision)
        texts = {}
        for name in wanted(source.files):
            content = source.reader.read(name)
            if content is not None:
                texts[name] = content.decode("utf-8", "replace")
    except SourceProblem as e:
        raise HubError(e.message, where=one_line(model), hint=e.hint) from e
    except AccessDenied as e:
        raise HubError(
            "the repository is gated", where=one_line(model), hint="request access, then set HF_TOKEN"
        ) from e
    card = card_of(texts["README.md"].encode() if "README.md" in texts else None, source)
    bases = (
        follow(source.model, card.base_model, lambda _name, _content: None) if source.bases is None else source.bases
    )
    extra = tuple(
        Extra(name=e.name, text=e.content.decode("utf-8", "replace"), origin=e.origin, taken_at=e.taken_at, url=e.url)
        for e in extra_texts(source, card, given, fetch=fetch_license)
    )
    name = Path(model).resolve().name if source.kind == "folder" else source.model
    snapshot = Snapshot(
        evalkit_snapshot=1, model=name, revision=source.commit or source.revision, requested_revision=revision,
        gated=source.gated, fetched_at=source.fetched_at or now(), files=source.files, texts=texts, extra=extra,
        bases=bases, notes=tuple(source.notes),
    )  # fmt: skip
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(snapshot.model_dump_json(indent=1) + "\n")
    except OSError as e:
        raise InputFileError(
            f"cannot write the snapshot: {e.strerror}", where=str(output), hint="name a new file"
        ) from e
    return source.commit or source.revision or "unknown"


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

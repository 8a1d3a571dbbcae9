"""The parts that a model is served from, each with what is known of its license, and what was not read. Pure."""

from __future__ import annotations

from evalkit.data import load_related
from evalkit.data.models import LicenseRow, Related
from evalkit.findings import Frozen
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license.bases import base_rows, upstream
from evalkit.items.license.terms import find, named
from evalkit.items.license.texts import is_code, license_files

_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pth", ".pt")


class Part(Frozen):
    """`what` is the file, repository or product; `license` the name as it was found; `date` that of the text."""

    part: str  # weights, adapter, code, upstream base, engine
    what: str
    license: str
    row_id: str | None = None
    sha256: str | None = None
    date: str | None = None
    how_read: str = "not read"
    source: str | None = None
    obligations: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def row(self) -> LicenseRow | None:
        return find(self.row_id) if self.row_id else None


def parts_of(candidate: CandidateFacts) -> list[Part]:
    """Weights, adapters, code, base models, and the engines that the tables know for this family."""
    return [_weights(candidate), *_adapters(candidate), *_code(candidate), *_bases(candidate), *_engines(candidate)]


def _part(  # noqa: PLR0917  the columns of one row
    part: str, what: str, license_: str, row: LicenseRow | None, unread: list[str], sha256: str | None = None
) -> Part:
    if row is None:
        return Part(part=part, what=what, license=license_, sha256=sha256, unread=tuple(unread))
    known = row.how_read.replace("-", " ")
    if row.how_read == "general-knowledge":
        unread = [*unread, f"the text of {row.name}, a published standard one, was not read again for evalkit's table"]
    elif row.how_read != "read":
        unread = [*unread, f"the text of {row.name} itself: evalkit's table has it by {known}"]
    return Part(
        part=part, what=what, license=license_, sha256=sha256, unread=tuple(unread), row_id=row.id, date=row.date,
        how_read=known, source=row.source, obligations=row.obligations,
    )  # fmt: skip


def _own(candidate: CandidateFacts) -> tuple[str, LicenseRow | None]:
    license_ = named(candidate.card)
    return (license_.row.name if license_.row else license_.name), license_.row


def _weights(candidate: CandidateFacts) -> Part:
    name, row = _own(candidate)
    texts = license_files(candidate)
    unread: list[str] = []
    if not texts:
        unread.append("no license text: the repository holds none, and none was given or fetched")
    elif not any(t.matches for t in texts):
        unread.append(f"{texts[0].name} is not a text that the table knows: a person must read it")
    if candidate.access_denied:
        unread.append("every file of the repository: access is gated")
    what = f"{candidate.model}@{candidate.commit or candidate.revision or 'unknown'}"
    return _part("weights", what, name, row, unread, texts[0].sha256 if texts else None)


def _adapters(candidate: CandidateFacts) -> list[Part]:
    """Folders next to the weights that hold an adapter: the repository's license is theirs unless they say more."""
    folders = dict.fromkeys(
        f.name.rpartition("/")[0] for f in candidate.files
        if "/" in f.name and f.name.rpartition("/")[2].startswith("adapter_") and f.name.endswith(_WEIGHTS)
    )  # fmt: skip
    name, row = _own(candidate)
    made = []
    for folder in folders:
        own = [f.name for f in candidate.files if f.name.startswith(f"{folder}/") and "licen" in f.name.lower()]
        unread = [f"{', '.join(own)}: a license file of its own"] if own else []
        unread.append("whether the adapter was made from other weights than these")
        made.append(_part("adapter", f"{folder}/", f"{name} (that of the repository)", row, unread))
    return made


def _code(candidate: CandidateFacts) -> list[Part]:
    texts = [t for t in candidate.license_texts if is_code(t)]
    if not candidate.remote_code and not texts:
        return []
    files = ", ".join(candidate.remote_code) or "code of the repository"
    if texts:
        return [_code_text(files, text) for text in texts]
    unread = ["the code", "a license of the code itself: the repository has only that of the weights"]
    return [_part("code", files, f"{_own(candidate)[0]} (that of the repository)", None, unread)]


def _code_text(files: str, text: TextFile) -> Part:
    row = next((row for row in (find(name) for name in text.matches) if row is not None), None)
    return _part(
        "code", f"{files} ({text.name})", row.name if row else "not recognised", row, ["the code"], text.sha256
    )


def _bases(candidate: CandidateFacts) -> list[Part]:
    made = []
    for base, license_ in base_rows(candidate):
        missing = (
            f"the base model: {base.error}"
            if base.error
            else "the license text of the base model: only its card was read"
        )
        name = license_.row.name if license_.row else license_.name
        sha256 = base.text.sha256 if base.text else None
        what = f"{base.model}@{base.revision or 'unknown'}"
        made.append(_part("upstream base", what, name, license_.row, [missing], sha256))
    if not candidate.base_model:
        missing = "what the weights were made from: the card names no base model"
        made.append(_part("upstream base", upstream(candidate) or "not named", "not read", None, [missing]))
    return made


def _engines(candidate: CandidateFacts) -> list[Part]:
    """Engines of the tables; any other has a license of its own too."""
    family = "nemotron-labs-diffusion" in candidate.model.casefold()
    rows = [r for r in load_related() if r.relation == "engine" and (family or r.id.startswith(("sgl-", "vllm-")))]
    unread = ["the LICENSE of the version that you install, and of what it brings along"]
    return [_engine(related, unread) for related in rows]


def _engine(related: Related, unread: list[str]) -> Part:
    row = find(related.license)
    made = _part("engine", f"{related.title} ({related.id})", row.name if row else "not read", row, unread)
    return made.model_copy(update={"date": related.date, "source": related.source})

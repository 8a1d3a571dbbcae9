"""What is known of a model: its card, configuration, license sources and files at one commit."""

from __future__ import annotations

from typing import Any, Literal

from evalkit.findings import Frozen, KnownBy, Quoted


class ModelFile(Frozen):
    name: str
    size: int | None = None
    sha256: str | None = None


class TextFile(Frozen):
    """A small text file that was read and kept as evidence (`path` is relative to the run folder)."""

    name: str
    sha256: str
    size: int
    path: str | None = None
    #: ids of the license table whose phrases the text contains; empty when none is recognised
    matches: tuple[str, ...] = ()
    #: "repository", "given" for a text that the user handed over, "link" for the page behind the card's license_link
    origin: Literal["repository", "given", "link"] = "repository"
    #: where a text of origin "link" was fetched
    url: str | None = None
    #: when it was given or fetched, ISO 8601 UTC; a text of the repository has the date of its commit
    taken_at: str | None = None


class CardSentence(Frozen):
    """A sentence of the card that restricts a use, or links a license of the weights. `line` counts from 1."""

    kind: str  # commercial | modify | redistribute | linked
    text: str
    line: int | None = None
    link: str | None = None


class CardLicense(Frozen):
    """License fields of the front matter, as written (trimmed); `license` keeps every entry of a list."""

    license: tuple[str, ...] = ()
    license_name: str | None = None
    license_link: str | None = None
    #: the single entry of `license` (or license_name) as an SPDX expression, where it is one
    spdx: str | None = None
    #: what the card's prose or badges say of licenses: (label, link)
    mentions: tuple[tuple[str, str | None], ...] = ()
    #: what the card's prose and its gate's prompt say of restrictions
    sentences: tuple[CardSentence, ...] = ()
    #: why the front matter could not be read; what it states is then not known
    unread: str | None = None


class ContextLimits(Frozen):
    """Context figures from card, config, generation defaults and tokenizer; None where a source is silent."""

    config_max: int | None = None
    config_source: str | None = None  # "text_config.max_position_embeddings" or "max_position_embeddings"
    rope_type: str | None = None
    rope_factor: float | None = None
    rope_original: int | None = None
    generation_max_length: int | None = None
    generation_max_new_tokens: int | None = None
    tokenizer_max: int | None = None
    trained: int | None = None
    trained_source: str | None = None
    trained_known_by: KnownBy | None = None
    card_claims: tuple[tuple[str, int], ...] = ()  # (sentence, tokens)


class BaseModelFacts(Frozen):
    """What the card of a base model says of its license; followed upward from `base_model`."""

    model: str
    revision: str | None = None
    card: CardLicense | None = None
    #: what its own card names as its base; the entries of `bases` are in the order in which they were followed
    base_model: tuple[str, ...] = ()
    #: the card that was read
    text: TextFile | None = None
    error: Quoted | None = None


#: `pipeline_tag` of models that take images
_SEEING = ("image-text-to-text", "visual-question-answering", "document-question-answering", "any-to-any")


class CandidateFacts(Frozen):
    """One model at one commit (or one local folder or snapshot at a content hash)."""

    model: str
    role: Literal["candidate", "variant"] = "candidate"
    kind: Literal["hub", "folder", "snapshot", "record"] = "hub"
    #: date of the packaged record that was taken because the Hub could not be asked; it is no commit
    record: str | None = None
    requested_revision: str = "main"
    #: commit sha, or `sha256:<content hash>` for a folder or snapshot
    revision: str | None = None
    #: the commit that a snapshot file was taken at; its own `revision` is a content hash
    commit: str | None = None
    fetched_at: str | None = None
    gated: str | None = None  # "no" | "auto" | "manual" | None when unknown
    card: CardLicense | None = None
    base_model: tuple[str, ...] = ()
    bases: tuple[BaseModelFacts, ...] = ()
    #: the repository is gated and its files were not open to this account; the card's fields come from the Hub's API
    access_denied: bool = False
    #: what was asked for, when `model` differs from it: a path as the checklist writes it, or an id that was renamed
    asked: str | None = None
    library_name: str | None = None
    pipeline_tag: str | None = None
    tags: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    remote_code: tuple[str, ...] = ()  # files named by auto_map; never run
    #: allow-listed config values used by fit and context (top level or text_config), as read
    config: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    context: ContextLimits = ContextLimits()
    files: tuple[ModelFile, ...] = ()
    texts: tuple[TextFile, ...] = ()
    #: license texts found: LICENSE, NOTICE, … at the commit, or given by --license-text
    license_texts: tuple[TextFile, ...] = ()
    notes: tuple[str, ...] = ()
    #: set when the model could not be read: what happened and what to do; nothing else is then filled
    error: Quoted | None = None
    error_kind: (
        Literal[
            "gated",
            "missing",
            "revision",
            "offline",
            "network",
            "auth",
            "rate-limit",
            "server",
            "invalid",
            "disabled",
        ]
        | None
    ) = None
    hint: str | None = None

    @property
    def record_note(self) -> str | None:
        """How facts of a packaged record are marked wherever they are shown."""
        return f"shipped record of {self.record}, not this commit" if self.record else None

    @property
    def sees(self) -> bool:
        """Whether it takes images, by its configuration or its card."""
        return bool(self.config.get("vision_config")) or self.pipeline_tag in _SEEING

"""Where a model is read from: one interface, three kinds (the Hub, a folder, a snapshot file)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from evalkit.hub.facts import BaseModelFacts, ModelFile

#: largest text that is read, in bytes
TEXT_CAP = 4 * 1024 * 1024
#: largest number of files that is kept in a list
FILES_CAP = 20_000

#: an id of the Hub
ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?\Z")

#: keeps a text as evidence under a name; gives its path relative to the run folder, or None where nothing is kept
Keep = Callable[[str, bytes], str | None]

ErrorKind = Literal[
    "gated", "missing", "revision", "offline", "network", "auth", "rate-limit", "server", "invalid", "disabled"
]

_LICENSE_FILE = re.compile(r"(?i)(?:.*[-_. ])?(?:licen[sc]e|notice|copying|use[-_]policy)s?(?:[-_. ].*)?\Z")
#: names under which texts from elsewhere are kept
EXTRA_NAMES = ("license-text", "license-link")
CONFIGS = ("config.json", "generation_config.json", "tokenizer_config.json")
#: what some diffusion models keep next to the configuration: block and mask
SIDE_CONFIGS = ("dlm_config.json", "block_diffusion.json")


class SourceProblem(Exception):  # noqa: N818  internal; never reaches a user
    """The model cannot be read: what happened, and what to do."""

    def __init__(self, kind: ErrorKind, message: str, hint: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.hint = hint


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class AccessDenied(Exception):  # noqa: N818  internal
    """A file of a gated repository is not open to this account."""


@dataclass(frozen=True)
class ExtraText:
    """A license text that somebody handed over, or the page behind the card's license_link."""

    name: Literal["license-text", "license-link"]
    content: bytes
    origin: Literal["given", "link"]
    taken_at: str
    url: str | None = None


@dataclass
class Source:
    """What is known before a text is read."""

    model: str
    kind: Literal["hub", "folder", "snapshot"]
    revision: str | None
    files: tuple[ModelFile, ...]
    reader: Reader
    gated: str | None = None
    asked: str | None = None
    commit: str | None = None
    fetched_at: str | None = None
    #: card fields as the Hub's API gives them, for gated repositories
    api_card: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: license texts that came from elsewhere than the repository (a snapshot keeps them)
    extra: tuple[ExtraText, ...] = ()
    #: the chain of base models, where the source itself knows it (a snapshot); None: to be followed on the Hub
    bases: tuple[BaseModelFacts, ...] | None = None


class Reader(Protocol):
    def read(self, name: str) -> bytes | None:
        """The bytes of one small file, or None with a note when it is refused.

        Raises:
            SourceProblem: the source failed.
            AccessDenied: the repository is gated.
        """


def is_license_file(name: str) -> bool:
    """LICENSE, NOTICE and their kind, at the top of a repository, in a text format."""
    lower = name.lower()
    if "/" in name or lower.endswith((".py", ".safetensors", ".bin", ".png", ".jpg", ".pdf", ".json")):
        return False
    return _LICENSE_FILE.match(name) is not None


def wanted(files: tuple[ModelFile, ...]) -> list[str]:
    """The only files that are read, card first; at most twelve license files."""
    names = {f.name for f in files}
    fixed = [name for name in ("README.md", *CONFIGS, *SIDE_CONFIGS) if name in names]
    return fixed + sorted(n for n in names if is_license_file(n))[:12]

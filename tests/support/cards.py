"""The cards and configurations of tests/fixtures/cards, as a model folder or as facts."""

from __future__ import annotations

import shutil
from pathlib import Path

from evalkit.hub import collect
from evalkit.hub.facts import CandidateFacts

CARDS = Path(__file__).parent.parent / "fixtures" / "cards"


def folder(where: Path, card: str | None = None, config: str | None = None, **files: str | bytes) -> Path:
    """A model folder with a card and a configuration of the fixtures, and `files` with `__` for a dot in names."""
    where.mkdir(parents=True, exist_ok=True)
    if card:
        shutil.copy(CARDS / f"{card}.md", where / "README.md")
    if config:
        shutil.copy(CARDS / "configs" / f"{config}.json", where / "config.json")
    for name, content in files.items():
        target = where / name.replace("__", ".")
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return where


def facts(where: Path, card: str | None = None, config: str | None = None, **files: str | bytes) -> CandidateFacts:
    """What is read of such a folder."""
    return collect(str(folder(where, card, config, **files)))

"""The Hub's edge: what a model card, its configuration and its license sources say, at one commit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from evalkit.hub.facts import CandidateFacts

__all__ = ["collect", "write_snapshot"]


def collect(
    model: str,
    *,
    revision: str = "main",
    role: Literal["candidate", "variant"] = "candidate",
    evidence_dir: Path | None = None,
    license_text: Path | None = None,
    fetch_license: bool = False,
) -> CandidateFacts:
    """Facts about a Hub id, a local folder or a snapshot file. Remote code is never imported.

    Never raises for what the Hub, a folder or a snapshot does: `error`, `error_kind` and `hint` say it.
    `fetch_license` opts in to fetching the card's license_link, from public https addresses only.
    Texts that were read are stored under `evidence_dir`; their `path` is relative to its parent.

    Raises:
        InputFileError: `license_text` cannot be read.
    """
    from evalkit.hub.candidate import collect as run

    return run(
        model, revision=revision, role=role, evidence_dir=evidence_dir, license_text=license_text,
        fetch_license=fetch_license,
    )  # fmt: skip


def write_snapshot(
    model: str, output: Path, *, revision: str = "main", license_text: Path | None = None, fetch_license: bool = False
) -> str:
    """Write what `collect` reads of `model` into one JSON file. Returns the revision.

    Raises:
        HubError: the model could not be read.
        InputFileError: the output exists or cannot be written, or the license text cannot be read.
    """
    from evalkit.hub.candidate import write_snapshot

    return write_snapshot(model, output, revision=revision, license_text=license_text, fetch_license=fetch_license)

"""An in-toto Statement of a verdict, and what a gate holds against one. Pure but for the files that are read.

The statement names what was judged (the model's commit, report.json, the checklist) by digest, so that whoever signs it
vouches for exactly this verdict: https://in-toto.io/Statement/v1. evalkit itself signs nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from evalkit.checklist.files import read_bytes, sha256_of
from evalkit.errors import UsageError
from evalkit.report.document.model import Report
from evalkit.report.formats import report_json

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:evalkit:verdict:1"
_MAX_BYTES = 4_000_000
_MOST_EVIDENCE = 2_000_000_000


def statement(doc: Report, *, evidence: str) -> dict[str, Any]:
    """The statement of a report document. `evidence`: sha256 of the journal, or of the pack."""
    candidate = doc["candidate"]
    return {
        "_type": STATEMENT,
        "subject": _subjects(doc),
        "predicateType": PREDICATE,
        "predicate": {
            "verdict": doc["verdict"],
            "exit_code": doc["exit_code"],
            "recommended_mode": doc["recommended_mode"],
            "simulated": doc["simulated"],
            "model": candidate.get("model"),
            "revision": candidate.get("revision"),
            "checklist_sha256": doc["checklist"]["sha256"],
            "run_id": doc["run_id"],
            "evalkit_version": doc["evalkit_version"],
            "finished_at": doc["finished_at"],
            "evidence_sha256": evidence,
            "items": {item["id"]: item["status"] for item in doc["items"]},
        },
    }


def evidence_of(run: Path) -> str:
    """sha256 of what the verdict rests on: the journal of a run folder, or the packed file.

    Raises:
        InputFileError: it cannot be read.
    """
    path = run / "journal.jsonl" if run.is_dir() else run
    return sha256_of(read_bytes(path, max_bytes=_MOST_EVIDENCE))


def _subjects(doc: Report) -> list[dict[str, Any]]:
    found = [{"name": "report.json", "digest": {"sha256": sha256_of(report_json.render(doc).encode())}}]
    candidate = doc["candidate"]
    revision = str(candidate.get("revision") or "")
    kind, _, digest = revision.rpartition(":")
    if digest and all(c in "0123456789abcdef" for c in digest) and len(digest) in (40, 64):
        name = "sha256" if kind == "sha256" or len(digest) == 64 else "gitCommit"
        found.insert(0, {"name": candidate.get("model") or "model", "digest": {name: digest}})
    return found


def read_statement(path: Path) -> dict[str, Any]:
    """The statement of a file: bare, or as the payload of a DSSE envelope or Sigstore bundle. Signatures are not read.

    Raises:
        UsageError: no statement of evalkit's.
    """
    try:
        data = json.loads(read_bytes(path, max_bytes=_MAX_BYTES))
    except (ValueError, RecursionError):
        raise UsageError("is not JSON", where=str(path), hint="evalkit attest RUN writes one") from None
    envelope = data.get("dsseEnvelope", data) if isinstance(data, dict) else {}
    if isinstance(envelope, dict) and isinstance(envelope.get("payload"), str):
        try:
            data = json.loads(base64.b64decode(envelope["payload"], validate=True))
        except (binascii.Error, ValueError, RecursionError):
            raise UsageError("the envelope's payload is not a statement", where=str(path)) from None
    if not isinstance(data, dict) or data.get("_type") != STATEMENT or data.get("predicateType") != PREDICATE:
        raise UsageError(
            "is not an in-toto statement of an evalkit verdict", where=str(path), hint="evalkit attest RUN writes one"
        )
    return data


def differences(given: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """Where an attestation differs from this run; empty: subjects and predicate are equal."""
    found = []
    for name, what in (("subject", "subjects"), ("predicate", "predicate")):
        if given.get(name) == own[name]:
            continue
        inner = []
        if isinstance(given.get(name), dict) and isinstance(own[name], dict):
            inner = sorted(k for k in {*given[name], *own[name]} if given[name].get(k) != own[name].get(k))
        found.append(f"the attestation's {what} differ from this run" + (f": {', '.join(inner)}" if inner else ""))
    return found

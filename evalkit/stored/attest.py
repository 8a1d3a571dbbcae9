"""An in-toto Statement of a verdict, and what a gate holds against one. Pure but for the files that are read.

The statement names what was judged (the model's commit, report.json, the checklist) by digest, so that whoever signs it
vouches for exactly this verdict: https://in-toto.io/Statement/v1. evalkit itself signs nothing.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.checklist.files import read_bytes, sha256_of
from evalkit.errors import RunFolderError, UsageError
from evalkit.report.document.model import Report
from evalkit.report.formats import report_json
from evalkit.text import one_line, strict_json

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:evalkit:verdict:1"
_SIGNED_AS = "application/vnd.in-toto+json"
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


class Signer(NamedTuple):
    """Who must have signed: the certificate's subject and the provider that vouched for it."""

    identity: str
    issuer: str
    #: trusted root of a Sigstore instance of one's own; None: the public one
    trust_root: Path | None = None


def verified_payload(path: Path, signer: Signer) -> bytes:
    """The payload of a Sigstore bundle that `signer` signed: certificate, transparency log and signature hold.

    Raises:
        UsageError: sigstore is not installed, or the file is no bundle.
        RunFolderError: the signature is not shown to be the signer's.
    """
    try:
        from sigstore.errors import Error, TUFError
        from sigstore.models import Bundle, TrustedRoot
        from sigstore.verify import Verifier, policy
    except ImportError:
        raise UsageError(
            "--identity verifies by the sigstore package, which is not installed",
            hint="in a checkout: pip install '.[sigstore]'",
        ) from None
    try:
        bundle = Bundle.from_json(read_bytes(path, max_bytes=_MAX_BYTES))
    except (Error, ValueError, RecursionError) as error:
        raise UsageError(
            f"is not a Sigstore bundle: {one_line(str(error), limit=200)}", where=str(path),
            hint="cosign attest-blob --bundle FILE and gh attestation download write one",
        ) from None  # fmt: skip
    wanted = policy.Identity(identity=signer.identity, issuer=signer.issuer)
    try:
        root = TrustedRoot.from_file(str(signer.trust_root)) if signer.trust_root else None
        verifier = Verifier(trusted_root=root) if root else Verifier.production()
        kind, payload = verifier.verify_dsse(bundle, wanted)
    except TUFError as error:
        raise RunFolderError(
            f"the trusted root of Sigstore could not be read: {one_line(str(error), limit=200)}", where=str(path),
            hint="--trust-root FILE takes a trusted_root.json that you have",
        ) from None  # fmt: skip
    except (Error, ValueError, OSError) as error:
        raise RunFolderError(
            f"the signature is not shown to be {signer.identity}'s: {one_line(str(error), limit=300)}", where=str(path)
        ) from None
    if kind != _SIGNED_AS:
        raise RunFolderError(
            f"the signed payload is not an in-toto statement: {one_line(kind, limit=80)}", where=str(path)
        )
    return bytes(payload)


def read_statement(path: Path, signer: Signer | None = None) -> dict[str, Any]:
    """The statement of a file: bare, or as the payload of a DSSE envelope or Sigstore bundle.

    With `signer` it is what the signature covers; without, no signature is read.

    Raises:
        UsageError: no statement of evalkit's.
        RunFolderError: not signed by `signer`.
    """
    signed = verified_payload(path, signer) if signer else None
    try:
        data = strict_json(signed if signed is not None else read_bytes(path, max_bytes=_MAX_BYTES))
    except (ValueError, RecursionError):
        raise UsageError("is not JSON", where=str(path), hint="evalkit attest RUN writes one") from None
    envelope = data.get("dsseEnvelope", data) if isinstance(data, dict) else {}
    if signed is None and isinstance(envelope, dict) and isinstance(envelope.get("payload"), str):
        try:
            data = strict_json(base64.b64decode(envelope["payload"], validate=True))
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

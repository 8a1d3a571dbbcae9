"""`gate --identity` on a verdict that a Sigstore of our own vouches for: passed whole, refused with any part changed.

The verifier is the `sigstore` package's own, with all that it checks of the public instance: certificate, its log's word,
inclusion proof, checkpoint and promise of the transparency log, and the signature.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = ROOT / "build" / "tools" / "bin"
PACK = ROOT / "tests" / "fixtures" / "runs" / "small.pack"
IDENTITY = "https://github.com/acme/models/.github/workflows/verdict.yml@refs/heads/main"

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (BIN / "shellcheck").exists(), reason="build/tools is not set up: make tools"),
]


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    said = subprocess.run([BIN / "evalkit", "attest", PACK], capture_output=True, check=True).stdout
    (folder / "statement.json").write_bytes(said)
    subprocess.run(
        [BIN / "python", Path(__file__).with_name("own_sigstore.py"), folder / "statement.json", folder], check=True
    )
    return folder


def gated(folder, bundle="good", *, identity=IDENTITY, root="trusted_root", more=()):
    asked = [
        "--attestation",
        folder / f"{bundle}.json",
        "--identity",
        identity,
        "--trust-root",
        folder / f"{root}.json",
    ]
    done = subprocess.run(
        [BIN / "evalkit", "gate", PACK, "--max-age", "900w", "--json", *asked, *more],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.returncode != 2 else done.stderr


def test_a_verdict_that_the_named_workflow_signed_holds(signed):
    code, result = gated(signed)
    assert code == 0, result
    assert any(IDENTITY in note for note in result["notes"])


@pytest.mark.parametrize(
    "bundle",
    [
        "expired",
        "early",
        "no-certificate-log",
        "no-log",
        "another-authority",
        "changed-byte",
        "changed-signature",
        "changed-time",
        "no-promise",
        "swapped-entry",
        "changed-proof",
        "other-type",
        "other-run",
    ],
)
def test_what_is_changed_late_or_vouched_for_by_others_is_not_trusted(signed, bundle):
    code, _ = gated(signed, bundle)
    assert code in ({2, 3} if bundle == "no-promise" else {3})


@pytest.mark.parametrize(
    "asked",
    [
        {"identity": IDENTITY.replace("acme", "evil")},
        {"identity": IDENTITY + "x"},
        {"identity": IDENTITY.upper()},
        {"identity": ""},
        {"more": ("--issuer", "https://accounts.example.com")},
        {"root": "stranger_root"},
    ],
)
def test_another_signer_issuer_or_root_is_not_the_one_that_was_asked_for(signed, asked):
    code, _ = gated(signed, **asked)
    assert code in ({2, 3} if asked.get("identity") == "" else {3})

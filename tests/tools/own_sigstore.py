"""A Sigstore of our own, made anew: keys of a certificate authority, a certificate log and a transparency log, and bundles
that they vouch for. Run by build/tools: `own_sigstore.py STATEMENT FOLDER` writes trusted_root.json, stranger_root.json
and a bundle a kind. Formats: RFC 6962 for both logs, DSSE, Rekor's entries and checkpoints, and Fulcio's certificates.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

IDENTITY = "https://github.com/acme/models/.github/workflows/verdict.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
IN_TOTO = "application/vnd.in-toto+json"
_OIDC_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_USES = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only",
         "decipher_only")  # fmt: skip
SIGNED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def b64(data):
    return base64.b64encode(data).decode()


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def named(key):
    """RFC 6962's id of a log's key."""
    return hashlib.sha256(spki(key)).digest()


def sign(key, data):
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def usage(**uses):
    return x509.KeyUsage(**{"digital_signature": False, "key_cert_sign": False, **dict.fromkeys(_USES, False), **uses})


class Sigstore:
    """One instance: who has its `root` trusts the keys made here."""

    def __init__(self):
        self.ca, self.ct, self.log = new_key(), new_key(), new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.authority = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.ca.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(SIGNED - timedelta(days=9)).not_valid_after(SIGNED + timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(key_cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key()), critical=False)
            .sign(self.ca, hashes.SHA256())
        )  # fmt: skip

    def root(self):
        start = {"start": (SIGNED - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def listed(key, url):
            public = {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start}
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": public,
                "logId": {"keyId": b64(named(key))},
            }

        chain = [{"rawBytes": b64(self.authority.public_bytes(serialization.Encoding.DER))}]
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [listed(self.log, "https://log.test.invalid")],
            "ctlogs": [listed(self.ct, "https://ct.test.invalid")],
            "certificateAuthorities": [
                {"subject": {"organization": "test", "commonName": "authority of a test"},
                 "uri": "https://ca.test.invalid", "certChain": {"certificates": chain}, "validFor": start}
            ],
            "timestampAuthorities": [],
        }  # fmt: skip

    def certificate(self, key, begins):
        """Of ten minutes, for IDENTITY, with the certificate log's word in it."""
        bare = (
            x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(self.authority.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(begins).not_valid_after(begins + timedelta(minutes=10))
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(IDENTITY)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_OIDC_ISSUER, ISSUER.encode()), critical=False)
        )  # fmt: skip
        before = bare.sign(self.ca, hashes.SHA256()).tbs_certificate_bytes
        when = int(begins.timestamp() * 1000)
        entry = hashlib.sha256(spki(self.ca)).digest() + len(before).to_bytes(3, "big") + before
        said = sign(self.ct, struct.pack("!BBQH", 0, 0, when, 1) + entry + b"\0\0")
        sct = b"\0" + named(self.ct) + struct.pack("!QH", when, 0) + b"\4\3" + struct.pack("!H", len(said)) + said
        listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
        assert len(listed) < 128
        octets = b"\4" + bytes([len(listed)]) + listed
        return bare.add_extension(x509.UnrecognizedExtension(_SCT_LIST, octets), critical=False).sign(
            self.ca, hashes.SHA256()
        )

    def entry(self, body, logged):
        """What the transparency log says of an entry: second of two."""
        leaf, other = hashlib.sha256(b"\0" + body).digest(), hashlib.sha256(b"\0other").digest()
        top = hashlib.sha256(b"\1" + other + leaf).digest()
        when = int(logged.timestamp())
        note = f"log.test.invalid - 1\n2\n{b64(top)}\n"
        signed = b64(named(self.log)[:4] + sign(self.log, note.encode()))
        promised = {"body": b64(body), "integratedTime": when, "logID": named(self.log).hex(), "logIndex": 1}
        return {
            "logIndex": "1",
            "logId": {"keyId": b64(named(self.log))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {
                "signedEntryTimestamp": b64(
                    sign(self.log, json.dumps(promised, sort_keys=True, separators=(",", ":")).encode())
                )
            },
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": b64(top),
                "treeSize": "2",
                "hashes": [b64(other)],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.test.invalid {signed}\n"},
            },
            "canonicalizedBody": b64(body),
        }

    def bundle(self, payload, *, begins=SIGNED, logged=SIGNED + timedelta(minutes=1), kind=IN_TOTO):
        """`payload` signed under a certificate that begins at `begins`, and logged at `logged`."""
        key = new_key()
        signing = self.certificate(key, begins)
        sig = sign(key, b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload))
        pem = b64(signing.public_bytes(serialization.Encoding.PEM))
        digest = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
        spec = {
            "envelopeHash": digest,
            "payloadHash": digest,
            "signatures": [{"signature": b64(sig), "verifier": pem}],
        }
        body = json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}, separators=(",", ":")).encode()
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(signing.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [self.entry(body, logged)],
            },
            "dsseEnvelope": {"payload": b64(payload), "payloadType": kind, "signatures": [{"sig": b64(sig)}]},
        }


def bundles(ours, payload):
    """By what is wrong with it. `good`: nothing."""
    other_ct, other_log = Sigstore(), Sigstore()
    for made in (other_ct, other_log):
        made.ca, made.authority = ours.ca, ours.authority
    other_ct.log, other_log.ct = ours.log, ours.ct
    found = {
        "good": ours.bundle(payload),
        "expired": ours.bundle(payload, logged=SIGNED + timedelta(hours=1)),
        "early": ours.bundle(payload, logged=SIGNED - timedelta(hours=1)),
        "no-certificate-log": other_ct.bundle(payload),
        "no-log": other_log.bundle(payload),
        "another-authority": Sigstore().bundle(payload),
        "other-run": ours.bundle(payload.replace(b'"exit_code": 0', b'"exit_code": 1')),
        "other-type": ours.bundle(payload, kind="text/plain"),
    }
    for name in ("changed-byte", "changed-signature", "changed-time", "no-promise", "swapped-entry", "changed-proof"):
        found[name] = json.loads(json.dumps(found["good"]))
    envelope = found["changed-byte"]["dsseEnvelope"]
    envelope["payload"] = b64(payload.replace(b'"verdict": "go"', b'"verdict": "gO"'))
    sig = bytearray(base64.b64decode(found["changed-signature"]["dsseEnvelope"]["signatures"][0]["sig"]))
    sig[-1] ^= 1
    found["changed-signature"]["dsseEnvelope"]["signatures"][0]["sig"] = b64(bytes(sig))
    entries = {name: one["verificationMaterial"]["tlogEntries"] for name, one in found.items()}
    entries["changed-time"][0]["integratedTime"] = str(int(SIGNED.timestamp()) + 61)
    del entries["no-promise"][0]["inclusionPromise"]
    entries["swapped-entry"][0] = entries["other-run"][0]
    entries["changed-proof"][0]["inclusionProof"]["hashes"] = [b64(b"\1" * 32)]
    return found


def main():
    payload, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    ours = Sigstore()
    for name, document in {
        "trusted_root": ours.root(), "stranger_root": Sigstore().root(), **bundles(ours, payload)
    }.items():  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()

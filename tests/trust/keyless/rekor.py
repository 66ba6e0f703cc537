"""A private Rekor: an append-only Merkle tree (RFC 6962) with promises, proofs and checkpoints."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.trust.keyless.certificates import SIGNATURE, key_id

Document: TypeAlias = "dict[str, Any]"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: object) -> bytes:
    """RFC 8785, for what occurs here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def dsse_body(payload: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    """What Rekor version 1 keeps of an envelope."""
    envelope = {
        "payload": b64(payload),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": b64(signature)}],
    }
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(canonical(envelope)).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": [{"signature": b64(signature), "verifier": b64(certificate.public_bytes(Encoding.PEM))}],
    }
    return canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


def hashed_body(digest: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    """What Rekor version 2 keeps of an envelope: the hash of the pre-authentication encoding."""
    verifier = {
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "x509Certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))},
    }
    spec = {
        "hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signature": {"content": b64(signature), "verifier": verifier},
        }
    }
    return canonical({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """The hash of a tree (RFC 6962, section 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(root_of(leaves[:split]), root_of(leaves[split:]))


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """The audit path of a leaf (section 2.1.1)."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*path_of(index, leaves[:split]), root_of(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), root_of(leaves[:split])]


@dataclass(slots=True)
class Rekor:
    """A log under a name, which checkpoints bear: with a number behind it as version 1 has it, alone as version 2."""

    name: str = "rekor.test"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    leaves: list[bytes] = field(default_factory=lambda: [hashlib.sha256(b"\0genesis%d" % i).digest() for i in range(4)])

    def append(self, body: bytes, at: datetime, *, promise: bool = True) -> Document:
        """Take an entry; gives it as bundles hold it."""
        index = len(self.leaves)
        self.leaves.append(hashlib.sha256(b"\0" + body).digest())
        parsed = json.loads(body)
        entry: Document = {
            "logIndex": str(index),
            "logId": {"keyId": b64(key_id(self.key))},
            "kindVersion": {"kind": parsed["kind"], "version": parsed["apiVersion"]},
            "inclusionProof": self.proof(index, f"{self.name} - 1193050959916656506" if promise else self.name),
            "canonicalizedBody": b64(body),
        }
        if promise:
            entry["integratedTime"] = str(int(at.timestamp()))
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(entry))}
        return entry

    def promise(self, entry: Document) -> bytes:
        """The signed entry timestamp."""
        said = {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": key_id(self.key).hex(),
            "logIndex": int(entry["logIndex"]),
        }
        return self.key.sign(canonical(said), SIGNATURE)

    def proof(self, index: int, origin: str) -> Document:
        """That an entry is in the tree as it is now."""
        root = root_of(self.leaves)
        return {
            "logIndex": str(index),
            "rootHash": b64(root),
            "treeSize": str(len(self.leaves)),
            "hashes": [b64(step) for step in path_of(index, self.leaves)],
            "checkpoint": {"envelope": self.checkpoint(root, origin)},
        }

    def checkpoint(self, root: bytes, origin: str) -> str:
        """The tree's head as a signed note."""
        note = f"{origin}\n{len(self.leaves)}\n{b64(root)}\n"
        signature = key_id(self.key)[:4] + self.key.sign(note.encode(), SIGNATURE)
        return f"{note}\n— {self.name} {b64(signature)}\n"


def as_answer(entry: Document) -> Document:
    """An entry as the version 1 API gives it."""
    proof = entry["inclusionProof"]
    return {
        "24296fb24b8ad77a": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
            "logIndex": int(entry["logIndex"]),
            "verification": {
                "inclusionProof": {
                    "checkpoint": proof["checkpoint"]["envelope"],
                    "hashes": [base64.b64decode(step).hex() for step in proof["hashes"]],
                    "logIndex": int(proof["logIndex"]),
                    "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                    "treeSize": int(proof["treeSize"]),
                },
                "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            },
        }
    }

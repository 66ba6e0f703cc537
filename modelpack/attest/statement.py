"""Statements (in-toto attestation framework, v1): a predicate about a thing that a digest names."""

from __future__ import annotations

from modelpack.oci import Digest, JSONObject, dumps

STATEMENT = "https://in-toto.io/Statement/v1"
IN_TOTO = "application/vnd.in-toto+json"
"""The media type of a statement."""

PROVENANCE = "https://slsa.dev/provenance/v1"
VSA = "https://slsa.dev/verification_summary/v1"
SVR = "https://in-toto.io/attestation/svr/v0.2"
CYCLONEDX_BOM = "https://cyclonedx.org/bom"
SPDX_DOCUMENT = "https://spdx.dev/Document/v3"
SCAN = "https://modelpack.dev/attestation/scan/v1"
"""Predicate types."""


def statement(predicate_type: str, predicate: JSONObject, subject: Digest, name: str = "") -> bytes:
    """A statement about one subject, compact; the subject has no name unless one is given, as cosign writes it."""
    said: JSONObject = {"name": name} if name else {}
    return dumps(
        {
            "_type": STATEMENT,
            "subject": [{**said, "digest": {subject.algorithm: subject.hex}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )

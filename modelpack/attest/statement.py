"""Statements (in-toto attestation framework, v1): a predicate about a thing that a digest names."""

from __future__ import annotations

from modelpack.oci import Digest, JSONObject
from modelpack.trust import IN_TOTO, STATEMENT, Statement

__all__ = ["CYCLONEDX_BOM", "IN_TOTO", "PROVENANCE", "SCAN", "SPDX_DOCUMENT", "STATEMENT", "SVR", "VSA", "statement"]

PROVENANCE = "https://slsa.dev/provenance/v1"
VSA = "https://slsa.dev/verification_summary/v1"
SVR = "https://in-toto.io/attestation/svr/v0.2"
CYCLONEDX_BOM = "https://cyclonedx.org/bom"
SPDX_DOCUMENT = "https://spdx.dev/Document/v3"
SCAN = "https://modelpack.dev/attestation/scan/v1"
"""Predicate types."""


def statement(predicate_type: str, predicate: JSONObject, subject: Digest, name: str = "") -> bytes:
    """A statement about one subject, compact; the subject has no name unless one is given, as cosign writes it."""
    return Statement.build(predicate_type, predicate, subject, name=name).raw

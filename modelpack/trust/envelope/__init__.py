"""Signed documents: DSSE envelopes, in-toto statements, Sigstore bundles."""

from modelpack.trust.envelope.bundle import BUNDLE, MAX_BUNDLE, Bundle, build
from modelpack.trust.envelope.dsse import IN_TOTO, Envelope, only, pae
from modelpack.trust.envelope.statement import MAX_STATEMENT, STATEMENT, Statement, Subject

__all__ = [
    "BUNDLE",
    "IN_TOTO",
    "MAX_BUNDLE",
    "MAX_STATEMENT",
    "STATEMENT",
    "Bundle",
    "Envelope",
    "Statement",
    "Subject",
    "build",
    "only",
    "pae",
]

"""Signatures of the Notary Project: reading and making envelopes, trust policies, trust stores."""

from modelpack.trust.notary.algorithms import algorithm_of
from modelpack.trust.notary.artifact import (
    ARTIFACT_TYPE,
    EMPTY,
    THUMBPRINTS,
    envelope_in,
    is_signature,
    parse_envelope,
    read,
    signature_manifest,
)
from modelpack.trust.notary.envelope import COSE, JWS, MAX_ENVELOPE, Envelope
from modelpack.trust.notary.identity import NotaryIdentity
from modelpack.trust.notary.policy import Action, Check, Statement, TrustPolicy
from modelpack.trust.notary.sign import check_chain, sign
from modelpack.trust.notary.truststore import Given, Roots, TrustStore

__all__ = [
    "ARTIFACT_TYPE",
    "COSE",
    "EMPTY",
    "JWS",
    "MAX_ENVELOPE",
    "THUMBPRINTS",
    "Action",
    "Check",
    "Envelope",
    "Given",
    "NotaryIdentity",
    "Roots",
    "Statement",
    "TrustPolicy",
    "TrustStore",
    "algorithm_of",
    "check_chain",
    "envelope_in",
    "is_signature",
    "parse_envelope",
    "read",
    "sign",
    "signature_manifest",
]

"""Certificates (X.509) as signers of models use them: chains, names, time stamps, revocation lists."""

from modelpack.trust.x509.certificates import (
    MAX_CHAIN,
    Certificate,
    check_roots,
    load_certificates,
    load_roots,
    parse_chain,
)
from modelpack.trust.x509.chain import (
    NOTARY,
    SIGNING,
    TIMESTAMPS,
    Period,
    Purpose,
    check_complete,
    check_rules,
    check_time,
    verify_chain,
)
from modelpack.trust.x509.identity import CertificateIdentity
from modelpack.trust.x509.names import MANDATORY, Alternative, Name, Subject
from modelpack.trust.x509.revocation import RevocationList, check_revocation, load_crls, require_fresh
from modelpack.trust.x509.timestamps import Timestamp, verify_response, verify_token

__all__ = [
    "MANDATORY",
    "MAX_CHAIN",
    "NOTARY",
    "SIGNING",
    "TIMESTAMPS",
    "Alternative",
    "Certificate",
    "CertificateIdentity",
    "Name",
    "Period",
    "Purpose",
    "RevocationList",
    "Subject",
    "Timestamp",
    "check_complete",
    "check_revocation",
    "check_roots",
    "check_rules",
    "check_time",
    "load_certificates",
    "load_crls",
    "load_roots",
    "parse_chain",
    "require_fresh",
    "verify_chain",
    "verify_response",
    "verify_token",
]

"""Who vouches for a model: keys, signature formats, policies, verification."""

from modelpack.trust.cosign import SIGNED
from modelpack.trust.envelope import (
    BUNDLE,
    IN_TOTO,
    MAX_BUNDLE,
    MAX_STATEMENT,
    STATEMENT,
    Bundle,
    Envelope,
    Statement,
)
from modelpack.trust.evidence import Evidence, Kind, Signature, Status
from modelpack.trust.found import MAX_CARRIERS
from modelpack.trust.judging import Target, gather
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keyless import KeylessIdentity, sign_keyless
from modelpack.trust.keys import KINDS, MAX_KEY_FILE, PrivateKey, PublicKey, Scheme, Signer
from modelpack.trust.notary import NotaryIdentity, TrustPolicy, TrustStore
from modelpack.trust.oms import OMS, FileList, check_folder
from modelpack.trust.policy import (
    PREDICATES,
    AllOf,
    AnyOf,
    Attested,
    InsecureAcceptAnything,
    Policy,
    PolicyFile,
    SignedBy,
)
from modelpack.trust.seal import Cause, Circumstances, Form, Identity, Seal, Voucher
from modelpack.trust.signing import SignatureFormat, Signed, attest, model_signature, push_bundle, sign
from modelpack.trust.userfiles import read_file
from modelpack.trust.verifying import Verified, verify, verify_folder
from modelpack.trust.x509 import CertificateIdentity, load_certificates, load_roots

__all__ = [
    "BUNDLE",
    "IN_TOTO",
    "KINDS",
    "MAX_BUNDLE",
    "MAX_CARRIERS",
    "MAX_KEY_FILE",
    "MAX_STATEMENT",
    "OMS",
    "PREDICATES",
    "SIGNED",
    "STATEMENT",
    "AllOf",
    "AnyOf",
    "Attested",
    "Bundle",
    "Cause",
    "CertificateIdentity",
    "Circumstances",
    "Envelope",
    "Evidence",
    "FileList",
    "Form",
    "Identity",
    "InsecureAcceptAnything",
    "KeyIdentity",
    "KeylessIdentity",
    "Kind",
    "NotaryIdentity",
    "Policy",
    "PolicyFile",
    "PrivateKey",
    "PublicKey",
    "Scheme",
    "Seal",
    "Signature",
    "SignatureFormat",
    "Signed",
    "SignedBy",
    "Signer",
    "Statement",
    "Status",
    "Target",
    "TrustPolicy",
    "TrustStore",
    "Verified",
    "Voucher",
    "attest",
    "check_folder",
    "gather",
    "load_certificates",
    "load_roots",
    "model_signature",
    "push_bundle",
    "read_file",
    "sign",
    "sign_keyless",
    "verify",
    "verify_folder",
]

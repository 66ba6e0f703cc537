"""Who vouches for a model: keys, signature formats, policies, verification."""

from modelpack.trust.cosign import SIGNED
from modelpack.trust.envelope import BUNDLE, MAX_BUNDLE, Bundle, Envelope, Statement
from modelpack.trust.evidence import Evidence, Kind, Signature, Status
from modelpack.trust.found import MAX_CARRIERS
from modelpack.trust.judging import Target, gather
from modelpack.trust.key_identity import KeyIdentity
from modelpack.trust.keys import KINDS, MAX_KEY_FILE, PrivateKey, PublicKey, Scheme, Signer
from modelpack.trust.oms import OMS
from modelpack.trust.policy import AllOf, AnyOf, Attested, InsecureAcceptAnything, Policy, PolicyFile, SignedBy
from modelpack.trust.seal import Circumstances, Form, Identity, Seal, Voucher
from modelpack.trust.signing import SignatureFormat, Signed, attest, model_signature, push_bundle, sign
from modelpack.trust.verifying import Verified, verify, verify_folder

__all__ = [
    "BUNDLE",
    "KINDS",
    "MAX_BUNDLE",
    "MAX_CARRIERS",
    "MAX_KEY_FILE",
    "OMS",
    "SIGNED",
    "AllOf",
    "AnyOf",
    "Attested",
    "Bundle",
    "Circumstances",
    "Envelope",
    "Evidence",
    "Form",
    "Identity",
    "InsecureAcceptAnything",
    "KeyIdentity",
    "Kind",
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
    "Verified",
    "Voucher",
    "attest",
    "gather",
    "model_signature",
    "push_bundle",
    "sign",
    "verify",
    "verify_folder",
]

"""Pack, push, pull and inspect AI models as OCI artifacts that follow the CNCF ModelPack specification.

::

    import modelpack

    packed = modelpack.pack("./checkpoint-1000", name="minilm", version="1.2.0", licenses=["Apache-2.0"])
    modelpack.push(packed, "registry.example/ml/minilm:step-1000")
    pulled = modelpack.pull(f"registry.example/ml/minilm@{packed.digest}", "./model", include=["*.safetensors"])
"""

from modelpack.access import Access
from modelpack.api import (
    copy,
    diff,
    fetch,
    inspect,
    lineage,
    list_models,
    list_names,
    login,
    logout,
    pull,
    push,
    remove,
    tag,
    unpack,
)
from modelpack.attest import provenance
from modelpack.attesting import agreement, attest_model
from modelpack.audit import rules
from modelpack.audit.policy import AuditPolicy
from modelpack.auditing import audit
from modelpack.errors import (
    AccessDenied,
    ContentError,
    DigestMismatch,
    DocumentError,
    InputError,
    ModelPackError,
    NotFound,
    PolicyViolation,
    StoreError,
    Unavailable,
    VerificationError,
)
from modelpack.inspection import Inspection
from modelpack.oci import Digest, Kind, ModelConfig, Reference
from modelpack.pack import Layout, Packed
from modelpack.packing import HubAccess, Prepared, pack, prepare
from modelpack.store import TLS, Credential, DockerConfig, Event, HttpOptions, LayoutStore, StaticCredentials
from modelpack.trust import (
    AllOf,
    AnyOf,
    Attested,
    Evidence,
    InsecureAcceptAnything,
    PolicyFile,
    PrivateKey,
    PublicKey,
    SignedBy,
    Verified,
)
from modelpack.trusting import attest, evidence, sign, sign_keyless, tree, verify, verify_files

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "Access",
    "AccessDenied",
    "AllOf",
    "AnyOf",
    "Attested",
    "AuditPolicy",
    "ContentError",
    "Credential",
    "Digest",
    "DigestMismatch",
    "DockerConfig",
    "DocumentError",
    "Event",
    "Evidence",
    "HttpOptions",
    "HubAccess",
    "InputError",
    "InsecureAcceptAnything",
    "Inspection",
    "Kind",
    "Layout",
    "LayoutStore",
    "ModelConfig",
    "ModelPackError",
    "NotFound",
    "Packed",
    "PolicyFile",
    "PolicyViolation",
    "Prepared",
    "PrivateKey",
    "PublicKey",
    "Reference",
    "SignedBy",
    "StaticCredentials",
    "StoreError",
    "Unavailable",
    "VerificationError",
    "Verified",
    "__version__",
    "agreement",
    "attest",
    "attest_model",
    "audit",
    "copy",
    "diff",
    "evidence",
    "fetch",
    "inspect",
    "lineage",
    "list_models",
    "list_names",
    "login",
    "logout",
    "pack",
    "prepare",
    "provenance",
    "pull",
    "push",
    "remove",
    "rules",
    "sign",
    "sign_keyless",
    "tag",
    "tree",
    "unpack",
    "verify",
    "verify_files",
]

"""Pack, push, pull and inspect AI models as OCI artifacts that follow the CNCF ModelPack specification.

::

    import modelpack

    packed = modelpack.pack("./checkpoint-1000", name="minilm", version="1.2.0", licenses=["Apache-2.0"])
    modelpack.push(packed, "registry.example/ml/minilm:step-1000")
    pulled = modelpack.pull(f"registry.example/ml/minilm@{packed.digest}", "./model", include=["*.safetensors"])
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelpack.access import Access
    from modelpack.api import (
        copy,
        fetch,
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
    from modelpack.inspection import Inspection, diff, inspect, lineage
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

_HOMES = {
    "modelpack.access": "Access",
    "modelpack.api": "copy fetch list_models list_names login logout pull push remove tag unpack",
    "modelpack.attest": "provenance",
    "modelpack.attesting": "agreement attest_model",
    "modelpack.audit": "rules",
    "modelpack.audit.policy": "AuditPolicy",
    "modelpack.auditing": "audit",
    "modelpack.errors": "AccessDenied ContentError DigestMismatch DocumentError InputError ModelPackError NotFound"
    " PolicyViolation StoreError Unavailable VerificationError",
    "modelpack.inspection": "Inspection diff inspect lineage",
    "modelpack.oci": "Digest Kind ModelConfig Reference",
    "modelpack.pack": "Layout Packed",
    "modelpack.packing": "HubAccess Prepared pack prepare",
    "modelpack.store": "TLS Credential DockerConfig Event HttpOptions LayoutStore StaticCredentials",
    "modelpack.trust": "AllOf AnyOf Attested Evidence InsecureAcceptAnything PolicyFile PrivateKey PublicKey SignedBy"
    " Verified",
    "modelpack.trusting": "attest evidence sign sign_keyless tree verify verify_files",
}
"""Where the names are, loaded when one of them is asked for: a pull should not wait for what writes SBOMs."""

_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


class _Facade(ModuleType):
    """Some verbs are called like folders beside this file, whose late loading must not put the folder in the verb's place."""

    def __getattr__(self, name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'modelpack' has no attribute {name!r}")
        found: object = getattr(import_module(_HOME[name]), name)
        setattr(self, name, found)
        return found

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Facade

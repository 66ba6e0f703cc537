"""Models, keys and signatures for the tests of trust."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import BytesSource, MemoryStore
from modelpack.trust import (
    Circumstances,
    Evidence,
    Identity,
    KeyIdentity,
    Kind,
    Policy,
    PrivateKey,
    Signature,
    SignatureFormat,
    Target,
    Verified,
    gather,
    push_bundle,
    sign,
    verify,
)
from modelpack.trust.cosign import SIGNED
from modelpack.trust.envelope import IN_TOTO, Envelope, build, pae
from modelpack.trust.keys import SIGNING

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HERE = Circumstances(NOW, "registry.example/ml/tiny")
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"


@cache
def key(name: str = "owner", kind: str = "ecdsa-p256") -> PrivateKey:
    """A key of somebody's; the same for the same name."""
    return PrivateKey.generate(kind)


@dataclass(frozen=True)
class Model:
    """A model of two files in a store of its own."""

    store: MemoryStore
    target: Target

    @classmethod
    def make(cls, fill: bytes = b"weights") -> Model:
        store = MemoryStore()
        files = {"config.json": b"{}", "model.safetensors": fill}
        layers = tuple(
            replace(store.push_bytes(WEIGHTS, data), annotations={FILEPATH: path}) for path, data in files.items()
        )
        config = store.push_bytes(MODEL_CONFIG, b"{}")
        manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers)
        store.push(manifest.descriptor, BytesSource(manifest.raw))
        store.tag(manifest.descriptor, "v1")
        return cls(store, Target(manifest.descriptor, {path: Digest.of(data) for path, data in files.items()}))

    def signed(self, signer: PrivateKey | None = None, *formats: SignatureFormat) -> Model:
        """The same, signed."""
        sign(
            self.store,
            self.target,
            signer or key(),
            now=NOW,
            reference="registry.example/ml/tiny:v1",
            formats=formats or None,
        )
        return self

    def evidence(self, *identities: Identity) -> Evidence:
        """Everything that is attached, judged."""
        return gather(self.store, self.target, identities or (KeyIdentity(key().public_key),), HERE)

    def one(self, *identities: Identity) -> Signature:
        """The only signature."""
        (found,) = self.evidence(*identities).signatures
        return found

    def attached(self, kind: Kind) -> tuple[Manifest, bytes]:
        """The carrier of the only bundle of a kind, and the bundle."""
        (found,) = (one for one in self.evidence().signatures if one.kind is kind and one.format == "bundle")
        carrier = self.store.document(found.carrier)
        assert isinstance(carrier, Manifest)
        return carrier, self.store.read(carrier.layers[0])

    def attach(self, raw: bytes, like: Manifest) -> Descriptor:
        """Attach other bytes in the way in which something else is attached."""
        layer = replace(like.layers[0], digest=Digest.of(raw), size=len(raw))
        self.store.push(layer, BytesSource(raw))
        manifest = Manifest.build(
            artifact_type=like.artifact_type,
            config=like.config,
            layers=(layer,),
            subject=self.target.descriptor,
            annotations=like.annotations,
        )
        self.store.push(like.config, BytesSource(b"{}"))
        self.store.push(manifest.descriptor, BytesSource(manifest.raw))
        return manifest.descriptor


def changed(raw: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """A JSON document after a change."""
    document = json.loads(raw)
    change(document)
    return json.dumps(document).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sealed(statement: bytes, signer: PrivateKey | None = None, *, kind: str = IN_TOTO) -> bytes:
    """A bundle with anything in it, signed by somebody."""
    signer = signer or key()
    signature = signer.sign(pae(kind, statement), SIGNING[signer.public_key.kind])
    return build(Envelope(kind, statement, signature), hint=signer.public_key.hint)


def attached(model: Model, *raw: bytes) -> Model:
    """The model with bundles."""
    for bundle in raw:
        push_bundle(model.store, model.target.descriptor, bundle, SIGNED, NOW)
    return model


def check(model: Model, policy: Policy) -> Verified:
    """Verify, or raise."""
    return verify(model.store, model.target, policy, HERE, reference="here")

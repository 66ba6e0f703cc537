"""The manifests that carry signatures: a referrer for a Sigstore bundle, a tag with a layer a signature for the first layout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from modelpack.oci import JSON, Descriptor, Digest, JSONObject, Manifest, dumps, rfc3339
from modelpack.oci.mediatypes import CREATED, OCI_EMPTY
from modelpack.trust.cosign.simple import SIGNATURE
from modelpack.trust.envelope import BUNDLE

SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of the statement that ``cosign sign`` makes: "I sign this", with an empty predicate."""

SIGNATURE_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
ATTESTATION_LAYER = "application/vnd.dsse.envelope.v1+json"
_IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
CONTENT = "dev.sigstore.bundle.content"
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"


def bundle_manifest(subject: Descriptor, bundle: bytes, predicate_type: str, created: datetime) -> Manifest:
    """The referrer of a bundle with a DSSE envelope (cosign ``specs/BUNDLE_SPEC.md``). Its config is ``{}``."""
    return Manifest.build(
        artifact_type=BUNDLE,
        config=replace(Descriptor.of(OCI_EMPTY, b"{}"), artifact_type=BUNDLE),
        layers=(Descriptor.of(BUNDLE, bundle),),
        subject=subject.plain(),
        annotations={CONTENT: "dsse-envelope", PREDICATE_TYPE: predicate_type, CREATED: rfc3339(created)},
    )


def signature_manifest(payload: bytes, signature: str) -> tuple[Manifest, bytes]:
    """The manifest for the tag ``sha256-….sig``, with one layer, and its config's bytes. ``signature`` is base64."""
    layer = Descriptor.of(SIGNATURE_LAYER, payload)
    return _tagged(replace(layer, annotations={SIGNATURE: signature}))


def attestation_manifest(envelope: bytes, predicate_type: str) -> tuple[Manifest, bytes]:
    """The manifest for the tag ``sha256-….att``, with one layer, and its config's bytes."""
    return _tagged(attestation_layer(envelope, predicate_type))


def attestation_layer(envelope: bytes, predicate_type: str) -> Descriptor:
    """A layer that is a DSSE envelope."""
    notes = {SIGNATURE: "", "predicateType": predicate_type}
    return replace(Descriptor.of(ATTESTATION_LAYER, envelope), annotations=notes)


def _tagged(layer: Descriptor) -> tuple[Manifest, bytes]:
    """cosign makes an ordinary image of it; nobody looks at the config."""
    config = _config(layer.digest)
    descriptor = Descriptor.of(_IMAGE_CONFIG, config)
    return Manifest.build(artifact_type="", config=descriptor, layers=(layer,)), config


def _config(diff_id: Digest) -> bytes:
    never = "0001-01-01T00:00:00Z"
    history: list[JSON] = [{"created": never}]
    layers: JSONObject = {"type": "layers", "diff_ids": [str(diff_id)]}
    return dumps({"architecture": "", "created": never, "history": history, "os": "", "rootfs": layers, "config": {}})

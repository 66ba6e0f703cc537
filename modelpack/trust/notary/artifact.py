"""How an envelope lies in a registry: a manifest whose subject is what was signed (signature-specification.md, "Storage")."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from modelpack.errors import DocumentError
from modelpack.oci import Descriptor, Manifest, loads_object
from modelpack.oci.mediatypes import CREATED, OCI_EMPTY
from modelpack.trust.notary import cose, jws
from modelpack.trust.notary.envelope import COSE, JWS, Envelope
from modelpack.trust.seal import Form, Seal

ARTIFACT_TYPE = "application/vnd.cncf.notary.signature"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
EMPTY = b"{}"
"""The config of a signature manifest: it must be in the repository as well."""


def parse_envelope(media_type: str, raw: bytes) -> Envelope:
    """Read an envelope of one of the two kinds. Raises DocumentError, CannotVerify."""
    match media_type:
        case "application/jose+json":
            return jws.parse(raw)
        case "application/cose":
            return cose.parse(raw)
    raise DocumentError(jws.DOCUMENT, "", f"{media_type[:80]!a} is no type of envelope")


def read(media_type: str, raw: bytes) -> tuple[Seal, Descriptor]:
    """An envelope as a seal, and the artifact that it claims to be about, with the signer's annotations.

    Whoever asks compares the claim (media type, digest and size) with the descriptor of the bytes that were fetched.
    Raises DocumentError, CannotVerify (COSE, and cbor2 is not installed).
    """
    found = parse_envelope(media_type, raw)
    seal = Seal(
        form=Form.NOTARY,
        message=found.message,
        signature=found.signature,
        certificates=found.chain,
        raw=raw,
        media_type=media_type,
    )
    return seal, found.target


def signature_manifest(subject: Descriptor, envelope: bytes, *, created: datetime, media_type: str = JWS) -> Manifest:
    """The manifest that attaches an envelope to ``subject``. Its blobs are the envelope and :data:`EMPTY`.

    ``created`` has a time zone. Raises DocumentError if the envelope is none.
    """
    chain = parse_envelope(media_type, envelope).chain
    thumbprints = [hashlib.sha256(der).hexdigest() for der in chain]
    config = Descriptor.of(OCI_EMPTY, EMPTY)
    return Manifest.build(
        artifact_type=ARTIFACT_TYPE,
        config=Descriptor(config.media_type, config.digest, config.size, extra={"data": "e30="}),
        layers=(Descriptor.of(media_type, envelope),),
        subject=subject.plain(),
        annotations={
            CREATED: jws.to_text(created),
            THUMBPRINTS: json.dumps(thumbprints, separators=(",", ":")),
        },
    )


def is_signature(manifest: Manifest) -> bool:
    """Whether a manifest holds a Notary signature: as it is written now, or in the form before OCI 1.1, by its config."""
    declared = loads_object(manifest.raw, "manifest").get("artifactType")
    if declared is None or declared == "":
        return manifest.config.media_type == ARTIFACT_TYPE
    return declared == ARTIFACT_TYPE and manifest.config.media_type == OCI_EMPTY


def envelope_in(manifest: Manifest) -> Descriptor:
    """The descriptor of the envelope in a signature manifest. Raises DocumentError if it is none, or not with one envelope."""
    if not is_signature(manifest):
        raise DocumentError("manifest", "artifactType", "not a Notary signature")
    if len(manifest.layers) != 1 or manifest.layers[0].media_type not in (JWS, COSE):
        raise DocumentError("manifest", "layers", "exactly one, an envelope in JWS or COSE, is required")
    return manifest.layers[0]

"""How envelopes lie in a registry, now and in the form before OCI 1.1."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from modelpack.errors import DocumentError
from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.trust.notary import ARTIFACT_TYPE, COSE, EMPTY, JWS, envelope_in, is_signature, signature_manifest
from tests.trust.notary.making import FORMS, SIGNER, TARGET, jws, make
from tests.trust.x509.making import NOW


@pytest.mark.parametrize("form", FORMS)
def test_the_manifest_byte_for_byte(form: str) -> None:
    envelope = make(form)
    made = signature_manifest(TARGET.annotated(tag="v1"), envelope, created=NOW, media_type=form)
    thumbprints = ",".join(rf"\"{hashlib.sha256(der).hexdigest()}\"" for der in SIGNER.ders)
    assert made.raw.decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        '"artifactType":"application/vnd.cncf.notary.signature",'
        '"config":{"mediaType":"application/vnd.oci.empty.v1+json",'
        '"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="},'
        f'"layers":[{{"mediaType":"{form}","digest":"sha256:{hashlib.sha256(envelope).hexdigest()}",'
        f'"size":{len(envelope)}}}],'
        f'"subject":{{"mediaType":"{TARGET.media_type}","digest":"{TARGET.digest}","size":1234}},'
        f'"annotations":{{"io.cncf.notary.x509chain.thumbprint#S256":"[{thumbprints}]",'
        '"org.opencontainers.image.created":"2030-06-15T12:00:00Z"}}'
    )
    assert is_signature(made)
    assert envelope_in(made) == Descriptor.of(form, envelope)
    assert Descriptor.of(OCI_EMPTY, EMPTY).digest == made.config.digest


def test_only_envelopes_are_attached() -> None:
    with pytest.raises(DocumentError):
        signature_manifest(TARGET, b"{}", created=NOW)
    with pytest.raises(DocumentError):
        signature_manifest(TARGET, jws(), created=NOW, media_type=COSE)


def manifest(artifact_type: str, config: str, *layers: str) -> Manifest:
    blobs = tuple(Descriptor.of(layer, jws()) for layer in layers or (JWS,))
    return Manifest.build(
        artifact_type=artifact_type, config=Descriptor.of(config, b"{}"), layers=blobs, subject=TARGET
    )


@pytest.mark.parametrize(
    ("artifact_type", "config", "expected"),
    [
        (ARTIFACT_TYPE, OCI_EMPTY, True),
        ("", ARTIFACT_TYPE, True),
        (ARTIFACT_TYPE, ARTIFACT_TYPE, False),
        (ARTIFACT_TYPE, "application/vnd.oci.image.config.v1+json", False),
        ("", OCI_EMPTY, False),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", OCI_EMPTY, False),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", ARTIFACT_TYPE, False),
    ],
)
def test_which_manifests_are_signatures(artifact_type: str, config: str, expected: bool) -> None:
    made = manifest(artifact_type, config)
    assert is_signature(made) == expected
    if expected:
        assert envelope_in(made).media_type == JWS
    else:
        with pytest.raises(DocumentError, match="not a Notary signature"):
            envelope_in(made)


def test_an_empty_artifact_type_is_none() -> None:
    made = manifest("", ARTIFACT_TYPE)
    document = {**json.loads(made.raw), "artifactType": ""}
    assert is_signature(replace(made, raw=json.dumps(document).encode()))


@pytest.mark.parametrize("layers", [(JWS, JWS), ("application/json",)])
def test_exactly_one_envelope(layers: tuple[str, ...]) -> None:
    with pytest.raises(DocumentError, match="exactly one"):
        envelope_in(manifest(ARTIFACT_TYPE, OCI_EMPTY, *layers))

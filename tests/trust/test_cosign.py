"""cosign's two layouts: the bytes that it writes, and what is refused when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from modelpack.errors import DocumentError
from modelpack.oci import Descriptor, Digest
from modelpack.trust import BUNDLE, Form
from modelpack.trust.cosign import (
    ATTESTATION_LAYER,
    SIGNATURE_LAYER,
    SIGNED,
    SimplePayload,
    attestation_manifest,
    bundle_manifest,
    signature_manifest,
    simple_seal,
)
from modelpack.trust.cosign.simple import CERTIFICATE, CHAIN, MAX_PAYLOAD, SIGNATURE, TIMESTAMP
from tests.trust.making import NOW, changed

DIGEST = Digest("sha256", "634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00")
NAME = "192.168.64.2:5000/cosign-signed-single-sample"
# The sample of containers/image, which cosign made.
PAYLOAD = (
    b'{"critical":{"identity":{"docker-reference":"192.168.64.2:5000/cosign-signed-single-sample"},"image":{"docker-manifest-'
    b'digest":"sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00"},"type":"cosign container image '
    b'signature"},"optional":null}'
)
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
SUBJECT = Descriptor("application/vnd.oci.image.manifest.v1+json", DIGEST, 735, annotations={"not": "copied"})


def test_the_payload() -> None:
    assert SimplePayload(DIGEST, NAME).to_bytes() == PAYLOAD
    assert SimplePayload.parse(PAYLOAD) == SimplePayload(DIGEST, NAME)


def test_a_payload_with_annotations() -> None:
    payload = SimplePayload(DIGEST, NAME, {"team": "ml", "a": "<b>"})
    assert payload.to_bytes() == PAYLOAD.replace(b"null", b'{"a":"\\u003cb\\u003e","team":"ml"}')
    assert SimplePayload.parse(payload.to_bytes()) == payload


def test_what_older_cosign_puts_beside_them() -> None:
    optional = {"creator": "cosign/1.0", "timestamp": 1622736000}
    assert SimplePayload.parse(changed(PAYLOAD, lambda d: d.update(optional=optional))).annotations == {
        "creator": "cosign/1.0"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["critical"].update(type="atomic container signature"), "critical.type"),
        (lambda d: d["critical"].pop("type"), "critical.type"),
        (lambda d: d["critical"].update(image={}), "docker-manifest-digest"),
        (lambda d: d["critical"].update(image={"Docker-manifest-digest": str(DIGEST)}), "docker-manifest-digest"),
        (lambda d: d["critical"]["image"].update({"docker-manifest-digest": "sha256:0"}), "docker-manifest-digest"),
        (lambda d: d["critical"].update(identity={"docker-reference": 1}), "docker-reference"),
        (lambda d: d.update(optional=[]), "optional"),
        (lambda d: d.update(critical=[]), "critical"),
        (lambda d: d.clear(), "critical"),
    ],
)
def test_payloads_that_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        SimplePayload.parse(changed(PAYLOAD, change))


def test_payloads_that_are_no_documents() -> None:
    for raw in (b"", b"[]", b"{", PAYLOAD[:-1] + b',"optional":{}}', PAYLOAD + b" " * MAX_PAYLOAD):
        with pytest.raises(DocumentError):
            SimplePayload.parse(raw)


def test_the_manifest_of_a_bundle() -> None:
    """As cosign 3 writes it, but for the order of the members, which is that of the struct in image-spec 1.1."""
    manifest = bundle_manifest(SUBJECT, b"{}", SIGNED, NOW)
    assert json.loads(manifest.raw) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": BUNDLE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
            "artifactType": BUNDLE,
        },
        "layers": [
            {
                "mediaType": BUNDLE,
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "size": 2,
            }
        ],
        "subject": {"mediaType": SUBJECT.media_type, "digest": str(DIGEST), "size": 735},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": SIGNED,
            "org.opencontainers.image.created": "2026-11-24T12:00:00Z",
        },
    }


def test_the_manifest_of_the_first_layout() -> None:
    manifest, config = signature_manifest(PAYLOAD, "c2ln")
    assert manifest.raw == (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
        b'"application/vnd.oci.image.config.v1+json","digest":"%b","size":233},"layers":[{"mediaType":'
        b'"application/vnd.dev.cosign.simplesigning.v1+json","digest":"%b","size":%d,"annotations":'
        b'{"dev.cosignproject.cosign/signature":"c2ln"}}]}'
    ) % (str(Digest.of(config)).encode(), str(Digest.of(PAYLOAD)).encode(), len(PAYLOAD))
    assert (
        config
        == (
            b'{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"",'
            b'"rootfs":{"type":"layers","diff_ids":["%b"]},"config":{}}'
        )
        % str(Digest.of(PAYLOAD)).encode()
    )


def test_the_manifest_of_an_attestation() -> None:
    manifest, _ = attestation_manifest(b"{}", "https://slsa.dev/provenance/v1")
    (layer,) = manifest.layers
    assert layer.media_type == ATTESTATION_LAYER
    assert layer.annotations == {SIGNATURE: "", "predicateType": "https://slsa.dev/provenance/v1"}


def seal_of(**notes: str) -> Descriptor:
    return replace(Descriptor.of(SIGNATURE_LAYER, PAYLOAD), annotations={SIGNATURE: "c2ln", **notes})


def test_the_seal_of_a_layer() -> None:
    seal = simple_seal(seal_of(), PAYLOAD)
    assert (seal.form, seal.message, seal.signature, seal.raw) == (Form.SIMPLE, PAYLOAD, b"sig", PAYLOAD)
    assert (seal.certificates, seal.timestamps, seal.media_type) == ((), (), SIGNATURE_LAYER)


def test_what_comes_with_a_seal() -> None:
    stamp = json.dumps({"SignedRFC3161Timestamp": "AQID"})
    chain = PEM.format("cm9v\ndA==") + "text\n" + PEM.format("b3RoZXI=")
    seal = simple_seal(seal_of(**{CERTIFICATE: PEM.format("bGVhZg=="), CHAIN: chain, TIMESTAMP: stamp}), PAYLOAD)
    assert seal.certificates == (b"leaf", b"root", b"other")
    assert seal.timestamps == (b"\x01\x02\x03",)
    assert simple_seal(seal_of(**{CHAIN: chain}), PAYLOAD).certificates == ()  # nobody's chain
    many = PEM.format("bGVhZg==") * 20
    assert len(simple_seal(seal_of(**{CERTIFICATE: PEM.format("bGVhZg=="), CHAIN: many}), PAYLOAD).certificates) == 11


@pytest.mark.parametrize(
    "notes",
    [
        {SIGNATURE: ""},
        {SIGNATURE: "c2l"},
        {SIGNATURE: "c2ln\n"},
        {SIGNATURE: "c2_-"},
        {SIGNATURE: "c2lnZR=="},
        {SIGNATURE: "é2ln"},
        {CERTIFICATE: PEM.format("")},
        {CERTIFICATE: PEM.format("AB")},
        {CERTIFICATE: "-----BEGIN CERTIFICATE-----"},
        {TIMESTAMP: "{"},
        {TIMESTAMP: "{}"},
        {TIMESTAMP: '{"SignedRFC3161Timestamp":""}'},
    ],
)
def test_seals_that_are_refused(notes: dict[str, str]) -> None:
    with pytest.raises(DocumentError):
        simple_seal(seal_of(**notes), PAYLOAD)

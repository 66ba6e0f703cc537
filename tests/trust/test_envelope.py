"""Envelopes, statements and bundles: what is written is byte for byte what cosign writes; what is read is read strictly."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelpack.errors import DocumentError, InputError
from modelpack.oci import Digest, loads_object
from modelpack.oci.fields import Fields
from modelpack.trust import BUNDLE, Bundle, Envelope, Form, PrivateKey, Statement
from modelpack.trust.cosign import SIGNED
from modelpack.trust.envelope import IN_TOTO, Subject, build, pae
from modelpack.trust.keys import keyfile
from tests.trust.making import b64, changed, key

FIXTURES = Path(__file__).parents[2] / "fixtures" / "trust"
DSSE = json.loads((FIXTURES / "dsse.json").read_text(encoding="utf-8"))
KEY_FILES = json.loads((FIXTURES / "keyfiles.json").read_text(encoding="utf-8"))
DIGEST = Digest("sha256", "892c5b18ec2f915b08cf9895a6a6cc1c6445c5bd48f7d88537adaddc813ba696")
SIGN = (
    b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":'
    b'"892c5b18ec2f915b08cf9895a6a6cc1c6445c5bd48f7d88537adaddc813ba696"}}],'
    b'"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}'
)


def envelope(document: dict[str, Any]) -> Envelope:
    return Envelope.from_json(Fields(document, "envelope"))


def test_the_example_of_the_protocol() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize("vector", DSSE["vectors"], ids=[vector["id"] for vector in DSSE["vectors"]])
def test_vectors_of_dsse(vector: dict[str, Any]) -> None:
    """Thresholds are ours to count over several bundles: each has exactly one signature. An empty payload is no statement."""
    keys = {
        name: PrivateKey.of(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))).public_key
        for name, seed in DSSE["seeds"].items()
    }
    document = vector["envelope"]
    if not document["payload"]:
        with pytest.raises(DocumentError, match="must not be empty"):
            envelope(document)
        assert pae(document["payloadType"], b"").hex() == vector["pae"]
        return
    several = [envelope({**document, "signatures": [signature]}) for signature in document["signatures"]]
    if len(several) > 1:
        with pytest.raises(DocumentError, match="exactly one"):
            envelope(document)
    if vector["id"] != "payload-type-swapped":
        assert {one.message.hex() for one in several} == {vector["pae"]}
    signers = {
        name
        for one in several
        for name in vector["trustedKeys"]
        if keys[name].accepts(one.signature, one.message) and one.payload_type in vector["supportedPayloadTypes"]
    }
    assert (len(signers) >= vector["threshold"]) == (vector["expect"] == "accept")


def test_the_statement_of_cosign_sign() -> None:
    statement = Statement.build(SIGNED, {}, DIGEST)
    assert statement.raw == SIGN
    assert statement.subjects == (Subject("", {"sha256": DIGEST.hex}),)
    assert statement.is_about(DIGEST)
    assert not statement.is_about(Digest("sha256", "00" * 32))
    assert not statement.is_about(Digest("sha512", DIGEST.hex * 2))


def test_a_statement_with_a_name_and_annotations() -> None:
    statement = Statement.build(
        "https://example.com/x", {"a": "<&>"}, DIGEST, name="tiny", annotations={"b": "2", "a": "1"}
    )
    assert (
        statement.raw
        == (
            b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"tiny","digest":{"sha256":"%b"},'
            b'"annotations":{"a":"1","b":"2"}}],"predicateType":"https://example.com/x",'
            b'"predicate":{"a":"\\u003c\\u0026\\u003e"}}'
        )
        % DIGEST.hex.encode()
    )
    assert statement.subjects[0].annotations == {"a": "1", "b": "2"}


def test_the_older_statement_is_read() -> None:
    """``cosign attest`` writes it."""
    assert Statement.parse(SIGN.replace(b"Statement/v1", b"Statement/v0.1")).predicate_type == SIGNED


def subjects(*entries: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(subject=list(entries))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(x=1), "x: does not belong here"),
        (lambda d: d.update(Subject=[]), "does not belong here"),
        (lambda d: d.update(_type="https://in-toto.io/Statement/v2"), "_type: not an in-toto statement"),
        (lambda d: d.pop("_type"), "_type"),
        (lambda d: d.pop("predicateType"), "predicateType: a string"),
        (lambda d: d.update(predicateType=None), "predicateType: a string"),
        (lambda d: d.update(predicate=[]), "predicate: an object"),
        (lambda d: d.pop("subject"), "subject: must not be empty"),
        (subjects(), "subject: must not be empty"),
        (subjects(*[{"digest": {"sha256": "0"}}] * 1025), "1025 entries are more than the 1024"),
        (subjects({"name": "x"}), "1 to 32 digests"),
        (subjects({"digest": {f"a{n}": "0" for n in range(33)}}), "1 to 32 digests"),
        (subjects({"digest": {"sha256": 5}}), "a string is required"),
        (subjects({"digest": {"sha256": "0"}, "name": 1}), "name: a string"),
        (subjects({"digest": {"sha256": "0"}, "annotations": []}), "annotations: an object"),
        (subjects("x"), "an object is required"),
    ],
)
def test_statements_that_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Statement.parse(changed(SIGN, change))


def test_a_statement_with_two_predicates() -> None:
    with pytest.raises(DocumentError, match="stands twice"):
        Statement.parse(SIGN[:-1] + b',"predicateType":"https://slsa.dev/provenance/v1"}')


def test_the_bundle_of_a_key() -> None:
    raw = build(Envelope(IN_TOTO, SIGN, b"\x30\x01"), hint="dS2uvzAWgzaeoL8ojkYd3yZCeWd75sEG+HMQgCIbM6Y=")
    assert raw == (
        b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":'
        b'"dS2uvzAWgzaeoL8ojkYd3yZCeWd75sEG+HMQgCIbM6Y="},"tlogEntries":[]},"dsseEnvelope":{"payload":"%b",'
        b'"payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MAE="}]}}' % base64.b64encode(SIGN)
    )
    bundle = Bundle.parse(raw)
    assert bundle.envelope == Envelope(IN_TOTO, SIGN, b"\x30\x01")
    assert (bundle.seal.form, bundle.seal.message, bundle.seal.signature) == (
        Form.DSSE,
        pae(IN_TOTO, SIGN),
        b"\x30\x01",
    )
    assert (bundle.seal.raw, bundle.seal.media_type, bundle.seal.logged) == (raw, BUNDLE, False)


def test_bundles_of_certificates() -> None:
    made = Envelope(IN_TOTO, SIGN, b"\x30\x01")
    alone = Bundle.parse(build(made, certificates=(b"leaf", b"root")))
    assert alone.seal.certificates == (b"leaf",)
    assert alone.seal.hint == ""
    assert Bundle.parse(build(made, certificates=(b"leaf", b"root"), chain=True)).seal.certificates == (
        b"leaf",
        b"root",
    )


GOOD = build(Envelope(IN_TOTO, SIGN, b"\x30\x01"), hint="h")


def material(**members: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(verificationMaterial=members)


def sealed(**members: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["dsseEnvelope"].update(members)


CHAIN = {"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}] * 11}}
STAMPS = {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}] * 11}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(x=1), "x: does not belong here"),
        (
            lambda d: d.update(mediaType="application/vnd.dev.sigstore.bundle.v0.4+json"),
            "mediaType: not a Sigstore bundle",
        ),
        (lambda d: d.pop("mediaType"), "mediaType: a string"),
        (lambda d: d.pop("dsseEnvelope"), "signs a blob"),
        (lambda d: d.update(messageSignature={}), "signs a blob"),
        (lambda d: d.pop("verificationMaterial"), "exactly one key, certificate or chain"),
        (material(publicKey={"hint": "x"}, certificate={"rawBytes": "AAAA"}), "exactly one key"),
        (material(publicKey={"hint": "x"}, x=1), "x: does not belong"),
        (material(publicKey={"hint": "x", "y": 1}), "y: does not belong"),
        (material(publicKey={"hint": 1}), "hint: a string"),
        (material(certificate={}), "rawBytes: a string"),
        (material(certificate={"rawBytes": ""}), "rawBytes: must not be empty"),
        (material(certificate={"rawBytes": "AAAA", "x": 1}), "x: does not belong"),
        (material(x509CertificateChain={"certificates": []}), "certificates: must not be empty"),
        (material(x509CertificateChain={"x": []}), "x: does not belong"),
        (material(**CHAIN), "11 entries are more than the 10"),
        (material(publicKey={}, tlogEntries=[{}] * 33), "33 entries are more than the 32"),
        (material(publicKey={}, tlogEntries=[1]), "an object is required"),
        (material(publicKey={}, timestampVerificationData=STAMPS), "11 entries are more than the 10"),
        (material(publicKey={}, timestampVerificationData={"x": 1}), "x: does not belong"),
        (material(publicKey={}, timestampVerificationData={"rfc3161Timestamps": [{}]}), "signedTimestamp"),
        (sealed(signatures=[]), "exactly one is allowed, not 0"),
        (sealed(signatures=[{"sig": "AAAA"}] * 2), "exactly one is allowed, not 2"),
        (sealed(signatures=[{"sig": "AAAA"}] * 101), "101 entries"),
        (sealed(signatures=[{"sig": "AAAA", "x": 1}]), "x: does not belong"),
        (sealed(signatures=[{}]), "sig: a string"),
        (sealed(payload=5), "payload: a string"),
        (sealed(payloadType=5), "payloadType: a string"),
        (sealed(x=5), "x: does not belong"),
    ],
)
def test_bundles_that_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Bundle.parse(changed(GOOD, change))


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_bundles_of_older_versions(version: str) -> None:
    name = f"application/vnd.dev.sigstore.bundle+json;version={version}"
    data = {"timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "AQI="}]}}
    raw = changed(
        GOOD, lambda d: d.update(mediaType=name, verificationMaterial={"publicKey": {}, "tlogEntries": [{}]} | data)
    )
    seal = Bundle.parse(raw).seal
    assert (seal.media_type, seal.logged, seal.timestamps) == (name, True, (b"\x01\x02",))


def test_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.trust.envelope.bundle.MAX_BUNDLE", 100)
    monkeypatch.setattr("modelpack.trust.envelope.statement.MAX_STATEMENT", 100)
    for parse in (Bundle.parse, Statement.parse):
        with pytest.raises(DocumentError, match="more than the 100 allowed"):
            parse(GOOD)


@pytest.mark.parametrize(
    ("text", "data"),
    [("+/+/", b"\xfb\xff\xbf"), ("-_-_", b"\xfb\xff\xbf"), ("AQ==", b"\x01"), ("AQI=", b"\x01\x02"), ("-w==", b"\xfb")],
)
def test_base64_in_either_alphabet(text: str, data: bytes) -> None:
    assert envelope({"payload": text, "payloadType": "", "signatures": [{"sig": text}]}).payload == data


@pytest.mark.parametrize(
    "text",
    ["", "A", "AQ", "AQ=", "AQ===", "AR==", "AQJ=", "AQ==\n", " AQ==", "AQ==AQ==", "A*==", "+_+_", "é===", "A===", "="],
)
def test_base64_is_read_strictly(text: str) -> None:
    """Each would be one more way to write the same bytes, or bytes that somebody else reads otherwise."""
    for payload, signature in ((text, "AQ=="), ("AQ==", text)):
        with pytest.raises(DocumentError, match=r"base64|must not be empty"):
            envelope({"payload": payload, "payloadType": "", "signatures": [{"sig": signature}]})


@pytest.mark.parametrize("name", KEY_FILES["files"])
def test_published_key_files(name: str) -> None:
    body = base64.b64encode(json.dumps(KEY_FILES["files"][name]).encode())
    file = b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % ((label := keyfile.LABEL.encode()), body, label)
    if name == "refused":
        with pytest.raises(DocumentError, match="scrypt parameters"):
            keyfile.decrypt(file, b"supersecret", "it")
        return
    plain = keyfile.decrypt(file, b"supersecret", "it")
    assert b"reallyimportant" in (plain, base64.b64decode(plain.strip(b'"') + b"==")[:15])


def test_what_cosign_wrote_is_what_we_write() -> None:
    """The statement of a committed signature of cosign's, from its parts."""
    blobs = FIXTURES / "cosign" / "layout" / "blobs" / "sha256"
    bundles = [
        raw for path in blobs.iterdir() if (raw := path.read_bytes()).startswith(b'{"mediaType":"%b' % BUNDLE.encode())
    ]
    (bundle,) = (
        one for one in map(Bundle.parse, bundles) if Statement.parse(one.envelope.payload).predicate_type == SIGNED
    )
    theirs = Statement.parse(bundle.envelope.payload)
    digest = Digest("sha256", theirs.subjects[0].digests["sha256"])
    assert loads_object(theirs.raw, "") == loads_object(
        Statement.build(SIGNED, {}, digest, annotations={"team": "ml"}).raw, ""
    )
    assert b64(bundle.envelope.signature) in bundle.seal.raw.decode()
    loaded = PrivateKey.load((FIXTURES / "cosign" / "cosign.key").read_bytes(), lambda: b"correct horse")
    assert bundle.seal.hint == loaded.public_key.hint
    assert loaded.public_key.pem == (FIXTURES / "cosign" / "cosign.pub").read_bytes()
    assert loaded.public_key.accepts(bundle.seal.signature, bundle.seal.message)
    assert not key().public_key.accepts(bundle.seal.signature, bundle.seal.message)


@pytest.mark.parametrize("value", [datetime(2026, 1, 31, tzinfo=UTC), float("nan"), "\ud800", {1, 2}])
def test_a_predicate_that_json_cannot_say(value: Any) -> None:
    with pytest.raises(InputError, match="not JSON"):
        Statement.build("https://example.com/t/v1", {"value": value}, Digest.of(b"x"))

"""Signing: what is written, and whose keys and chains are refused before anybody else has to."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from modelpack.errors import InputError
from modelpack.trust.keys import PublicKey, Scheme
from modelpack.trust.notary import algorithm_of, parse_envelope, sign
from modelpack.trust.notary.envelope import JWS
from modelpack.trust.x509 import load_certificates
from tests.trust.notary.making import HOUR, ISSUING, ROOT, SIGNER, TARGET, judge
from tests.trust.x509.making import AUTHORITY, DAY, LEAF, NOW, Issued, intermediate, issue, leaf, root, subject


def made(signer: Issued = SIGNER, **changes: Any) -> bytes:
    return sign(TARGET, signer.signer, changes.pop("chain", signer.chain_pem), **{"now": NOW, **changes})


def decoded(envelope: bytes, member: str) -> Any:
    text = json.loads(envelope)[member]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_what_is_written() -> None:
    zone = timezone(timedelta(hours=-8))
    envelope = made(expiry=(NOW + DAY).astimezone(zone), now=NOW.replace(microsecond=7), agent="modelpack/1.0")
    assert list(json.loads(envelope)) == ["payload", "protected", "header", "signature"]
    assert decoded(envelope, "protected") == {
        "alg": "ES256",
        "crit": ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "io.cncf.notary.expiry": "2030-06-16T12:00:00Z",
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2030-06-15T12:00:00Z",
    }
    target = {"mediaType": TARGET.media_type, "digest": str(TARGET.digest), "size": TARGET.size}
    assert decoded(envelope, "payload") == {"targetArtifact": target}
    header = json.loads(envelope)["header"]
    assert header == {
        "x5c": [base64.b64encode(der).decode() for der in SIGNER.ders],
        "io.cncf.notary.signingAgent": "modelpack/1.0",
    }
    assert len(parse_envelope(JWS, envelope).signature) == 64


def test_only_media_type_digest_and_size_are_signed_and_the_annotations_asked_for() -> None:
    rich = TARGET.annotated(tag="v1")
    envelope = sign(rich, SIGNER.signer, SIGNER.certificates, now=NOW, annotations={"b": "2", "a": "<1>"})
    found = decoded(envelope, "payload")["targetArtifact"]
    assert found["annotations"] == {"a": "<1>", "b": "2"}
    assert judge(envelope)


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [
        ("p256", "ES256", 64),
        ("p384", "ES384", 96),
        ("p521", "ES512", 132),
        ("rsa2048", "PS256", 256),
        ("rsa3072", "PS384", 384),
        ("rsa4096", "PS512", 512),
    ],
)
def test_algorithms(kind: str, name: str, size: int) -> None:
    envelope = made(leaf(LEAF, ISSUING, kind=kind))
    found = parse_envelope(JWS, envelope)
    assert (found.algorithm, len(found.signature)) == (name, size)
    assert judge(envelope)


@pytest.mark.parametrize(
    ("kind", "message"), [("ed25519", "keys of the kind ed25519"), ("rsa2560", "RSA keys of 2560 bits")]
)
def test_keys_that_notary_does_not_allow(kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        made(leaf(LEAF, ISSUING, kind=kind))
    assert "ECDSA on P-256" in caught.value.hint
    with pytest.raises(InputError):
        algorithm_of(leaf(LEAF, ISSUING, kind=kind).signer.public_key)


def test_a_self_signed_signer() -> None:
    assert made(issue(subject(), None, LEAF))
    with pytest.raises(InputError, match="an authority's, not a signer's"):
        made(root())


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ((), "0 certificates"),
        (SIGNER.certificates[:1], "CN=signer, which is no root"),
        (SIGNER.certificates[:2], "CN=issuing, which is no root"),
        ((SIGNER.certificates[0], SIGNER.certificates[2]), "did not issue"),
        (SIGNER.certificates[1:], "is for another key"),
        ((*SIGNER.certificates, ROOT.certificate), "self-signed, but not the last"),
        (SIGNER.certificates * 4, "12 certificates"),
        (b"nothing", "not a certificate"),
    ],
)
def test_chains_that_verifiers_would_refuse(chain: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(chain=chain)


def test_certificates_that_verifiers_would_refuse() -> None:
    for signer, message in (
        (leaf(LEAF.with_(usage=None), ISSUING), "no critical key usage"),
        (leaf(LEAF.with_(end=NOW - HOUR), ISSUING), "had expired"),
        (leaf(LEAF, intermediate(ROOT, profile=AUTHORITY.with_(end=NOW - HOUR))), "CN=issuing had expired"),
    ):
        with pytest.raises(InputError, match=f"verifiers would refuse this chain: .*{message}"):
            made(signer)


def test_an_expiry_in_the_past() -> None:
    with pytest.raises(InputError, match="expire before it is made"):
        made(expiry=NOW)


def test_annotations_that_cannot_be_signed() -> None:
    with pytest.raises(InputError, match="is reserved"):
        made(annotations={"io.cncf.notary.x": "1"})
    with pytest.raises(InputError, match="too many to sign"):
        made(annotations={"a": "x" * (1 << 20)})


class Odd:
    """A signer that returns something else than a signature by its key."""

    def __init__(self, signature: bytes) -> None:
        self.signature = signature

    @property
    def public_key(self) -> PublicKey:
        return SIGNER.signer.public_key

    def sign(self, message: bytes, scheme: Scheme) -> bytes:
        return self.signature


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (b"", "not return an ECDSA signature in DER"),
        (SIGNER.signer.sign(b"other", Scheme.ECDSA_SHA256), "not a signature by its own key"),
        (leaf(LEAF, kind="p521").signer.sign(b"x", Scheme.ECDSA_SHA512), "not return an ECDSA signature in DER"),
    ],
)
def test_a_signer_that_is_not_what_it_says(signature: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sign(TARGET, Odd(signature), SIGNER.chain_pem, now=NOW)


def test_a_timestamp_is_asked_for_over_the_signature_as_it_stands_in_the_envelope() -> None:
    asked: list[bytes] = []
    envelope = made(stamp=lambda signature: asked.append(signature) or b"token")  # type: ignore[func-returns-value]
    found = parse_envelope(JWS, envelope)
    assert found.timestamp == b"token"
    assert asked == [found.signature]


def test_times_need_not_be_in_utc() -> None:
    elsewhere: datetime = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert parse_envelope(JWS, made(now=elsewhere)).signing_time == NOW


def test_pem_and_certificates_are_the_same() -> None:
    assert decoded(made(), "protected") == decoded(made(chain=load_certificates(SIGNER.chain_pem)), "protected")

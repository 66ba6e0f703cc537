"""How others were broken, each as a test (for certificates, Notary and keyless see those folders; for transfers, tests/store)."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from modelpack.errors import BadSignature, CannotVerify, DocumentError, InputError, NoSignature, PolicyViolation
from modelpack.oci import Digest, Index
from modelpack.store import BytesSource
from modelpack.trust import (
    Attested,
    Envelope,
    KeyIdentity,
    Kind,
    SignatureFormat,
    SignedBy,
    Statement,
    Status,
    Target,
    attest,
    sign,
    verify,
)
from modelpack.trust.envelope import IN_TOTO, Bundle, build, pae
from modelpack.trust.keys import SIGNING
from tests.trust.making import HERE, NOW, Model, changed, key

OWNER = KeyIdentity(key().public_key)
PROVENANCE = "https://slsa.dev/provenance/v1"


def sealed(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    """A bundle by the owner, whatever the payload."""
    signature = key().sign(pae(payload_type, payload), SIGNING["ecdsa-p256"])
    return build(Envelope(payload_type, payload, signature), hint=key().public_key.hint)


def attached(raw: bytes) -> Model:
    """A model to which nothing but one bundle is attached, in the usual way."""
    carrier, _ = Model.make().signed(None, SignatureFormat.BUNDLE).attached(Kind.SIGNATURE)
    fresh = Model.make()
    fresh.attach(raw, carrier)
    return fresh


def test_verify_a_tag_then_pull_the_tag() -> None:
    """Crossplane GHSA-wfqx-gjrf-g28r: the tag moves in between. What verifying returns names a digest."""
    model = Model.make().signed()
    verified = verify(model.store, model.target, SignedBy(OWNER), HERE, reference="registry.example/ml/tiny:v1")
    other = Model.make(b"evil")
    assert verified.descriptor.digest == model.target.descriptor.digest != other.target.descriptor.digest


def test_payload_type_confusion() -> None:
    """CVE-2022-35930: a good signature over something that is no statement."""
    statement = Statement.build("https://sigstore.dev/cosign/sign/v1", {}, Model.make().target.descriptor.digest)
    one = attached(sealed(statement.raw, "application/vnd.example+json")).one()
    assert (one.status, "payloadType" in one.reason) == (Status.BAD, True)


def test_predicate_type_confusion() -> None:
    """CVE-2022-35929: an attestation of one type is none of another, and no signature (cosign takes it for one)."""
    model = Model.make()
    attest(model.store, model.target.descriptor, key(), "https://cyclonedx.org/bom", {}, now=NOW)
    assert model.one().status is Status.VERIFIED
    for policy in (SignedBy(OWNER), Attested(PROVENANCE, OWNER)):
        with pytest.raises(PolicyViolation):
            verify(model.store, model.target, policy, HERE)


def test_annotations_are_not_believed() -> None:
    """What a carrier says of its bundle is not signed: here it says "signature" of an attestation."""
    model = Model.make()
    statement = Statement.build(PROVENANCE, {}, model.target.descriptor.digest)
    one = attached(sealed(statement.raw)).one()
    assert (one.kind, one.predicate_type) == (Kind.ATTESTATION, PROVENANCE)


def test_a_signature_of_another_model() -> None:
    """CVE-2022-36056 and its like: a sound signature that was made for something else."""
    _, bundle = Model.make(b"another").signed(None, SignatureFormat.BUNDLE).attached(Kind.SIGNATURE)
    one = attached(bundle).one()
    assert (one.status, one.reason) == (Status.BAD, "made for another manifest")


def test_the_model_signature_of_other_files() -> None:
    """One that lists other files is bound to other files, even if the same key made it."""
    _, bundle = Model.make(b"another").signed(None, SignatureFormat.OMS).attached(Kind.MODEL)
    one = attached(bundle).one()
    assert one.status is Status.BAD
    assert "'model.safetensors' is not what was signed" in one.reason


def test_dsse_is_over_bytes_and_their_lengths() -> None:
    """model-signing 0.2 signed ``DSSEV1`` and Python's repr of the payload; lengths are those of the bytes."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_the_keyid_decides_nothing() -> None:
    """DSSE: a keyid is a hint that nobody signed. Ours are left out, for cosign skips what it does not know."""
    model = Model.make().signed(None, SignatureFormat.BUNDLE)
    _, bundle = model.attached(Kind.SIGNATURE)
    assert b"keyid" not in bundle

    def name(document: Any) -> None:
        document["dsseEnvelope"]["signatures"][0]["keyid"] = "somebody else's"

    assert attached(changed(bundle, name)).one().status is Status.VERIFIED


def test_one_key_twice_is_one_signer() -> None:
    """DSSE's vectors: a threshold counts keys, not names for them and not signatures."""
    model = Model.make().signed()
    again = KeyIdentity(key().public_key, "the same under another name")
    with pytest.raises(PolicyViolation, match="2 of"):
        verify(model.store, model.target, SignedBy(OWNER, again, threshold=2), HERE)
    model.signed(key("other"))
    verify(model.store, model.target, SignedBy(OWNER, KeyIdentity(key("other").public_key), threshold=2), HERE)


def test_two_signatures_in_one_envelope() -> None:
    """sigstore-go's ``dsse-2sigs``: exactly one is allowed in a bundle."""

    def double(document: Any) -> None:
        document["dsseEnvelope"]["signatures"] *= 2

    _, bundle = Model.make().signed(None, SignatureFormat.BUNDLE).attached(Kind.SIGNATURE)
    one = attached(changed(bundle, double)).one()
    assert (one.status, "exactly one is allowed" in one.reason) == (Status.BAD, True)


def test_a_bad_signature_beside_a_good_one_does_no_harm() -> None:
    """Who may push could else make any model fail."""
    model = Model.make().signed(None, SignatureFormat.BUNDLE)
    carrier, bundle = model.attached(Kind.SIGNATURE)
    model.attach(bundle[:-20], carrier)
    model.attach(b"{}", carrier)
    verify(model.store, model.target, SignedBy(OWNER), HERE)


def test_endless_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2023-46737, CVE-2024-29902: what is not looked at is said to be so, and is not "unsigned"."""
    model = Model.make()
    for number in range(3):
        model.signed(key(str(number)), SignatureFormat.BUNDLE)
    monkeypatch.setattr("modelpack.trust.found.MAX_CARRIERS", 2)
    evidence = model.evidence()
    assert (len(evidence.signatures), evidence.skipped) == (2, 1)
    with pytest.raises(CannotVerify):
        verify(model.store, model.target, SignedBy(OWNER), HERE)


def test_nothing_attached_is_no_signature() -> None:
    """An absent signature fails; there is no way back to "not required"."""
    model = Model.make()
    with pytest.raises(NoSignature, match="is not signed"):
        verify(model.store, model.target, SignedBy(OWNER), HERE)


def test_a_referrer_of_something_else_that_is_listed_here() -> None:
    """A registry may list what it likes."""
    model, other = Model.make(), Model.make(b"other").signed(None, SignatureFormat.BUNDLE)
    carrier, bundle = other.attached(Kind.SIGNATURE)
    for blob, data in ((carrier.config, b"{}"), (carrier.layers[0], bundle)):
        model.store.push(blob, BytesSource(data))
    model.store.push(carrier.descriptor, BytesSource(carrier.raw))
    listed = model.store.referrers
    model.store.referrers = lambda subject, artifact_type="": (carrier.descriptor, *listed(subject, artifact_type))  # type: ignore[method-assign]  # a lying registry
    one = model.one()
    assert (one.status, "attached to something else" in one.reason) == (Status.BAD, True)


def test_two_members_of_one_name() -> None:
    """Parsers differ about which of two counts; here neither does."""
    digest = Model.make().target.descriptor.digest
    good = Statement.build("https://sigstore.dev/cosign/sign/v1", {}, digest).raw
    twice = good[:-1] + b',"predicateType":"https://sigstore.dev/cosign/sign/v1"}'
    one = attached(sealed(twice)).one()
    assert (one.status, "stands twice" in one.reason) == (Status.BAD, True)
    with pytest.raises(DocumentError, match="NaN is not JSON"):
        Statement.parse(good.replace(b'"predicate":{}', b'"predicate":{"x":NaN}'))
    with pytest.raises(DocumentError, match="does not belong here"):
        Statement.parse(good.replace(b'"predicateType"', b'"PredicateType"'))


def test_base64_that_is_not_quite() -> None:
    """Conformance ``bundle-invalid-base64-signature_fail``; and unused bits, and two alphabets at once."""
    _, bundle = Model.make().signed(None, SignatureFormat.BUNDLE).attached(Kind.SIGNATURE)
    signature = json.loads(bundle)["dsseEnvelope"]["signatures"][0]["sig"]
    for wrong in (f"{signature}!", signature.rstrip("=") + "?", f" {signature}", f"{signature[:-4]}\n{signature[-4:]}"):
        document = json.loads(bundle)
        document["dsseEnvelope"]["signatures"][0]["sig"] = wrong
        with pytest.raises(DocumentError, match="base64"):
            Bundle.parse(json.dumps(document).encode())
    assert base64.b64decode(signature)


def test_what_an_index_signs_is_the_index() -> None:
    """Signing an index signs what it lists, by digest; it does not sign a manifest for who asks for that alone."""
    model = Model.make()
    index = Index.build((model.target.descriptor,))
    model.store.push(index.descriptor, BytesSource(index.raw))
    sign(model.store, Target(index.descriptor, {}), key(), now=NOW)
    verify(model.store, Target(index.descriptor, {}), SignedBy(OWNER), HERE)
    with pytest.raises(NoSignature):
        verify(model.store, model.target, SignedBy(OWNER), HERE)


def test_a_model_signature_does_not_sign_the_configuration() -> None:
    """OpenSSF's format lists files; whoever wants it to count must say so."""
    model = Model.make().signed(None, SignatureFormat.OMS)
    with pytest.raises(PolicyViolation):
        verify(model.store, model.target, SignedBy(OWNER), HERE)
    verify(model.store, model.target, SignedBy(OWNER, model_signatures=True), HERE)


def test_files_that_the_manifest_does_not_list() -> None:
    """Archives hide their files: then a model signature is neither good nor bad."""
    model = Model.make().signed(None, SignatureFormat.OMS)
    blind = Model(model.store, Target(model.target.descriptor, None))
    assert blind.one().status is Status.UNCHECKED


def test_the_policy_that_asks_for_nothing() -> None:
    """An empty list of requirements is an error, not a yes."""
    from modelpack.trust import AllOf, AnyOf

    for make in (AllOf, AnyOf, SignedBy):
        with pytest.raises(InputError):
            make()
    with pytest.raises(InputError):
        SignedBy(OWNER, threshold=0)


def test_an_old_signature_by_a_key_that_is_trusted_no_longer() -> None:
    """A stolen key can write any date: after the end of trust nothing counts."""
    from datetime import timedelta

    model = Model.make().signed(None, SignatureFormat.BUNDLE)
    ended = KeyIdentity(key().public_key, until=NOW - timedelta(days=1))
    with pytest.raises(BadSignature, match="is trusted until"):
        verify(model.store, model.target, SignedBy(ended), HERE)


def test_the_digest_is_computed_from_what_came() -> None:
    """CVE-2023-33959: a descriptor is a claim. A statement about other digests, sizes or types is another's."""
    model = Model.make()
    wrong = replace(model.target.descriptor, digest=Digest.of(b"claimed"))
    sign(model.store, Target(wrong, {}), key(), now=NOW, formats=(SignatureFormat.BUNDLE,))
    with pytest.raises(NoSignature):
        verify(model.store, model.target, SignedBy(OWNER), HERE)

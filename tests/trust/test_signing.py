"""Signing: which formats, what is not signed again, and what is under the tag already."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from modelpack.errors import DocumentError, InputError, NotFound
from modelpack.oci import Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store import BytesSource, MemoryStore, Rewriting, tag_of
from modelpack.trust import (
    Bundle,
    KeyIdentity,
    Kind,
    SignatureFormat,
    Signed,
    Statement,
    Status,
    Target,
    attest,
    model_signature,
    sign,
)
from modelpack.trust.cosign import SIGNED, SimplePayload
from tests.store.test_base import Careless
from tests.trust.making import NOW, Model, attached, key, sealed
from tests.trust.x509 import making as certificates

BUNDLE, TAG, OMS, NOTARY = SignatureFormat
OWNER = KeyIdentity(key().public_key, "owner")


def signing(
    model: Model, *formats: SignatureFormat, reference: str = "r.example/ml/tiny:v1", **annotations: str
) -> Signed:
    return sign(
        model.store, model.target, key(), now=NOW, reference=reference, formats=formats or None, annotations=annotations
    )


def test_by_default_all_that_is_possible() -> None:
    model = Model.make()
    done = signing(model)
    assert list(done.carriers) == [BUNDLE, TAG, OMS]
    assert (done.descriptor, done.existing, done.notes) == (model.target.descriptor, frozenset(), ())
    again = signing(model)
    assert again == replace(done, existing=frozenset({BUNDLE, TAG, OMS}))
    assert len(model.evidence().signatures) == 3


def test_only_what_is_missing_is_added() -> None:
    model = Model.make()
    first = signing(model, TAG)
    done = signing(model)
    assert done.existing == {TAG}
    assert done.carriers[TAG] == first.carriers[TAG]
    assert signing(model, OMS, OMS).existing == {OMS}
    assert list(signing(model, OMS, OMS).carriers) == [OMS]
    assert len(model.evidence().signatures) == 3


def test_somebody_else_s_are_not_ours() -> None:
    model = Model.make().signed(key("other"))
    assert signing(model).existing == frozenset()
    assert len(model.evidence().signatures) == 6


def test_annotations_are_signed_once() -> None:
    model = Model.make()
    signing(model)
    done = signing(model, team="ml")
    assert done.existing == {OMS}  # it has none
    assert signing(model, team="ml").existing == {BUNDLE, TAG, OMS}
    assert signing(model, team="other").existing == {OMS}
    assert signing(model).existing == {BUNDLE, TAG, OMS}
    statement = next(
        one.statement for one in model.evidence().signatures if one.carrier.digest == done.carriers[BUNDLE].digest
    )
    assert statement is not None
    assert statement.subjects[0].annotations == {"team": "ml"}


def test_another_name_is_signed_where_names_are() -> None:
    model = Model.make()
    signing(model)
    assert signing(model, reference="r.example/ml/tiny:v2").existing == {BUNDLE, OMS}
    assert signing(model, reference="").existing == {BUNDLE, OMS}
    carrier = model.store.document(model.store.resolve(tag_of(model.target.descriptor.digest, "sig")))
    assert isinstance(carrier, Manifest)
    payloads = [SimplePayload.parse(model.store.read(layer)) for layer in carrier.layers]
    assert [payload.reference for payload in payloads] == ["r.example/ml/tiny:v1", "r.example/ml/tiny:v2", ""]


@pytest.mark.parametrize(
    ("reference", "name", "short"),
    [
        ("r.example:5000/ml/tiny:v1", "r.example:5000/ml/tiny:v1", "tiny"),
        ("r.example:5000/ml/tiny", "r.example:5000/ml/tiny", "tiny"),
        (f"r.example/ml/tiny:v1@sha256:{'0' * 64}", "r.example/ml/tiny:v1", "tiny"),
        ("", "", "model"),
    ],
)
def test_the_name_that_is_signed(reference: str, name: str, short: str) -> None:
    model = Model.make()
    signing(model, reference=reference)
    carrier = model.store.document(model.store.resolve(tag_of(model.target.descriptor.digest, "sig")))
    assert isinstance(carrier, Manifest)
    assert SimplePayload.parse(model.store.read(carrier.layers[0])).reference == name
    _, raw = model.attached(Kind.MODEL)
    assert Statement.parse(Bundle.parse(raw).envelope.payload).subjects[0].name == short


def test_a_statement_under_the_wrong_roof_is_not_a_signature_there_already() -> None:
    """The statement of a signature in an envelope under the tag for attestations is no signature of cosign's first layout."""
    model = Model.make()
    attest(model.store, model.target.descriptor, key(), SIGNED, {}, now=NOW, tag=True)
    assert signing(model, TAG).existing == frozenset()
    assert model.store.resolve(tag_of(model.target.descriptor.digest, "sig"))
    assert signing(model, BUNDLE).existing == {BUNDLE}


def test_a_statement_about_something_else_is_not_there_already() -> None:
    model = Model.make()
    other = Statement.build(SIGNED, {}, Model.make(b"other").target.descriptor.digest)
    attached(model, sealed(other.raw), b"{")
    assert signing(model).existing == frozenset()


@pytest.mark.parametrize(
    ("kind", "notes"), [("ed25519", "only ECDSA keys, not ed25519"), ("rsa", "only ECDSA keys, not rsa")]
)
def test_keys_that_openssf_does_not_allow(kind: str, notes: str) -> None:
    model = Model.make()
    signer = key("one", kind)
    done = sign(model.store, model.target, signer, now=NOW)
    assert list(done.carriers) == [BUNDLE, TAG]
    assert done.notes == (f"no model.sig: OpenSSF Model Signing allows {notes}",)
    with pytest.raises(InputError, match=notes):
        sign(model.store, model.target, signer, now=NOW, formats=[BUNDLE, OMS])
    with pytest.raises(InputError, match=notes):
        model_signature(model.target.files or {}, signer, "x")
    assert {one.status for one in model.evidence(KeyIdentity(signer.public_key)).signatures} == {Status.VERIFIED}


def test_models_whose_files_are_not_known() -> None:
    model = Model.make()
    unknown = Target(model.target.descriptor)
    done = sign(model.store, unknown, key(), now=NOW)
    assert list(done.carriers) == [BUNDLE, TAG]
    assert "needs a digest for every file" in done.notes[0]
    for target in (unknown, Target(model.target.descriptor, {})):
        with pytest.raises(InputError, match="archives or no files") as caught:
            sign(model.store, target, key(), now=NOW, formats=[OMS])
        assert caught.value.hint == "leave the format oms out"
    with pytest.raises(InputError, match="at least one file"):
        model_signature({}, key(), "x")


def test_notary_wants_certificates() -> None:
    with pytest.raises(InputError, match="signs with certificates"):
        signing(Model.make(), NOTARY)


def test_notary_s_envelope_beside_the_others() -> None:
    model, signer = Model.make(), certificates.leaf()

    def again(chain: bytes, **annotations: str) -> Signed:
        return sign(
            model.store,
            model.target,
            signer.signer,
            now=certificates.NOW,
            annotations=annotations,
            certificates=chain,
        )

    assert list(again(signer.chain_pem).carriers) == [BUNDLE, TAG, OMS, NOTARY]
    assert again(signer.chain_pem).existing == {BUNDLE, TAG, OMS, NOTARY}
    assert again(signer.chain_pem, team="ml").existing == {OMS}
    assert again(signer.chain_pem, team="ml").existing == {BUNDLE, TAG, OMS, NOTARY}
    assert sorted(one.format for one in model.evidence().signatures) == ["bundle"] * 3 + ["jws"] * 2 + ["tag"] * 2


def test_a_subject_that_notary_s_policies_cannot_name_is_signed_again() -> None:
    model = Model.make()
    nameless = certificates.issue(certificates.subject("", C="", ST="", O=""), certificates.root(), certificates.LEAF)
    for _ in range(2):
        done = sign(
            model.store,
            model.target,
            nameless.signer,
            now=certificates.NOW,
            formats=[NOTARY],
            certificates=nameless.chain_pem,
        )
        assert done.existing == frozenset()


def test_what_others_have_under_the_tag_stays() -> None:
    model = Model.make()
    tag = tag_of(model.target.descriptor.digest, "sig")
    sign(model.store, model.target, key("other"), now=NOW, formats=[TAG])
    theirs = model.store.document(model.store.resolve(tag))
    signing(model, TAG)
    both = model.store.document(model.store.resolve(tag))
    assert isinstance(theirs, Manifest)
    assert isinstance(both, Manifest)
    assert both.layers[0] == theirs.layers[0]
    assert len(both.layers) == 2
    with pytest.raises(NotFound):  # the carrier of before had no other name
        MemoryStore().resolve(str(theirs.descriptor.digest))


def test_an_index_under_the_tag_is_in_the_way() -> None:
    model = Model.make()
    index = model.store.push_bytes(OCI_INDEX, Index.build(()).raw)
    model.store.tag(index, tag_of(model.target.descriptor.digest, "sig"))
    with pytest.raises(DocumentError, match="an index has the tag"):
        signing(model, TAG)


def test_a_store_that_cannot_hold_cosign_s_tags() -> None:
    store = Careless()
    assert not isinstance(store, Rewriting)
    with pytest.raises(InputError, match="cannot hold cosign's tags"):
        attest(store, Model.make().target.descriptor, key(), "https://example.com/x", {}, now=NOW, tag=True)


def test_attestations_are_a_bundle_and_if_asked_a_tag() -> None:
    model = Model.make()
    subject = model.target.descriptor
    carrier = model.store.document(
        attest(model.store, subject, key(), "https://example.com/x", {"a": 1}, now=NOW, name="tiny")
    )
    assert isinstance(carrier, Manifest)
    statement = Statement.parse(Bundle.parse(model.store.read(carrier.layers[0])).envelope.payload)
    assert (statement.predicate, statement.subjects[0].name) == ({"a": 1}, "tiny")
    assert carrier.subject == subject.plain()
    with pytest.raises(NotFound):
        model.store.resolve(tag_of(subject.digest, "att"))
    for predicate in ({"a": 1}, {"a": 2}):
        attest(model.store, subject, key(), "https://example.com/x", dict(predicate), now=NOW, tag=True)
    tagged = model.store.document(model.store.resolve(tag_of(subject.digest, "att")))
    assert isinstance(tagged, Manifest)
    assert [json.loads(model.store.read(layer))["payloadType"] for layer in tagged.layers] == [
        "application/vnd.in-toto+json"
    ] * 2
    assert len(model.evidence().verified(Kind.ATTESTATION)) == 5


def test_only_the_layer_that_was_verified_is_told() -> None:
    """A manifest may hold a bundle that is bad before one that is good."""
    model = Model.make().signed(key(), OMS)
    carrier, raw = model.attached(Kind.MODEL)
    bad = model.store.push_bytes(carrier.layers[0].media_type, b"{}")
    both = Manifest.build(
        artifact_type=carrier.artifact_type,
        config=carrier.config,
        layers=(bad, carrier.layers[0]),
        subject=model.target.descriptor,
    )
    model.store.delete(carrier.descriptor)
    model.store.push(both.descriptor, BytesSource(both.raw))
    found = model.evidence(OWNER)
    assert [one.status for one in found.signatures] == [Status.BAD, Status.VERIFIED]
    (good,) = found.verified(Kind.MODEL)
    assert good.blob is not None
    assert model.store.read(good.blob) == raw

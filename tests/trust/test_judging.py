"""Real signatures before real keys: what is found, the verdict on each, and the error that comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelpack.errors import (
    AccessDenied,
    CannotVerify,
    InputError,
    ModelPackError,
    NoSignature,
    NotFound,
    Unavailable,
)
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.store import BytesSource, MemoryStore, Referring, tag_of
from modelpack.trust import (
    BUNDLE,
    Circumstances,
    KeyIdentity,
    Kind,
    SignatureFormat,
    SignedBy,
    Statement,
    Status,
    Target,
    attest,
    gather,
    notary,
    sign,
    verify,
)
from modelpack.trust import found as finding
from modelpack.trust.cosign import ATTESTATION_LAYER, SIGNATURE_LAYER, SIGNED
from modelpack.trust.envelope import IN_TOTO, Envelope, build, pae
from tests.trust.making import HERE, NOW, Model, attached, check, key, sealed
from tests.trust.x509 import making as certificates

OWNER, OTHER = KeyIdentity(key().public_key, "owner"), KeyIdentity(key("other").public_key, "other")
BUNDLED, TAGGED, LISTED = SignatureFormat.BUNDLE, SignatureFormat.TAG, SignatureFormat.OMS


def test_every_format_is_found() -> None:
    model = Model.make().signed()
    attest(model.store, model.target.descriptor, key(), "https://example.com/x", {"a": 1}, now=NOW, tag=True)
    found = model.evidence(OWNER)
    assert sorted((one.format, one.kind, one.status) for one in found.signatures) == [
        ("bundle", Kind.ATTESTATION, Status.VERIFIED),
        ("bundle", Kind.MODEL, Status.VERIFIED),
        ("bundle", Kind.SIGNATURE, Status.VERIFIED),
        ("tag", Kind.ATTESTATION, Status.VERIFIED),
        ("tag", Kind.SIGNATURE, Status.VERIFIED),
    ]
    assert found.skipped == 0
    assert {one.predicate_type for one in found.verified(Kind.ATTESTATION)} == {"https://example.com/x"}
    assert {one.statement.predicate["a"] for one in found.verified(Kind.ATTESTATION) if one.statement} == {1}
    assert all(one.blob and model.store.read(one.blob) for one in found.signatures)


@pytest.mark.parametrize("form", [BUNDLED, TAGGED, LISTED])
def test_somebody_else(form: SignatureFormat) -> None:
    one = Model.make().signed(key("other"), form).one(OWNER)
    assert (one.status, one.reason, one.vouchers) == (Status.UNTRUSTED, "not made with owner", ())


@pytest.mark.parametrize("form", [BUNDLED, TAGGED, LISTED])
def test_nobody_is_trusted(form: SignatureFormat) -> None:
    model = Model.make().signed(key(), form)
    (one,) = gather(model.store, model.target, (), HERE).signatures
    assert (one.status, one.reason) == (Status.UNCHECKED, "nobody is trusted here who could have made it")


@pytest.mark.parametrize("form", [BUNDLED, TAGGED, LISTED])
def test_a_key_that_is_trusted_until_a_time(form: SignatureFormat) -> None:
    model = Model.make().signed(key(), form)
    assert model.one(replace(OWNER, until=NOW)).status is Status.VERIFIED
    one = model.one(replace(OWNER, until=NOW - timedelta(seconds=1)))
    assert (one.status, one.reason) == (Status.BAD, "made with owner, which is trusted until 2026-11-24 only")


@pytest.mark.parametrize("form", [BUNDLED, TAGGED, LISTED])
def test_a_signature_of_another_model(form: SignatureFormat) -> None:
    model, other = Model.make(), Model.make(b"other").signed(key(), form)
    if form is TAGGED:
        carrier = other.store.document(other.store.resolve(tag_of(other.target.descriptor.digest, "sig")))
        assert isinstance(carrier, Manifest)
        model.store.push(carrier.layers[0], BytesSource(other.store.read(carrier.layers[0])))
        model.store.rewrite(tag_of(model.target.descriptor.digest, "sig"), lambda _: carrier)
    else:
        _, raw = other.attached(Kind.MODEL if form is LISTED else Kind.SIGNATURE)
        attached(model, raw)
    one = model.one(OWNER)
    assert one.status is Status.BAD
    assert "made for another manifest" in one.reason or "made for other files: 'model.safetensors'" in one.reason


def test_one_identity_that_vouches_is_enough_and_the_gravest_reason_is_told() -> None:
    model = Model.make().signed(key(), BUNDLED)
    assert model.one(OTHER, OWNER).status is Status.VERIFIED
    many = tuple(KeyIdentity(key(f"k{n}").public_key, f"k{n}") for n in range(5))
    assert model.one(*many).reason == "not made with k0; not made with k1; not made with k2 (and 2 more)"
    mixed = model.one(*many, replace(OWNER, until=NOW - timedelta(days=1)))
    assert (mixed.status, mixed.reason) == (Status.BAD, "made with owner, which is trusted until 2026-11-23 only")


def test_names_of_identities_are_their_own() -> None:
    model = Model.make().signed(key(), BUNDLED)
    assert len(model.one(OWNER, KeyIdentity(key().public_key, "owner")).vouchers) == 1  # the same one twice
    with pytest.raises(InputError, match="two trusted identities have the same name"):
        model.evidence(OWNER, replace(OTHER, name="owner"))


def test_ed25519_that_does_not_hold_may_be_cosign_s() -> None:
    signer = key("edwards", "ed25519")
    identity = KeyIdentity(signer.public_key, "edwards")
    statement = Statement.build(SIGNED, {}, Model.make().target.descriptor.digest).raw
    good = sealed(statement, signer)
    assert attached(Model.make(), good).one(identity).status is Status.VERIFIED
    bad = good.replace(b'"sig":"', b'"sig":"AAAA')
    one = attached(Model.make(), bad).one(identity)
    assert one.status is Status.UNCHECKED
    assert "Ed25519ph" in one.reason


def test_rsa_pss_if_asked_for() -> None:
    from modelpack.trust import Scheme

    signer = key("rsa", "rsa")
    statement = Statement.build(SIGNED, {}, Model.make().target.descriptor.digest).raw
    signature = signer.sign(pae(IN_TOTO, statement), Scheme.RSA_PSS_SHA256)
    model = attached(Model.make(), build(Envelope(IN_TOTO, statement, signature), hint=signer.public_key.hint))
    assert model.one(KeyIdentity(signer.public_key)).status is Status.BAD
    assert model.one(KeyIdentity(signer.public_key, pss=True)).status is Status.VERIFIED


def test_archives_and_other_hashes_cannot_be_compared_with_a_manifest() -> None:
    model = Model.make().signed(key(), LISTED)
    unknown = Target(model.target.descriptor, None)
    (one,) = gather(model.store, unknown, (OWNER,), HERE).signatures
    assert (one.status, "archives" in one.reason) == (Status.UNCHECKED, True)
    empty = Target(model.target.descriptor, {})
    (one,) = gather(model.store, empty, (OWNER,), HERE).signatures
    assert (one.status, one.reason) == (Status.BAD, "made for other files: 'config.json' is signed but missing")
    _, raw = model.attached(Kind.MODEL)
    statement = json.loads(Statement.parse(_payload(raw)).raw)
    statement["predicate"]["serialization"].update(hash_type="blake2b")
    statement["predicate"]["resources"] = [{"name": "a", "algorithm": "blake2b", "digest": "00" * 64}]
    statement["subject"][0]["digest"]["sha256"] = Digest.of(bytes(64)).hex
    one = attached(Model.make(), sealed(json.dumps(statement).encode())).one(OWNER)
    assert (one.status, one.reason.startswith("lists other digests")) == (Status.UNCHECKED, True)


def _payload(raw: bytes) -> bytes:
    from modelpack.trust import Bundle

    return Bundle.parse(raw).envelope.payload


def test_carriers_that_cannot_be_read() -> None:
    model = Model.make().signed(key(), BUNDLED)
    carrier, raw = model.attached(Kind.SIGNATURE)
    absent = replace(carrier.layers[0], digest=Digest.of(b"absent"))
    long = replace(carrier.layers[0], digest=Digest.of(b"long"), size=1 << 40)
    for number, layer in enumerate((absent, long)):
        manifest = Manifest.build(
            artifact_type=BUNDLE,
            config=carrier.config,
            layers=(layer,),
            subject=model.target.descriptor,
            annotations={"n": str(number)},
        )
        model.store.push(manifest.descriptor, BytesSource(manifest.raw))
    index = json.loads(Index.build(()).raw) | {"subject": model.target.descriptor.to_json(), "artifactType": BUNDLE}
    model.store.push_bytes(OCI_INDEX, json.dumps(index).encode())  # an index is no signature
    found = model.evidence(OWNER)
    assert sorted(one.status for one in found.signatures) == [Status.BAD, Status.UNCHECKED, Status.VERIFIED]
    assert len(raw)


class Listing(MemoryStore):
    """A store that lists other things than are attached, as a registry may."""

    listed: tuple[Descriptor, ...] = ()

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        return self.listed


def test_what_a_store_lists_wrongly() -> None:
    theirs = Model.make(b"other").signed(key(), BUNDLED)
    mine = Model.make()
    store = Listing()
    carrier, raw = theirs.attached(Kind.SIGNATURE)
    for blob in (raw, b"{}"):
        store.push_bytes(BUNDLE, blob)
    store.push(carrier.descriptor, BytesSource(carrier.raw))
    absent = Descriptor(carrier.descriptor.media_type, Digest.of(b"absent"), 5)
    wrong = store.push_bytes("application/octet-stream", b"no manifest")
    store.listed = (carrier.descriptor, absent, replace(wrong, media_type=carrier.descriptor.media_type))
    assert isinstance(store, Referring)
    found = gather(store, mine.target, (OWNER,), HERE)
    assert [(one.status, one.reason.partition(":")[0]) for one in found.signatures] == [
        (Status.BAD, "manifest"),
        (Status.UNCHECKED, "sha256"),
        (Status.BAD, "manifest"),
    ]
    assert "attached to something else" in found.signatures[0].reason
    assert found.signatures[1].reason == f"{absent.digest} is not in this store"


@pytest.mark.parametrize("error", [Unavailable("no answer"), AccessDenied("no")])
def test_what_could_not_be_asked_for_is_not_absent(error: ModelPackError, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.make().signed()

    def refuse(*_: object) -> tuple[Descriptor, ...]:
        raise error

    monkeypatch.setattr(MemoryStore, "referrers", refuse)
    with pytest.raises(type(error)):
        check(model, SignedBy(OWNER))


@pytest.mark.parametrize(
    ("limit", "value", "skipped"), [("MAX_CARRIERS", 1, 2), ("MAX_BYTES", 700, 1), ("MAX_BYTES", 0, 3)]
)
def test_more_than_is_looked_at(limit: str, value: int, skipped: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.make().signed()
    monkeypatch.setattr(finding, limit, value)
    found = model.evidence(OWNER)
    assert found.skipped >= skipped
    assert len(found.signatures) + found.skipped == 3
    with pytest.raises(CannotVerify, match="could not be verified: a signature by other is required"):
        check(model, SignedBy(OTHER))


def test_more_signatures_in_one_manifest_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.make()
    for name in ("owner", "other"):
        sign(model.store, model.target, key(name), now=NOW, formats=[TAGGED])
    assert len(model.evidence(OWNER).signatures) == 2
    monkeypatch.setattr(finding, "MAX_SEALS", 1)
    with pytest.raises(CannotVerify, match="2 signatures, more than the 1 that are looked at"):
        check(model, SignedBy(OWNER))


def test_an_index_is_signed_and_verified_by_itself() -> None:
    model = Model.make()
    index = Index.build((model.target.descriptor,))
    model.store.push(index.descriptor, BytesSource(index.raw))
    target = Target(index.descriptor, {})
    done = sign(model.store, target, key(), now=NOW, reference="registry.example/ml/tiny:all")
    assert sorted(done.carriers) == [BUNDLED, TAGGED]
    assert done.notes == ()
    assert verify(model.store, target, SignedBy(OWNER), HERE).descriptor == index.descriptor
    with pytest.raises(NoSignature):  # its members are not
        check(model, SignedBy(OWNER))


def test_layers_of_other_kinds_are_no_signatures() -> None:
    model = Model.make()
    config = model.store.push_bytes("application/vnd.oci.empty.v1+json", b"{}")
    sbom = model.store.push_bytes("application/spdx+json", b"{}")
    manifest = Manifest.build(
        artifact_type="application/spdx+json", config=config, layers=(sbom,), subject=model.target.descriptor
    )
    model.store.push(manifest.descriptor, BytesSource(manifest.raw))
    assert model.evidence(OWNER).signatures == ()
    for layer in (SIGNATURE_LAYER, ATTESTATION_LAYER):
        assert finding._format(Descriptor.of(layer, b"")) == "tag"


def test_notary_s_envelopes_are_read() -> None:
    """What is in them is for the tests of that package; here: one that cannot be read is bad."""
    model = Model.make()
    config = model.store.push_bytes("application/vnd.oci.empty.v1+json", b"{}")
    for layers in ((model.store.push_bytes(notary.JWS, b"{}"),), (model.store.push_bytes("text/plain", b""),)):
        manifest = Manifest.build(
            artifact_type="application/vnd.cncf.notary.signature",
            config=config,
            layers=layers,
            subject=model.target.descriptor,
        )
        model.store.push(manifest.descriptor, BytesSource(manifest.raw))
    assert [(one.format, one.status) for one in model.evidence(OWNER).signatures] == [("jws", Status.BAD)] * 2


def test_notary_s_envelope_of_another_manifest() -> None:
    """The descriptor that was signed decides, with media type and size."""
    model, signer = Model.make(), certificates.leaf()
    trusted = notary.NotaryIdentity.pinned("acme", signer.certificates[-1:], str(signer.certificate.name))
    now = replace(HERE, now=certificates.NOW)
    mine = model.target.descriptor
    others = (mine, replace(mine, digest=Digest.of(b"")), replace(mine, size=1), replace(mine, media_type=OCI_INDEX))
    for number, about in enumerate(others):
        envelope = notary.sign(about, signer.signer, signer.chain_pem, now=now.now, annotations={"n": str(number)})
        carrier = notary.signature_manifest(mine, envelope, created=now.now)
        model.store.push(carrier.config, BytesSource(notary.EMPTY))
        model.store.push(carrier.layers[0], BytesSource(envelope))
        model.store.push(carrier.descriptor, BytesSource(carrier.raw))
    found = gather(model.store, model.target, (trusted,), now)
    assert sorted(one.status for one in found.signatures) == [Status.BAD] * 3 + [Status.VERIFIED]
    assert {one.reason.partition(",")[0] for one in found.signatures if one.status is Status.BAD} == {
        "made for another manifest"
    }


def test_circumstances_are_told_to_identities() -> None:
    seen: list[Circumstances] = []

    class Witness:
        name = "witness"

        def check(self, seal: Any, circumstances: Circumstances) -> Any:
            seen.append(circumstances)
            raise NotFound("its list of revoked keys")

    one = Model.make().signed(key(), BUNDLED).one(Witness())
    assert seen == [HERE]
    assert (one.status, one.reason) == (Status.UNCHECKED, "its list of revoked keys")

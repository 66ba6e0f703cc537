"""What went wrong elsewhere, one test each (certificates, Notary, keyless and time stamps have theirs beside them)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack import LayoutStore, SignedBy
from modelpack.errors import (
    AccessDenied,
    BadSignature,
    CannotVerify,
    ContentError,
    DocumentError,
    InputError,
    ModelPackError,
    NoSignature,
    PolicyViolation,
    Unavailable,
    VerificationError,
)
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import OCI_INDEX
from modelpack.serve import Server
from modelpack.store import BytesSource, MemoryStore, Stream, copy, tag_of
from modelpack.trust import (
    BUNDLE,
    Attested,
    Bundle,
    Envelope,
    KeyIdentity,
    Kind,
    PrivateKey,
    SignatureFormat,
    Statement,
    Target,
    Verified,
    attest,
    model_signature,
    verify,
)
from modelpack.trust import found as finding
from modelpack.trust.cosign import SIGNED
from modelpack.trust.envelope import IN_TOTO, build, pae
from modelpack.trust.keys import Scheme, keyfile
from tests.cli.models import model as make_model
from tests.faults import FaultyRegistry, Features, Guard, effects
from tests.store.clients import connect
from tests.trust.making import HERE, NOW, Model, attached, changed, check, key, sealed

OWNER = KeyIdentity(key().public_key, "owner")
POLICY = SignedBy(OWNER)
OTHER = Digest("sha256", "ab" * 32)


def sealed_with(raw: bytes, **members: object) -> bytes:
    """A bundle whose signature has other members."""

    def change(document: dict[str, Any]) -> None:
        document["dsseEnvelope"]["signatures"][0].update(members)

    return changed(raw, change)


def signed_statement(model: Model, **changes: Any) -> bytes:
    return changed(Statement.build(SIGNED, {}, model.target.descriptor.digest).raw, lambda d: d.update(changes))


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def published(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """A signed model in a registry that can be told to misbehave, with and without the referrers API."""
    with FaultyRegistry(Features(referrers=request.param)) as faulty:
        published_in(faulty)
        yield faulty


def published_in(faulty: FaultyRegistry, login: tuple[str, str] | None = None) -> None:
    model = Model.make().signed(key(), SignatureFormat.BUNDLE)
    with connect(faulty, login=login) as store:
        copy(model.store, model.target.descriptor, store, names=("v1",), attached=True)


def asked(faulty: FaultyRegistry, login: tuple[str, str] | None = None) -> Verified:
    with connect(faulty, login=login) as store:
        return verify(store, Target(store.resolve("v1"), Model.make().target.files), POLICY, HERE)


def test_verify_tag_then_pull_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crossplane verified what a tag named and then pulled what it named by then (GHSA-wfqx-gjrf-g28r)."""
    with Server(LayoutStore(tmp_path / "registry")) as server:
        reference = f"{server.host}/ml/tiny:v1"
        good = modelpack.pack(make_model(tmp_path / "tiny"), into=reference)
        modelpack.sign(reference, key())
        evil = modelpack.pack(make_model(tmp_path / "evil"), name="evil")
        verified = modelpack.verify(reference, policy=POLICY)
        modelpack.push(evil, reference)
        assert modelpack.unpack(verified, tmp_path / "out").digest == good.digest
        with pytest.raises(NoSignature):
            modelpack.pull(reference, tmp_path / "out", policy=POLICY)


@pytest.mark.parametrize("what", ["/manifests/", "/blobs/"])
def test_trusting_the_digest_that_a_registry_names(published: FaultyRegistry, what: str) -> None:
    """notation took a registry's descriptor for what was fetched (CVE-2023-33959): we hash what came, header or not."""
    published.on("GET", what, effects.wrong_bytes(5), times=None)
    with pytest.raises((ContentError, VerificationError)):
        asked(published)


def test_predicate_type_confusion() -> None:
    """cosign's verify-attestation took any type (CVE-2022-35929), its verify takes an SBOM's for a signature."""
    model = Model.make()
    attest(model.store, model.target.descriptor, key(), "https://cyclonedx.org/bom", {}, now=NOW, tag=True)
    with pytest.raises(PolicyViolation, match="a signature by owner is required"):
        check(model, POLICY)
    with pytest.raises(PolicyViolation, match=r"attestation of the type https://slsa\.dev/provenance/v1"):
        check(model, Attested("https://slsa.dev/provenance/v1", OWNER))
    with pytest.raises(PolicyViolation, match="attestation"):
        check(Model.make().signed(), Attested(SIGNED, OWNER))


def test_payload_type_confusion() -> None:
    """cosign's verify-blob-attestation passed over types and parse errors (GHSA-w6c6-c85g-mmv6)."""
    model = Model.make()
    statement = signed_statement(model)
    for raw in (sealed(statement, kind="application/json"), sealed(b"not JSON"), sealed(statement[:-1])):
        with pytest.raises(BadSignature):
            check(attached(Model.make(), raw), POLICY)


def test_annotations_are_not_trusted() -> None:
    """``dev.sigstore.bundle.predicateType`` is signed by nobody: it neither makes a signature nor hides one."""
    model = Model.make()
    carrier, raw = Model.make().signed(key(), SignatureFormat.BUNDLE).attached(Kind.SIGNATURE)
    model.attach(
        raw, replace(carrier, annotations={"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"})
    )
    assert check(model, POLICY).is_vouched_for
    lying, _ = Model.make().signed(key(), SignatureFormat.OMS).attached(Kind.MODEL)
    bare = Model.make()
    sbom = sealed(Statement.build("https://cyclonedx.org/bom", {}, bare.target.descriptor.digest).raw)
    bare.attach(sbom, replace(lying, annotations={"dev.sigstore.bundle.predicateType": SIGNED}))
    with pytest.raises(PolicyViolation):
        check(bare, POLICY)


def test_algorithm_and_key_confusion() -> None:
    """The scheme follows from the key; small moduli, other curves, SHA-1 and PSS where nobody asked for it are refused."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    for raw in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1())):
        with pytest.raises(InputError):
            PrivateKey.of(raw)
    raw_rsa = rsa.generate_private_key(65537, 2048)
    modulus, sha1 = PrivateKey.of(raw_rsa), raw_rsa.sign(b"m", padding.PKCS1v15(), hashes.SHA1())
    assert not modulus.public_key.accepts(sha1, b"m")
    assert not modulus.public_key.accepts(sha1, b"m", pss=True)
    pss = modulus.sign(b"m", Scheme.RSA_PSS_SHA256)
    assert not modulus.public_key.accepts(pss, b"m")
    assert not key().public_key.accepts(key().sign(b"m", Scheme.ECDSA_SHA512), b"m")


def test_the_pre_authentication_encoding_counts_bytes() -> None:
    """model-signing 0.2 wrote ``DSSEV1`` and Python's repr; a type of 28 characters can have 29 bytes."""
    assert pae("é", b"\xff ") == b"DSSEv1 2 \xc3\xa9 2 \xff "
    statement = Model.make()
    payload = signed_statement(statement)
    old = f"DSSEV1 {len(IN_TOTO)} {IN_TOTO} {len(payload)} {payload!r}".encode()
    bundle = build(Envelope(IN_TOTO, payload, key().sign(old, Scheme.ECDSA_SHA256)), hint=key().public_key.hint)
    with pytest.raises(BadSignature):
        check(attached(statement, bundle), POLICY)


def test_a_keyid_decides_nothing() -> None:
    """go-securesystemslib skips signatures by keyid: we write none, and look at none."""
    model = Model.make()
    good = sealed(signed_statement(model))
    assert b"keyid" not in good
    for keyid in ("", "SHA256:other", key("other").public_key.fingerprint):
        assert check(attached(Model.make(), sealed_with(good, keyid=keyid)), POLICY).is_vouched_for
    stranger = sealed(signed_statement(model), key("other"))
    as_owner = sealed_with(stranger, keyid=key().public_key.fingerprint)
    with pytest.raises(ModelPackError):
        check(attached(Model.make(), as_owner), POLICY)


def test_a_hint_decides_nothing() -> None:
    """Whose signature it is, is found out with the key; the hint only words the refusal."""
    model = Model.make()
    good = sealed(signed_statement(model))
    for hint in ("", key("other").public_key.hint):
        hinted = build(Bundle.parse(good).envelope, hint=hint)
        assert check(attached(Model.make(), hinted), POLICY).is_vouched_for


def test_one_key_twice_is_not_a_threshold_of_two() -> None:
    """DSSE's vector "threshold-two-one-key-twice", here over several bundles and layouts."""
    model = Model.make().signed()
    attached(model, sealed(signed_statement(model)), sealed(signed_statement(model)))
    two = SignedBy(OWNER, KeyIdentity(key("other").public_key, "other"), threshold=2)
    with pytest.raises(PolicyViolation, match="2 of owner, other"):
        check(model, two)
    assert check(model.signed(key("other")), two).is_vouched_for


def test_more_than_one_signature_in_an_envelope() -> None:
    """sigstore-go and the specification of bundles allow one: readers differ in which of several they look at."""
    good = sealed(signed_statement(Model.make()))
    document = json.loads(good)
    document["dsseEnvelope"]["signatures"] *= 2
    double = json.dumps(document).encode()
    with pytest.raises(BadSignature):
        check(attached(Model.make(), double), POLICY)


def test_a_bad_extra_signature_does_no_harm() -> None:
    """Whoever may push may attach rubbish; that must not make a good model unusable."""
    model = Model.make().signed()
    attached(model, b"{", b"[]", sealed(b"{}"), sealed(signed_statement(model), key("other")))
    assert check(model, POLICY).is_vouched_for


def test_endless_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2023-46737, CVE-2024-29902 and -29903 of cosign, CVE-2023-33957 of notation, CVE-2024-45395 of sigstore-go."""
    model = Model.make().signed(key(), SignatureFormat.BUNDLE)
    carrier, _ = model.attached(Kind.SIGNATURE)
    huge = replace(carrier.layers[0], digest=OTHER, size=1 << 50)
    read: list[Descriptor] = []
    manifest = Manifest.build(
        artifact_type=BUNDLE, config=carrier.config, layers=(huge, *carrier.layers), subject=model.target.descriptor
    )
    model.store.delete(carrier.descriptor)
    model.store.push(manifest.descriptor, BytesSource(manifest.raw))
    opening = MemoryStore._open

    def watched(store: MemoryStore, descriptor: Descriptor, offset: int) -> Stream:
        read.append(descriptor)
        return opening(store, descriptor, offset)

    monkeypatch.setattr(MemoryStore, "_open", watched)
    assert check(model, POLICY).is_vouched_for
    assert carrier.layers[0].digest in {one.digest for one in read}
    assert huge.digest not in {one.digest for one in read}
    monkeypatch.setattr(finding, "MAX_CARRIERS", 0)
    with pytest.raises(CannotVerify, match="more are attached than are looked at"):
        check(model, POLICY)
    many = signed_statement(model, subject=[{"digest": {"sha256": "0"}}] * 1025)
    with pytest.raises(DocumentError, match="more than the 1024"):
        Statement.parse(many)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AccessDenied), (403, AccessDenied), (500, Unavailable), (503, Unavailable)]
)
@pytest.mark.parametrize("what", [f"/referrers/|/manifests/sha256-{'.' * 64}$", r"/manifests/sha256-.*\.sig$"])
def test_a_registry_that_does_not_say_is_not_one_without_signatures(
    published: FaultyRegistry, status: int, error: type[ModelPackError], what: str
) -> None:
    """Absent is what a 404 or an empty list says; anything else is an error of the registry, never "not signed"."""
    assert asked(published).is_vouched_for
    published.on("GET", what, effects.status(status), times=None)
    with pytest.raises(error):
        asked(published)


def test_an_absent_signature_is_a_failure() -> None:
    """A tag or an entry of a fallback index can be removed by whoever may push; then nothing is trusted."""
    model = Model.make().signed(key(), SignatureFormat.TAG)
    assert check(model, POLICY).is_vouched_for
    model.store.untag(tag_of(model.target.descriptor.digest, "sig"))
    with pytest.raises(NoSignature):
        check(model, POLICY)


def test_the_subject_of_a_carrier_decides_nothing() -> None:
    """A referrer's ``subject`` is not signed: attached to this model, a signature of another one is none."""
    other = Model.make(b"other").signed(key(), SignatureFormat.BUNDLE)
    _, raw = other.attached(Kind.SIGNATURE)
    with pytest.raises(BadSignature, match="made for another manifest"):
        check(attached(Model.make(), raw), POLICY)


def test_json_that_parsers_read_differently() -> None:
    """Go takes the last of two keys and does not mind capital letters; protobuf's JSON refuses both. So do we, before and in the
    signed bytes, which are never written again.
    """
    model = Model.make()
    digest = model.target.descriptor.digest.hex.encode()
    base = Statement.build(SIGNED, {}, OTHER).raw
    double = base[:-1] + b',"subject":[{"digest":{"sha256":"%b"}}]}' % digest
    capital = base[:-1] + b',"Subject":[{"digest":{"sha256":"%b"}}]}' % digest
    nan = signed_statement(model)[:-2] + b'{"a":NaN}}'
    for raw in (double, capital, nan):
        with pytest.raises(BadSignature):
            check(attached(Model.make(), sealed(raw)), POLICY)
    spaced = json.dumps(json.loads(signed_statement(model)), indent=2).encode()
    bundle = sealed(spaced)
    assert check(attached(Model.make(), bundle), POLICY).is_vouched_for
    assert Bundle.parse(bundle).envelope.payload == spaced


def test_lax_base64() -> None:
    """sigstore-conformance's ``bundle-invalid-base64-signature_fail``, and bits after the end that say nothing."""
    good = sealed(signed_statement(Model.make()))
    text = json.loads(good)["dsseEnvelope"]["signatures"][0]["sig"]
    for wrong in (text + "\n", text + "=", "!" + text, text.replace("=", "") + "===", " " + text):
        with pytest.raises(BadSignature):
            check(attached(Model.make(), sealed_with(good, sig=wrong)), POLICY)


def test_a_signed_index_and_its_manifests() -> None:
    """Who signs an index has not signed a manifest, nor the other way round; what the user names is verified."""
    model = Model.make().signed()
    index = Index.build((model.target.descriptor,))
    model.store.push_bytes(OCI_INDEX, index.raw)
    with pytest.raises(NoSignature):
        verify(model.store, Target(index.descriptor, {}), POLICY, HERE)


def test_credentials_do_not_follow_a_redirect() -> None:
    """GHCR answers referrers with a redirect to another host, which may say what it likes: it is not a list of referrers."""
    login = ("robot", "s3cret")
    with FaultyRegistry() as elsewhere, FaultyRegistry(guard=Guard("basic", *login)) as faulty:
        published_in(faulty, login)
        faulty.on("GET", "/referrers/", effects.redirect(f"{elsewhere.url}/v2/", 303), times=None)
        with pytest.raises(NoSignature):
            asked(faulty, login)
        assert elsewhere.requests
        assert not [request for request in elsewhere.requests if "authorization" in request.headers]


def test_key_files_cannot_ask_for_any_amount_of_memory() -> None:
    """Free parameters of scrypt are a denial of service; and no secret is ever shown."""
    data = key().to_keyfile(b"pw")
    document = json.loads(base64.b64decode(b"".join(data.splitlines()[1:-1])))
    document["kdf"]["params"]["N"] = 1 << 24
    body = base64.b64encode(json.dumps(document).encode())
    label = keyfile.LABEL.encode()
    with pytest.raises(DocumentError, match="scrypt parameters") as caught:
        PrivateKey.load(b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, body, label), lambda: b"s3cret")
    assert "s3cret" not in str(caught.value) + caught.value.hint + repr(key())


def test_files_that_nobody_signed(tmp_path: Path) -> None:
    """OpenSSF Model Signing: a file more in the folder (a ``modeling.py``) is as bad as one that was changed."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"w")
    signature = model_signature({"weights": Digest.of(b"w")}, key(), "tiny")
    (folder / "model.sig").write_bytes(signature)
    assert modelpack.verify_files(folder, folder / "model.sig", policy=POLICY)
    (folder / "modeling.py").write_text("import os")
    with pytest.raises(BadSignature, match=r"'modeling\.py' is there but not signed"):
        modelpack.verify_files(folder, folder / "model.sig", policy=POLICY)


def test_an_older_model_that_was_signed_too() -> None:
    """Rollback (CVE-2024-23332): an old signature is as good as a new one, unless a policy sets a time or a key's trust ends."""
    model = Model.make().signed()
    assert check(model, POLICY).is_vouched_for
    with pytest.raises(PolicyViolation, match="after 2026-11-24 by a trusted clock"):
        check(model, SignedBy(OWNER, after=NOW))
    with pytest.raises(BadSignature, match="trusted until"):
        check(model, SignedBy(replace(OWNER, until=NOW.replace(year=2025))))


def test_a_signature_of_the_files_is_not_one_of_the_configuration() -> None:
    """OpenSSF's covers files; who changes the manifest's annotations or configuration keeps it, so a policy must allow it."""
    model = Model.make().signed(key(), SignatureFormat.OMS)
    with pytest.raises(PolicyViolation):
        check(model, POLICY)
    assert check(model, SignedBy(OWNER, model_signatures=True)).is_vouched_for

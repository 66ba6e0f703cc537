"""Sign, attest, verify and look, over references: registries, layouts, a local store, folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import modelpack
from modelpack import LayoutStore, PolicyFile, SignedBy, trusting
from modelpack.access import Access
from modelpack.errors import (
    BadSignature,
    DocumentError,
    InputError,
    NoSignature,
    NotFound,
    PolicyViolation,
    Unavailable,
    UntrustedIdentity,
)
from modelpack.oci import Descriptor, Index, Manifest, Reference
from modelpack.oci.mediatypes import FILEPATH, OCI_INDEX
from modelpack.serve import Server
from modelpack.store import BytesSource, RegistryStore, tag_of
from modelpack.trust import Bundle, Kind, SignatureFormat, Statement, Status, Verified, push_bundle
from modelpack.trust.cosign import SimplePayload
from tests.cli.models import content
from tests.cli.models import model as make_model
from tests.trust.making import NOW, key, sealed

OWNER = SignedBy(key().public_key)
FORMATS = set(SignatureFormat) - {SignatureFormat.NOTARY}
SCORE = "https://example.com/score"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with Server(LayoutStore(tmp_path / "registry")) as server:
        yield server.host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model(tmp_path / "tiny")


@pytest.fixture(params=["registry", "layout"])
def reference(request: pytest.FixtureRequest, host: str, folder: Path, tmp_path: Path) -> str:
    """A model in a registry, and one in a layout."""
    place = f"{host}/ml/tiny:v1" if request.param == "registry" else f"oci:{tmp_path}/air:v1"
    modelpack.pack(folder, into=place, name="tiny")
    return place


def test_sign_verify_pull(reference: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSignature):
        modelpack.verify(reference, policy=OWNER)
    done = modelpack.sign(reference, key())
    assert set(done.carriers) == FORMATS
    assert modelpack.sign(reference, key()).existing == FORMATS
    verified = modelpack.verify(reference, policy=OWNER)
    assert (verified.descriptor.digest, verified.reference) == (done.descriptor.digest, reference)
    modelpack.pull(reference, tmp_path / "out", policy=OWNER)
    assert content(tmp_path / "out").keys() == {*content(folder), "model.sig"}
    evidence = modelpack.verify_files(tmp_path / "out", tmp_path / "out" / "model.sig", policy=OWNER)
    assert [one.status for one in evidence.signatures] == [Status.VERIFIED]
    with pytest.raises(UntrustedIdentity):
        modelpack.pull(reference, tmp_path / "other", policy=SignedBy(key("other").public_key))
    assert not (tmp_path / "other").exists()


def test_part_of_a_model_has_no_signature_beside_it(reference: str, tmp_path: Path) -> None:
    modelpack.sign(reference, key())
    modelpack.pull(reference, tmp_path / "out", policy=OWNER, include=["*.json"])
    assert not (tmp_path / "out" / "model.sig").exists()
    modelpack.pull(reference, tmp_path / "open", policy=modelpack.InsecureAcceptAnything())
    assert not (tmp_path / "open" / "model.sig").exists()  # nobody looked at it


def test_the_name_that_is_signed(reference: str) -> None:
    modelpack.sign(reference, key(), formats=["tag"])
    where = Reference.parse(reference)
    with Access().open(where) as store:
        carrier = store.document(store.resolve(tag_of(store.resolve("v1").digest, "sig")))
        assert isinstance(carrier, Manifest)
        payload = SimplePayload.parse(store.read(carrier.layers[0]))
    assert payload.reference == ("" if where.layout else reference)
    by_digest = str(Reference.parse(reference).pinned(payload.digest))
    assert modelpack.sign(by_digest, key(), formats=["tag"]).existing == {SignatureFormat.TAG}


def test_formats_by_name(reference: str) -> None:
    assert set(modelpack.sign(reference, key(), formats=["oms", SignatureFormat.TAG]).carriers) == {"oms", "tag"}
    with pytest.raises(InputError, match="'x509' is not a signature format") as caught:
        modelpack.sign(reference, key(), formats=["x509"])
    assert "bundle, tag, oms" in caught.value.hint


def test_archives_need_the_digests_of_their_files(folder: Path, host: str, tmp_path: Path) -> None:
    packed = modelpack.pack(folder, layout=modelpack.Layout(bundle=True))
    reference = f"{host}/ml/tiny:v1"
    modelpack.push(packed, reference)
    files = dict(packed.files)
    done = modelpack.sign(reference, key("other"))
    assert set(done.carriers) == {"bundle", "tag"}
    assert "archives" in done.notes[0]
    assert set(modelpack.sign(reference, key(), files=files).carriers) == FORMATS
    assert modelpack.verify(reference, policy=OWNER).is_vouched_for
    of_files = [one for one in trusting.evidence(reference, policy=OWNER).signatures if one.kind is Kind.MODEL]
    assert [one.status for one in of_files] == [Status.UNCHECKED]  # the manifest does not say what is in archives
    assert set(modelpack.sign(reference, key(), files=files).existing) == FORMATS


def sealed_files(files: dict[str, modelpack.Digest]) -> bytes:
    from modelpack.trust import model_signature

    return model_signature(files, key(), "tiny")


def test_a_tag_that_moves_meanwhile(host: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was resolved first is what is signed, verified and unpacked; nobody asks for the tag again."""
    reference = f"{host}/ml/tiny:v1"
    first = modelpack.pack(folder, into=reference, name="first").digest
    moved = modelpack.pack(folder, name="second")
    resolve = RegistryStore.resolve
    asked: list[str] = []

    def resolving(store: RegistryStore, name: str) -> Descriptor:
        found = resolve(store, name)
        if name == "v1":
            asked.append(name)
            modelpack.push(moved, reference)
        return found

    monkeypatch.setattr(RegistryStore, "resolve", resolving)
    done = modelpack.sign(reference, key())
    assert (done.descriptor.digest, asked) == (first, ["v1"])
    assert modelpack.list_names(f"{host}/ml/tiny")
    with pytest.raises(NoSignature):
        modelpack.verify(reference, policy=OWNER)
    modelpack.tag(f"{host}/ml/tiny@{first}", "v1")
    asked.clear()
    pulled = modelpack.pull(reference, tmp_path / "out", policy=OWNER)
    assert (pulled.digest, asked) == (first, ["v1"])
    modelpack.tag(f"{host}/ml/tiny@{first}", "v1")
    asked.clear()
    attested = modelpack.attest(reference, key(), SCORE, {})
    assert asked == ["v1"]
    with Access().open(reference) as store:
        carrier = store.document(attested)
    assert carrier.subject is not None
    assert carrier.subject.digest == first


def test_copies_are_verified_before(reference: str, host: str, tmp_path: Path) -> None:
    into = LayoutStore(tmp_path / "store")
    with pytest.raises(NoSignature):
        modelpack.copy(reference, f"{host}/ml/copy:v1", policy=OWNER)
    with pytest.raises(NoSignature):
        modelpack.fetch(reference, into, policy=OWNER)
    assert into.tags() == ()
    with pytest.raises(NotFound):
        modelpack.list_names(f"{host}/ml/copy")
    modelpack.sign(reference, key())
    copied = modelpack.copy(reference, f"{host}/ml/copy:v1", policy=OWNER)
    assert copied.attachments == 3
    assert modelpack.verify(f"{host}/ml/copy:v1", policy=OWNER).descriptor == copied.descriptor
    bare = modelpack.copy(reference, f"{host}/ml/bare:v1", attachments=False)
    assert bare.attachments == 0


def test_in_a_local_store(folder: Path, host: str, tmp_path: Path) -> None:
    local = LayoutStore(tmp_path / "store")
    name = f"{host}/ml/tiny:v1"
    local.tag(modelpack.pack(folder, into=local).descriptor, name)
    modelpack.sign(name, key(), local=local)
    assert modelpack.verify(name, policy=OWNER, local=local).is_vouched_for
    assert len(trusting.evidence(name, local=local).signatures) == 3
    assert {branch.title for branch in modelpack.tree(name, local=local).branches} >= {"cosign signature"}
    with pytest.raises(NotFound):
        modelpack.verify(name, policy=OWNER)
    assert modelpack.push((local, name), name).attachments == 3
    assert modelpack.verify(name, policy=OWNER).is_vouched_for
    pushed = modelpack.push((local, name), f"{host}/ml/other:v1", signer=key("other"))
    assert (
        modelpack.verify(f"{host}/ml/other:v1", policy=SignedBy(key("other").public_key)).descriptor
        == pushed.descriptor
    )


def test_policy_files_choose_by_reference(reference: str, host: str) -> None:
    modelpack.sign(reference, key())
    text = "version: 1\nidentities: {a: {key: {file: a}}}\nrules: [{scope: '%s', require: {signed: {by: a}}}]"
    scope = "oci:*" if reference.startswith("oci:") else f"{host}/ml/*"
    policy = PolicyFile.parse((text % scope).encode(), lambda _: key().public_key.pem)
    assert modelpack.verify(reference, policy=policy).is_vouched_for
    assert len(trusting.evidence(reference, policy=policy).verified(Kind.SIGNATURE)) == 2
    other = PolicyFile.parse((text % "elsewhere.example/*").encode(), lambda _: key().public_key.pem)
    for verb in (modelpack.verify, trusting.evidence, modelpack.tree):
        with pytest.raises(PolicyViolation, match="has no rule for"):
            verb(reference, policy=other)


def test_attest_and_look(reference: str) -> None:
    modelpack.sign(reference, key())
    carrier = modelpack.attest(reference, key(), SCORE, {"score": 5}, tag=True)
    with Access().open(reference) as store:
        above = carrier
        for _ in range(3):  # a signature of the attestation, one of that, and one of that
            above = push_bundle(store, above, sealed(Statement.build(SCORE, {}, above.digest).raw), SCORE, NOW)
    tree = modelpack.tree(reference, policy=OWNER)
    titles = sorted(branch.title for branch in tree.branches)
    assert titles == ["cosign signature", "cosign tag .att", "cosign tag .sig", SCORE, "model signature (OpenSSF)"]
    (score,) = (branch for branch in tree.branches if branch.title == SCORE)
    assert [one.status for one in score.signatures] == [Status.VERIFIED]
    (second,) = score.branches
    assert second.signatures == ()
    (third,) = second.branches
    assert third.branches == ()  # that is as far as is looked
    described = tree.to_json()
    assert isinstance(described["attached"], list)
    assert len(described["attached"]) == 5
    assert modelpack.tree(reference).branches[0].signatures[0].status is Status.UNCHECKED
    assert modelpack.verify(reference, policy=modelpack.Attested(SCORE, key().public_key, where={"score": 5}))


def test_what_is_no_model_can_be_signed(host: str) -> None:
    reference = f"{host}/images/x:v1"
    image = Manifest.build(
        artifact_type="",
        config=Descriptor.of("application/vnd.oci.image.config.v1+json", b"{}"),
        layers=(),
    )
    with Access().open(reference) as store:
        store.push(image.config, BytesSource(b"{}"))
        store.push(image.descriptor, BytesSource(image.raw))
        store.tag(image.descriptor, "v1")
        index = Index.build((image.descriptor,))
        store.push_bytes(OCI_INDEX, index.raw)
        store.tag(index.descriptor, "all")
    for name in ("v1", "all"):
        done = modelpack.sign(f"{host}/images/x:{name}", key())
        assert set(done.carriers) == {"bundle", "tag"}
        assert done.notes == ()
        assert modelpack.verify(f"{host}/images/x:{name}", policy=OWNER).is_vouched_for


def test_an_index_of_models(host: str, folder: Path, tmp_path: Path) -> None:
    """Who signs an index vouches for its digest, and so for what it names; a signature of its model is not one of the index."""
    member = modelpack.pack(folder, into=f"{host}/ml/tiny:one")
    with Access().open(f"{host}/ml/tiny") as store:
        store.tag(store.push_bytes(OCI_INDEX, Index.build((member.descriptor,)).raw), "all")
    modelpack.sign(f"{host}/ml/tiny:one", key())
    with pytest.raises(NoSignature):
        modelpack.pull(f"{host}/ml/tiny:all", tmp_path / "out", policy=OWNER)
    modelpack.sign(f"{host}/ml/tiny:all", key())
    assert modelpack.pull(f"{host}/ml/tiny:all", tmp_path / "out", policy=OWNER).digest == member.digest
    assert not (tmp_path / "out" / "model.sig").exists()


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, host: str, folder: Path) -> None:
    modelpack.pack(folder, into=f"{host}/ml/tiny:v1")

    def refuse(*_: object) -> tuple[Descriptor, ...]:
        raise Unavailable("no answer")

    monkeypatch.setattr(RegistryStore, "referrers", refuse)
    for verb in (
        lambda: modelpack.verify(f"{host}/ml/tiny:v1", policy=OWNER),
        lambda: modelpack.sign(f"{host}/ml/tiny:v1", key()),
    ):
        with pytest.raises(Unavailable):
            verb()
    assert modelpack.verify(f"{host}/ml/tiny:v1", policy=modelpack.InsecureAcceptAnything())


def verified_model(*layers: bytes) -> tuple[Verified, Manifest]:
    """A model in memory whose carrier of the model signature has other layers before it."""
    from modelpack.trust import verify
    from tests.trust.making import HERE, Model

    model = Model.make().signed()
    carrier, raw = model.attached(Kind.MODEL)
    others = tuple(model.store.push_bytes(carrier.layers[0].media_type, layer) for layer in layers)
    both = Manifest.build(
        artifact_type=carrier.artifact_type,
        config=carrier.config,
        layers=(*others, *carrier.layers),
        subject=model.target.descriptor,
    )
    model.store.delete(carrier.descriptor)
    model.store.push(both.descriptor, BytesSource(both.raw))
    manifest = model.store.document(model.target.descriptor)
    assert isinstance(manifest, Manifest)
    assert Bundle.parse(raw)
    return verify(model.store, model.target, OWNER, HERE), manifest


def test_model_sig_is_the_layer_that_was_verified() -> None:
    verified, manifest = verified_model(b"chosen by somebody else")
    (entry,) = trusting.model_signature(verified, manifest)
    assert entry.path == "model.sig"
    assert (
        Statement.parse(Bundle.parse(verified.store.read(entry.descriptor)).envelope.payload).subjects[0].name == "tiny"
    )


def test_a_model_that_has_a_file_of_that_name_keeps_it() -> None:
    verified, manifest = verified_model()
    own = manifest.layers[0].annotated(**{FILEPATH: "model.sig"})
    other = Manifest.build(artifact_type=manifest.artifact_type, config=manifest.config, layers=(own,))
    assert trusting.model_signature(verified, other) == ()
    assert len(trusting.model_signature(verified, manifest)) == 1


@pytest.fixture
def signed_folder(folder: Path) -> tuple[Path, Path]:
    """Files and their signature, which lies among them."""
    (folder / ".hidden").unlink()  # is not packed
    packed = modelpack.pack(folder)
    (folder / "model.sig").write_bytes(sealed_files(dict(packed.files)))
    return folder, folder / "model.sig"


def test_files_on_disk(signed_folder: tuple[Path, Path]) -> None:
    folder, signature = signed_folder
    assert modelpack.verify_files(folder, signature, policy=OWNER).verified(Kind.SIGNATURE)
    with pytest.raises(UntrustedIdentity, match=r"model\.sig is signed, but not by anybody trusted"):
        modelpack.verify_files(folder, signature, policy=SignedBy(key("other").public_key))
    (folder / "more.txt").write_text("x")
    with pytest.raises(BadSignature, match=r"'more\.txt' is there but not signed"):
        modelpack.verify_files(folder, signature, policy=OWNER)
    assert modelpack.verify_files(folder, signature, policy=OWNER, ignore_unsigned=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(BadSignature, match=r"'config\.json' is not what was signed"):
        modelpack.verify_files(folder, signature, policy=OWNER, ignore_unsigned=True)


def test_signatures_of_files_that_are_none(folder: Path, tmp_path: Path) -> None:
    signature = tmp_path / "model.sig"
    statement = Statement.parse(Bundle.parse(sealed_files({"a": modelpack.Digest.of(b"")})).envelope.payload).raw
    for raw in (
        b"",
        b"{}",
        sealed(statement, kind="application/json"),
        sealed(statement.replace(b"model_signing/", b"x/")),
    ):
        signature.write_bytes(raw)
        with pytest.raises(DocumentError):
            modelpack.verify_files(folder, signature, policy=modelpack.InsecureAcceptAnything())
    with pytest.raises(InputError, match="cannot be read"):
        modelpack.verify_files(folder, tmp_path / "absent", policy=OWNER)
    with pytest.raises(InputError, match="cannot be the name of a file"):
        modelpack.verify_files(folder, "a\0b", policy=OWNER)

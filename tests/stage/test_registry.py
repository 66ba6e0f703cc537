"""Real registries, real signatures, real processes, many at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import modelpack
from modelpack import Access, DigestMismatch, HttpOptions, PrivateKey, PublicKey, SignedBy
from modelpack.errors import InputError, NoSignature, NotFound, UntrustedIdentity
from modelpack.stage import Arrangement, Cache, Form, Receipt, collect
from modelpack.staging import arrangement, stage
from tests.faults.relay import Relay
from tests.real.registries import Registry
from tests.stage.models import content
from tests.stage.programs import start

ACCESS = Access(HttpOptions(plain_http=True))


@pytest.fixture(scope="module", name="signer")
def _signer() -> PrivateKey:
    return PrivateKey.generate("ecdsa-p256")


@pytest.fixture(name="key")
def _key(signer: PrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "signer.pub"
    path.write_bytes(signer.public_key.pem)
    return path


def publish(
    folder: Path, reference: str, signer: PrivateKey | None, seed: int, size: int = 3 << 20
) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    source = random.Random(seed)
    shared = random.Random(0).randbytes(size)
    files = {
        "model.safetensors": source.randbytes(size),
        "shared.bin": shared,
        "config.json": f'{{"v": {seed}}}'.encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    packed = modelpack.pack(folder, name="tiny")
    modelpack.push(packed, reference, signer=signer, access=ACCESS)
    return files


def test_ten_processes_at_once_fetch_one_model(
    own_registry: Registry, signer: PrivateKey, key: Path, tmp_path: Path
) -> None:
    name = own_registry.repository().partition("/")[2]
    files = publish(tmp_path / "m", f"{own_registry.host}/{name}:v1", signer, 1)
    total = sum(map(len, files.values()))
    with Relay(own_registry.host) as relay:
        processes = [start(f"{relay.host}/{name}:v1", tmp_path / "cache", key) for _ in range(10)]
        said = [process.communicate(timeout=60)[0].decode() for process in processes]
        moved = relay.received
    assert [process.returncode for process in processes] == [0] * 10, said
    assert sorted(said) == ["hit\n"] * 9 + ["miss\n"]
    assert total <= moved < total * 1.15
    assert content(tmp_path / "cache" / "current") == files


@pytest.mark.parametrize("kind", ["own_registry", "distribution"])
def test_signatures_decide_at_every_call(
    kind: str, request: pytest.FixtureRequest, signer: PrivateKey, tmp_path: Path
) -> None:
    registry: Registry = request.getfixturevalue(kind)
    reference = f"{registry.repository()}:v1"
    files = publish(tmp_path / "m", reference, signer, 1, 1000)
    cache = tmp_path / "cache"
    trusted = SignedBy(signer.public_key)
    stranger = SignedBy(PrivateKey.generate("ed25519").public_key)
    with pytest.raises(UntrustedIdentity):
        stage(reference, cache, policy=stranger, access=ACCESS)
    assert not (cache / "current").exists()
    staged = stage(reference, cache, policy=trusted, access=ACCESS)
    assert content(cache / "current") == files
    assert staged.signers
    receipt = Receipt.load(Cache(cache), staged.digest.hex)
    assert receipt
    assert (receipt.reference, receipt.signers, len(receipt.policy)) == (reference, staged.signers, 64)
    with pytest.raises(UntrustedIdentity):  # a receipt under one policy is nothing to another
        stage(reference, cache, policy=stranger, access=ACCESS)
    assert stage(reference, cache, policy=trusted, access=ACCESS).hit
    pinned = f"{reference}@{staged.digest}"
    lost = Access(HttpOptions(plain_http=True, retries=1))
    away = pinned.replace(registry.host, registry.host)
    assert stage(away, cache, policy=trusted, offline=True, access=lost).hit
    with pytest.raises(UntrustedIdentity):
        stage(away, cache, policy=stranger, offline=True, access=lost)
    with pytest.raises(InputError, match="a tag cannot be looked up"):
        stage(reference, cache, policy=trusted, offline=True, access=lost)
    (cache / "current" / "config.json").unlink()
    with pytest.raises(NotFound, match=r"not staged here: config\.json was changed"):
        stage(pinned, cache, policy=trusted, offline=True, access=lost)
    assert stage(reference, cache, policy=trusted, access=ACCESS).fetched == 0  # the blob is still good
    with pytest.raises(NotFound, match="nothing was staged"):
        stage(pinned, tmp_path / "other", policy=trusted, offline=True)


def test_the_evidence_is_verified_and_not_believed(own_registry: Registry, signer: PrivateKey, tmp_path: Path) -> None:
    reference = f"{own_registry.repository()}:v1"
    publish(tmp_path / "m", reference, signer, 1, 1000)
    cache = tmp_path / "cache"
    trusted = SignedBy(signer.public_key)
    staged = stage(reference, cache, policy=trusted, access=ACCESS)
    for blob in (cache / "evidence" / "blobs" / "sha256").iterdir():
        if b"dsse" in blob.read_bytes() or b"critical" in blob.read_bytes():
            blob.unlink()
    with pytest.raises(modelpack.VerificationError):
        stage(f"{reference}@{staged.digest}", cache, policy=trusted, offline=True)


def evidence(cache: Path) -> dict[str, bytes]:
    return content(cache / "evidence" / "blobs" / "sha256")


def test_evidence_goes_with_the_last_snapshot_of_a_model(
    own_registry: Registry, signer: PrivateKey, tmp_path: Path
) -> None:
    cache, trusted, repository = tmp_path / "cache", SignedBy(signer.public_key), own_registry.repository()
    kept, pinned = [], []
    for number in (1, 2, 3):
        publish(tmp_path / "m", f"{repository}:v{number}", signer, number, 1000)
        done = stage(f"{repository}:v{number}", cache, policy=trusted, access=ACCESS)
        pinned.append(f"{repository}@{done.digest}")
        kept.append(evidence(cache))
    partial = stage(pinned[1], cache, policy=trusted, include=["*.json"], name="part", access=ACCESS)
    assert len(kept[0]) < len(kept[1]) < len(kept[2])
    would = collect(Cache(cache), grace=-1, dry_run=True)
    assert evidence(cache) == kept[2]
    freed = collect(Cache(cache), grace=-1)
    assert [item for item in freed if item.kind == "evidence"] == [item for item in would if item.kind == "evidence"]
    assert [item.path.name for item in freed if item.kind == "evidence"] == [pinned[0].rpartition(":")[2]]
    left = evidence(cache)
    shared = {name for name in kept[0] if name in left}
    assert {kept[0][name] for name in shared} <= {b"{}", *kept[1].values()}
    assert set(left) >= set(kept[2]) - set(kept[0])
    for reference in pinned[1:]:
        assert stage(reference, cache, policy=trusted, offline=True, access=ACCESS).hit
    assert partial.snapshot.is_dir()
    with pytest.raises(NotFound):
        stage(pinned[0], cache, policy=trusted, offline=True)
    assert collect(Cache(cache), grace=-1) == ()


@pytest.mark.parametrize("harm", ["damaged", "nameless", "absent"])
def test_evidence_stays_when_it_cannot_be_said_whose_it_is(
    harm: str, own_registry: Registry, signer: PrivateKey, tmp_path: Path
) -> None:
    cache, trusted, repository = tmp_path / "cache", SignedBy(signer.public_key), own_registry.repository()
    for number in (1, 2, 3):
        publish(tmp_path / "m", f"{repository}:v{number}", signer, number, 1000)
        last = stage(f"{repository}:v{number}", cache, policy=trusted, access=ACCESS)
    place = cache / "evidence" / "blobs" / "sha256" / last.digest.hex
    if harm == "damaged":
        place.chmod(0o644)
        place.write_bytes(b"{}")
    elif harm == "absent":
        place.unlink()
    else:
        with modelpack.LayoutStore(cache / "evidence") as layout:
            layout.untag(last.digest.hex)
    before = evidence(cache)
    assert {item.kind for item in collect(Cache(cache), grace=-1)} == {"snapshot", "blob"}
    assert evidence(cache) == before


def test_an_unsigned_model_is_not_staged(own_registry: Registry, signer: PrivateKey, tmp_path: Path) -> None:
    reference = f"{own_registry.repository()}:v1"
    publish(tmp_path / "m", reference, None, 77, 1000)
    with pytest.raises(NoSignature):
        stage(reference, tmp_path / "cache", policy=SignedBy(signer.public_key), access=ACCESS)
    assert not (tmp_path / "cache").exists()


def test_arrangements_by_name() -> None:
    assert arrangement("files", "x.example/a/b:v1").form is Form.FILES
    assert arrangement("hf-cache", "x.example/ml/org/name:v1") == Arrangement(Form.HF_CACHE, "org/name")
    assert arrangement("hf-cache", "x.example/a:v1", "o/n").repo == "o/n"
    with pytest.raises(InputError, match="not a layout"):
        arrangement("zip", "x.example/a/b")


def test_bad_content_is_not_published(signer: PrivateKey, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    with modelpack.LayoutStore(layout) as store:
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "config.json").write_bytes(b"{}")
        packed = modelpack.pack(tmp_path / "m", into=store, name="tiny")
        store.tag(packed.descriptor, "v1")
    reference = f"oci:{layout}:v1"
    modelpack.sign(reference, signer)
    manifest = packed.store.document(packed.descriptor)
    assert isinstance(manifest, modelpack.oci.Manifest)
    blob = layout / "blobs" / "sha256" / manifest.layers[0].digest.hex
    blob.chmod(0o644)
    blob.write_bytes(b"[]")
    with pytest.raises(DigestMismatch):
        stage(reference, tmp_path / "cache", policy=SignedBy(PublicKey.load(signer.public_key.pem)))
    assert list((tmp_path / "cache" / "snapshots").iterdir()) == []
    assert not (tmp_path / "cache" / "current").exists()

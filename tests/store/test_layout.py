from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from modelpack.errors import (
    ContentError,
    DigestMismatch,
    DocumentError,
    InputError,
    InvalidReference,
    NoSpace,
    NotFound,
    SizeMismatch,
    StoreError,
    UnsafePath,
    UnsupportedFormat,
)
from modelpack.oci import MAX_DOCUMENT, Descriptor, Digest, Index
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from modelpack.store import BytesSource, Deleting, FileSource, LayoutStore, Listing, Ranged, Referring
from modelpack.store.layout.index import LayoutIndex
from tests.store.content import WEIGHTS, Flaky, push_model

DATA = os.urandom(600_000)


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "layout")


def blob(store: LayoutStore, digest: Digest) -> Path:
    return store.path / "blobs" / digest.algorithm / digest.hex


def index(store: LayoutStore) -> dict[str, object]:
    document: dict[str, object] = json.loads((store.path / "index.json").read_bytes())
    return document


def left_over(store: LayoutStore) -> list[Path]:
    return list((store.path / ".modelpack" / "incoming").iterdir())


def test_a_new_layout_is_what_the_specification_says(store: LayoutStore) -> None:
    assert json.loads((store.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert index(store) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert left_over(store) == []


def test_what_is_pushed_can_be_read(store: LayoutStore) -> None:
    descriptor = Descriptor.of(WEIGHTS, DATA)
    assert not store.exists(descriptor)
    store.push(descriptor, BytesSource(DATA))
    assert store.exists(descriptor)
    assert not store.exists(Descriptor(WEIGHTS, descriptor.digest, 3))
    assert store.read(descriptor) == DATA
    assert store.read_at(descriptor, len(DATA) - 2, 100) == DATA[-2:]
    with store.source(descriptor).source.open(599_990) as stream:  # type: ignore[attr-defined]
        assert stream.read() == DATA[-10:]


def test_blobs_are_read_only_for_everybody_whom_the_umask_lets_read(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"other weights")
    before = os.umask(0o022)
    try:
        pushed = store.push_bytes(WEIGHTS, DATA)
        ingested = store.ingest(WEIGHTS, FileSource.of(tmp_path / "weights"))
    finally:
        os.umask(before)
    assert [blob(store, one.digest).stat().st_mode & 0o777 for one in (pushed, ingested)] == [0o444, 0o444]


def test_sha512(store: LayoutStore) -> None:
    descriptor = Descriptor(WEIGHTS, Digest.of(DATA, "sha512"), len(DATA))
    store.push(descriptor, BytesSource(DATA))
    assert blob(store, descriptor.digest).parent.name == "sha512"
    assert store.read(descriptor) == DATA


def test_a_broken_push_is_resumed(store: LayoutStore) -> None:
    descriptor = Descriptor.of(WEIGHTS, DATA)
    source = Flaky(DATA, [1000])
    with pytest.raises(StoreError):
        store.push(descriptor, source)
    assert not store.exists(descriptor)
    store.push(descriptor, source)
    assert source.offsets == [0, 1000]
    assert store.read(descriptor) == DATA


def test_damage_is_noticed_and_healed_by_a_push(store: LayoutStore) -> None:
    descriptor = store.push_bytes(WEIGHTS, DATA)
    path = blob(store, descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(ContentError):
        store.read(descriptor)
    store.push(descriptor, BytesSource(DATA))
    assert store.read(descriptor) == DATA


@pytest.mark.parametrize("size", [0, 1, 600_000])
def test_ingesting_a_file(store: LayoutStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "weights"
    path.write_bytes(DATA[:size])
    descriptor = store.ingest(WEIGHTS, FileSource.of(path))
    assert descriptor == Descriptor.of(WEIGHTS, DATA[:size])
    path.write_bytes(b"changed")
    assert store.read(descriptor) == DATA[:size]
    assert left_over(store) == []


def test_a_failed_ingest_leaves_nothing(store: LayoutStore) -> None:
    with pytest.raises(StoreError):
        store.ingest(WEIGHTS, Flaky(DATA, [400_000]))
    assert left_over(store) == []
    assert list((store.path / "blobs" / "sha256").iterdir()) == []


def test_a_full_disk_while_ingesting(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(NoSpace):
        store.ingest(WEIGHTS, BytesSource(DATA))
    with pytest.raises(NoSpace):
        LayoutStore(store.path.parent / "other")
    assert left_over(store) == []


def reflink(file: int, request: int, argument: int) -> int:
    """What FICLONE does, on a file system that cannot."""
    assert request == 0x40049409
    os.pwrite(file, os.pread(argument, 1 << 30, 0), 0)
    return 0


def test_a_clone_is_hashed_and_not_the_original(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"as it was")
    source = FileSource.of(path)

    def clone(file: int, request: int, argument: int) -> int:
        reflink(file, request, argument)
        path.write_bytes(b"AS IT IS!")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    descriptor = store.ingest(WEIGHTS, source)
    assert descriptor == Descriptor.of(WEIGHTS, b"as it was")
    assert store.read(descriptor) == b"as it was"


def test_a_clone_of_another_length_is_noticed(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"as it was")
    source = FileSource.of(path)
    path.write_bytes(b"longer than it was")
    monkeypatch.setattr(fcntl, "ioctl", reflink)
    with pytest.raises(SizeMismatch, match="changed while it was read"):
        store.ingest(WEIGHTS, source)
    assert left_over(store) == []


def test_a_file_that_vanished_cannot_be_ingested(store: LayoutStore, tmp_path: Path) -> None:
    for linking in (store, LayoutStore(store.path, link=True)):
        with pytest.raises(NotFound):
            linking.ingest(WEIGHTS, FileSource(tmp_path / "absent", 3))
    assert left_over(store) == []


def test_links_share_the_file(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    path.chmod(0o644)
    (tmp_path / "alias").symlink_to(path)
    descriptor = store.ingest(WEIGHTS, FileSource.of(tmp_path / "alias"))
    assert blob(store, descriptor.digest).samefile(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert store.read(descriptor) == DATA
    path.write_bytes(DATA[::-1])
    with pytest.raises(DigestMismatch):
        store.read(descriptor)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_files_that_others_can_change_are_copied(tmp_path: Path, mode: int) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    path.chmod(mode)
    descriptor = store.ingest(WEIGHTS, FileSource.of(path))
    assert not blob(store, descriptor.digest).samefile(path)
    assert path.stat().st_nlink == 1
    assert store.read(descriptor) == DATA


def test_where_links_are_impossible_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LayoutStore(tmp_path / "layout", link=True)
    (tmp_path / "weights").write_bytes(DATA)

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", link)
    descriptor = store.ingest(WEIGHTS, FileSource.of(tmp_path / "weights"))
    assert store.read(descriptor) == DATA
    assert left_over(store) == []


def test_names(store: LayoutStore) -> None:
    first, second = push_model(store, b"1"), push_model(store, b"2")
    store.tag(first.descriptor, "registry.example:5000/ml/minilm:v1")
    store.tag(first.descriptor, "latest")
    store.tag(second.descriptor, "latest")
    assert store.tags() == ("latest", "registry.example:5000/ml/minilm:v1")
    assert store.resolve("latest") == second.descriptor
    assert store.resolve("registry.example:5000/ml/minilm:v1") == first.descriptor
    assert store.resolve(str(first.descriptor.digest)) == first.descriptor
    store.untag("latest")
    with pytest.raises(NotFound, match="latest") as caught:
        store.resolve("latest")
    assert "registry.example:5000/ml/minilm:v1" in caught.value.hint
    assert store.resolve(str(second.descriptor.digest)) == second.descriptor
    assert LayoutStore(store.path, create=False).tags() == store.tags()


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", ".x", "a\nb", "ä", "a" * 513, "a\x00", "sha256:" + "0" * 64])
def test_what_cannot_be_a_name(store: LayoutStore, name: str) -> None:
    with pytest.raises(InvalidReference):
        store.tag(push_model(store).descriptor, name)
    assert store.tags() == ()


def test_a_settled_index_is_parsed_once_and_every_change_is_seen(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = push_model(store), push_model(store, b"other")
    store.tag(model.descriptor, "v1")
    parsed: list[bytes] = []
    parse = LayoutIndex.parse

    def counting(raw: bytes) -> LayoutIndex:
        parsed.append(raw)
        return parse(raw)

    monkeypatch.setattr(LayoutIndex, "parse", counting)
    store.tags()
    store.tags()
    assert len(parsed) == 2  # it may change again before the clock ticks
    monkeypatch.setattr("modelpack.store.layout.store._SETTLED", 0.0)
    time.sleep(0.02)
    for _ in range(3):
        assert store.tags() == ("v1",)
    assert len(parsed) == 3
    LayoutStore(store.path).tag(other.descriptor, "v2")
    assert store.tags() == ("v1", "v2")
    write_index(store, manifests=[])
    assert store.tags() == ()


def test_only_what_is_there_gets_a_name(store: LayoutStore) -> None:
    with pytest.raises(NotFound):
        store.tag(Descriptor.of(OCI_MANIFEST, b"{}"), "v1")


def test_without_a_name_the_only_manifest_is_meant(store: LayoutStore) -> None:
    with pytest.raises(NotFound, match="the layout is empty"):
        store.resolve("")
    model = push_model(store)
    assert store.resolve("") == model.descriptor
    store.tag(model.descriptor, "v1")
    store.tag(model.descriptor, "v2")
    push_model(store, b"signature", model.descriptor, "application/x-signature")
    assert store.resolve("") == model.descriptor
    store.tag(push_model(store, b"other").descriptor, "other")
    with pytest.raises(InvalidReference, match="holds 2 manifests") as caught:
        store.resolve("")
    assert caught.value.hint == "it has other, v1, v2"


def test_without_a_name_among_nameless_manifests(store: LayoutStore) -> None:
    push_model(store, b"1")
    push_model(store, b"2")
    with pytest.raises(InvalidReference, match="holds 2 manifests") as caught:
        store.resolve("")
    assert "digest" in caught.value.hint


def test_manifests_that_only_an_index_names_are_found_by_digest(store: LayoutStore) -> None:
    model = push_model(store)
    both = Index.build((model.descriptor,))
    store.push(both.descriptor, BytesSource(both.raw))
    write_index(store, manifests=[both.descriptor.to_json()])
    assert store.resolve(str(model.descriptor.digest)) == model.descriptor
    write_index(store, manifests=[])
    assert store.resolve(str(both.descriptor.digest)) == both.descriptor


def test_blobs_are_not_manifests(store: LayoutStore) -> None:
    layer = store.push_bytes(WEIGHTS, b"weights")
    long = store.push_bytes(WEIGHTS, b'{"schemaVersion":2}' + b" " * MAX_DOCUMENT)
    for one in (layer, long):
        with pytest.raises(NotFound, match="not a manifest"):
            store.resolve(str(one.digest))
    with pytest.raises(NotFound, match="is not in"):
        store.resolve("sha256:" + "0" * 64)


def test_a_damaged_manifest_is_not_found_by_its_digest(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    write_index(store, manifests=[])
    path = blob(store, model.descriptor.digest)
    path.unlink()
    path.write_bytes(other.raw)
    with pytest.raises(NotFound, match="damaged"):
        store.resolve(str(model.descriptor.digest))


def test_a_manifest_must_be_one(store: LayoutStore) -> None:
    with pytest.raises(DocumentError):
        store.push_bytes(OCI_MANIFEST, b"{}")
    with pytest.raises(SizeMismatch, match="allowed for a manifest"):
        store.push_bytes(OCI_MANIFEST, b" " * (MAX_DOCUMENT + 1))
    assert index(store)["manifests"] == []


def test_deleting(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    store.tag(model.descriptor, "v1")
    store.tag(model.descriptor, "v2")
    store.tag(other.descriptor, "other")
    store.delete(model.descriptor)
    assert store.tags() == ("other",)
    assert not store.exists(model.descriptor)
    assert store.exists(other.descriptor)
    with pytest.raises(NotFound):
        store.resolve(str(model.descriptor.digest))
    with pytest.raises(NotFound):
        store.delete(model.descriptor)


def test_attachments(store: LayoutStore) -> None:
    model = push_model(store)
    assert store.referrers(model.descriptor) == ()
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    sbom = push_model(store, b"sbom", model.descriptor, "application/x-sbom")
    for _ in range(2):
        found = store.referrers(model.descriptor)
        assert [entry.digest for entry in found] == [signature.descriptor.digest, sbom.descriptor.digest]
    (only,) = store.referrers(model.descriptor, "application/x-sbom")
    assert (only.digest, only.artifact_type) == (sbom.descriptor.digest, "application/x-sbom")
    store.delete(sbom.descriptor)
    assert len(store.referrers(model.descriptor)) == 1


def test_attachments_under_a_fallback_tag(store: LayoutStore) -> None:
    model = push_model(store)
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    unrelated = push_model(store, b"unrelated")
    fallback = Index.build((signature.descriptor, unrelated.descriptor, Descriptor.of(OCI_MANIFEST, b"absent")))
    store.push(fallback.descriptor, BytesSource(fallback.raw))
    tag = f"sha256-{model.descriptor.digest.hex}"
    for name in (tag, f"ml/minilm:{tag}"):
        named = fallback.descriptor.annotated(**{"org.opencontainers.image.ref.name": name})
        write_index(store, manifests=[model.descriptor.to_json(), named.to_json()])
        assert [entry.digest for entry in store.referrers(model.descriptor)] == [signature.descriptor.digest]
    wrong = model.descriptor.annotated(**{"org.opencontainers.image.ref.name": tag})
    write_index(store, manifests=[wrong.to_json()])
    assert store.referrers(model.descriptor) == ()


def test_damaged_and_foreign_entries_are_no_attachments(store: LayoutStore) -> None:
    model = push_model(store)
    signature = push_model(store, b"signature", model.descriptor, "application/x-signature")
    path = blob(store, signature.descriptor.digest)
    path.unlink()
    path.write_bytes(b"x" * signature.descriptor.size)
    foreign = store.push_bytes("application/x-foreign", b"?")
    write_index(store, manifests=[entry.to_json() for entry in (model.descriptor, signature.descriptor, foreign)])
    assert store.referrers(model.descriptor) == ()


def test_what_attachments_are_remembered_is_bounded(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.store.layout.store.MAX_MANIFESTS", 1)
    model = push_model(store)
    for number in range(6):
        push_model(store, b"%d" % number, model.descriptor, "application/x-signature")
    assert len(store.referrers(model.descriptor)) == 6
    assert len(store._attached) <= 4


def test_abilities(store: LayoutStore) -> None:
    assert all(isinstance(store, ability) for ability in (Ranged, Listing, Deleting, Referring))


def write_index(store: LayoutStore, **members: object) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, **members}
    (store.path / "index.json").write_text(json.dumps(document))


# What other people's layouts may do


def test_what_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        LayoutStore(tmp_path / "absent", create=False)
    with pytest.raises(InputError, match="no file oci-layout") as caught:
        LayoutStore(tmp_path, create=False)
    assert caught.value.hint
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"not empty \('holiday.jpg'"):
        LayoutStore(tmp_path)
    with pytest.raises(StoreError):
        LayoutStore(tmp_path / "holiday.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ('{"imageLayoutVersion":"2.0.0"}', UnsupportedFormat),
        ("{}", DocumentError),
        ("[]", DocumentError),
        ("{" * 100_000, DocumentError),
        ('{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"1.0.0"}', DocumentError),
    ],
)
def test_a_bad_marker(store: LayoutStore, marker: str, problem: type[Exception]) -> None:
    (store.path / "oci-layout").write_text(marker)
    with pytest.raises(problem):
        LayoutStore(store.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schemaVersion":1,"manifests":[]}',
        '{"schemaVersion":2,"manifests":{}}',
        '{"schemaVersion":2,"mediaType":"text/html","manifests":[]}',
        '{"schemaVersion":2,"manifests":[],"manifests":[]}',
        '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../etc/passwd","size":1}]}',
        '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:%s","size":-1}]}' % ("0" * 64),
        '{"schemaVersion":2,"manifests":[{"mediaType":1}]}',
        '{"schemaVersion":2,"manifests":[null]}',
        '{"schemaVersion":2,"manifests":[' + ",".join(["{}"] * 20_001) + "]}",
        '{"schemaVersion":2,"manifests":[],"x":"' + "x" * MAX_DOCUMENT + '"}',
    ],
)
def test_a_bad_index(store: LayoutStore, text: str) -> None:
    model = push_model(store)
    (store.path / "index.json").write_text(text)
    with pytest.raises(DocumentError):
        store.resolve("v1")
    with pytest.raises(DocumentError):
        store.tag(model.descriptor, "v1")
    assert (store.path / "index.json").read_text() == text


def test_an_absent_index(store: LayoutStore) -> None:
    (store.path / "index.json").unlink()
    with pytest.raises(NotFound, match=r"index\.json"):
        store.tags()


def test_links_instead_of_files_are_refused(store: LayoutStore, tmp_path: Path) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    (tmp_path / "elsewhere").write_bytes(b"weights")
    path = blob(store, descriptor.digest)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert not store.exists(descriptor)
    with pytest.raises(UnsafePath):
        store.read(descriptor)
    (store.path / "index.json").unlink()
    (store.path / "index.json").symlink_to("/dev/zero")
    with pytest.raises(UnsafePath):
        store.tags()


def test_devices_and_pipes_are_refused(store: LayoutStore) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    path.unlink()
    os.mkfifo(path)
    assert not store.exists(descriptor)
    with pytest.raises(UnsafePath, match="not a regular file"):
        store.read(descriptor)


def test_our_own_folder_must_not_lead_elsewhere(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    private = store.path / ".modelpack"
    private.rename(tmp_path / "aside")
    private.symlink_to(tmp_path / "precious")
    with pytest.raises(UnsafePath, match="symbolic link"):
        store.ingest(WEIGHTS, BytesSource(b"x"))
    with pytest.raises(UnsafePath, match="symbolic link"):
        push_model(store)
    assert list((tmp_path / "precious").iterdir()) == []


def test_ambiguous_names_of_other_tools(store: LayoutStore) -> None:
    named = [
        push_model(store, data).descriptor.annotated(**{"org.opencontainers.image.ref.name": "latest"}).to_json()
        for data in (b"1", b"2")
    ]
    write_index(store, manifests=named)
    with pytest.raises(InvalidReference, match="2 manifests are named 'latest'"):
        store.resolve("latest")
    write_index(store, manifests=named[:1] * 2)
    assert str(store.resolve("latest").digest) == named[0]["digest"]


def test_what_others_wrote_survives(store: LayoutStore) -> None:
    model, other = push_model(store), push_model(store, b"other")
    theirs = {
        **model.descriptor.to_json(),
        "platform": {"os": "linux", "architecture": "arm64"},
        "annotations": {"org.opencontainers.image.ref.name": "theirs", "example": "kept"},
        "x": [1],
    }
    odd = {"mediaType": "application/x", "digest": "sha512:" + "0" * 128, "size": 5, "annotations": {"a b": "odd"}}
    write_index(store, manifests=[theirs, odd], annotations={"by": "them"}, extra=1.5)
    store.tag(other.descriptor, "ours")
    after = index(store)
    assert (after["annotations"], after["extra"]) == ({"by": "them"}, 1.5)
    manifests = after["manifests"]
    assert isinstance(manifests, list)
    assert manifests[:2] == [theirs, odd]
    store.tag(other.descriptor, "theirs")
    manifests = index(store)["manifests"]
    assert isinstance(manifests, list)
    assert {**theirs, "annotations": {"example": "kept"}} in manifests


def test_an_index_that_would_become_unreadable_is_not_written(store: LayoutStore) -> None:
    model = push_model(store)
    write_index(store, manifests=[], x="x" * (MAX_DOCUMENT - 150))
    before = (store.path / "index.json").read_bytes()
    with pytest.raises(StoreError, match="too long"):
        store.tag(model.descriptor, "v1")
    assert (store.path / "index.json").read_bytes() == before


def test_a_layout_on_a_read_only_disk_can_be_read(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    model = push_model(store)
    store.tag(model.descriptor, "v1")
    now, opened = time.time(), os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert LayoutStore(store.path).document(store.resolve("v1")).raw == model.raw
    assert store.exists(model.descriptor)
    assert store.prune(dry_run=True) == store.garbage() == ()
    with pytest.raises(StoreError, match="Read-only"):
        store.tag(model.descriptor, "v2")


def test_asking_makes_an_old_blob_young_and_changes_nothing_else(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    os.utime(path, (1, 1))
    before = path.stat()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    time.sleep(0.02)
    assert store.exists(descriptor)
    after = path.stat()
    assert (after.st_mtime, after.st_mode) == (before.st_mtime, before.st_mode)
    assert after.st_ctime_ns > before.st_ctime_ns


def test_an_old_blob_of_somebody_else_is_there_all_the_same(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")
    path = blob(store, descriptor.digest)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)

    def utime(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", utime)
    assert store.exists(descriptor)

    def pruned(*_: object, **__: object) -> None:
        path.unlink()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "utime", pruned)
    assert not store.exists(descriptor)


def test_what_comes_in_without_a_digest(store: LayoutStore) -> None:
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA)[:1000])
        incoming.write(memoryview(DATA)[1000:])
        assert incoming.size == len(DATA)
        with pytest.raises(DigestMismatch):
            incoming.commit(Digest.of(b"other"))
        with pytest.raises(DigestMismatch):
            incoming.commit(Digest.of(b"other", "sha512"))
        incoming.commit(Digest.of(DATA, "sha512"))
    assert store.read(Descriptor(WEIGHTS, Digest.of(DATA, "sha512"), len(DATA))) == DATA
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA))
        incoming.commit(Digest.of(DATA))
    incoming.close()
    assert store.exists(Descriptor.of(WEIGHTS, DATA))
    assert left_over(store) == []


def test_what_is_not_committed_is_removed(store: LayoutStore) -> None:
    with store.incoming() as incoming:
        incoming.write(memoryview(DATA))
        assert left_over(store) == [incoming.path]
    assert left_over(store) == []


def test_an_error_while_reading_is_ours(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = store.push_bytes(WEIGHTS, b"weights")

    def replace(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.blob(descriptor.digest) as file:
        os.dup2(os.open(store.path, os.O_RDONLY), file.fileno())  # reading a folder fails as a broken disk does
        with pytest.raises(StoreError):
            file.readinto(memoryview(bytearray(10)))
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(StoreError, match="Input/output error"):
        push_model(store)

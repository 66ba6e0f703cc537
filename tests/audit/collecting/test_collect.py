"""From manifests in stores to facts: what is wrong with them, and what could not be found out."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelpack import LayoutStore
from modelpack.audit.collecting import Collecting, Watched, collect, judge_again, lists_referrers, scanning
from modelpack.audit.collecting import layers as layering
from modelpack.audit.facts import Artifact, BlobState, Sort
from modelpack.errors import NotFound, StoreError, UnsupportedFormat
from modelpack.oci import Descriptor, Digest, Index, Manifest
from modelpack.oci.mediatypes import CREATED, FILEPATH, MODEL_CONFIG, MODEL_MANIFEST, OCI_EMPTY, OCI_MANIFEST
from modelpack.store import BytesSource, MemoryStore, Store
from tests.audit.running.making import FILE, NOW, WEIGHT, push, put
from tests.faults import FaultyRegistry, Features, effects
from tests.store.clients import connect

HOW = Collecting(None, NOW)
collecting = sys.modules["modelpack.audit.collecting.collect"]  # whose name is also that of what it is for
PLACE = "registry.example/ml/tiny"


def facts(store: Store, manifest: Manifest | Index | Descriptor, **options: Any) -> Artifact:
    descriptor = manifest if isinstance(manifest, Descriptor) else manifest.descriptor
    return collect(Watched(store), descriptor, PLACE, HOW, **options)


def codes(problems: Any) -> set[str]:
    return {one.code for one in problems}


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "layout")


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as registry:
        yield registry


def made(
    store: Store, layers: list[Descriptor], config: dict[str, Any] | bytes | None = None, **changes: Any
) -> Manifest:
    """A model of these layers; ``changes`` are members of the manifest."""
    raw = config if isinstance(config, bytes) else json.dumps(config or {"descriptor": {}, "config": {}}).encode()
    named = store.push_bytes(MODEL_CONFIG, raw)
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=named, layers=tuple(layers))
    if changes:
        manifest = Manifest.parse(json.dumps(json.loads(manifest.raw) | changes).encode())
    return push(store, manifest)


def layer(store: Store, path: str | None, data: bytes = b"x", media_type: str = FILE) -> Descriptor:
    named = store.push_bytes(media_type, data)
    return named if path is None else replace(named, annotations={FILEPATH: path})


def test_a_good_model(store: LayoutStore) -> None:
    found = facts(
        store,
        put(store, files={"README.md": b"---\nlicense: mit\nbase_model: org/base\n---\n"}, licence=""),
        tags=["v1"],
    )
    assert (found.sort, found.stated.name, found.weights.parameters, found.weights.counts) == (
        Sort.MODEL,
        "tiny",
        40,
        (40,),
    )
    assert (found.licenses, found.license_source) == (("MIT",), "README.md")
    assert [(one.role, one.name) for one in found.ancestors] == [("base-model", "org/base")]
    assert (found.subject.tags, found.weights.headers_read, found.weights.headers_unread) == (("v1",), 1, 0)
    wrong = (
        found.unchecked,
        found.findings,
        found.blobs,
        found.size_problems,
        found.path_problems,
        found.contradictions,
    )
    assert wrong == ((),) * 6


def test_sorts(store: LayoutStore) -> None:
    image = Manifest.build(
        artifact_type="", config=store.push_bytes("application/vnd.oci.image.config.v1+json", b"{}"), layers=()
    )
    assert facts(store, push(store, image)).sort is Sort.OTHER
    model = put(store)
    index = Index.build((model.descriptor,))
    assert facts(store, push(store, index)).members == (model.descriptor.digest,)  # type: ignore[arg-type]  # as a manifest
    kit = made(store, [], artifactType="application/vnd.kitops.modelkit.v1")
    assert facts(store, kit).sort is Sort.MODEL
    attached = made(store, [], subject=model.descriptor.to_json())
    found = facts(store, attached)
    assert (found.sort, found.refers_to, found.orphan) == (Sort.ATTACHMENT, model.descriptor.digest, False)
    lost = made(store, [], subject=replace(model.descriptor, digest=Digest.of(b"none")).to_json())
    assert facts(store, lost).orphan
    tag = f"sha256-{Digest.of(b'none').hex}.sig"
    assert facts(store, image, tags=[tag]).refers_to == Digest.of(b"none")


def test_what_is_no_manifest(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = put(store)
        bad = Descriptor.of(OCI_MANIFEST, b'{"schemaVersion":1}')
        faulty.repository(store.repository).add_manifest(OCI_MANIFEST, b'{"schemaVersion":1}')
        found = facts(store, bad)
        assert (found.sort, found.format_problems[0].place) == (Sort.BROKEN, "schemaVersion")
        gone = facts(store, Descriptor.of(OCI_MANIFEST, b"gone"))
        assert (gone.sort, gone.blobs[0].state) == (Sort.BROKEN, BlobState.MISSING)
        name = f"/manifests/{model.descriptor.digest}"
    with connect(faulty) as store:
        faulty.on("GET", name, effects.body(b"x" * model.descriptor.size), times=None)
        altered = facts(store, model)
        assert (altered.sort, altered.blobs[0].state) == (Sort.BROKEN, BlobState.CORRUPT)
        assert codes(altered.size_problems) == {"manifest"}


def test_blobs_that_are_missing_or_of_another_length(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = put(store)
        blobs = faulty.repository(store.repository).blobs
        weights, settings = (str(one.digest) for one in model.layers)
        blobs[weights] = blobs[weights][:-2]
        del blobs[settings]
        found = facts(store, model)
    assert {(str(one.digest), one.state) for one in found.blobs} == {
        (weights, BlobState.SIZE),
        (settings, BlobState.MISSING),
    }
    assert {one.what for one in found.unchecked} & {"the files", "the small files", "the headers of the weights"}


def test_a_configuration_that_is_missing_altered_or_malformed(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = put(store)
        blobs = faulty.repository(store.repository).blobs
        good = blobs[str(model.config.digest)]
        blobs[str(model.config.digest)] = good[:-1] + b" "
        found = facts(store, model)
        assert "config" in codes(found.size_problems)
        assert found.is_unknown("MP070")
        del blobs[str(model.config.digest)]
        assert facts(store, model).is_unknown("MP001")
        wrong = made(store, list(model.layers), b'{"descriptor":{"name":7}}')
        found = facts(store, wrong)
        assert {one.place for one in found.format_problems} >= {"descriptor.name"}
        assert facts(store, made(store, list(model.layers), b"not json")).format_problems
        named = store.push_bytes("x/y", b"whatever")
        other = Manifest.build(artifact_type=MODEL_MANIFEST, config=named, layers=model.layers)
        push(store, other)
        assert not facts(store, other).unchecked


def test_counts_that_do_not_fit(store: LayoutStore) -> None:
    one = layer(store, "a.json")
    ids = {"descriptor": {}, "config": {}, "modelfs": {"type": "layers", "diffIds": [str(Digest.of(b"y"))] * 2}}
    assert "XC05" in codes(facts(store, made(store, [one], ids)).size_problems)
    ids["modelfs"]["diffIds"].pop()  # type: ignore[attr-defined]  # a list
    assert "XC06" in codes(facts(store, made(store, [one], ids)).size_problems)


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["../x"], "unsafe"),
        (["/etc/passwd"], "unsafe"),
        ([None], "nameless"),
        (["a", "a"], "twice"),
        (["Read.md", "read.MD"], "case"),
        (["a", "a/b"], "case"),
    ],
)
def test_names_that_cannot_be_used(store: LayoutStore, paths: list[str | None], code: str) -> None:
    found = facts(store, made(store, [layer(store, path, f"{n}".encode()) for n, path in enumerate(paths)]))
    assert codes(found.path_problems) == {code}
    assert found.is_unknown("MP060")  # the files have no names under which they could be told
    assert len(found.layers) == len(paths)


def test_names_of_archives(store: LayoutStore) -> None:
    tar = "application/vnd.cncf.model.code.v1.tar"
    fine = [layer(store, path, archive({"a.py": b"1"}), tar) for path in (".", "./", None, "code")]
    empty = store.push_bytes(OCI_EMPTY, b"{}")
    assert not facts(store, made(store, [*fine, empty])).path_problems
    bad = layer(store, "../../code", archive({"a.py": b"1"}), tar)
    assert codes(facts(store, made(store, [bad])).path_problems) == {"unsafe"}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Evil:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("true",)


def test_what_the_scanner_finds_where_it_is_stored(store: LayoutStore) -> None:
    evil = pickle.dumps(Evil())
    tar = "application/vnd.cncf.model.weight.v1.tar"
    model = made(store, [layer(store, "a.pkl", evil, WEIGHT), layer(store, "x", archive({"b.pkl": evil}), tar)])
    found = facts(store, model)
    assert [one.code for one in found.findings] == ["SCAN-PICKLE-SYSTEM"] * 2
    assert [one.place.partition(":")[0] for one in found.findings] == ["a.pkl", "x.tar"]


def test_what_is_too_much_to_look_at_is_told(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "EACH", 1000)
    monkeypatch.setattr(scanning, "MAX_ARCHIVE", 10)
    monkeypatch.setattr(scanning, "MAX_FILES", 2)
    monkeypatch.setattr(layering, "MAX_BLOBS", 2)
    zipped = layer(store, "c", b"x" * 11, "application/vnd.cncf.model.code.v1.tar+gzip")
    long = layer(store, "a.pkl", pickle.dumps(["y" * 5000] * 2), WEIGHT)
    found = facts(store, made(store, [long, zipped, layer(store, "d"), layer(store, "e", b"z")]))
    assert [one.code for one in found.findings if one.place.startswith("a.pkl")] == ["SCAN-LIMIT"]
    told = {one.what: one.rules for one in found.unchecked}
    assert {"c.tar.gzip", "1 files", "3 blobs"} <= set(told)
    assert "MP051" in told["c.tar.gzip"]


def test_members_that_are_too_many(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_MEMBERS", 1)
    index = Index.build((put(store, fill=b"\x01").descriptor, put(store, fill=b"\x02").descriptor))
    found = facts(store, push(store, index))  # type: ignore[arg-type]  # as a manifest
    assert (len(found.members), [one.what for one in found.unchecked]) == (1, ["1 manifests"])


def test_a_registry_without_ranges() -> None:
    with FaultyRegistry(Features(ranges=False)) as faulty, connect(faulty) as store:
        model = put(store, files={"big.bin": b"\x80\x02" + bytes(200_000)})
        found = facts(store, model)
    assert found.sort is Sort.MODEL
    assert {one.code for one in found.findings} <= {"SCAN-UNREADABLE", "SCAN-PICKLE-BROKEN", "SCAN-LIMIT"}


def test_a_registry_that_does_not_answer_for_files(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        model = put(store)
        weights = model.layers[0].digest
        faulty.on("GET", f"/blobs/{weights}", effects.status(503), times=None)
        faulty.on("HEAD", "/blobs/", effects.status(503), times=None)
        faulty.on("GET", "/referrers/", effects.status(503), times=None)
        found = facts(store, model)
    assert {one.what for one in found.unchecked} == {"the files", "whether all blobs are there", "what is attached"}
    assert all(map(found.is_unknown, ("MP003", "MP010", "MP020", "MP051", "MP060")))


def test_whether_an_attachment_hangs_in_the_air_may_be_unknown(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        lost = made(store, [], subject=Descriptor(OCI_MANIFEST, Digest.of(b"none"), 4).to_json())
        faulty.on("HEAD", "/manifests/", effects.status(503), times=None)
        found = facts(store, lost)
    assert (found.orphan, found.is_unknown("MP102")) == (False, True)


def test_an_artifact_that_says_when(store: LayoutStore) -> None:
    model = made(store, [layer(store, "a.json")], annotations={CREATED: "2026-01-02T03:04:05+01:00"})
    found = facts(store, model)
    assert found.created is not None
    assert found.created.isoformat() == "2026-01-02T02:04:05+00:00"
    assert facts(store, made(store, [], annotations={CREATED: "0001-01-01T00:00:00+23:00"})).created is None


def test_a_watched_store_changes_nothing_and_asks_once(faulty: FaultyRegistry) -> None:
    with connect(faulty) as inner:
        model = put(inner, files={"big": b"y" * (3 << 20)})
        store = Watched(inner)
        for change in (
            lambda: store.tag(model.descriptor, "x"),
            lambda: store.push(model.descriptor, BytesSource(model.raw)),
            lambda: store.ingest("x/y", BytesSource(b"")),
        ):
            with pytest.raises(StoreError, match="changes nothing"):
                change()
        big = model.layers[-1]
        before = len(faulty.requests)
        assert store.read_at(big, 10, 20) == store.read_at(big, 30, 20) == b"y" * 20
        assert store.read_at(big, big.size, 5) == b""
        assert len(faulty.requests) == before + 1
        assert len(store.read_at(big, 0, big.size)) == big.size
        with store.open(big) as reader:
            assert len(reader.read()) == big.size
        small = model.layers[1]
        assert store.read(small) == store.read_at(small, 0, 99)
        assert store.exists(small)
        asked = len(faulty.requests)
        assert store.resolve(str(model.descriptor.digest)) == model.descriptor
        known = Watched(inner, tags={})
        with pytest.raises(NotFound):
            known.resolve(f"sha256-{'0' * 64}.sig")
        assert len(faulty.requests) == asked + 1
        assert lists_referrers(inner, model.descriptor) == ()


def test_what_is_kept_is_bounded(store: LayoutStore) -> None:
    watched = Watched(store)
    for number in range(12):
        blob = store.push_bytes(FILE, bytes([number]) * (1 << 20))
        assert watched.read(blob)[0] == number
    assert watched._kept <= 8 << 20
    large = store.push_bytes(FILE, bytes(20 << 20))
    for offset in range(0, 20 << 20, 1 << 20):
        assert watched.read_at(large, offset, 100) == bytes(100)
    assert len(watched._blocks) <= 128


def test_a_store_without_ranges_or_referrers(store: LayoutStore) -> None:
    class Plain(Store):
        def exists(self, descriptor: Descriptor) -> bool:
            return store.exists(descriptor)

        def resolve(self, name: str) -> Descriptor:
            return store.resolve(name)

        def tag(self, descriptor: Descriptor, name: str) -> None:
            raise NotImplementedError

        def _open(self, descriptor: Descriptor, offset: int) -> Any:
            return store._open(descriptor, offset)

        def _push(self, descriptor: Descriptor, source: Any) -> None:
            raise NotImplementedError

        def _ingest(self, source: Any) -> None:
            raise NotImplementedError

    plain = Plain()
    model = put(store)
    assert lists_referrers(plain, model.descriptor) == ()
    found = facts(plain, model)
    assert found.sort is Sort.MODEL
    with pytest.raises(UnsupportedFormat):
        Watched(plain).read_at(model.layers[0], 0, 1)


def test_judging_again_looks_for_blobs_again(store: LayoutStore) -> None:
    model = put(store)
    before = facts(store, model)
    place = store.path / "blobs" / "sha256" / model.layers[0].digest.hex
    place.unlink()
    after = judge_again(Watched(store), before, model.descriptor, HOW)
    assert [one.state for one in after.blobs] == [BlobState.MISSING]
    assert replace(after, blobs=()) == before
    index = push(store, Index.build((model.descriptor,)))  # type: ignore[arg-type]  # as a manifest
    assert not judge_again(Watched(store), facts(store, index), index.descriptor, HOW).blobs
    assert MemoryStore().tags() == ()


def test_a_licence_file_and_a_commit_of_the_hub(store: LayoutStore) -> None:
    text = (Path(__file__).parents[3] / "LICENSE").read_bytes()
    config = {"descriptor": {"sourceURL": "https://huggingface.co/org/name", "revision": "c" * 40}, "config": {}}
    found = facts(store, made(store, [layer(store, "LICENSE", text)], config))
    assert (found.licenses, found.license_source) == (("Apache-2.0",), "LICENSE")
    assert [(one.role, one.commit) for one in found.ancestors] == [("source", "c" * 40)]

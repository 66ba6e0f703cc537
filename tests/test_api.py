"""The façade, as a training loop or a service would use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import modelpack
from modelpack import Access, Credential, DockerConfig, HttpOptions, LayoutStore, Reference, StaticCredentials
from modelpack.errors import (
    AccessDenied,
    InputError,
    InvalidReference,
    NotFound,
    UnsafePath,
    UnsupportedFormat,
)
from modelpack.oci import Codec, Descriptor, Index, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST, OCI_INDEX
from modelpack.serve import Server
from modelpack.store import Event, MemoryStore, RegistryStore
from tests.cli.models import FILES, content
from tests.cli.models import model as make_model
from tests.faults import FaultyRegistry, Guard, effects

ANYTHING = modelpack.InsecureAcceptAnything()
"""These tests are about moving content; tests/trust is about who vouches for it."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A running registry."""
    with Server(LayoutStore(tmp_path / "registry")) as server:
        yield server.host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model(tmp_path / "tiny")


def test_what_the_documentation_shows(folder: Path, host: str, tmp_path: Path) -> None:
    packed = modelpack.pack(folder, name="minilm", version="1.2.0", licenses=["Apache-2.0"])
    modelpack.push(packed, f"{host}/ml/minilm:step-1000")
    pulled = modelpack.pull(
        f"{host}/ml/minilm@{packed.digest}", tmp_path / "model", policy=ANYTHING, include=["*.safetensors"]
    )
    assert pulled.files == ("model.safetensors",)
    assert content(tmp_path / "model") == {"model.safetensors": (folder / "model.safetensors").read_bytes()}
    assert (packed.config.name, packed.config.version, packed.config.licenses) == ("minilm", "1.2.0", ("Apache-2.0",))


def test_a_checkpoint_is_pushed_from_where_it_is(folder: Path, host: str) -> None:
    """Nothing is copied on this side: the store in memory has references to files."""
    packed = modelpack.pack(folder)
    assert isinstance(packed.store, MemoryStore)
    (folder / "model.safetensors").write_bytes(bytes((folder / "model.safetensors").stat().st_size))
    with pytest.raises(modelpack.DigestMismatch):
        modelpack.push(packed, f"{host}/ml/tiny:v1")


def test_pushing_again_sends_nothing(folder: Path, host: str) -> None:
    packed = modelpack.pack(folder)
    first = modelpack.push(packed, f"{host}/ml/tiny:v1")
    again = modelpack.push(packed, f"{host}/ml/tiny:v2")
    assert (first.existing, again.sent) == (0, 0)
    assert first.sent == again.existing > 8336
    assert modelpack.list_names(f"{host}/ml/tiny") == ("v1", "v2")


def test_push_from_a_local_store(folder: Path, host: str, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    old = modelpack.pack(folder, into=store)
    store.tag(old.descriptor, "registry.example/ml/tiny:latest")
    assert modelpack.push((store, "registry.example/ml/tiny"), f"{host}/a:v1").descriptor == old.descriptor
    new = modelpack.pack(folder, into=store, name="new")
    store.tag(new.descriptor, "registry.example/ml/tiny:latest")
    pinned = (store, f"registry.example/ml/tiny@{old.digest}")
    assert modelpack.push(pinned, f"{host}/a:v2").descriptor == old.descriptor
    with pytest.raises(NotFound, match="nothing is named 'registry"):
        modelpack.push((store, "registry.example/none:v1"), f"{host}/a:v3")


def test_copy_between_layouts_and_registries(folder: Path, host: str, tmp_path: Path) -> None:
    digest = modelpack.pack(folder, into=f"{host}/ml/tiny:v1").digest
    layout = f"oci:{tmp_path}/air"
    assert modelpack.copy(f"{host}/ml/tiny:v1", f"{layout}:v1").descriptor.digest == digest
    assert modelpack.copy(f"{layout}:v1", f"{host}/back/tiny").descriptor.digest == digest
    assert modelpack.list_names(f"{host}/back/tiny") == ("latest",)
    assert modelpack.copy(f"{layout}:v1", f"{layout}:v2@{digest}").sent == 0
    assert modelpack.list_names(layout) == ("v1", "v2")
    with pytest.raises(InputError, match="cannot be stored as sha256:0000"):
        modelpack.copy(f"{layout}:v1", f"{host}/x@sha256:{'0' * 64}")
    with pytest.raises(NotFound):
        modelpack.copy(f"oci:{tmp_path}/nowhere:v1", f"{host}/x:v1")
    assert not (tmp_path / "nowhere").exists()


def test_fetch(folder: Path, host: str, tmp_path: Path) -> None:
    digest = modelpack.pack(folder, into=f"{host}/ml/tiny:v1").digest
    store = LayoutStore(tmp_path / "store")
    for reference in (f"{host}/ml/tiny:v1", f"{host}/ml/tiny@{digest}", f"{host}/ml/tiny:other@{digest}"):
        assert modelpack.fetch(reference, store).descriptor.digest == digest
    names = (f"{host}/ml/tiny:other", f"{host}/ml/tiny:v1", f"{host}/ml/tiny@{digest}")
    assert tuple(listed.name for listed in modelpack.list_models(store)) == names
    assert {(listed.digest, listed.size) for listed in modelpack.list_models(store)} == {(digest, 9228)}


def test_pull_again_and_newer(folder: Path, host: str, tmp_path: Path) -> None:
    reference, out = f"{host}/ml/tiny:v1", tmp_path / "out"
    modelpack.pack(folder, into=reference)
    assert modelpack.pull(reference, out, policy=ANYTHING).unchanged is False
    again = modelpack.pull(reference, str(out), policy=ANYTHING)
    assert (again.unchanged, again.files) == (True, tuple(FILES))
    make_model(folder, fill=b"\x01")
    modelpack.pack(folder, into=reference)
    newer = modelpack.pull(reference, out, policy=ANYTHING)
    assert (newer.unchanged, newer.reused) == (False, 4)
    assert content(out) == content(folder)


def test_pull_by_kind(folder: Path, host: str, tmp_path: Path) -> None:
    modelpack.pack(folder, into=f"{host}/ml/tiny:v1")
    kinds = [modelpack.Kind.DOC, "config"]
    pulled = modelpack.pull(f"{host}/ml/tiny:v1", tmp_path / "out", policy=ANYTHING, kinds=kinds, exclude=["onnx/"])
    assert pulled.files == ("README.md", "config.json", "tokenizer.json")
    with pytest.raises(InputError, match="'picture' is not a kind of file"):
        modelpack.pull(f"{host}/ml/tiny:v1", tmp_path / "other", policy=ANYTHING, kinds=["picture"])


def test_pull_compares_archives_with_the_configuration(tmp_path: Path, folder: Path) -> None:
    """A layer may be what its digest says and yet not what was packed: the configuration has digests of the contents."""
    store = LayoutStore(tmp_path / "air")
    packed = modelpack.pack(folder, into=store, layout=modelpack.Layout(dict.fromkeys(modelpack.Kind, Codec.TAR_GZIP)))
    modelpack.pull(f"oci:{store.path}", tmp_path / "out", policy=ANYTHING)
    assert content(tmp_path / "out") == content(folder)
    ids = (packed.config.diff_ids[0], *packed.config.diff_ids[2:], modelpack.Digest.of(b"another"))
    for diff_ids, good in ((ids, False), (ids[:-1], True)):
        config = store.push_bytes(MODEL_CONFIG, replace(packed.config, diff_ids=diff_ids).to_bytes())
        manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=packed.manifest.layers)
        store.push_bytes(manifest.descriptor.media_type, manifest.raw)
        reference = f"oci:{store.path}@{manifest.descriptor.digest}"
        if good:  # some tools list other things there: there is nothing to compare
            modelpack.pull(reference, tmp_path / "good", policy=ANYTHING)
        else:
            with pytest.raises(modelpack.ContentError, match="does not expand to what"):
                modelpack.pull(reference, tmp_path / "bad", policy=ANYTHING)


def test_progress_is_told(folder: Path, host: str, tmp_path: Path) -> None:
    events: list[Event] = []
    lock = threading.Lock()

    def observe(event: Event) -> None:
        with lock:
            events.append(event)

    access = Access(observe=observe)
    modelpack.pack(folder, into=f"{host}/ml/tiny:v1", access=access)
    assert {event.name for event in events if event.action == "end"} == set(FILES)
    events.clear()
    modelpack.pull(f"{host}/ml/tiny:v1", tmp_path / "out", policy=ANYTHING, access=access)
    assert sum(event.count for event in events if event.action == "bytes") == 8553


def test_an_observer_can_stop_a_transfer(folder: Path, host: str, tmp_path: Path) -> None:
    modelpack.pack(folder, into=f"{host}/ml/tiny:v1")

    class Stop(Exception):
        pass

    def observe(event: Event) -> None:
        if event.action == "bytes":
            raise Stop

    with pytest.raises(Stop):
        modelpack.pull(f"{host}/ml/tiny:v1", tmp_path / "out", policy=ANYTHING, access=Access().watched(observe))
    assert not (tmp_path / "out").exists()


def test_tag_and_remove(folder: Path, host: str, tmp_path: Path) -> None:
    reference = f"{host}/ml/tiny:v1"
    digest = modelpack.pack(folder, into=reference).digest
    assert modelpack.tag(reference, "v2") == digest
    assert modelpack.tag(f"{host}/ml/tiny@{digest}", f"{host}/ml/tiny") == digest
    assert modelpack.list_names(f"{host}/ml/tiny") == ("latest", "v1", "v2")
    with pytest.raises(InputError, match="is not a tag in"):
        modelpack.tag(reference, f"{host}/other:v2")
    with pytest.raises(InputError, match="is not a tag in"):
        modelpack.tag(reference, f"{host}/ml/tiny@{digest}")
    with pytest.raises(InvalidReference, match="bad' is not a tag"):
        modelpack.tag(reference, ".bad")
    modelpack.remove(reference)
    assert modelpack.list_names(f"{host}/ml/tiny") == ("latest", "v2")
    modelpack.remove(f"{host}/ml/tiny@{digest}")
    with pytest.raises(NotFound):
        modelpack.inspect(f"{host}/ml/tiny:v2")


def test_tag_and_remove_in_a_local_store(folder: Path, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    packed = modelpack.pack(folder, into=store)
    pinned = f"a.example/x@{packed.digest}"
    assert modelpack.tag(pinned, "a.example/x", local=store) == packed.digest
    assert store.tags() == ("a.example/x:latest",)
    with pytest.raises(NotFound):
        modelpack.remove(pinned, local=store)
    modelpack.remove("a.example/x", local=store)
    assert store.tags() == ()
    layout = f"oci:{tmp_path}/air"
    modelpack.pack(folder, into=f"{layout}:v1")
    modelpack.tag(f"{layout}:v1", "v2", local=store)
    modelpack.remove(f"{layout}:v1", local=store)
    assert modelpack.list_names(layout) == ("v2",)
    modelpack.remove(f"{layout}@{packed.digest}")
    assert modelpack.list_names(layout) == ()
    with pytest.raises(InputError, match="says no name to remove"):
        modelpack.remove(layout)


def test_list_names_of_a_registry(folder: Path, host: str) -> None:
    modelpack.pack(folder, into=f"{host}/b/c:v1")
    modelpack.pack(folder, into=f"{host}/a:v1")
    for where in (host, f"{host}/"):
        assert modelpack.list_names(where) == ("a", "b/c")
    with pytest.raises(InvalidReference):
        modelpack.list_names("")


def test_inspect_here_and_there(folder: Path, host: str, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    reference = f"{host}/ml/tiny:v1"
    modelpack.pack(folder, into=reference)
    assert modelpack.inspect(reference, local=store)[1] == "registry"
    modelpack.fetch(reference, store)
    found, place = modelpack.inspect(reference, local=store)
    assert (place, found.config.family) == ("local store", "bert")
    assert modelpack.inspect(f"oci:{store.path}", local=store)[1] == "layout"


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_credentials(kind: str, folder: Path, tmp_path: Path) -> None:
    assert kind in ("basic", "token")
    with FaultyRegistry(guard=Guard("basic" if kind == "basic" else "token", "alice", "s3cret")) as registry:
        reference = f"{registry.host}/ml/tiny:v1"
        with pytest.raises(AccessDenied):
            modelpack.pack(folder, into=reference)
        access = Access(credentials=StaticCredentials({registry.host: Credential("alice", "s3cret")}))
        modelpack.pack(folder, into=reference, access=access)
        modelpack.pull(reference, tmp_path / "out", policy=ANYTHING, access=access)
    assert set(content(tmp_path / "out")) == set(FILES)
    assert "s3cret" not in repr(access)


def test_login_and_logout(folder: Path, tmp_path: Path) -> None:
    access = Access(credentials=DockerConfig(tmp_path / "config.json"))
    with Server(LayoutStore(tmp_path / "registry"), credentials={"alice": "s3cret"}) as server:
        with pytest.raises(AccessDenied):
            modelpack.login(server.host, "alice", "wrong", access=access)
        assert not (tmp_path / "config.json").exists()
        assert modelpack.login(f"http://{server.host}/", "alice", "s3cret", access=access) == str(
            tmp_path / "config.json"
        )
        modelpack.pack(folder, into=f"{server.host}/ml/tiny:v1", access=access)
        modelpack.logout(server.host, access=access)
        with pytest.raises(AccessDenied):
            modelpack.inspect(f"{server.host}/ml/tiny:v1", access=access)
        with pytest.raises(InputError, match="can only be kept in a docker config"):
            modelpack.login(server.host, "alice", "s3cret", access=Access())
    with pytest.raises(NotFound):
        modelpack.logout("docker.io", access=access)


@pytest.mark.parametrize("host", ["registry", "docker", "registry.example/team", "", "a@b.example", "a b.example"])
def test_hosts_that_are_none(host: str, tmp_path: Path) -> None:
    access = Access(HttpOptions(retries=1), DockerConfig(tmp_path / "config.json"))
    with pytest.raises(InvalidReference):
        modelpack.login(host, "alice", "s3cret", access=access)


def test_access_opens_what_a_reference_names(tmp_path: Path) -> None:
    access = Access()
    opened = access.open(Reference.parse("registry.example/ml/tiny:v1"))
    assert isinstance(opened, RegistryStore)
    with pytest.raises(NotFound):
        access.open(f"oci:{tmp_path}/air")
    assert isinstance(access.open(f"oci:{tmp_path}/air", create=True), LayoutStore)
    with pytest.raises(InvalidReference):
        access.open("Not a reference")


def test_a_transfer_survives_a_bad_connection(folder: Path, tmp_path: Path) -> None:
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/ml/tiny:v1"
        modelpack.pack(folder, into=reference)
        registry.on("GET", "/blobs/", effects.cut(3, "reset"))
        registry.on("GET", "/blobs/", effects.status(503))
        access = Access(HttpOptions(backoff=0.01))
        modelpack.pull(reference, tmp_path / "out", policy=ANYTHING, access=access)
    assert content(tmp_path / "out") == {name: (folder / name).read_bytes() for name in FILES}


def test_indexes(folder: Path, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "air")
    packed = modelpack.pack(folder, into=store)
    described = Descriptor(
        packed.descriptor.media_type, packed.digest, packed.descriptor.size, artifact_type=MODEL_MANIFEST
    )
    image = Manifest.build(artifact_type="application/x.image", config=packed.manifest.config, layers=())
    store.push_bytes(image.descriptor.media_type, image.raw)
    for name, entries in (("one", (packed.descriptor,)), ("mixed", (image.descriptor, described)), ("none", ())):
        store.tag(store.push_bytes(OCI_INDEX, Index.build(entries).raw), name)
    store.tag(store.push_bytes(OCI_INDEX, Index.build((store.resolve("one"),)).raw), "outer")
    for name in ("one", "mixed"):
        assert modelpack.pull(f"oci:{store.path}:{name}", tmp_path / name, policy=ANYTHING).digest == packed.digest
    for name, message in (("none", "is an index of 0; choose one"), ("outer", "is an index of indexes")):
        with pytest.raises(UnsupportedFormat, match=message):
            modelpack.pull(f"oci:{store.path}:{name}", tmp_path / name, policy=ANYTHING)
    sizes = {listed.name: listed.size for listed in modelpack.list_models(store)}
    assert sizes["mixed"] == packed.descriptor.size + image.descriptor.size


def test_a_hostile_model_writes_nothing(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "air")
    layer = store.push_bytes("application/vnd.cncf.model.weight.v1.raw", b"x").annotated(**{FILEPATH: "../escaped"})
    manifest = Manifest.build(
        artifact_type=MODEL_MANIFEST, config=store.push_bytes(MODEL_CONFIG, b"{}"), layers=(layer,)
    )
    store.tag(store.push_bytes(manifest.descriptor.media_type, manifest.raw), "v1")
    with pytest.raises(UnsafePath):
        modelpack.pull(f"oci:{store.path}:v1", tmp_path / "out", policy=ANYTHING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["air"]

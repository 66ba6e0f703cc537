"""A model to a real registry and back, over everything that may stand between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modelpack.errors import AccessDenied, NotFound, Unavailable
from modelpack.oci import Descriptor, Manifest, Reference
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.serve import Server
from modelpack.store import (
    TLS,
    BytesSource,
    Credential,
    HttpOptions,
    LayoutStore,
    Proxies,
    RegistryStore,
    StaticCredentials,
    copy,
    receive,
)
from modelpack.store import Registry as Client
from modelpack.store.memory import MemoryStore
from tests.conftest import StartTokenRegistry
from tests.real.certificates import Authority, make_authority
from tests.real.front import Front
from tests.real.graphs import LARGE, push_graph
from tests.real.proxy import Proxy
from tests.real.registries import Registry
from tests.store.clients import Recorder

SIGNATURE = "application/vnd.example.signature+json"


def connect(registry: Registry, repository: str = "", **changes: object) -> RegistryStore:
    """Our client for a registry as its fixture describes it."""
    where = Reference.parse(repository or registry.repository())
    options = replace(registry.options, backoff=0.01, **changes)  # type: ignore[arg-type]
    return RegistryStore(Client(registry.host, options, registry.credentials, Recorder()), where.repository)


def round_trip(store: RegistryStore, tmp_path: Path) -> Manifest:
    """Push by copy, read by tag into memory, fetch the large layer into a file, ingest; the model."""
    memory, back = MemoryStore(), MemoryStore()
    model = push_graph(memory, store.repository)
    observe = Recorder()
    done = copy(memory, model.descriptor, store, names=("v1", "latest"), observe=observe)
    assert done.sent == observe.passed == sum(blob.size for blob in model.blobs)
    assert store.tags() == ("latest", "v1")
    assert store.resolve("v1") == model.descriptor
    copy(store, store.resolve("latest"), back)
    assert back.document(model.descriptor) == model
    assert all(back.read(blob, limit=LARGE) == memory.read(blob, limit=LARGE) for blob in model.blobs)
    large = next(layer for layer in model.layers if layer.size == LARGE)
    receive(store.source(large), tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == memory.read(large, limit=LARGE)
    assert store.read_at(large, LARGE - 5, 10) == memory.read(large, limit=LARGE)[-5:]
    assert store.ingest("a/b", BytesSource(b"ingested")) == Descriptor.of("a/b", b"ingested")
    assert copy(memory, model.descriptor, store).sent == 0
    return model


def attach_and_find(store: RegistryStore, model: Manifest) -> None:
    """Two attachments, both found."""
    config = store.push_bytes(OCI_EMPTY, b"{}")
    pushed = set()
    for number in range(2):
        layer = store.push_bytes("text/plain", b"%d" % number)
        signature = Manifest.build(
            artifact_type=SIGNATURE, config=config, layers=(layer,), subject=model.descriptor.plain()
        )
        store.push(signature.descriptor, BytesSource(signature.raw))
        pushed.add(signature.descriptor.digest)
    assert {entry.digest for entry in store.referrers(model.descriptor, SIGNATURE)} == pushed
    assert store.referrers(model.descriptor, "application/other") == ()


def test_plain(registry: Registry, tmp_path: Path) -> None:
    with connect(registry) as store:
        model = round_trip(store, tmp_path)
        attach_and_find(store, model)
        sibling = RegistryStore(store.registry, Reference.parse(registry.repository()).repository)
        done = copy(store, model.descriptor, sibling, names=("v1",))
        assert done.mounted + done.sent + done.existing == sum(blob.size for blob in model.blobs)
        assert sibling.resolve("v1") == model.descriptor
        assert store.repository in set(store.registry.repositories())


def test_three_hundred_layers(registry: Registry) -> None:
    memory, back = MemoryStore(), MemoryStore()
    with connect(registry) as store:
        model = push_graph(memory, store.repository, layers=300, large=1000)
        copy(memory, model.descriptor, store, names=("v1",), jobs=8)
        copy(store, store.resolve("v1"), back, jobs=8)
    assert back.document(model.descriptor) == model
    assert all(back.exists(blob) for blob in model.blobs)


def test_deleting(distribution: Registry) -> None:
    with connect(distribution) as store:
        model = push_graph(store, store.repository, large=10)
        store.tag(model.descriptor, "v1")
        store.delete(model.descriptor)
        with pytest.raises(NotFound):
            store.resolve("v1")


def test_what_is_not_there(registry: Registry) -> None:
    with connect(registry) as store:
        with pytest.raises(NotFound):
            store.resolve("absent")
        with pytest.raises(NotFound):
            store.tags()
        assert not store.exists(Descriptor.of("a/b", b"absent"))
        assert store.referrers(Descriptor.of("application/vnd.oci.image.manifest.v1+json", b"absent")) == ()


def test_tls_with_a_private_authority(tls_registry: Registry, tmp_path: Path) -> None:
    with connect(tls_registry) as store:
        attach_and_find(store, round_trip(store, tmp_path))
    other = make_authority(tmp_path)
    with (
        connect(tls_registry, tls=TLS(ca_file=other.ca)) as store,
        pytest.raises(Unavailable, match="cannot verify the certificate"),
    ):
        store.tags()


def test_a_password(basic_registry: Registry, tmp_path: Path) -> None:
    with connect(basic_registry) as store:
        round_trip(store, tmp_path)
    wrong = StaticCredentials({basic_registry.host: Credential("robot", "canary")})
    for credentials in (None, wrong):
        with Client(basic_registry.host, basic_registry.options, credentials) as client:
            with pytest.raises(AccessDenied) as caught:
                client.ping()
            assert "canary" not in str(caught.value) + caught.value.hint


def test_tokens(token_registry: StartTokenRegistry, tmp_path: Path) -> None:
    registry, server = token_registry()
    with connect(registry) as store:
        round_trip(store, tmp_path)
    scopes = [request.scopes for request in server.requests]
    assert len(scopes) == len(set(scopes))  # each was asked for once
    assert {request.grant for request in server.requests} == {"basic"}


def test_tokens_that_are_over_before_they_are_said_to_be(token_registry: StartTokenRegistry, tmp_path: Path) -> None:
    registry, server = token_registry(lifetime=1, announced=300)
    with connect(registry) as store:
        round_trip(store, tmp_path)
    assert all(request.granted for request in server.requests)


def test_tokens_that_last_a_few_seconds(token_registry: StartTokenRegistry, tmp_path: Path) -> None:
    registry, _ = token_registry(lifetime=2)
    with connect(registry) as store:
        attach_and_find(store, round_trip(store, tmp_path))


def test_a_refresh_token(token_registry: StartTokenRegistry) -> None:
    registry, server = token_registry()
    known = StaticCredentials({registry.host: Credential("", "", server.refresh_token)})
    with RegistryStore(Client(registry.host, registry.options, known), "models/tiny") as store:
        push_graph(store, large=10)
    assert {request.grant for request in server.requests} == {"refresh_token"}


def test_blobs_from_another_host(front: Front, tmp_path: Path) -> None:
    with connect(front.registry) as store:
        round_trip(store, tmp_path)
    there = front.seen_by_blob_host()
    assert {entry["authorization"] for entry in there} == {""}
    assert {entry["query"] for entry in there} == {"signature=abc"}
    assert any(entry["range"] for entry in there)
    assert all(entry["authorization"] for entry in front.seen_by_registry()[1:] if int(entry["status"]) != 401)


@pytest.mark.parametrize("secure", [False, True])
def test_through_a_proxy(
    secure: bool, distribution: Registry, tls_registry: Registry, proxy: Proxy, tmp_path: Path
) -> None:
    registry = tls_registry if secure else distribution
    with connect(registry, proxies=Proxies(http=proxy.proxy_url, https=proxy.proxy_url)) as store:
        round_trip(store, tmp_path)
    assert {method for method, _ in proxy.requests} >= ({"CONNECT"} if secure else {"GET", "PUT"})


def test_our_own_registry_with_tls_and_a_password(tmp_path: Path, authority: Authority) -> None:
    tls = (authority.server, authority.server_key)
    with (
        Server(LayoutStore(tmp_path / "served", create=True), tls=tls, credentials={"robot": "s3cret"}) as server,
        connect(Registry("modelpack", server.host, authority.ca, "robot", "s3cret")) as store,
    ):
        model = round_trip(store, tmp_path)
        attach_and_find(store, model)
        assert not any(tag.startswith("sha256-") for tag in store.tags())  # it has the referrers API
        store.untag("v1")
        assert store.tags() == ("latest",)


def test_from_registry_to_registry(distribution: Registry, crane_registry: Registry) -> None:
    with connect(distribution) as source, connect(crane_registry) as target:
        model = push_graph(source, source.repository)
        done = copy(source, model.descriptor, target, names=("v1",))
        assert done.sent + done.existing == sum(blob.size for blob in model.blobs)
        assert target.document(target.resolve("v1")) == model


def test_nothing_but_plain_http_for_a_plain_registry(distribution: Registry) -> None:
    options = HttpOptions(plain_http=False, backoff=0.01)
    with Client(distribution.host, options) as client, pytest.raises(Unavailable, match="no TLS with") as caught:
        client.ping()
    assert "--plain-http" in caught.value.hint

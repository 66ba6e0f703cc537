"""Our own client at our own registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.errors import AccessDenied, NotFound
from modelpack.oci import Manifest
from modelpack.serve import Server
from modelpack.store import (
    TLS,
    Credential,
    FileSource,
    HttpOptions,
    LayoutStore,
    MemoryStore,
    Registry,
    RegistryStore,
    StaticCredentials,
    copy,
)
from tests.real.certificates import Authority
from tests.store.content import WEIGHTS, push_model

DATA = os.urandom(20 << 20)


@pytest.fixture
def repository(server: Server) -> Iterator[RegistryStore]:
    with RegistryStore(Registry(server.host, options=HttpOptions(plain_http=True)), "ml/x") as store:
        yield store


def test_there_and_back(repository: RegistryStore, layout: LayoutStore, tmp_path: Path) -> None:
    memory = MemoryStore()
    model = push_model(memory, DATA)
    copy(memory, model.descriptor, repository, names=("v1", "latest"))
    assert layout.tags() == ("ml/x:latest", "ml/x:v1")
    assert repository.tags() == ("latest", "v1")
    back = LayoutStore(tmp_path / "back")
    copy(repository, repository.resolve("v1"), back, names=("v1",))
    assert back.read(model.layers[0], limit=len(DATA)) == DATA
    repository.untag("latest")
    assert repository.tags() == ("v1",)
    repository.delete(model.descriptor)
    with pytest.raises(NotFound):
        repository.resolve("v1")


def test_packing_right_into_the_registry(repository: RegistryStore, layout: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(DATA)
    descriptor = repository.ingest(WEIGHTS, FileSource.of(tmp_path / "weights"))
    assert layout.read(descriptor, limit=len(DATA)) == DATA
    assert repository.read_at(descriptor, 1000, 5) == DATA[1000:1005]
    assert repository.exists(descriptor)


def test_attachments_need_no_fallback_tag(repository: RegistryStore, layout: LayoutStore) -> None:
    model = push_model(repository)
    note = push_model(repository, b"note", model.descriptor, "application/x-note")
    assert [entry.digest for entry in repository.referrers(model.descriptor)] == [note.descriptor.digest]
    assert repository.referrers(model.descriptor, "application/x-other") == ()
    assert layout.tags() == ()


def test_mounting(repository: RegistryStore, server: Server) -> None:
    model = push_model(repository)
    with RegistryStore(Registry(server.host, options=HttpOptions(plain_http=True)), "ml/y") as other:
        assert other.mount(model.layers[0], "ml/x")


def test_passwords_over_tls(layout: LayoutStore, authority: Authority) -> None:
    model = push_model(layout)
    layout.tag(model.descriptor, "ml/x:v1")
    options = HttpOptions(tls=TLS(ca_file=authority.ca))
    with Server(layout, tls=(authority.server, authority.server_key), credentials={"robot": "s3cret"}) as server:
        right = StaticCredentials({server.host: Credential("robot", "s3cret")})
        wrong = StaticCredentials({server.host: Credential("robot", "other")})
        with RegistryStore(Registry(server.host, options=options, credentials=right), "ml/x") as store:
            document = store.document(store.resolve("v1"))
            assert isinstance(document, Manifest)
            assert store.read(document.layers[0]) == b"weights"
        denied = RegistryStore(Registry(server.host, options=options, credentials=wrong), "ml/x")
        with denied, pytest.raises(AccessDenied):
            denied.resolve("v1")

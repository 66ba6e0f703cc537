"""What every store checks, whatever its backend gives."""

from __future__ import annotations

import io

import pytest

from modelpack.errors import DigestMismatch, DocumentError, SizeMismatch
from modelpack.oci import Descriptor, Index
from modelpack.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from modelpack.store import (
    BytesSource,
    Deleting,
    HashingSource,
    Listing,
    Mounting,
    Ranged,
    Referring,
    Store,
    Stream,
    VerifiedSource,
)
from modelpack.store.base import Parallel
from tests.store.content import WEIGHTS, push_model


class Careless(Store):
    """A backend that gives and takes anything."""

    def __init__(self, given: bytes = b"") -> None:
        self.given = given
        self.taken: dict[Descriptor, bytes] = {}
        self.closed = 0

    def exists(self, descriptor: Descriptor) -> bool:
        return descriptor in self.taken

    def resolve(self, name: str) -> Descriptor:
        return Descriptor.of(OCI_MANIFEST, name.encode())

    def tag(self, descriptor: Descriptor, name: str) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        return io.BytesIO(self.given[offset:])

    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        with source.open() as reader:
            self.taken[descriptor.plain()] = reader.read()

    def _ingest(self, source: HashingSource) -> None:
        with source.open() as reader:
            data = reader.read()
        self.taken[Descriptor(WEIGHTS, source.digest, source.length)] = data


class Plain(Careless):
    """A backend that holds nothing open."""

    close = Store.close


RIGHT = b"the right bytes"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (b"the wrong bytes", DigestMismatch),
        (RIGHT[:-1], SizeMismatch),
        (RIGHT + b"x", SizeMismatch),
        (b"", SizeMismatch),
    ],
)
def test_wrong_bytes_are_never_read(given: bytes, error: type[Exception]) -> None:
    descriptor = Descriptor.of(WEIGHTS, RIGHT)
    with Careless(given) as store:
        with pytest.raises(error):
            store.read(descriptor)
        with pytest.raises(error), store.open(descriptor) as reader:
            reader.read()
    with Careless(RIGHT) as store:
        assert store.read(descriptor) == RIGHT


def test_a_document_has_a_limit() -> None:
    descriptor = Descriptor.of(WEIGHTS, RIGHT)
    with Careless(RIGHT) as store, pytest.raises(SizeMismatch, match="15 bytes, more than the 14 expected here"):
        store.read(descriptor, limit=14)
    with Careless(RIGHT) as store:
        assert store.read(descriptor, limit=15) == RIGHT


def test_a_document_is_parsed_by_its_media_type() -> None:
    raw = Index.build(()).raw
    with Careless(raw) as store:
        assert store.document(Descriptor.of(OCI_INDEX, raw)) == Index.parse(raw)
        with pytest.raises(DocumentError, match="is not the type of a"):
            store.document(Descriptor.of(OCI_MANIFEST, raw))


def test_wrong_bytes_are_never_pushed() -> None:
    descriptor = Descriptor.of(WEIGHTS, RIGHT)
    store = Careless()
    with pytest.raises(DigestMismatch):
        store.push(descriptor, BytesSource(b"the wrong bytes"))
    with pytest.raises(DigestMismatch, match=r"was offered as sha256"):
        store.push(descriptor, VerifiedSource(BytesSource(b"other"), Descriptor.of(WEIGHTS, b"other")))
    assert store.taken == {}
    store.push(descriptor, BytesSource(RIGHT))
    assert store.taken == {descriptor: RIGHT}


def test_ingest_says_what_it_was() -> None:
    store = Careless()
    counted: list[int] = []
    assert store.ingest(WEIGHTS, BytesSource(RIGHT), counted.append) == Descriptor.of(WEIGHTS, RIGHT)
    assert sum(counted) == len(RIGHT)
    assert push_model(store).descriptor in store.taken


def test_it_is_closed_once() -> None:
    with Careless() as store:
        pass
    assert store.closed == 1
    with Plain() as plain:
        assert plain.exists(Descriptor.of(WEIGHTS, b"")) is False


def test_what_a_store_cannot_do_it_does_not_claim() -> None:
    for ability in (Ranged, Parallel, Listing, Deleting, Referring, Mounting):
        assert not isinstance(Careless(), ability)
    source = Careless().source(Descriptor.of(WEIGHTS, RIGHT)).source
    assert source.size == len(RIGHT)
    assert not getattr(source, "ranged")  # noqa: B009  # not part of every source

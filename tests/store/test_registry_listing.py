"""Tags, repositories, and looks into the middle of blobs."""

from __future__ import annotations

import pytest

from modelpack.errors import (
    DocumentError,
    NotFound,
    RegistryError,
    SizeMismatch,
    Unavailable,
    UnsupportedFormat,
)
from modelpack.oci import Descriptor, Digest
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.store.registry import blobs
from modelpack.store.registry import host as registry_host
from tests.faults import FaultyRegistry, Features, Reply, effects
from tests.store.clients import QUICK, connect, stored
from tests.store.content import WEIGHTS, push_model


def test_long_listings_come_in_pages() -> None:
    with FaultyRegistry(Features(page=3)) as faulty, connect(faulty) as store:
        manifest = push_model(store)
        names = tuple(sorted(f"v{number}" for number in range(10)))
        for name in names:
            store.tag(manifest.descriptor, name)
        assert store.tags() == names
        assert faulty.count("GET", "/tags/list") == 4


def catalog(*pages: tuple[bytes, str]) -> effects.Fault:
    """Answers with these pages, one after the other, each with its Link header."""
    left = list(pages)

    def fault(_: effects.Exchange) -> Reply:
        body, link = left.pop(0)
        return Reply(200, {"Content-Type": "application/json", **({"Link": link} if link else {})}, body)

    return fault


def test_repositories(faulty: FaultyRegistry) -> None:
    first = (b'{"repositories":["a","b"]}', '</v2/_catalog?last=b>; rel="next"')
    faulty.on("GET", "/_catalog", catalog(first, (b'{"repositories":["c"]}', "")), times=2)
    with connect(faulty) as store:
        assert list(store.registry.repositories()) == ["a", "b", "c"]
    assert [request.query for request in faulty.requests] == [{"n": "1000"}, {"last": "b"}]


LINKS = [
    "<{url}/v2/_catalog?last=b>; rel=next",
    "<?last=b>;rel=\"NEXT\"",
    '</v2/other>; rel="prev", </v2/_catalog?last=b> ; rel="next"',
]  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_where_the_next_page_is(faulty: FaultyRegistry, link: str) -> None:
    pages = catalog((b'{"repositories":["a"]}', link.format(url=faulty.url)), (b'{"repositories":[]}', ""))
    faulty.on("GET", "/_catalog", pages, times=2)
    with connect(faulty) as store:
        assert list(store.registry.repositories()) == ["a"]
    assert faulty.requests[1].query == {"last": "b"}


@pytest.mark.parametrize("link", ["<http://evil.example/v2/>", "<ftp://x/>", "<http://[::1/>", "<//evil.example/x>"])
def test_the_next_page_is_on_the_same_host(faulty: FaultyRegistry, link: str) -> None:
    faulty.on("GET", "/_catalog", catalog((b"{}", link + '; rel="next"')))
    with connect(faulty) as store, pytest.raises(UnsupportedFormat, match="refers to"):
        list(store.registry.repositories())


@pytest.mark.parametrize("limit", ["MAX_PAGES", "MAX_LISTING"])
def test_a_listing_without_end(faulty: FaultyRegistry, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter(range(10**9))

    def page(_: effects.Exchange) -> Reply:
        return Reply(200, {"Link": f'</v2/_catalog?n={next(pages)}>; rel="next"'}, b'{"repositories":["again"]}')

    monkeypatch.setattr(registry_host, limit, 4 if limit == "MAX_PAGES" else 100)
    faulty.on("GET", "/_catalog", page, times=None)
    with connect(faulty) as store, pytest.raises(DocumentError, match="more than"):
        list(store.registry.repositories())
    assert len(faulty.requests) == 4


def test_a_page_that_follows_itself(faulty: FaultyRegistry) -> None:
    faulty.on("GET", "/_catalog", effects.reply(200, b"{}", {"Link": '<?n=1000>; rel="next"'}), times=None)
    with connect(faulty) as store:
        assert list(store.registry.repositories()) == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags":{}}', b'{"tags":[1]}', b'{"tags":"v1"}'])
def test_a_listing_that_is_none(faulty: FaultyRegistry, body: bytes) -> None:
    faulty.on("GET", "/tags/list", effects.reply(200, body))
    with connect(faulty) as store, pytest.raises(DocumentError, match="listing"):
        store.tags()


def test_no_tags_at_all(faulty: FaultyRegistry) -> None:
    faulty.on("GET", "/tags/list", effects.reply(200, b'{"name":"x","tags":null}'))
    with connect(faulty) as store:
        assert store.tags() == ()


# Looking into the middle


def test_read_at(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, bytes(range(100)))
    with connect(faulty) as store:
        assert store.read_at(blob, 10, 5) == bytes(range(10, 15))
        assert store.read_at(blob, 95, 50) == bytes(range(95, 100))
        assert store.read_at(blob, 0, 100) == bytes(range(100))
        assert store.read_at(blob, 100, 5) == store.read_at(blob, 5, 0) == store.read_at(blob, 5, -1) == b""
    assert [request.headers["range"] for request in faulty.requests] == ["bytes=10-14", "bytes=95-99", "bytes=0-99"]


def test_read_at_where_ranges_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyRegistry(Features(ranges=False)) as faulty, connect(faulty) as store:
        blob = stored(faulty, bytes(range(200)))
        assert store.read_at(blob, 100, 5) == bytes(range(100, 105))
        monkeypatch.setattr(blobs, "MAX_SKIP", 99)
        assert store.read_at(blob, 99, 5) == bytes(range(99, 104))
        with pytest.raises(UnsupportedFormat, match="no Range support"):
            store.read_at(blob, 100, 5)


def test_read_at_of_a_blob_that_is_shorter(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, b"short")
    lie = Descriptor(WEIGHTS, blob.digest, 1000)
    with connect(faulty) as store:
        with pytest.raises(RegistryError, match="answered 416"):
            store.read_at(lie, 500, 5)
        faulty.on("GET", "/blobs/", effects.ignored_range())
        with pytest.raises(SizeMismatch, match="shorter than the part"):
            store.read_at(lie, 500, 5)


def test_read_at_is_tried_again(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, bytes(range(100)))
    with connect(faulty) as store:
        faulty.on("GET", "/blobs/", effects.cut(3, "reset"), times=2)
        assert store.read_at(blob, 10, 5) == bytes(range(10, 15))
        faulty.on("GET", "/blobs/", effects.cut(3, "close"), times=None)
        with pytest.raises(Unavailable, match="2 bytes before the end"):
            store.read_at(blob, 10, 5)
    assert faulty.count("GET", "/blobs/") == 3 + QUICK.retries


@pytest.mark.parametrize(
    "value", ["bytes 11-15/100", "bytes */100", "bytes 0-4/100", "items 10-14/100", "", "bytes " + "9" * 5000]
)
def test_another_range_than_the_one_asked_for(faulty: FaultyRegistry, value: str) -> None:
    blob = stored(faulty, bytes(range(100)))
    faulty.on("GET", "/blobs/", effects.header("Content-Range", value))
    with (
        connect(faulty) as store,
        pytest.raises(SizeMismatch, match="another range than the one asked for, from byte 10"),
    ):
        store.read_at(blob, 10, 5)


def test_what_a_tag_names_without_reading_it() -> None:
    with FaultyRegistry() as faulty, connect(faulty) as store:
        manifest = push_model(store)
        store.tag(manifest.descriptor, "v1")
        before = len(faulty.requests)
        assert store.look_up("v1") == store.look_up(str(manifest.descriptor.digest)) == manifest.descriptor
        assert {request.method for request in faulty.requests[before:]} == {"HEAD"}
        assert store.registry.client.requests == len(faulty.requests)
        with pytest.raises(NotFound):
            store.look_up("v2")


@pytest.mark.parametrize(
    "change",
    [
        {"Docker-Content-Digest": "sha256:abc"},
        {"Docker-Content-Digest": ""},
        {"Content-Type": "text/html"},
        {"Content-Length": "0x10"},
    ],
)
def test_a_registry_that_says_too_little_of_a_tag(change: dict[str, str]) -> None:
    good = {"Docker-Content-Digest": str(Digest.of(b"x")), "Content-Type": OCI_MANIFEST, "Content-Length": "7"}
    with FaultyRegistry() as faulty, connect(faulty) as store:
        faulty.on("HEAD", "/manifests/", lambda _: Reply(200, {**good, **change}, b""))
        assert store.look_up("v1") is None


@pytest.mark.parametrize("api", [True, False])
def test_what_the_referrers_api_lists_if_there_is_one(api: bool) -> None:
    with FaultyRegistry(Features(referrers=api)) as faulty, connect(faulty) as store:
        manifest = push_model(store)
        assert store.listed_referrers(manifest.descriptor) == (() if api else None)

"""Who is told what: passwords, tokens, headers, certificates, and the way through a proxy."""

from __future__ import annotations

from dataclasses import replace

from modelpack.store import (
    TLS,
    Credential,
    Proxies,
)
from tests.faults import FaultyRegistry, Guard, effects
from tests.real.certificates import Authority
from tests.real.proxy import Proxy
from tests.store.clients import NAME, stored
from tests.store.mirrored import BLOBS, SMALL, at, both, connect, downloads


def test_credentials_go_to_their_own_host() -> None:
    guards = Guard("token", "robot", "s3cret"), Guard("basic", "cache", "other")
    with FaultyRegistry(guard=guards[0]) as origin, FaultyRegistry(guard=guards[1]) as mirror:
        blob, missing = both(SMALL, origin, mirror), stored(origin, b"only here")
        logins = {origin.host: Credential("robot", "s3cret"), mirror.host: Credential("cache", "other")}
        with connect(origin, at(mirror), logins=logins) as store:
            assert (store.read(blob), store.read(missing)) == (SMALL, b"only here")
        assert downloads(origin, str(blob.digest)) == 0
        seen = {request.headers.get("authorization", "") for request in mirror.requests}
    assert seen == {"", "Basic Y2FjaGU6b3RoZXI="}


def test_a_mirror_that_asks_for_a_password_that_nobody_has(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with FaultyRegistry(guard=Guard("basic", "cache", "other")) as mirror:
        stored(mirror, SMALL)
        logins = {faulty.host: Credential("robot", "s3cret")}
        with connect(faulty, at(mirror), logins=logins) as store:
            assert store.read(blob) == SMALL
        assert [request.headers.get("authorization") for request in mirror.requests] == [None]


def test_a_mirrors_tokens_are_for_what_it_says(faulty: FaultyRegistry) -> None:
    with FaultyRegistry(guard=Guard("token")) as mirror:
        blob = both(SMALL, faulty, mirror)
        with connect(faulty, at(mirror)) as store:
            assert store.read(blob) == SMALL
        assert mirror.guard.scopes == [f"repository:{NAME}:pull,push,delete"]
    assert downloads(faulty) == 0


def test_headers_are_not_carried_to_where_a_mirror_redirects(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with FaultyRegistry() as storage:
        blob = both(SMALL, faulty, storage)
        mirror.on("GET", BLOBS, effects.redirect(f"{storage.url}{{path}}"), times=None)
        secret = at(mirror, headers=(("Authorization", "Bearer secret"),))
        with connect(faulty, secret) as store:
            assert store.read(blob) == SMALL
        assert [request.headers.get("authorization") for request in storage.requests] == [None]
    assert [request.headers["authorization"] for request in mirror.requests] == ["Bearer secret"]
    assert downloads(faulty) == 0


def test_a_path_of_its_own(faulty: FaultyRegistry, mirror: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    stored(mirror, SMALL, f"cache/{NAME}")
    with connect(faulty, at(mirror, url=f"{mirror.url}/v2/cache")) as store:
        assert store.read(blob) == SMALL
    assert downloads(faulty) == 0


def test_the_registry_itself_is_no_mirror(faulty: FaultyRegistry) -> None:
    blob = stored(faulty, SMALL)
    with connect(faulty, at(faulty)) as store:
        store.read(blob)
    assert [dict(request.query) for request in faulty.requests] == [{}]


def test_tls_of_its_own(faulty: FaultyRegistry, authority: Authority) -> None:
    blob = stored(faulty, SMALL)
    with FaultyRegistry(tls=authority.context(client_required=True)) as mirror:
        stored(mirror, SMALL)
        known = TLS(authority.ca, authority.client, authority.client_key)
        with connect(faulty, at(mirror, tls=known), plain_http=True) as store:
            assert store.read(blob) == SMALL
        assert downloads(faulty) == 0
        # What identifies us to the registry is not shown to a mirror.
        with connect(faulty, at(mirror), plain_http=True, tls=known) as store:
            assert store.read(blob) == SMALL
    assert downloads(faulty) == 1


def test_through_a_proxy(faulty: FaultyRegistry, mirror: FaultyRegistry, proxy: Proxy) -> None:
    blob = both(SMALL, faulty, mirror)
    proxies = Proxies(http=proxy.proxy_url, no_proxy=(faulty.host,))
    with connect(faulty, at(mirror), proxies=proxies) as store:
        assert store.read(blob) == SMALL
    assert [(method, mirror.url in target) for method, target in proxy.requests] == [("GET", True)]
    with connect(faulty, at(mirror), proxies=replace(proxies, no_proxy=("127.0.0.1",))) as store:
        assert store.read(blob) == SMALL
    assert len(proxy.requests) == 1
    assert downloads(mirror) == 2

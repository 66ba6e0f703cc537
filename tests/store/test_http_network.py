"""TLS and proxies: a private authority, client certificates, CONNECT and plain forwarding."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelpack.errors import AccessDenied, Unavailable
from modelpack.store import TLS, Proxies
from tests.faults import FaultyRegistry, Guard, Reply, effects
from tests.real.certificates import Authority, make_authority
from tests.real.process import free_port
from tests.real.proxy import Proxy
from tests.store.clients import NAME, Recorder, connect, stored

LOGIN = ("robot", "canary-password")


@pytest.fixture
def secure(authority: Authority) -> Iterator[FaultyRegistry]:
    """A registry over TLS that hands out tokens over TLS."""
    with FaultyRegistry(guard=Guard("token", *LOGIN), tls=authority.context()) as running:
        yield running


def test_a_private_authority(secure: FaultyRegistry, authority: Authority) -> None:
    with connect(secure, login=LOGIN, tls=TLS(ca_file=authority.ca)) as store:
        assert store.read(stored(secure, b"weights")) == b"weights"
    assert secure.guard.scopes == [f"repository:{NAME}:pull"]


@pytest.mark.parametrize("which", ["none", "another"])
def test_an_authority_that_is_not_trusted(secure: FaultyRegistry, which: str, tmp_path: Path) -> None:
    ca = make_authority(tmp_path).ca if which == "another" else None
    observe = Recorder()
    with (
        connect(secure, observe=observe, plain_http=False, tls=TLS(ca_file=ca)) as store,
        pytest.raises(Unavailable, match=r"cannot verify the certificate of https://127.0.0.1") as caught,
    ):
        store.registry.ping()
    assert "--ca-file" in caught.value.hint
    assert observe.notes == []  # it will not get better


def test_a_certificate_for_another_name(
    authority: Authority, secure: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: find("127.0.0.1", *rest, **more))
    secure.host = secure.host.replace("127.0.0.1", "registry.example")
    with (
        connect(secure, tls=TLS(ca_file=authority.ca)) as store,
        pytest.raises(Unavailable, match=r"registry.example:[0-9]+: Hostname mismatch"),
    ):
        store.registry.ping()


def test_no_verification_at_all_if_so_spelled(secure: FaultyRegistry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with connect(secure, login=LOGIN, plain_http=False, tls=TLS(insecure_skip_verify=True)) as store:
            assert store.read(stored(secure, b"weights")) == b"weights"


def test_mutual_tls(authority: Authority) -> None:
    guard = Guard("token", *LOGIN)
    with FaultyRegistry(guard=guard, tls=authority.context(client_required=True)) as faulty:
        ours = TLS(ca_file=authority.ca, certificate=authority.client, key=authority.client_key)
        with connect(faulty, login=LOGIN, tls=ours) as store:
            store.registry.ping()
        with (
            connect(faulty, login=LOGIN, tls=TLS(ca_file=authority.ca), retries=1) as store,
            pytest.raises(Unavailable, match=r"no TLS with|no answer from"),
        ):
            store.registry.ping()


def test_a_handshake_that_never_ends(authority: Authority) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        silent = FaultyRegistry()
        silent.host = f"127.0.0.1:{listening.getsockname()[1]}"
        begun = time.monotonic()
        options: dict[str, Any] = {"connect_timeout": 0.2, "read_timeout": 30, "retries": 1}
        with (
            connect(silent, tls=TLS(ca_file=authority.ca), **options) as store,
            pytest.raises(Unavailable, match="timed out"),
        ):
            store.registry.ping()
        assert time.monotonic() - begun < 10
        silent._wire.server_close()


def test_https_to_http_is_no_redirect_to_follow(
    secure: FaultyRegistry, authority: Authority, faulty: FaultyRegistry
) -> None:
    secure.guard.kind = "none"
    with connect(secure, tls=TLS(ca_file=authority.ca)) as store:
        secure.on("GET", "/blobs/", effects.redirect(f"{faulty.url}{{path}}"))
        with pytest.raises(Exception, match="redirects to a place that is not HTTPS"):
            store.read(stored(secure, b"weights"))
    assert faulty.requests == []


def test_a_blob_from_another_host_sees_no_token(secure: FaultyRegistry, authority: Authority) -> None:
    with FaultyRegistry(tls=authority.context()) as other:
        blob = stored(other, b"weights")
        secure.on("GET", "/blobs/", effects.redirect(f"{other.url}{{path}}?X-Signature=canary"), skip=1)
        with connect(secure, login=LOGIN, tls=TLS(ca_file=authority.ca)) as store:
            assert store.read(blob) == b"weights"
        assert secure.requests[-1].headers["authorization"].startswith("Bearer ")
        assert [request.headers.get("authorization") for request in other.requests] == [None]
        assert other.requests[0].query == {"X-Signature": "canary"}


def test_a_signature_in_a_url_is_not_shown(faulty: FaultyRegistry) -> None:
    with FaultyRegistry() as other, connect(faulty, observe=(observe := Recorder())) as store:
        faulty.on("GET", "/blobs/", effects.redirect(f"{other.url}/x?X-Signature=canary"), times=None)
        other.on("GET", "/x", effects.status(503), times=None)
        with pytest.raises(Unavailable) as caught:
            store.read(stored(faulty, b"weights"))
        assert "canary" not in str(caught.value) + caught.value.hint + str(observe.events)


# Proxies


def test_https_through_a_proxy(secure: FaultyRegistry, authority: Authority, proxy: Proxy) -> None:
    options: dict[str, Any] = {"tls": TLS(ca_file=authority.ca), "proxies": Proxies(https=proxy.proxy_url)}
    with connect(secure, login=LOGIN, **options) as store:
        assert store.read(stored(secure, b"weights")) == b"weights"
    assert set(proxy.requests) == {("CONNECT", secure.host)}
    assert secure.count("GET", "/token") == 1


def test_http_through_a_proxy(faulty: FaultyRegistry, proxy: Proxy) -> None:
    faulty.guard.kind, faulty.guard.username, faulty.guard.password = "token", *LOGIN
    with connect(faulty, login=LOGIN, proxies=Proxies(http=proxy.host)) as store:
        assert store.push_bytes("text/plain", b"weights").size == 7
    assert ("PUT", faulty.url) in [(method, target[: len(faulty.url)]) for method, target in proxy.requests]
    assert len(proxy.requests) == len(faulty.requests)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password(scheme: str, authority: Authority) -> None:
    tls = TLS(ca_file=authority.ca) if scheme == "https" else TLS()
    context = authority.context() if scheme == "https" else None
    with Proxy("us er", "canary:p@ss") as proxy, FaultyRegistry(tls=context) as faulty:
        url = f"http://us%20er:canary%3Ap%40ss@{proxy.host}"
        with connect(faulty, tls=tls, proxies=Proxies(http=url, https=url)) as store:
            store.registry.ping()
        wrong = f"http://us%20er:canary@{proxy.host}"
        with (
            connect(faulty, tls=tls, proxies=Proxies(http=wrong, https=wrong)) as store,
            pytest.raises(AccessDenied, match="407") as caught,
        ):
            store.registry.ping()
        assert "canary" not in str(caught.value) + caught.value.hint
        assert "prox" in str(caught.value) + caught.value.hint
        assert proxy.refused == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(faulty: FaultyRegistry, scheme: str) -> None:
    place = f"127.0.0.1:{free_port()}"
    options: dict[str, Any] = {"plain_http": scheme == "http", "proxies": Proxies(http=place, https=place)}
    with (
        connect(faulty, **options) as store,
        pytest.raises(Unavailable, match=f"no answer from the proxy {place}, on the way to {scheme}://") as caught,
    ):
        store.registry.ping()
    assert "HTTPS_PROXY" in caught.value.hint


def test_a_proxy_that_cannot_reach_the_registry(secure: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyRegistry() as broken:
        handler = broken._wire.RequestHandlerClass
        monkeypatch.setattr(handler, "do_CONNECT", lambda self: self._exchange(), raising=False)
        broken.on("CONNECT", "", lambda _: Reply(502), times=None)
        with (
            connect(secure, plain_http=False, retries=2, proxies=Proxies(https=broken.host)) as store,
            pytest.raises(Unavailable, match=f"the proxy {broken.host} answered 502 when asked for https://"),
        ):
            store.registry.ping()
        assert broken.count("CONNECT") == 2


def test_a_host_without_proxy(faulty: FaultyRegistry, proxy: Proxy) -> None:
    with connect(faulty, proxies=Proxies(http=proxy.proxy_url, no_proxy=("127.0.0.0/8",))) as store:
        store.registry.ping()
    assert proxy.requests == []

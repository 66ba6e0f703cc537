"""Connections that are kept, and redirects that are followed or not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from modelpack.errors import NotFound, RegistryError
from modelpack.store.http import Request
from modelpack.store.http import connections as http_connections
from tests.faults import FaultyRegistry, Reply, effects
from tests.store.clients import Recorder, connect

PING = r"^/v2/$"


def ping(faulty: FaultyRegistry, **options: Any) -> Recorder:
    observe = Recorder()
    with connect(faulty, observe=observe, **options) as store:
        store.registry.ping()
    return observe


def test_connections_are_used_again(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        for _ in range(5):
            store.registry.ping()
            with pytest.raises(NotFound):
                store.resolve("absent")
    assert faulty.connections == 1


def test_a_connection_that_died_in_the_pool_is_replaced(faulty: FaultyRegistry) -> None:
    observe = Recorder()
    with connect(faulty, observe=observe) as store:
        store.registry.ping()
        faulty.on("GET", PING, effects.hang_up())  # as if it had died just before
        store.registry.ping()
    assert faulty.count("GET", PING) == 3
    assert observe.notes == []


def test_a_connection_that_the_registry_closed_is_noticed(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        faulty.on("GET", PING, lambda _: Reply(200, ending="close"))
        store.registry.ping()
        time.sleep(0.05)
        store.registry.ping()
    assert (faulty.connections, faulty.count("GET", PING)) == (2, 2)


def test_old_connections_are_not_trusted(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(faulty) as store:
        store.registry.ping()
        monkeypatch.setattr(http_connections, "MAX_IDLE_SECONDS", 0.0)
        store.registry.ping()
    assert faulty.connections == 2


def test_a_body_of_no_use_costs_a_connection_not_memory(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.flood(1 << 30))
    with connect(faulty) as store:
        store.registry.ping()
        store.registry.ping()
    assert faulty.connections == 2


def test_only_some_idle_connections_are_kept(faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "MAX_IDLE", 1)
    with FaultyRegistry() as other, connect(faulty) as store:
        for registry in (faulty, other, faulty):
            store.registry.client.send(Request("GET", f"{registry.url}/v2/")).drain()
    assert (faulty.connections, other.connections) == (2, 1)


def test_what_comes_back_after_closing_is_closed(faulty: FaultyRegistry) -> None:
    with connect(faulty) as store:
        response = store.registry.client.send(Request("GET", f"{faulty.url}/v2/"))
        store.close()
        response.drain()
        response.close()
        store.registry.ping()  # one that is closed still works, but keeps nothing
        store.registry.ping()
    assert faulty.connections == 3


def test_a_store_that_is_entered_again_keeps_connections_again(faulty: FaultyRegistry) -> None:
    store = connect(faulty)
    for _ in range(2):
        with store:
            for _ in range(3):
                store.registry.ping()
    with store.registry as registry:
        registry.ping()
        registry.ping()
    assert faulty.connections == 3


# Redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host(faulty: FaultyRegistry, code: int) -> None:
    with FaultyRegistry() as other, connect(faulty) as store:
        faulty.on("GET", PING, effects.redirect(f"{other.url}/v2/?signature=abc", code))
        store.registry.ping()
        assert other.requests[0].query == {"signature": "abc"}
        assert "modelpack" in other.requests[0].headers["user-agent"]


def test_a_redirect_on_the_same_host_with_odd_characters(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.redirect("/odd path/\xc3\xbc%20?a=b|c\u007f"))
    faulty.on("GET", "odd", effects.reply(200))
    ping(faulty)
    assert faulty.requests[-1].path == "/odd%20path/%C3%BC%20"


def test_five_redirects_are_followed(faulty: FaultyRegistry) -> None:
    faulty.on("GET", "", effects.redirect("/v2/"), times=5)
    ping(faulty)
    assert faulty.count("GET") == 6


@pytest.mark.parametrize("location", ["/v2/", "{path}?{count}", ""])
def test_a_redirect_loop(faulty: FaultyRegistry, location: str) -> None:
    faulty.on("GET", "", effects.redirect(location), times=None)
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        ping(faulty)
    assert faulty.count("GET") == 6


@pytest.mark.parametrize(
    "location", ["ftp://host/", "http://[::1/", "http://a b/", "http://host:99999/", "file:///etc/passwd"]
)
def test_a_redirect_to_nowhere(faulty: FaultyRegistry, location: str) -> None:
    faulty.on("GET", PING, effects.redirect(location))
    with pytest.raises(RegistryError, match="redirects to a place that is not HTTPS"):
        ping(faulty)


def test_an_upload_is_not_redirected(faulty: FaultyRegistry) -> None:
    faulty.on("POST", "/uploads/", effects.redirect("/elsewhere"))
    with connect(faulty) as store, pytest.raises(RegistryError, match="answered 307"):
        store.push_bytes("text/plain", b"x")

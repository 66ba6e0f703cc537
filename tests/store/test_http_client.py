"""Requests, retries and redirects."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from modelpack.errors import AccessDenied, NotFound, RegistryError, StoreError, Unavailable
from modelpack.store import CHUNK, BytesSource, Registry
from modelpack.store.http import Request
from modelpack.store.http.response import MAX_ERROR_BODY
from tests.faults import FaultyRegistry, Reply, effects, error
from tests.store.clients import NAME, QUICK, Recorder, connect

PING = r"^/v2/$"


def ping(faulty: FaultyRegistry, **options: Any) -> Recorder:
    observe = Recorder()
    with connect(faulty, observe=observe, **options) as store:
        store.registry.ping()
    return observe


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_busy_registry_is_asked_again(faulty: FaultyRegistry, code: int) -> None:
    faulty.on("GET", PING, effects.status(code), times=2)
    observe = ping(faulty)
    assert faulty.count("GET", PING) == 3
    assert [f"answered {code}" in note for note in observe.notes] == [True, True]
    assert "attempt 3 in 0.0 s" in observe.notes[1]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_registry_that_stays_busy(faulty: FaultyRegistry, code: int) -> None:
    faulty.on("GET", PING, effects.status(code), times=None)
    with pytest.raises(Unavailable, match=f"answered {code}") as caught:
        ping(faulty)
    assert faulty.count("GET", PING) == QUICK.retries
    assert "overloaded" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, RegistryError), (401, AccessDenied), (403, AccessDenied), (404, NotFound), (418, RegistryError)],
)
def test_an_answer_that_more_asking_does_not_change(faulty: FaultyRegistry, code: int, kind: type[StoreError]) -> None:
    faulty.on("GET", PING, effects.status(code), times=None)
    with pytest.raises(kind, match=f"GET http://.*/v2/ answered {code} \\(UNAVAILABLE: unavailable\\)") as caught:
        ping(faulty)
    assert faulty.count("GET", PING) == 1
    assert caught.value.hint == (f"log in with: modelpack login {faulty.host}" if kind is AccessDenied else "")


def test_what_a_registry_error_holds(faulty: FaultyRegistry) -> None:
    faulty.on(
        "GET",
        "/manifests/",
        effects.reply(418, b'{"errors":[{"code":"TEAPOT","message":"short\\nand \\u001b[31mstout"}]}'),
    )
    with connect(faulty) as store, pytest.raises(RegistryError) as caught:
        store.resolve("v1")
    assert (caught.value.status, caught.value.code, caught.value.method) == (418, "TEAPOT", "GET")
    assert caught.value.url == f"{faulty.url}/v2/{NAME}/manifests/v1"
    assert str(caught.value).endswith("answered 418 (TEAPOT: short and  [31mstout)")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"errors":[]}', b'{"errors":[1]}', b'{"errors":[{}]}', b'{"errors":{"a":1}}', b"\xff",
     b"[" * 50_000, b'{"errors":[{"code":' + b"9" * 5000 + b"}]}", b'{"errors":[' + b" " * (MAX_ERROR_BODY * 2)],
)  # fmt: skip
def test_an_error_without_a_word_of_use(faulty: FaultyRegistry, body: bytes) -> None:
    faulty.on("GET", PING, effects.reply(400, body))
    with pytest.raises(RegistryError) as caught:
        ping(faulty)
    assert str(caught.value) == f"GET {faulty.url}/v2/ answered 400"


def test_an_error_whose_body_breaks_off(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.raw(b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\n{"))
    with pytest.raises(RegistryError, match=r"answered 400$"):
        ping(faulty)


def test_an_error_message_is_cut(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, lambda _: error(400, "C" * 1000, "m" * 10_000))
    with pytest.raises(RegistryError) as caught:
        ping(faulty)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_heeded(faulty: FaultyRegistry, as_date: bool) -> None:
    wait = 1.5 if as_date else 0.3  # a date has whole seconds
    faulty.on("GET", PING, effects.status(429, retry_after=wait, as_date=as_date))
    begun = time.monotonic()
    ping(faulty, longest_wait=5)
    assert (0.2 if as_date else 0.3) <= time.monotonic() - begun < 10


@pytest.mark.parametrize("value", ["86400", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_not_for_ever(faulty: FaultyRegistry, value: str) -> None:
    faulty.on("GET", PING, lambda _: error(503, "BUSY", headers={"Retry-After": value}))
    begun = time.monotonic()
    ping(faulty, longest_wait=0.2)
    assert 0.2 <= time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1e9", "nan", "Thu, 99 Foo", "Fri, 31 Dec 1999 23:59:59 GMT", "٣", ", , :"]
)
def test_retry_after_that_says_nothing(faulty: FaultyRegistry, value: str) -> None:
    header = value.encode().decode("latin-1")
    faulty.on("GET", PING, lambda _: error(503, "BUSY", headers={"Retry-After": header}))
    begun = time.monotonic()
    ping(faulty, longest_wait=30)
    assert time.monotonic() - begun < 10


def test_all_workers_hold_back_together(faulty: FaultyRegistry) -> None:
    store = connect(faulty)
    faulty.on("GET", "/manifests/first", effects.status(429, retry_after=0.3))
    with store:
        faulty.on("GET", "/manifests/first", effects.reply(200, b"{}"), skip=1)
        thread = threading.Thread(
            target=store.registry.client.fetch, args=(Request("GET", f"{store.base}/manifests/first"),)
        )
        thread.start()
        while not faulty.count("GET", "first"):
            time.sleep(0.005)
        time.sleep(0.05)
        begun = time.monotonic()
        with pytest.raises(NotFound):
            store.resolve("second")
        assert time.monotonic() - begun > 0.15
        thread.join()


def test_an_observer_that_raises_ends_it(faulty: FaultyRegistry) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    faulty.on("GET", PING, effects.status(503), times=None)
    with Registry(faulty.host, QUICK, observe=stop) as registry, pytest.raises(KeyboardInterrupt):
        registry.ping()
    assert faulty.count("GET", PING) == 1


BROKEN = {
    "reset": effects.hang_up(),
    "closed": effects.hang_up(reset=False),
    "not HTTP": effects.raw(b"220 smtp ready\r\n"),
    "half a head": effects.raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "a long line": effects.raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"),
    "many headers": effects.many_headers(10_000),
    "huge headers": effects.many_headers(100_000, 60_000),
    "silence": effects.silence(),
    "nothing": effects.raw(b""),
    "an unknown version": effects.raw(b"HTTP/9.9 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none_is_asked_for_again(faulty: FaultyRegistry, name: str) -> None:
    faulty.on("GET", PING, BROKEN[name])
    begun = time.monotonic()
    observe = ping(faulty, read_timeout=0.3)
    assert faulty.count("GET", PING) == 2
    assert len(observe.notes) == 1
    assert time.monotonic() - begun < 10


def test_a_head_that_drips_is_not_waited_for(faulty: FaultyRegistry) -> None:
    drip = (b"x" for _ in iter(int, 1))
    faulty.on("GET", PING, lambda _: Reply(raw=drip, pause=0.02), times=None)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="fewer than"):
        ping(faulty, read_timeout=0.2, minimum_rate=1000, retries=1)
    assert time.monotonic() - begun < 10


def test_endless_hundreds_are_not_waited_for(faulty: FaultyRegistry) -> None:
    hundreds = (b"HTTP/1.1 100 Continue\r\n\r\n" for _ in iter(int, 1))
    faulty.on("GET", PING, lambda _: Reply(raw=hundreds, pause=0.01), times=None)
    with pytest.raises(Unavailable, match="fewer than"):
        ping(faulty, read_timeout=0.2, minimum_rate=100_000, retries=1)


def test_waiting_for_the_first_byte_is_not_a_drip(faulty: FaultyRegistry) -> None:
    def late(_: effects.Exchange) -> Reply:
        time.sleep(0.6)
        return Reply(raw=(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n\r\n"), pause=0.6, ending="close")

    faulty.on("GET", PING, late)
    assert ping(faulty, read_timeout=1.0, minimum_rate=1_000_000).notes == []


def test_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
        begun = time.monotonic()
        observe = Recorder()
        with pytest.raises(Unavailable, match=f"http://{host} refuses connections") as caught:
            Registry(host, QUICK, observe=observe).ping()
        assert "check host and port" in caught.value.hint
        assert len(observe.notes) == 1  # once more, since it may be starting; then it is more likely a typo
        assert time.monotonic() - begun < 10


def test_a_known_registry_that_restarts_gets_all_attempts(faulty: FaultyRegistry) -> None:
    observe = Recorder()
    with connect(faulty, observe=observe, retries=5) as store:
        store.registry.ping()
        faulty.__exit__(None, None, None)
        with pytest.raises(Unavailable, match="refuses connections"):
            store.registry.ping()
    assert len(observe.notes) == 4


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Unavailable, match=r"cannot find the host registry.invalid$") as caught:
        Registry("registry.invalid", QUICK).ping()
    assert caught.value.hint == "check the name and the network"


def test_https_where_http_is_spoken(faulty: FaultyRegistry) -> None:
    with pytest.raises(Unavailable, match=r"no TLS with https://127.0.0.1") as caught:
        ping(faulty, plain_http=False)
    assert "--plain-http" in caught.value.hint


def test_a_body_that_cannot_be_read(faulty: FaultyRegistry) -> None:
    class BadDisk:
        size = 3

        def open(self) -> BadDisk:
            return self

        def readinto(self, _: memoryview, /) -> int:
            raise OSError(5, "Input/output error")

        def close(self) -> None:
            pass

    with connect(faulty) as store:
        request = Request("PUT", f"{faulty.url}/v2/", body=BadDisk())
        with pytest.raises(StoreError, match="cannot read what is to be sent: Input/output error") as caught:
            store.registry.client.send(request)
    assert not isinstance(caught.value, Unavailable)


def test_an_answer_before_the_whole_body_is_heard(faulty: FaultyRegistry) -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def refuse(exchange: effects.Exchange) -> Reply:
        exchange.incoming.discard(1)
        return Reply(raw=(early,), ending="close")

    faulty.on("PUT", PING, refuse)
    with connect(faulty) as store, pytest.raises((RegistryError, Unavailable)):
        store.registry.client.send(Request("PUT", f"{faulty.url}/v2/", body=BytesSource(b"x" * 100), repeatable=False))


def test_repeated_headers_are_joined(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.raw(b"HTTP/1.1 200 OK\r\nX: one\r\nx: two\r\nContent-Length: 0\r\n\r\n"))
    with connect(faulty) as store:
        response = store.registry.client.send(Request("GET", f"{faulty.url}/v2/"))
        response.drain()
    assert response.headers["x"] == "one, two"


def test_a_small_answer_that_breaks_off_is_asked_for_again(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"))
    with connect(faulty) as store:
        _, body = store.registry.client.fetch(Request("GET", f"{faulty.url}/v2/"))
    assert body == b"{}"


def test_a_large_answer_is_cut(faulty: FaultyRegistry) -> None:
    faulty.on("GET", PING, effects.flood(1 << 30, declared=False))
    with connect(faulty) as store:
        _, body = store.registry.client.fetch(Request("GET", f"{faulty.url}/v2/"), CHUNK + 1)
    assert len(body) == CHUNK + 1

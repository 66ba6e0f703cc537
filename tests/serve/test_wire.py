"""HTTP/1.1 as hostile and as merely odd clients speak it."""

from __future__ import annotations

import socket
import time

import pytest

from modelpack.oci import Descriptor, Digest
from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.serve.client import Client, raw

UPLOADS = "/v2/ml/x/blobs/uploads/"
DIGEST = Digest.of(b"0123456789")
POST = f"POST {UPLOADS}?digest={DIGEST} HTTP/1.1\r\nHost: x\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_many_requests_on_one_connection(client: Client) -> None:
    for _ in range(20):
        client.push(b"0123456789")
        assert client("GET", f"/v2/ml/x/blobs/{DIGEST}").body == b"0123456789"
        assert client("GET", "/v2/").json == {}


def test_pipelined_requests(client: Client) -> None:
    head = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    upload = f"{POST}Content-Length: 10\r\n\r\n0123456789".encode()
    answer = raw(client, upload + head + b"GET /v2/_catalog HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 201") == 1
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        ("Content-Length: 10\r\n\r\n0123456789", 201),
        ("Content-Length: +10\r\n\r\n0123456789", 400),
        ("Content-Length: 0x0a\r\n\r\n0123456789", 400),
        ("Content-Length: -1\r\n\r\n", 400),
        ("Content-Length: 10\r\nContent-Length: 10\r\n\r\n0123456789", 400),
        ("Content-Length: 99999999999999999999\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 201),
        ("Transfer-Encoding: CHUNKED\r\n\r\n3;x=y\r\n012\r\n7\r\n3456789\r\n0\r\nX-T: 1\r\n\r\n", 201),
        ("Transfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501),
        ("Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\n0123456789\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\n" + "f" * 40 + "\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n" + "X: y\r\n" * 100 + "\r\n", 400),
    ],
)
def test_bodies(client: Client, framing: str, expected: int) -> None:
    assert status(raw(client, f"{POST}{framing}".encode())) == expected


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 10\r\n\r\n01234",
        "Transfer-Encoding: chunked\r\n\r\na\r\n01234",
        "Transfer-Encoding: chunked\r\n\r\n" + "0" * 2000,
        "Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_bodies_that_break_off_get_no_answer(client: Client, layout: LayoutStore, framing: str) -> None:
    assert raw(client, f"{POST}{framing}".encode()) == b""
    assert list((layout.path / ".modelpack" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x00\r\n\r\n", 400),
        (b"GET /v2/ HTTP/9.9\r\n\r\n", 505),
        (b"BREW /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /v2/ HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /v2/ HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_no_request(client: Client, request_: bytes, expected: int) -> None:
    answer = raw(client, request_)
    assert status(answer) == expected
    assert b'"errors"' in answer
    assert b"Connection: close" in answer


def test_old_clients(client: Client) -> None:
    assert status(raw(client, b"GET /v2/ HTTP/1.0\r\n\r\n")) == 200
    assert raw(client, b"GET /v2/\r\n\r\n") == b"{}"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v2/ml/x", 404),
        ("GET", "/../../etc/passwd", 404),
        ("POST", "/v2/", 405),
        ("PATCH", "/v2/ml/x/manifests/v1", 405),
        ("GET", UPLOADS, 405),
    ],
)
def test_other_places(client: Client, method: str, path: str, expected: int) -> None:
    answer = client(method, path)
    assert (answer.status, answer.code) == (expected, "UNSUPPORTED")
    assert (expected == 405) == ("allow" in answer.headers)


def test_a_client_that_waits_is_told_to_go_on(client: Client) -> None:
    with socket.create_connection(client.address, 20) as connection:
        connection.sendall(f"{POST}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"0123456789")
        assert status(connection.recv(1000)) == 201


def test_a_client_that_waits_is_refused_before_it_sends(client: Client) -> None:
    with socket.create_connection(client.address, 20) as connection:
        head = "PUT /v2/ml/x/blobs/uploads/absent?digest=sha256:abc HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(f"{head}Content-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = connection.recv(2000)
        assert status(answer) == 400
        assert b"Connection: close" in answer


def test_a_refusal_reaches_a_client_that_is_still_sending(client: Client) -> None:
    body = bytes(8 << 20)
    with socket.create_connection(client.address, 20) as connection:
        head = f"PUT {UPLOADS}absent?digest={DIGEST} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert status(connection.recv(2000)) == 404


def test_a_small_body_that_nobody_wanted_does_not_end_the_connection(client: Client) -> None:
    assert client("PUT", f"{UPLOADS}absent?digest={DIGEST}", b"x" * 1000).status == 404
    answer = client("GET", "/v2/")
    assert (answer.status, answer.headers.get("connection")) == (200, None)


def test_a_broken_body_that_nobody_wanted_ends_the_connection(client: Client) -> None:
    head = f"PUT {UPLOADS}absent?digest={DIGEST} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
    answer = raw(client, head.encode())
    assert status(answer) == 404
    assert b"Connection: close" in answer


def test_an_endless_body_that_nobody_wanted_ends_the_connection(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelpack.serve.http.connection._LINGER", 0.1)
    with socket.create_connection(client.address, 20) as connection:
        connection.sendall(f"PUT {UPLOADS}absent?digest={DIGEST} HTTP/1.1\r\n".encode())
        connection.sendall(
            b"Transfer-Encoding: chunked\r\n\r\n" + b"fffff\r\n" + bytes(0xFFFFF) + b"\r\n" + b"fffff\r\n"
        )
        connection.sendall(bytes(0xFFFFF))
        assert status(connection.recv(2000)) == 404
        begun = time.monotonic()
        while connection.recv(1000):
            pass
        assert time.monotonic() - begun < 5


def test_silence_ends_a_connection(layout: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.serve.server.SILENCE", 0.1)
    with Server(layout) as server:
        talking = Client(server)
        assert raw(talking, b"", end=False) == b""
        assert raw(talking, b"GET /v2/ HTTP/1.1\r\nHos", end=False) == b""
        assert raw(talking, f"{POST}Content-Length: 10\r\n\r\n01".encode(), end=False) == b""


def test_lines_for_the_log(client: Client, log: list[str]) -> None:
    client("GET", "/v2/")
    raw(client, b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
    assert '"GET /v2/ HTTP/1.1" 200' in log[0]
    assert "\x1b" not in "".join(log)


def test_what_was_stored_by_odd_clients_is_right(client: Client, layout: LayoutStore) -> None:
    raw(client, f"{POST}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n".encode())
    assert layout.read(Descriptor("", DIGEST, 10)) == b"0123456789"

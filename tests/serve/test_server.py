from __future__ import annotations

import base64
import os
import socket
import ssl
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import Descriptor, Digest
from modelpack.serve import Server
from modelpack.store import LayoutStore
from tests.real.certificates import Authority
from tests.serve.client import Client, raw
from tests.store.content import WEIGHTS, push_model

BIG = os.urandom(8 << 20)


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def test_passwords(layout: LayoutStore) -> None:
    with Server(layout, credentials={"ann": "secret", "bob": ""}) as server:
        client = Client(server)
        for header in ("", "Basic", "Basic !", "Basic w6T=", "Bearer " + basic("ann:secret")[6:], "Basic \xe4"):
            answer = client("GET", "/v2/", authorization=header)
            assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"].startswith('Basic realm="modelpack"')
        for login in ("ann:wrong", "ann:", "eve:secret", "eve:", "bob:x", ":", "ann"):
            assert client("GET", "/v2/", authorization=basic(login)).status == 401
            assert client("POST", "/v2/x/blobs/uploads/", authorization=basic(login)).status == 401
        for login in ("ann:secret", "bob:"):
            assert client("GET", "/v2/", authorization=basic(login)).status == 200
        client.close()


def test_read_only(layout: LayoutStore) -> None:
    model = push_model(layout)
    layout.tag(model.descriptor, "ml/x:v1")
    with Server(layout, read_only=True) as server:
        client = Client(server)
        assert client("GET", "/v2/ml/x/manifests/v1").body == model.raw
        for method, path in (
            ("POST", "/v2/ml/x/blobs/uploads/"),
            ("PUT", "/v2/ml/x/manifests/v2"),
            ("DELETE", "/v2/ml/x/manifests/v1"),
            ("PATCH", "/v2/ml/x/blobs/uploads/x"),
        ):
            answer = client(method, path)
            assert (answer.status, answer.code, answer.headers["allow"]) == (405, "UNSUPPORTED", "GET, HEAD")
        client.close()
    assert layout.tags() == ("ml/x:v1",)


@pytest.fixture
def tls(layout: LayoutStore, authority: Authority) -> Iterator[Server]:
    with Server(layout, tls=(authority.server, authority.server_key)) as server:
        yield server


def test_tls(tls: Server, layout: LayoutStore, authority: Authority) -> None:
    descriptor = layout.push_bytes(WEIGHTS, BIG)
    assert tls.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    place = f"{tls.url}/v2/x/blobs/{descriptor.digest}"
    with urllib.request.urlopen(place, context=trusting, timeout=20) as answer:
        assert answer.read() == BIG
    part = urllib.request.Request(place, headers={"Range": "bytes=5-9"})
    with urllib.request.urlopen(part, context=trusting, timeout=20) as answer:
        assert (answer.status, answer.read()) == (206, BIG[5:10])
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(place, timeout=20)


def test_certificates_that_cannot_be_used(layout: LayoutStore, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for pair in (
        (tmp_path / "absent.pem", authority.server_key),
        (tmp_path / "empty.pem", authority.server_key),
        (authority.ca, authority.server_key),
    ):
        with pytest.raises(InputError, match="cannot use the certificate"):
            Server(layout, tls=pair)


def test_a_port_that_is_taken(server: Server, layout: LayoutStore) -> None:
    port = int(server.host.rpartition(":")[2])
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1 port {port}"):
        Server(layout, port=port)
    for host, bad in (("127.0.0.1", 99_999), ("host.invalid", 0)):
        with pytest.raises(InputError, match="cannot listen"):
            Server(layout, host, bad)


def test_ipv6(layout: LayoutStore) -> None:
    try:
        server = Server(layout, "::1")
    except InputError:
        assert not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text()
        return
    with server:
        assert server.host.startswith("[::1]:")
        with urllib.request.urlopen(f"{server.url}/v2/", timeout=20) as answer:
            assert answer.status == 200


def test_stopping_ends_connections_and_uploads(layout: LayoutStore) -> None:
    server = Server(layout)
    server.start()
    client = Client(server)
    location = client("POST", "/v2/x/blobs/uploads/").headers["location"]
    with socket.create_connection(client.address, 20) as sending:
        sending.sendall(f"PATCH {location} HTTP/1.1\r\nContent-Length: 100\r\n\r\n1234".encode())
        time.sleep(0.1)
        server.stop()
        assert sending.recv(100) == b""
    client.close()
    assert list((layout.path / ".modelpack" / "incoming").iterdir()) == []
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(client.address, 5)


def test_stopping_what_was_never_started(layout: LayoutStore) -> None:
    Server(layout).stop()


def test_serving_in_a_thread_of_the_caller(layout: LayoutStore) -> None:
    server = Server(layout)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = Client(server)
    assert client("GET", "/v2/").status == 200
    client.close()
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_who_comes_too_many_is_turned_away(layout: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.serve.server.MAX_CONNECTIONS", 2)
    with Server(layout) as server:
        clients = [Client(server) for _ in range(2)]
        assert [client("GET", "/v2/").status for client in clients] == [200, 200]
        assert raw(clients[0], b"", end=False) == b""
        clients[0].close()
        for _ in range(100):  # the place is free when its thread has ended
            if b"200" in raw(clients[1], b"GET /v2/ HTTP/1.0\r\n\r\n"):
                break
            time.sleep(0.02)
        else:
            pytest.fail("the place of a client that left stays taken")
        clients[1].close()


def test_abandoned_uploads_are_looked_for_now_and_then(layout: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.serve.server._TIDY", 0.0)
    monkeypatch.setattr("modelpack.serve.uploads.Uploads.expire.__defaults__", (0.0,))
    with Server(layout) as server:
        client = Client(server)
        location = client("POST", "/v2/x/blobs/uploads/").headers["location"]
        time.sleep(0.4)
        assert client("GET", location).status == 404
        client.close()


def test_plain_clients_at_a_tls_port_are_sent_away_and_noted(
    layout: LayoutStore, capfd: pytest.CaptureFixture[str], authority: Authority
) -> None:
    lines: list[str] = []
    with Server(layout, tls=(authority.server, authority.server_key), log=lines.append) as server:
        with suppress(ConnectionResetError), socket.create_connection(Client(server).address, 20) as plain:
            plain.sendall(b"GET /v2/ HTTP/1.1\r\n\r\n")
            assert b"200" not in plain.recv(1000)
        for _ in range(100):
            if lines:
                break
            time.sleep(0.02)
    assert lines == ["127.0.0.1 connection ended early"]
    assert capfd.readouterr() == ("", "")


def test_a_client_that_leaves_in_the_middle_of_a_blob(layout: LayoutStore, client: Client, log: list[str]) -> None:
    descriptor = layout.push_bytes(WEIGHTS, BIG)
    for _ in range(3):
        with socket.create_connection(client.address, 20) as leaving:
            leaving.sendall(f"GET /v2/x/blobs/{descriptor.digest} HTTP/1.1\r\n\r\n".encode())
            leaving.recv(1000)
    assert client("GET", f"/v2/x/blobs/{descriptor.digest}").body == BIG
    assert all("ended early" not in line for line in log)


def test_memory_stays_flat(layout: LayoutStore, server: Server) -> None:
    """Large blobs pass through in pieces, both ways."""
    digest, size = Digest.of(BIG), len(BIG)
    with socket.create_connection((server.host.partition(":")[0], int(server.host.partition(":")[2])), 20) as talking:
        received = bytearray(1 << 20)
        head = f"POST /v2/x/blobs/uploads/?digest={digest} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n"
        tracemalloc.start()
        try:
            talking.sendall(head.encode())
            talking.sendall(BIG)
            assert b" 201 " in talking.recv(1000)
            talking.sendall(f"GET /v2/x/blobs/{digest} HTTP/1.1\r\n\r\n".encode())
            total = 0
            while total < size:
                total += talking.recv_into(received)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
    assert layout.read(Descriptor("", digest, size), limit=size) == BIG


def test_many_clients_at_once(layout: LayoutStore, server: Server) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        client = Client(server)
        try:
            for step in range(10):
                data = b"%d-%d" % (number, step) * 1000
                digest = client.push(data)
                assert client("GET", f"/v2/ml/x/blobs/{digest}").body == data
                push_model(layout, data)
        except BaseException as error:  # noqa: BLE001  # shown below
            problems.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []

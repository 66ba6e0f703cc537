"""The misbehaving registry itself: well-behaved by default (independent clients say so), and wrong exactly as told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.faults import FaultyRegistry, Features, Guard, Reply, effects
from tests.faults.guard import Kind
from tests.real.certificates import Authority
from tests.real.tools import run

BLOB = bytes(range(256)) * 16


@pytest.fixture
def path(faulty: FaultyRegistry) -> str:
    """Where a blob is."""
    return f"/v2/a/blobs/{faulty.repository('a').add_blob(BLOB)}"


@contextlib.contextmanager
def _get(registry: FaultyRegistry, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(registry.host, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


def _status(registry: FaultyRegistry, path: str, **headers: str) -> int:
    with _get(registry, path, **headers) as response:
        return response.status


@pytest.mark.parametrize(
    "features",
    [Features(), Features(location="url", referrers=False), Features(location="query", mount=False, single_post=False)],
    ids=["complete", "old", "odd"],
)
@pytest.mark.parametrize("guard", ["none", "basic", "token"])
def test_oras_and_crane_find_it_well_behaved(tmp_path: Path, features: Features, guard: Kind) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "weights.bin").write_bytes(data)
    config = {"DOCKER_CONFIG": str(tmp_path)}
    with FaultyRegistry(features, Guard(guard, "robot", "s3cret")) as registry:
        login = [registry.host, "-u", "robot", "-p", "s3cret"]
        if guard != "none":
            run("oras", "login", "--plain-http", *login, env=config)
        plain, reference = "--plain-http", f"{registry.host}/models/a:v1"
        run("oras", "push", plain, reference, "weights.bin", cwd=tmp_path, env=config)
        run("oras", "pull", plain, "-o", "back", reference, cwd=tmp_path, env=config)
        assert (tmp_path / "back/weights.bin").read_bytes() == data
        run("oras", "attach", plain, "--artifact-type", "x/y", reference, "weights.bin", cwd=tmp_path, env=config)
        found = json.loads(run("oras", "discover", plain, "--format", "json", reference, env=config).stdout)
        assert [entry["artifactType"] for entry in found["referrers"]] == ["x/y"]
        run("crane", "copy", "--insecure", reference, f"{registry.host}/models/b:v2", env=config)
        assert run("crane", "ls", "--insecure", f"{registry.host}/models/b", env=config).stdout.split() == ["v2"]
        run("oras", "manifest", "delete", "--force", plain, f"{registry.host}/models/b:v2", env=config)
        assert not registry.repository("models/b").manifests


def test_ranges(faulty: FaultyRegistry, path: str) -> None:
    for wanted, expected in (("2-4", BLOB[2:5]), ("4000-", BLOB[4000:]), ("-3", BLOB[-3:])):
        with _get(faulty, path, Range=f"bytes={wanted}") as response:
            assert (response.status, response.read()) == (206, expected)
    assert _status(faulty, path, Range="bytes=4096-") == 416


def test_a_rule_counts_and_then_lets_go(faulty: FaultyRegistry, path: str) -> None:
    rule = faulty.on("GET", "/blobs/", effects.status(503), skip=1, times=2)
    assert [_status(faulty, path) for _ in range(5)] == [200, 503, 503, 200, 200]
    assert rule.fired == 2
    assert faulty.count("GET", "/blobs/") == 5
    assert not faulty.find("PUT")


def test_a_refused_upload_stores_nothing_and_keeps_the_connection(faulty: FaultyRegistry) -> None:
    faulty.on("POST", "/uploads/", effects.status(429, retry_after=3))
    connection = http.client.HTTPConnection(faulty.host)
    with contextlib.closing(connection):
        for expected in (429, 400):
            connection.request("POST", "/v2/a/blobs/uploads/?digest=sha256:0", body=b"x" * 100_000)
            with connection.getresponse() as response:
                assert response.status == expected
                assert expected != 429 or response.headers["Retry-After"] == "3"
                response.read()
    assert faulty.connections == 1
    assert len(faulty.requests[0].body) == 100_000
    assert not faulty.repository("a").blobs


def test_retry_after_can_be_a_date(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.status(503, retry_after=60, as_date=True))
    with _get(faulty, path) as response:
        assert 50 < parsedate_to_datetime(response.headers["Retry-After"]).timestamp() - time.time() < 61


def test_content_faults(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.wrong_bytes(at=1))
    faulty.on("GET", "", effects.wrong_digest(), skip=1)
    faulty.on("GET", "", effects.ignored_range(), skip=2)
    faulty.on("GET", "", effects.header("Content-Range", "bytes 0-9/10"), skip=3)
    with _get(faulty, path) as response:
        assert response.read() == b"\x00\x00" + BLOB[2:]
    with _get(faulty, path) as response:
        assert response.headers["Docker-Content-Digest"].endswith("0000")
    with _get(faulty, path, Range="bytes=5-") as response:
        assert (response.status, response.read()) == (200, BLOB)
    with _get(faulty, path, Range="bytes=5-") as response:
        assert response.headers["Content-Range"] == "bytes 0-9/10"


def test_broken_bodies(faulty: FaultyRegistry, path: str) -> None:
    for number, fault in enumerate((effects.cut(10), effects.length(+5), effects.chunked(), effects.length(-5))):
        faulty.on("GET", "", fault, skip=number)
    for _ in range(3):
        with _get(faulty, path) as response, pytest.raises(http.client.IncompleteRead):
            response.read()
    with _get(faulty, path) as response:
        assert response.read() == BLOB[:-5]


def test_resets(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.cut(10, "reset"))
    faulty.on("GET", "", effects.hang_up(), skip=1)
    with _get(faulty, path) as response, pytest.raises(ConnectionResetError):
        response.read()
    with pytest.raises(ConnectionResetError), _get(faulty, path):
        pass


def test_resets_over_tls(authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    with FaultyRegistry(tls=authority.context()) as registry:
        path = f"/v2/a/blobs/{registry.repository('a').add_blob(BLOB)}"
        rule = registry.on("GET", "", effects.cut(10, "reset"))
        with contextlib.closing(http.client.HTTPSConnection(registry.host, context=context)) as connection:
            connection.request("GET", path)
            # Python's ssl takes a reset for the end of the stream.
            with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
                connection.getresponse().read()
        with contextlib.closing(http.client.HTTPSConnection(registry.host, context=context)) as connection:
            connection.request("GET", path)
            assert connection.getresponse().read() == BLOB
        assert rule.fired == 1


def test_lost_answers(faulty: FaultyRegistry) -> None:
    faulty.on("POST", "", effects.lost_answer(reset=False))
    connection = http.client.HTTPConnection(faulty.host)
    with contextlib.closing(connection):
        connection.request("POST", "/v2/a/blobs/uploads/")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
    assert len(faulty.repository("a").uploads) == 1


def test_stalls_end_with_the_registry(path: str, faulty: FaultyRegistry) -> None:
    faulty.on("GET", "", effects.cut(10, "stall"))
    faulty.on("GET", "", effects.silence(), skip=1)
    for expected in (b"HTTP/1.1 200 OK", b""):
        with socket.create_connection(("127.0.0.1", faulty.port), 0.3) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            with contextlib.suppress(TimeoutError):
                received = b""
                while data := client.recv(4096):
                    received += data
            assert received.startswith(expected)
            assert bool(received) == bool(expected)


def test_a_deaf_registry_blocks_a_large_upload(faulty: FaultyRegistry) -> None:
    faulty.on("PUT", "", effects.deaf())
    connection = http.client.HTTPConnection(faulty.host, timeout=0.3)
    with contextlib.closing(connection), pytest.raises(TimeoutError):
        connection.request("PUT", "/v2/a/blobs/uploads/0", body=bytes(64 << 20))


def test_delays_overlap(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.delay(0.1), times=None)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: _status(faulty, path), range(3))) == [200] * 3
    assert faulty.busiest == 3


def test_drip(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.drip(1024, 0.03))
    begun = time.monotonic()
    with _get(faulty, path) as response:
        assert response.read() == BLOB
    assert time.monotonic() - begun >= 0.09


def test_redirects(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.redirect("{path}?again={count}"), times=None)
    for number in (1, 2):
        with _get(faulty, path) as response:
            assert (response.status, response.headers["Location"]) == (307, f"{path}?again={number}")


def test_huge_answers(faulty: FaultyRegistry, path: str) -> None:
    faulty.on("GET", "", effects.many_headers(200))
    faulty.on("GET", "", effects.many_headers(1, 100_000), skip=1)
    with pytest.raises(http.client.HTTPException, match="more than 100 headers"), _get(faulty, path):
        pass
    with pytest.raises(http.client.LineTooLong), _get(faulty, path):
        pass
    for declared in (True, False):
        faulty.on("GET", "", effects.flood(1 << 20, declared=declared))
        with _get(faulty, path) as response:
            assert len(response.read()) == 1 << 20
    faulty.on("GET", "", effects.nested_json(10))
    with _get(faulty, path) as response:
        assert response.read() == b"[" * 10 + b"]" * 10
    faulty.on("GET", "", effects.raw(b"SSH-2.0-OpenSSH\r\n"))
    with pytest.raises(http.client.BadStatusLine), _get(faulty, path):
        pass


def test_tokens_expire(tmp_path: Path) -> None:
    with FaultyRegistry(guard=Guard("token", "robot", "s3cret")) as registry:
        registry.on("POST", "/uploads/", effects.expired_token())
        (tmp_path / "weights.bin").write_bytes(BLOB)
        login = ["--username", "robot", "--password", "s3cret"]
        run("oras", "push", "--plain-http", *login, f"{registry.host}/a:v1", "weights.bin", cwd=tmp_path)
        assert len(registry.guard.scopes) > 1
        assert "repository:a:" in registry.guard.scopes[-1]


def test_strict_chunks() -> None:
    with FaultyRegistry(Features(content_length=True, minimum_chunk=1000)) as registry:
        connection = http.client.HTTPConnection(registry.host)
        with contextlib.closing(connection):

            def send(
                method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
            ) -> http.client.HTTPResponse:
                connection.request(method, path, body, headers)
                with connection.getresponse() as response:
                    response.read()
                return response

            started = send("POST", "/v2/a/blobs/uploads/")
            assert started.headers["OCI-Chunk-Min-Length"] == "1000"
            place = started.headers["Location"]
            assert send("PATCH", place, iter([b"ab"]), **{"Content-Range": "0-1"}).status == 400
            assert send("PATCH", place, b"ab").status == 400
            assert send("PATCH", place, b"ab", **{"Content-Range": "0-1"}).status == 202
            refused = send("PATCH", place, b"ab", **{"Content-Range": "5-6"})
            assert (refused.status, refused.headers["Range"]) == (416, "0-1")
            assert send("GET", place).headers["Range"] == "0-1"
            assert send("DELETE", place).status == 204


def test_lists_in_pages() -> None:
    with FaultyRegistry(Features(page=2)) as registry:
        registry.repository("a").add_manifest("application/json", b"{}", "v1", "v2", "v3")
        with _get(registry, "/v2/a/tags/list") as response:
            assert json.load(response)["tags"] == ["v1", "v2"]
            following = response.headers["Link"].partition("<")[2].partition(">")[0]
        with _get(registry, following) as response:
            assert json.load(response)["tags"] == ["v3"]
            assert "Link" not in response.headers
        with _get(registry, "/v2/_catalog") as response:
            assert json.load(response) == {"repositories": ["a"]}


def test_a_mistake_in_a_fault_is_not_lost() -> None:
    def broken(_: effects.Exchange) -> Reply:
        raise ZeroDivisionError

    def visit(registry: FaultyRegistry) -> None:
        with registry, pytest.raises(http.client.RemoteDisconnected):
            _status(registry, "/v2/")

    registry = FaultyRegistry()
    registry.on("GET", "", broken)
    with pytest.raises(ZeroDivisionError):
        visit(registry)

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelpack.errors import NoSpace
from modelpack.oci import Descriptor, Digest
from modelpack.serve import Server
from modelpack.serve.uploads import MAX_UPLOADS
from modelpack.store import LayoutStore
from tests.serve.client import Client

DATA = os.urandom(700_000)
DIGEST = Digest.of(DATA)
BLOB = f"/v2/ml/x/blobs/{DIGEST}"
UPLOADS = "/v2/ml/x/blobs/uploads/"


def held(layout: LayoutStore, digest: Digest = DIGEST, data: bytes = DATA) -> bool:
    descriptor = Descriptor("", digest, len(data))
    return layout.exists(descriptor) and layout.read(descriptor) == data


def unfinished(layout: LayoutStore) -> list[Path]:
    return list((layout.path / ".modelpack" / "incoming").iterdir())


def begin(client: Client) -> str:
    answer = client("POST", UPLOADS)
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
    return answer.headers["location"]


def test_a_blob_in_one_request(client: Client, layout: LayoutStore) -> None:
    answer = client("POST", f"{UPLOADS}?digest={DIGEST}", DATA)
    assert (answer.status, answer.headers["location"]) == (201, BLOB)
    assert answer.headers["docker-content-digest"] == str(DIGEST)
    assert held(layout)


def test_a_blob_in_two_requests(client: Client, layout: LayoutStore) -> None:
    answer = client("PUT", f"{begin(client)}?digest={DIGEST}", DATA)
    assert (answer.status, answer.headers["location"]) == (201, BLOB)
    assert held(layout)
    assert unfinished(layout) == []


def test_a_blob_in_chunks(client: Client, layout: LayoutStore) -> None:
    location = begin(client)
    for start in range(0, len(DATA), 300_000):
        chunk = DATA[start : start + 300_000]
        end = start + len(chunk) - 1
        answer = client("PATCH", location, chunk, content_range=f"{start}-{end}")
        assert (answer.status, answer.headers["range"]) == (202, f"0-{end}")
        location = answer.headers["location"]
        status = client("GET", location)
        assert (status.status, status.headers["range"], status.body) == (204, f"0-{end}", b"")
    assert client("PUT", f"{location}?digest={DIGEST}").status == 201
    assert held(layout)


def test_the_last_chunk_may_come_with_the_end(client: Client, layout: LayoutStore) -> None:
    location = begin(client)
    client("PATCH", location, DATA[:1000])
    answer = client("PUT", f"{location}?digest={DIGEST}", DATA[1000:], content_range=f"1000-{len(DATA) - 1}")
    assert answer.status == 201
    assert held(layout)


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 7777):
        yield data[start : start + 7777]


def test_a_stream_of_unknown_length(client: Client, layout: LayoutStore) -> None:
    location = begin(client)
    assert client("PATCH", location, pieces(DATA), transfer_encoding="chunked").status == 202
    assert client("PUT", f"{location}?digest={DIGEST}").status == 201
    assert held(layout)


def test_an_empty_blob_and_sha512(client: Client, layout: LayoutStore) -> None:
    empty, long = Digest.of(b""), Digest.of(DATA, "sha512")
    assert client("POST", f"{UPLOADS}?digest={empty}", b"").status == 201
    assert client("PUT", f"{begin(client)}?digest={long}", DATA).status == 201
    assert held(layout, empty, b"")
    assert held(layout, long)
    assert client("GET", f"/v2/ml/x/blobs/{empty}").body == b""


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_wrong_digest(client: Client, layout: LayoutStore, method: str) -> None:
    wrong = Digest.of(b"other")
    place = UPLOADS if method == "POST" else begin(client)
    answer = client(method, f"{place}?digest={wrong}", DATA)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert unfinished(layout) == []
    assert not layout.exists(Descriptor("", wrong, len(DATA)))
    if method == "PUT":
        assert client("GET", place).status == 404


@pytest.mark.parametrize("digest", ["", "sha256:abc", "md5:" + "0" * 32, "sha256:../../../etc/passwd"])
def test_what_is_no_digest(client: Client, digest: str) -> None:
    location = begin(client)
    answer = client("PUT", f"{location}?digest={digest}", b"")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert client("GET", location).status == 204


@pytest.mark.parametrize("span", ["5-9", "0-8", "0-10", "1-0", "x", "10-19", "-1-9", "0-" + "9" * 30])
def test_chunks_must_fit(client: Client, span: str) -> None:
    location = begin(client)
    answer = client("PATCH", location, b"0123456789", content_range=span)
    assert (answer.status, answer.code) == (416, "BLOB_UPLOAD_INVALID")
    assert (answer.headers["range"], answer.headers["location"]) == ("0-0", location)
    assert client("PATCH", location, b"0123456789", content_range="0-9").status == 202


def test_sessions_belong_to_their_repository_and_end(client: Client, layout: LayoutStore) -> None:
    location = begin(client)
    assert client("GET", location.replace("ml/x", "ml/y")).code == "BLOB_UPLOAD_UNKNOWN"
    assert client("DELETE", location).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = client(method, location, b"x" if method == "PATCH" else None)
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert unfinished(layout) == []


def test_identifiers_cannot_be_guessed(client: Client) -> None:
    found = {begin(client).rpartition("/")[2] for _ in range(50)}
    assert len(found) == 50
    assert all(len(identifier) == 32 for identifier in found)


def test_there_are_only_so_many_sessions(client: Client, server: Server) -> None:
    for _ in range(MAX_UPLOADS):
        location = begin(client)
    answer = client("POST", UPLOADS)
    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    client("DELETE", location)
    assert client("POST", UPLOADS).status == 202


def test_abandoned_sessions_are_forgotten(client: Client, server: Server, layout: LayoutStore) -> None:
    location = begin(client)
    uploads = server._registry.uploads
    uploads.expire(60)
    assert client("GET", location).status == 204
    with uploads.use("ml/x", location.rpartition("/")[2]):
        uploads.expire(0)  # somebody uses it
    assert client("GET", location).status == 204
    uploads.expire(0)
    assert client("GET", location).status == 404
    assert unfinished(layout) == []


def test_two_requests_for_one_session_take_turns(
    client: Client, server: Server, layout: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = begin(client)
    with server._registry.uploads.use("ml/x", location.rpartition("/")[2]):
        monkeypatch.setattr("modelpack.serve.uploads._PATIENCE", 0.05)
        answer = client("PATCH", location, b"x")
        assert (answer.status, answer.code) == (409, "BLOB_UPLOAD_INVALID")
        monkeypatch.setattr("modelpack.serve.uploads._PATIENCE", 10)
        late = Client(server)
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(late("GET", location).status))
        thread.start()
        time.sleep(0.1)
        server._registry.uploads.end(location.rpartition("/")[2])
    thread.join(10)
    late.close()
    assert answers == [404]


def test_a_client_that_vanishes_can_resume(client: Client, server: Server, layout: LayoutStore) -> None:
    location = begin(client)
    with socket.create_connection(client.address) as broken:
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n"
        broken.sendall(head.encode() + DATA[:300_000])
    for _ in range(200):  # what was sent is still on its way
        if client("GET", location).headers["range"] == "0-299999":
            break
        time.sleep(0.02)
    assert client("PATCH", location, DATA[300_000:], content_range=f"300000-{len(DATA) - 1}").status == 202
    assert client("PUT", f"{location}?digest={DIGEST}").status == 201
    assert held(layout)


def test_a_blob_that_is_there_is_mounted(client: Client, layout: LayoutStore) -> None:
    client.push(DATA, "ml/y")
    for origin in ("&from=ml/y", "&from=ml/z", ""):
        answer = client("POST", f"{UPLOADS}?mount={DIGEST}{origin}")
        assert (answer.status, answer.headers["location"]) == (201, BLOB)
    answer = client("POST", f"{UPLOADS}?mount={Digest.of(b'absent')}&from=ml/y")
    assert answer.status == 202
    assert client("DELETE", answer.headers["location"]).status == 204
    assert client("POST", f"{UPLOADS}?mount=nonsense").status == 202


def test_reading(client: Client) -> None:
    client.push(DATA)
    answer = client("GET", BLOB)
    assert (answer.status, answer.body) == (200, DATA)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["docker-content-digest"] == str(DIGEST)
    assert answer.headers["accept-ranges"] == "bytes"
    head = client("HEAD", BLOB, range="bytes=1-2")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    ("span", "first", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-99", 5, 100),
        ("bytes=699990-", 699_990, 700_000),
        ("bytes=0-9999999999", 0, 700_000),
        ("bytes=-10", 699_990, 700_000),
        ("bytes=-9999999", 0, 700_000),
    ],
)
def test_ranges(client: Client, span: str, first: int, stop: int) -> None:
    client.push(DATA)
    answer = client("GET", BLOB, range=span)
    assert (answer.status, answer.body == DATA[first:stop]) == (206, True)
    assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(DATA)}"


@pytest.mark.parametrize("span", ["bytes=700000-", "bytes=700000-700001", "bytes=-0"])
def test_ranges_of_nothing(client: Client, span: str) -> None:
    client.push(DATA)
    answer = client("GET", BLOB, range=span)
    assert (answer.status, answer.code) == (416, "RANGE_INVALID")
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("span", ["bytes=9-5", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "x"])
def test_ranges_that_may_be_ignored(client: Client, span: str) -> None:
    client.push(DATA)
    answer = client("GET", BLOB, range=span)
    assert (answer.status, answer.body == DATA) == (200, True)


def test_what_is_not_there(client: Client) -> None:
    for method in ("GET", "HEAD"):
        answer = client(method, BLOB)
        assert answer.status == 404
        assert method == "HEAD" or answer.code == "BLOB_UNKNOWN"
    assert client("GET", "/v2/ml/x/blobs/sha256:abc").code == "DIGEST_INVALID"
    assert client("DELETE", BLOB).status == 405


def test_a_blob_that_is_pruned_at_this_moment(
    client: Client, layout: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.push(DATA)
    monkeypatch.setattr(layout, "exists", lambda _: False)
    assert client("GET", BLOB).status == 404


def test_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    location = begin(client)

    def full(*_: object) -> None:
        raise NoSpace("no space left for /a/path/of/this/machine")

    monkeypatch.setattr("modelpack.store.layout.incoming.write_all", full)
    answer = client("PATCH", location, b"x")
    assert answer.status == 507
    assert b"machine" not in answer.body


def test_a_folder_that_was_tidied_by_force(client: Client, layout: LayoutStore) -> None:
    location = begin(client)
    client("PATCH", location, DATA)
    for path in unfinished(layout):
        path.unlink()
    assert client("PUT", f"{location}?digest={DIGEST}").code == "BLOB_UPLOAD_UNKNOWN"


def test_a_blob_that_is_cut_short_while_it_is_sent(client: Client, layout: LayoutStore) -> None:
    """The client must notice: the connection ends before the length that was announced."""
    client.push(DATA)
    path = layout.path / "blobs" / "sha256" / DIGEST.hex
    path.chmod(0o644)
    with layout.blob(DIGEST) as file:
        from modelpack.serve.http import Slice
        from modelpack.serve.http.connection import Connection

        class Unfinished(Connection):
            def __init__(self) -> None:  # no socket: only what is asked for below
                self.close_connection = False

        os.truncate(path, 1000)
        here, there = socket.socketpair()
        with here, there:
            sending = Unfinished()
            sending.connection = here
            sending.wfile = here.makefile("wb")
            sending._send_slice(Slice(file, 0, len(DATA)))
            sending.wfile.close()
            assert sending.close_connection

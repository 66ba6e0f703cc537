"""The head of a response, as servers write it and as nobody should."""

from __future__ import annotations

import http.client
import io

import pytest

from modelpack.store import HttpOptions
from modelpack.store.http.connections import MAX_HEADER, MAX_HEADERS, Head, Origin, Pool, _Answer


def read(text: bytes) -> Head:
    return Head.read(io.BufferedReader(io.BytesIO(text)))


def test_names_are_in_lower_case_and_repeated_ones_joined() -> None:
    head = read(b"Content-Type: a/b \r\nX: 1\r\nx:2\r\nEmpty:\r\nFolded: one\r\n\ttwo\r\n\r\nbody: no\r\n")
    assert head == {"content-type": "a/b", "x": "1, 2", "empty": "", "folded": "one two"}


def test_a_length_that_is_said_twice() -> None:
    assert read(b"Content-Length: 5\nContent-Length: 5\n\n") == {"content-length": "5"}
    assert read(b"Content-Length: 5\nContent-Length: 6\n\n") == {"content-length": "5, 6"}


@pytest.mark.parametrize(
    "line", [b"nothing", b" folded: 1", b": no name", b"a b: c", b"a\x00: b", b"\xe9: c", b"a : b"]
)
def test_what_is_no_header(line: bytes) -> None:
    with pytest.raises(http.client.HTTPException, match="no header"):
        read(line + b"\r\n\r\n")


def test_bounds() -> None:
    assert len(read(b"".join(b"a%d: b\r\n" % number for number in range(MAX_HEADERS)) + b"\r\n")) == MAX_HEADERS
    with pytest.raises(http.client.HTTPException, match="too many"):
        read(b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n")
    with pytest.raises(http.client.LineTooLong):
        read(b"a: " + b"b" * MAX_HEADER + b"\r\n\r\n")


class _Socket:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def recv_into(self, buffer: memoryview, size: int) -> int:
        length = min(size, len(self._text))
        buffer[:length], self._text = self._text[:length], self._text[length:]
        return length

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._text))


def answer(text: str, method: str = "GET") -> _Answer:
    found = _Answer(HttpOptions(), _Socket(text.replace("\n", "\r\n").encode()), method=method)
    found.begin()
    return found


@pytest.mark.parametrize(
    ("text", "length", "closes"),
    [
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", 5, False),
        ("HTTP/1.1 100 Continue\nA: b\n\nHTTP/1.1 200 OK\nContent-Length: 5\n\n", 5, False),
        ("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\n", 5, True),
        ("HTTP/1.0 200 OK\nContent-Length: 5\n\n", 5, True),
        ("HTTP/1.0 200 OK\nContent-Length: 5\nConnection: Keep-Alive\n\n", 5, False),
        ("HTTP/1.1 200 OK\n\n", None, True),
        ("HTTP/1.1 200 OK\nContent-Length: -5\n\n", None, True),
        ("HTTP/1.1 200 OK\nContent-Length: 5, 6\n\n", None, True),
        ("HTTP/1.1 200 OK\nContent-Length: \u0665\n\n", None, True),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", None, False),
        ("HTTP/1.1 204 No Content\nContent-Length: 5\n\n", 0, False),
        ("HTTP/1.1 304 Not Modified\n\n", 0, False),
    ],
)
def test_how_much_comes_and_whether_the_connection_lives_on(text: str, length: int | None, closes: bool) -> None:
    found = answer(text)
    assert (found.length, found.will_close) == (length, closes)


def test_no_body_after_head() -> None:
    found = answer("HTTP/1.1 200 OK\nContent-Length: 5\n\n", "HEAD")
    assert found.length == 0
    assert dict(found.getheaders()) == {"content-length": "5"}


@pytest.mark.parametrize("text", ["HTTP/2.0 200 OK\n\n", "HTTP/3 200 OK\n\n", "ICY 200 OK\n\n"])
def test_another_protocol(text: str) -> None:
    with pytest.raises(http.client.HTTPException):
        answer(text)


@pytest.mark.parametrize("text", ["HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\nA: b\n", "HTTP/1.1 200 OK\nA: b\nContent-Le"])
def test_a_head_that_is_cut(text: str) -> None:
    with pytest.raises(http.client.RemoteDisconnected, match="in the middle of the headers"):
        answer(text)


def test_origins_are_told_apart_by_what_stands_before_the_path() -> None:
    assert Origin.of("http://a.example/v2/x") == Origin.of("http://a.example/v2/y") == Origin("http", "a.example", 80)
    assert Origin.of("https://a.example:444/") == Origin("https", "a.example", 444)
    for url in ("http://a.example:99999/", "http://a..b/", "ftp://a/", "http:///x"):
        with pytest.raises(ValueError):
            Origin.of(url)
    assert Pool(HttpOptions()).acquire(Origin.of("http://a.example/")).host == "a.example"

"""Reading blobs: a stream that goes on with a Range request where a connection broke off."""

from __future__ import annotations

import re

from modelpack.errors import SizeMismatch, Unavailable, UnsupportedFormat
from modelpack.oci import Descriptor
from modelpack.store.http import Client, Request, Response
from modelpack.store.sources import CHUNK

MAX_SKIP = 16 << 20
"""Bytes that a look into the middle may throw away where a server ignores ranges."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class BlobStream:
    """The bytes of one blob from an offset on. What breaks off is taken up again; the budget starts anew with each byte."""

    def __init__(self, client: Client, url: str, scope: str, descriptor: Descriptor, offset: int) -> None:
        self._client = client
        self._url = url
        self._scope = scope
        self._descriptor = descriptor
        self._position = offset
        self._response: Response | None = None
        if offset < descriptor.size or offset == 0:
            self._response = self._connect()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer. Raises Unavailable when no attempt brings more."""
        attempt = 1
        while True:
            try:
                if self._response is None:
                    if self._position >= self._descriptor.size:
                        return 0
                    self._response = self._connect()
                length = self._response.readinto(buffer)
                if not length and len(buffer) and self._position < self._descriptor.size:
                    raise Unavailable("the body ended too early")
            except Unavailable as error:
                self.close()
                if attempt >= self._client.retries:
                    raise
                self._client.pause(attempt, str(self._descriptor.digest), str(error))
                attempt += 1
                continue
            self._position += length
            return length

    def close(self) -> None:
        """Release the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _connect(self) -> Response:
        response, begin = _get(self._client, self._url, self._scope, self._position, None)
        promised = None if response.length is None else begin + response.length
        if promised not in (None, self._descriptor.size):
            response.close()
            raise SizeMismatch(
                f"{self._descriptor.digest}: {promised} bytes are there, {self._descriptor.size} expected"
            )
        _skip(response, self._position - begin)
        return response


def read_at(client: Client, url: str, scope: str, offset: int, length: int) -> bytes:
    """Some bytes from the middle. Raises UnsupportedFormat if the server would send everything before them."""
    response, begin = _get(client, url, scope, offset, offset + length - 1)
    try:
        if offset - begin > MAX_SKIP:
            raise UnsupportedFormat("the registry does not serve parts of blobs (no Range support)")
        _skip(response, offset - begin)
        return response.read(length)
    finally:
        response.close()


def _get(client: Client, url: str, scope: str, begin: int, last: int | None) -> tuple[Response, int]:
    """A response and the offset at which its body begins: 0 where the server ignored the range (RFC 9110, 14.2)."""
    ranged = begin > 0 or last is not None
    headers = {"Range": f"bytes={begin}-{'' if last is None else last}"} if ranged else {}
    response = client.send(
        Request("GET", url, scope, headers, expect=frozenset({200, 206}) if ranged else frozenset({200}))
    )
    if response.status == 200:
        return response, 0
    content_range = _CONTENT_RANGE.match(response.headers.get("content-range", ""))
    if content_range is None or int(content_range[1]) != begin:
        response.close()
        raise SizeMismatch(f"the registry answered with another range than the one asked for, from byte {begin}")
    return response, begin


def _skip(response: Response, count: int) -> None:
    buffer = memoryview(bytearray(min(CHUNK, max(count, 1))))
    while count > 0:
        length = response.readinto(buffer[: min(count, len(buffer))])
        if not length:
            raise SizeMismatch("the content is shorter than the part that is asked for")
        count -= length

"""Reading blobs: a stream that goes on with a Range request where a connection broke off."""

from __future__ import annotations

import re

from modelpack.errors import SizeMismatch, Unavailable, UnsupportedFormat
from modelpack.oci import Descriptor
from modelpack.store.http import Client, Request, Response
from modelpack.store.sources import CHUNK

MAX_SKIP = 16 << 20
"""Bytes that a look into the middle may throw away where a server ignores ranges."""

PROGRESS = 16 << 10
"""Bytes that must arrive before a connection that breaks off counts as the first that did."""

_NO_RANGES = "the registry does not serve parts of blobs (no Range support)"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")


class BlobStream:
    """Bytes of one blob: from an offset to its end, or ``length`` of them.

    What breaks off is taken up again; the budget starts anew with progress. Raises UnsupportedFormat if only a part is wanted
    and the server would send the whole.
    """

    def __init__(
        self, client: Client, url: str, scope: str, descriptor: Descriptor, offset: int, length: int | None = None
    ) -> None:
        self._client = client
        self._url = url
        self._scope = scope
        self._descriptor = descriptor
        self._position = self._broke_at = offset
        self._part = length is not None
        self._end = descriptor.size if length is None else offset + length
        self._attempt = 1
        self._skip = 0
        self._response: Response | None = None
        if offset < self._end or offset == 0:
            self._response = self._connect()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer. Raises Unavailable when no attempt brings more."""
        while True:
            if self._response is None:
                if self._position >= self._end:
                    return 0
                self._response = self._connect()
            try:
                return self._receive(self._response, buffer)
            except Unavailable as error:
                self._break_off(error)

    def close(self) -> None:
        """Release the connection."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _receive(self, response: Response, buffer: memoryview) -> int:
        if self._skip:
            skip, self._skip = self._skip, 0
            _skip(response, skip)
        length = response.readinto(buffer)
        if not length and len(buffer) and self._position < self._end:
            raise Unavailable("the body ended too early")
        self._position += length
        return length

    def _break_off(self, error: Unavailable) -> None:
        """Raise if this is the last of several breaks without progress, else wait."""
        self.close()
        if self._position - self._broke_at >= PROGRESS:
            self._attempt = 1
        self._broke_at = self._position
        if self._attempt >= self._client.retries:
            raise error
        self._client.pause(self._attempt, str(self._descriptor.digest), str(error))
        self._attempt += 1

    def _connect(self) -> Response:
        last = self._end - 1 if self._part else None
        response, begin = _get(self._client, self._url, self._scope, self._position, last)
        if self._part and response.status == 200:
            response.close()
            raise UnsupportedFormat(_NO_RANGES)
        promised = None if response.length is None else begin + response.length
        if promised not in (None, self._end):
            response.close()
            raise SizeMismatch(f"{self._descriptor.digest}: {promised} bytes are there, {self._end} expected")
        self._skip = self._position - begin
        return response


def read_at(client: Client, url: str, scope: str, offset: int, length: int) -> bytes:
    """Some bytes from the middle. Raises UnsupportedFormat if the server would send everything before them."""
    attempt = 1
    while True:
        response, begin = _get(client, url, scope, offset, offset + length - 1)
        try:
            if offset - begin > MAX_SKIP:
                raise UnsupportedFormat(_NO_RANGES)
            _skip(response, offset - begin)
            return response.read(length)
        except Unavailable as error:
            if attempt >= client.retries:
                raise
            client.pause(attempt, url, str(error))
            attempt += 1
        finally:
            response.close()


def _get(client: Client, url: str, scope: str, begin: int, last: int | None = None) -> tuple[Response, int]:
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
    buffer = memoryview(bytearray(CHUNK))
    while count > 0:
        length = response.readinto(buffer[: min(count, CHUNK)])
        if not length:
            raise SizeMismatch("the content is shorter than the part that is asked for")
        count -= length

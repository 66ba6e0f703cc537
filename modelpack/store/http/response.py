"""One HTTP response: a stream that gives its connection back when it was read to the end."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from contextlib import suppress

from modelpack.errors import Unavailable
from modelpack.store.http.connections import TRANSPORT_ERRORS
from modelpack.store.http.throttle import Throttle
from modelpack.store.sources import CHUNK

MAX_ERROR_BODY = 64 << 10


class Response:
    """Status, headers and body of one response. Header names are in lower case, repeated ones joined (RFC 9110, 5.3)."""

    def __init__(
        self,
        raw: http.client.HTTPResponse,
        url: str,
        finish: Callable[[bool], None],
        throttle: Throttle | None = None,
    ) -> None:
        self.status = raw.status
        self.url = url
        self.headers: Mapping[str, str] = dict(raw.getheaders())
        self._raw = raw
        self._finish: Callable[[bool], None] | None = finish
        self._throttle = throttle

    @property
    def length(self) -> int | None:
        """Bytes of the body that are still to come, if the server said so."""
        return self._raw.length

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer; 0 at the end. Raises Unavailable if the body breaks off or trickles."""
        throttle = self._throttle
        try:
            length = self._raw.readinto(buffer[: throttle.piece] if throttle else buffer)
        except TRANSPORT_ERRORS as error:
            self.close()
            raise Unavailable(f"the connection broke off: {describe(error)}") from error
        if length == 0 and len(buffer):
            left = self._raw.length
            self._end(clean=not left)
            if left:
                raise Unavailable(f"the connection was closed {left} bytes before the end")
        if throttle and length:
            throttle.take(length)
        return length

    def read(self, limit: int) -> bytes:
        """The body, at most ``limit`` bytes of it. Raises Unavailable as :meth:`readinto`."""
        parts: list[bytes] = []
        while limit > 0:
            buffer = bytearray(min(limit, CHUNK))
            length = self.readinto(memoryview(buffer))
            if not length:
                break
            parts.append(bytes(buffer[:length]))
            limit -= length
        return b"".join(parts)

    def drain(self) -> None:
        """Read the rest of a short body, so that the connection can serve again."""
        with suppress(Unavailable):
            self.read(MAX_ERROR_BODY)
        self.close()

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        self._end(clean=self._raw.isclosed() or self._raw.length == 0)

    def _end(self, *, clean: bool) -> None:
        if self._finish is not None:
            finish, self._finish = self._finish, None
            keep = clean and not self._raw.will_close
            self._raw.close()
            finish(keep)


def describe(error: BaseException) -> str:
    """A transport error in a few words, without what an address or a header might reveal."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed before the answer"
    if isinstance(error, TimeoutError):
        return error.strerror or str(error)
    if isinstance(error, http.client.HTTPException):
        return f"that is not HTTP ({type(error).__name__})"
    text = str(getattr(error, "strerror", None) or "") or type(error).__name__
    return text[:200]

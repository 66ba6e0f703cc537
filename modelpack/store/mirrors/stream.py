"""A stream that goes on elsewhere when the mirror that it comes from fails."""

from __future__ import annotations

from collections.abc import Callable

from modelpack.errors import ModelPackError, NotFound, UnsupportedFormat
from modelpack.oci import Digest
from modelpack.store.mirrors.relay import MirrorHost, Relay
from modelpack.store.sources import Stream


class MirroredStream:
    """Content from an offset on: from a mirror, from the next one where that fails, and in the end from the registry.

    ``open_at(host, offset)`` opens it at one place; None is the registry, whose errors are final. Raises UnsupportedFormat
    if a mirror would send the whole where a part is wanted and nothing is lost by taking the whole.
    """

    def __init__(
        self, relay: Relay, digest: Digest, offset: int, open_at: Callable[[MirrorHost | None, int], Stream]
    ) -> None:
        self._relay = relay
        self._digest = digest
        self._position = offset
        self._open_at = open_at
        self._left = relay.pulling(digest)
        self._host: MirrorHost | None = None
        self._stream = self._connect()

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer."""
        while True:
            try:
                length = self._stream.readinto(buffer) or 0
            except ModelPackError as error:
                if self._host is None:
                    raise
                self._relay.condemn(self._host, str(self._digest), error)
                self._stream.close()
                self._stream = self._connect()
            else:
                self._position += length
                return length

    def close(self) -> None:
        """Release the connection."""
        self._stream.close()

    def _connect(self) -> Stream:
        while self._left:
            host = self._left.pop(0)
            if host.usable and (stream := self._try(host)) is not None:
                self._host = host
                self._relay.serves(host, self._digest)
                return stream
        self._host = None
        return self._open_at(None, self._position)

    def _try(self, host: MirrorHost) -> Stream | None:
        try:
            return self._open_at(host, self._position)
        except (NotFound, UnsupportedFormat) as error:
            # At the beginning the whole can as well come from there; later, parts that are there would be thrown away.
            if isinstance(error, UnsupportedFormat) and self._position == 0:
                raise
            self._relay.lacks(host, self._digest)
        except ModelPackError as error:
            self._relay.condemn(host, str(self._digest), error)
        return None

"""Bodies as HTTP/1.1 frames them: by length or in chunks (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import Message
from io import BufferedIOBase
from typing import NoReturn

from modelpack.serve.http.messages import Refusal
from modelpack.store import CHUNK

_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_MAX_LINE = 1024
_MAX_TRAILERS = 64
_DRAINED = 1 << 20


class Incomplete(ConnectionError):
    """The client went away in the middle of a body."""


class RequestBody:
    """The body of one request. ``proceed`` is called before the first read: it tells a waiting client to go on."""

    def __init__(self, stream: BufferedIOBase, headers: Message, proceed: Callable[[], None]) -> None:
        self._stream = stream
        self._proceed = proceed
        self._chunked = _is_chunked(headers)
        self.length = None if self._chunked else _length(headers)
        self._left = self.length or 0
        self.done = self.length == 0
        self.asked = False
        self._broken = False

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer; 0 at the end. Raises Refusal, Incomplete, TimeoutError."""
        if not self.asked:
            self.asked = True
            self._proceed()
        if self._left == 0 and not self.done:
            self._next_chunk()
        if self.done:
            return 0
        length = self._stream.readinto(buffer[: self._left])
        if not length:
            raise Incomplete
        self._left -= length
        if self._left == 0:
            self._end_piece()
        return length

    def drain(self) -> bool:
        """Read what is left, if that is little. Whether the next request can be read behind it."""
        if self._broken or (not self._chunked and self._left > _DRAINED):
            return self.done
        buffer = memoryview(bytearray(CHUNK))
        drained = 0
        try:
            while not self.done and drained <= _DRAINED:
                drained += self.readinto(buffer)
        except Refusal:
            return False
        return self.done

    def _next_chunk(self) -> None:
        match = _CHUNK_SIZE.fullmatch(self._line())
        if not match:
            self._refuse("not a chunked body")
        self._left = int(match[1], 16)
        if self._left == 0:
            self._skip_trailers()
            self.done = True

    def _end_piece(self) -> None:
        if not self._chunked:
            self.done = True
        elif self._line().strip():
            self._refuse("a chunk is longer than it says")

    def _skip_trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            if not self._line().strip():
                return
        self._refuse("too many trailers")

    def _refuse(self, reason: str) -> NoReturn:
        """Where a body ends wrongly, the next request cannot be found."""
        self._broken = True
        raise Refusal(400, "UNSUPPORTED", reason)

    def _line(self) -> bytes:
        line = self._stream.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise Incomplete
        return line


def _is_chunked(headers: Message) -> bool:
    codings = headers.get_all("Transfer-Encoding", [])
    if not codings:
        return False
    if [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise Refusal(501, "UNSUPPORTED", "chunked is the only transfer coding that is supported")
    if "Content-Length" in headers:  # two answers to where the body ends: request smuggling
        raise Refusal(400, "UNSUPPORTED", "both Transfer-Encoding and Content-Length")
    return True


def _length(headers: Message) -> int:
    lengths = headers.get_all("Content-Length", ["0"])
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0].strip()):
        raise Refusal(400, "SIZE_INVALID", "not a Content-Length")
    return int(lengths[0])

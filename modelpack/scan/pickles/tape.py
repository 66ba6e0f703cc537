"""Reading a pickle from front to back, whatever it comes from, without keeping it in memory."""

from __future__ import annotations

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource

_FIRST = 64 << 10
_MOST = 1 << 20
_LINE = 64 << 10


class Broken(DocumentError):
    """The pickle is not well-formed."""

    def __init__(self, reason: str) -> None:
        super().__init__("pickle", "", reason)


class Tape:
    """A position in a source that moves forward. All methods raise Broken if the source ends before."""

    __slots__ = ("_at", "_buffer", "_chunk", "_source", "_start")

    def __init__(self, source: ByteSource, position: int = 0) -> None:
        self._source = source
        self._start = position
        self._buffer = b""
        self._at = 0
        self._chunk = _FIRST

    @property
    def position(self) -> int:
        """Bytes from the begin of the source."""
        return self._start + self._at

    def byte(self) -> int:
        """The next byte."""
        if self._at >= len(self._buffer):
            self._fill(1)
        self._at += 1
        return self._buffer[self._at - 1]

    def take(self, length: int) -> bytes:
        """The next bytes; few of them."""
        if self._at + length > len(self._buffer):
            self._fill(length)
        self._at += length
        return self._buffer[self._at - length : self._at]

    def number(self, length: int) -> int:
        """The next bytes as an unsigned little-endian number."""
        return int.from_bytes(self.take(length), "little")

    def line(self) -> bytes:
        """What comes before the next newline, which is stepped over."""
        end = self._buffer.find(b"\n", self._at)
        while end < 0:
            have = len(self._buffer) - self._at
            if have > _LINE:
                raise Broken(f"a line of more than {_LINE} bytes")
            self._fill(have + 1)
            end = self._buffer.find(b"\n", have)
        found = self._buffer[self._at : end]
        self._at = end + 1
        return found

    def skip(self, length: int) -> None:
        """Step over bytes without reading them."""
        position = self.position + length
        if position > self._start + len(self._buffer):
            if position > self._source.size:
                raise Broken(f"{length} bytes are announced at byte {self.position}, but fewer follow")
            self._start, self._buffer, self._at = position, b"", 0
        else:
            self._at += length

    def at_end(self) -> bool:
        """Whether nothing follows."""
        if self._at < len(self._buffer):
            return False
        return not self._source.read_at(self.position, 1)

    def peek(self, length: int) -> bytes:
        """The next bytes, or fewer at the end, without moving."""
        return self._source.read_at(self.position, length)

    def _fill(self, length: int) -> None:
        """Let the buffer begin at the position and hold ``length`` bytes or more."""
        rest = self._buffer[self._at :]
        self._start += self._at
        self._at = 0
        wanted = max(length - len(rest), self._chunk)
        self._chunk = min(self._chunk * 2, _MOST)
        self._buffer = rest + self._source.read_at(self._start + len(rest), wanted)
        if len(self._buffer) < length:
            raise Broken(f"it ends at byte {self._start + len(self._buffer)}, before its end mark")

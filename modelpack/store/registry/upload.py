"""Writing blobs: one PUT where the digest is known, one PATCH while hashing where it is not, pieces where neither will do.

Registries differ: some refuse pieces, some refuse large bodies.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Self

from modelpack.errors import NotFound, RegistryError, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.digests import FileState
from modelpack.store.registry.journal import Journal
from modelpack.store.registry.large import LargeUploads
from modelpack.store.registry.pieces import Content
from modelpack.store.registry.sessions import Sessions
from modelpack.store.sources import CHUNK, BytesSource, FileSource, HashingSource, Reader, Source, VerifiedSource

PIECE = 16 << 20
"""Bytes of one chunk where the length of the content is not known beforehand: they are held in memory."""

SMALL = 1 << 20
"""Bytes up to which content of unknown digest is held in memory."""

_TOO_LARGE = 413
_NO_PATCH = frozenset({400, 405, 411, 413, 415, 416, 501})


class Uploads:
    """Uploads into one repository."""

    def __init__(self, sessions: Sessions, journal: Journal, exists: Callable[[Descriptor], bool]) -> None:
        self._sessions = sessions
        self._exists = exists
        self._large = LargeUploads(sessions, journal, exists)

    def push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        """POST, then PUT with the digest; large blobs in pieces that can be resumed.

        The last byte leaves only if the content is what the descriptor says.
        """
        content = Content(source.source, descriptor.size, descriptor.digest, source.count)
        if self._large.push(content, str(descriptor.digest)):
            return
        body = _Body(source)

        def whole(location: str) -> None:
            self._sessions.finish(location, descriptor.digest, body)

        def chunked(location: str) -> None:
            self._sessions.finish(self._pieces(location, body), descriptor.digest)

        try:
            self._retry(whole, body, [descriptor])
        except RegistryError as error:
            if error.status != _TOO_LARGE:
                raise
            self._retry(chunked, body, [descriptor])

    def ingest(self, source: HashingSource) -> None:
        """Send while hashing, then name it: POST, PATCH, PUT. Where PATCH is not allowed, hash first and push then.

        What is small is hashed in memory first: so it need not be sent if it is there, and takes a request less if not.
        """
        if source.size is not None and source.size <= SMALL:
            self._ingest_small(source)
            return
        if source.size is not None:
            content = Content(source.source, source.size, None, source.count)
            if self._large.push(content, _identity(source.source)):
                source.finish(content.digest, content.size)
                return
        body = _Body(source)
        known: list[Descriptor] = []

        def attempt(location: str) -> None:
            location = self._pieces(location, body) if source.size is None else self._stream(location, body)
            known.append(Descriptor("", source.digest, source.length))
            self._sessions.finish(location, source.digest)

        try:
            self._retry(attempt, body, known)
        except RegistryError as error:
            if error.method != "PATCH" or error.status not in _NO_PATCH:
                raise
            descriptor = _hashed(source)
            self.push(descriptor, VerifiedSource(source.source, descriptor))

    def _ingest_small(self, source: HashingSource) -> None:
        with source.open() as reader:
            data = reader.read()
        descriptor = Descriptor("", source.digest, source.length)
        if not self._exists(descriptor):
            self.push(descriptor, VerifiedSource(BytesSource(data), descriptor))

    def _stream(self, location: str, body: _Body) -> str:
        """All of it in one PATCH."""
        headers = {"Content-Range": f"0-{body.size - 1}"} if body.size else {}
        return self._sessions.patch(location, headers, body)

    def _pieces(self, location: str, body: _Body) -> str:
        """One PATCH for each piece, until the content ends."""
        begin = 0
        with closing(Reader(body.open())) as reader:
            while piece := reader.read(PIECE):
                headers = {"Content-Range": f"{begin}-{begin + len(piece) - 1}"}
                location = self._sessions.patch(location, headers, BytesSource(piece))
                begin += len(piece)
        return location

    def _retry(self, attempt: Callable[[str], None], body: _Body, known: list[Descriptor]) -> None:
        """A whole upload again, with a new session, when one breaks off or the registry lost its session.

        ``known`` ends with what was sent, as soon as that is known.
        """
        client = self._sessions.client
        number = 1
        while True:
            location = self._sessions.begin()
            try:
                return attempt(location)
            except BaseException as error:
                lost_again = isinstance(error, NotFound) and number > 1
                worth_it = isinstance(error, Unavailable | NotFound) and not body.failed and not lost_again
                if not worth_it or number >= client.retries:
                    body.revoke()
                    raise
                client.pause(number, str(known[-1].digest) if known else "upload", str(error))
            # Perhaps it arrived, and only the answer was lost.
            if known and self._exists(known[-1]):
                return None
            body.revoke()
            number += 1


class _Body:
    """What an upload sends, read anew for each attempt. ``failed`` says that it was the reading that failed."""

    def __init__(self, source: VerifiedSource | HashingSource) -> None:
        self.size = source.size
        self.failed = False
        self._source = source
        self._reader: Reader | None = None

    def open(self) -> Self:
        """Start from the front."""
        self.revoke()
        try:
            self._reader = self._source.open()
        except BaseException:
            self.failed = True
            raise
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer."""
        assert self._reader is not None  # noqa: S101  # it is open
        try:
            return self._reader.readinto(buffer)
        except BaseException:
            self.failed = True
            raise

    def close(self) -> None:
        """Release the reader."""
        assert self._reader is not None  # noqa: S101  # it is open
        self._reader.close()

    def revoke(self) -> None:
        """Take back what an attempt has counted, be it that the registry refused it at the very end."""
        if self._reader is not None:
            self._reader.revoke()
            self._reader = None


def _identity(source: Source) -> str:
    """What a session of unknown digest is noted under: a file as it is now. What is made up anew each time has no name."""
    state = FileState.of(source.path) if isinstance(source, FileSource) else None
    return f"{state.path!r} {state.key}" if state else ""


def _hashed(source: HashingSource) -> Descriptor:
    buffer = memoryview(bytearray(CHUNK))
    with source.open() as reader:
        while reader.readinto(buffer):
            pass
    return Descriptor("", source.digest, source.length)

"""Writing blobs: one PUT where the digest is known, one PATCH while hashing where it is not, chunks where neither will do.

distribution-spec 1.1, "Pushing Blobs". Registries differ: some refuse chunks, some refuse large bodies, some give relative
locations; every location is resolved against the request and must stay on the registry's host.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from typing import Self
from urllib.parse import quote

from modelpack.errors import AccessDenied, ModelPackError, NotFound, RegistryError, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.http import Request, Response
from modelpack.store.registry.host import Registry
from modelpack.store.sources import CHUNK, BytesSource, HashingSource, Reader, VerifiedSource

PIECE = 16 << 20
"""Bytes of one chunk where the length of the content is not known beforehand: they are held in memory."""

_CREATED = frozenset({201, 202, 204})
_TOO_LARGE = 413
_NO_PATCH = frozenset({400, 405, 411, 413, 415, 416, 501})


class Uploads:
    """Uploads into one repository."""

    def __init__(self, registry: Registry, repository: str, exists: Callable[[Descriptor], bool]) -> None:
        self._registry = registry
        self._exists = exists
        self._base = f"{registry.url}/v2/{repository}/blobs/uploads/"
        self._scope = f"repository:{repository}:pull,push"

    def push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        """POST, then PUT with the digest. The last byte leaves only if the content is what the descriptor says."""
        body = _Body(source)

        def whole(location: str) -> None:
            self._finish(location, descriptor, body)

        def chunked(location: str) -> None:
            self._finish(self._pieces(location, body), descriptor, None)

        try:
            self._retry(whole, body, [descriptor])
        except RegistryError as error:
            if error.status != _TOO_LARGE:
                raise
            self._retry(chunked, body, [descriptor])

    def ingest(self, source: HashingSource) -> None:
        """Send while hashing, then name it: POST, PATCH, PUT. Where PATCH is not allowed, hash first and push then."""
        body = _Body(source)
        known: list[Descriptor] = []

        def attempt(location: str) -> None:
            location = self._pieces(location, body) if source.size is None else self._stream(location, body)
            known.append(Descriptor("", source.digest, source.length))
            self._finish(location, known[-1], None)

        try:
            self._retry(attempt, body, known)
        except RegistryError as error:
            if error.method != "PATCH" or error.status not in _NO_PATCH:
                raise
            descriptor = _hashed(source)
            self.push(descriptor, VerifiedSource(source.source, descriptor))

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob from a sibling repository. False if the registry would rather have it uploaded."""
        url = f"{self._base}?mount={descriptor.digest}&from={quote(repository)}"
        scope = f"{self._scope} repository:{repository}:pull"
        try:
            response = self._registry.client.send(Request("POST", url, scope, expect=_CREATED))
        except (AccessDenied, NotFound, RegistryError):
            return False
        response.drain()
        if response.status == 201:
            return True
        self._cancel(response)
        return False

    def _begin(self) -> str:
        response = self._registry.client.send(Request("POST", self._base, self._scope, expect=_CREATED))
        response.drain()
        return self._location(response, self._base)

    def _stream(self, location: str, body: _Body) -> str:
        """All of it in one PATCH."""
        headers = {"Content-Range": f"0-{body.size - 1}"} if body.size else {}
        return self._patch(location, headers, body)

    def _pieces(self, location: str, body: _Body) -> str:
        """One PATCH for each piece, until the content ends."""
        begin = 0
        with closing(Reader(body.open())) as reader:
            while piece := reader.read(PIECE):
                headers = {"Content-Range": f"{begin}-{begin + len(piece) - 1}"}
                location = self._patch(location, headers, BytesSource(piece))
                begin += len(piece)
        return location

    def _patch(self, location: str, headers: dict[str, str], body: _Body | BytesSource) -> str:
        # A PATCH that failed half-way has moved the registry's offset: only the whole upload can be tried again.
        headers = {"Content-Type": "application/octet-stream", **headers}
        request = Request("PATCH", location, self._scope, headers, body, _CREATED, repeatable=False)
        response = self._registry.client.send(request)
        response.drain()
        return self._location(response, location)

    def _finish(self, location: str, descriptor: Descriptor, body: _Body | None) -> None:
        url = f"{location}{'&' if '?' in location else '?'}digest={descriptor.digest}"
        headers = {"Content-Type": "application/octet-stream"} if body else {}
        request = Request("PUT", url, self._scope, headers, body, _CREATED, repeatable=False)
        self._registry.client.send(request).drain()

    def _location(self, response: Response, base: str) -> str:
        return self._registry.join(base, response.headers.get("location", base))

    def _cancel(self, response: Response) -> None:
        with suppress(ModelPackError):  # sessions that nobody finishes expire
            location = self._location(response, self._base)
            self._registry.client.send(
                Request("DELETE", location, self._scope, expect=_CREATED, repeatable=False)
            ).drain()

    def _retry(self, attempt: Callable[[str], None], body: _Body, known: list[Descriptor]) -> None:
        """A whole upload again, with a new session, when one breaks off or the registry lost its session.

        ``known`` ends with what was sent, as soon as that is known.
        """
        client = self._registry.client
        number = 1
        while True:
            location = self._begin()
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


def _hashed(source: HashingSource) -> Descriptor:
    buffer = memoryview(bytearray(CHUNK))
    with source.open() as reader:
        while reader.readinto(buffer):
            pass
    return Descriptor("", source.digest, source.length)

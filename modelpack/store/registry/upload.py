"""Writing blobs: one PUT where the digest is known, one PATCH while hashing where it is not, chunks where neither will do.

distribution-spec 1.1, "Pushing Blobs". Registries differ: some refuse chunks, some refuse large bodies, some give relative
locations; every location is resolved against the request and must stay on the registry's host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelpack.errors import AccessDenied, NotFound, RegistryError, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.http import Request, Response
from modelpack.store.registry.host import Registry
from modelpack.store.sources import CHUNK, BytesSource, HashingSource, Stream, VerifiedSource

PIECE = 16 << 20
"""Bytes of one chunk where the length of the content is not known beforehand: they are held in memory."""

_CREATED = frozenset({201, 202, 204})
_TOO_LARGE = 413
_NO_PATCH = frozenset({400, 404, 405, 411, 413, 415, 416, 501})


@dataclass(frozen=True, slots=True)
class _Body:
    """A request's body whose reader is kept, so that its verdict is heard."""

    size: int
    start: Callable[[], Stream]

    def open(self) -> Stream:
        return self.start()


class Uploads:
    """Uploads into one repository."""

    def __init__(self, registry: Registry, repository: str) -> None:
        self._registry = registry
        self._base = f"{registry.url}/v2/{repository}/blobs/uploads/"
        self._scope = f"repository:{repository}:pull,push"

    def push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        """POST, then PUT with the digest. The last byte leaves only if the content is what the descriptor says."""

        def whole() -> None:
            self._finish(self._begin(), descriptor, _Body(descriptor.size, source.open))

        def chunked() -> None:
            self._finish(self._pieces(self._begin(), source), descriptor, None)

        try:
            self._retry(whole, str(descriptor.digest))
        except RegistryError as error:
            if error.status != _TOO_LARGE:
                raise
            self._retry(chunked, str(descriptor.digest))

    def ingest(self, source: HashingSource) -> None:
        """Send while hashing, then name it: POST, PATCH, PUT. Where PATCH is not allowed, hash first and push then."""

        def attempt() -> None:
            location = self._begin()
            location = self._pieces(location, source) if source.size is None else self._stream(location, source)
            self._finish(location, Descriptor("", source.digest, source.length), None)

        try:
            self._retry(attempt, "upload")
        except RegistryError as error:
            if error.method != "PATCH" or error.status not in _NO_PATCH:
                raise
            descriptor = _hashed(source)
            self.push(descriptor, VerifiedSource(source.source, descriptor))

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob from a sibling repository. False if the registry would rather have it uploaded."""
        url = f"{self._base}?mount={descriptor.digest}&from={repository}"
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

    def _stream(self, location: str, source: HashingSource) -> str:
        """All of it in one PATCH."""
        assert source.size is not None  # noqa: S101  # the caller looked
        headers = {"Content-Type": "application/octet-stream"}
        if source.size:
            headers["Content-Range"] = f"0-{source.size - 1}"
        return self._patch(location, headers, _Body(source.size, source.open))

    def _pieces(self, location: str, source: HashingSource | VerifiedSource) -> str:
        """One PATCH for each piece, until the content ends."""
        begin = 0
        with source.open() as reader:
            while piece := reader.read(PIECE):
                headers = {
                    "Content-Type": "application/octet-stream",
                    "Content-Range": f"{begin}-{begin + len(piece) - 1}",
                }
                location = self._patch(location, headers, BytesSource(piece))
                begin += len(piece)
        return location

    def _patch(self, location: str, headers: dict[str, str], body: _Body | BytesSource) -> str:
        # A PATCH that failed half-way has moved the registry's offset: only the whole upload can be tried again.
        request = Request("PATCH", location, self._scope, headers, body, _CREATED, attempts=1)
        response = self._registry.client.send(request)
        response.drain()
        return self._location(response, location)

    def _finish(self, location: str, descriptor: Descriptor, body: _Body | None) -> None:
        url = f"{location}{'&' if '?' in location else '?'}digest={descriptor.digest}"
        headers = {"Content-Type": "application/octet-stream"} if body else {}
        request = Request("PUT", url, self._scope, headers, body, _CREATED, attempts=1)
        self._registry.client.send(request).drain()

    def _location(self, response: Response, base: str) -> str:
        return self._registry.join(base, response.headers.get("location", base))

    def _cancel(self, response: Response) -> None:
        try:
            request = Request("DELETE", self._location(response, self._base), self._scope, expect=_CREATED, attempts=1)
            self._registry.client.send(request).drain()
        except (NotFound, AccessDenied, RegistryError, Unavailable):
            pass  # sessions that nobody finishes expire

    def _retry(self, attempt: Callable[[], None], name: str) -> None:
        """A whole upload again, with a new session, when one breaks off or the registry lost its session."""
        client = self._registry.client
        for number in range(1, client.retries + 1):
            try:
                attempt()
                return
            except (Unavailable, NotFound) as error:
                if number == client.retries or (isinstance(error, NotFound) and number > 1):
                    raise
                client.pause(number, name, str(error))


def _hashed(source: HashingSource) -> Descriptor:
    buffer = memoryview(bytearray(CHUNK))
    with source.open() as reader:
        while reader.readinto(buffer):
            pass
    return Descriptor("", source.digest, source.length)

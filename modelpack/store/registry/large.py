"""Large uploads in pieces: what broke off, or a process that died, is taken up at the offset that the registry reports.

distribution-spec 1.1, "Pushing a blob in chunks". The session is noted in a journal, so that the next process finds it; what the
registry has of it is hashed again from the local content, not believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from modelpack.errors import NotFound, RegistryError, Unavailable
from modelpack.oci import Descriptor
from modelpack.store.registry.journal import Journal
from modelpack.store.registry.pieces import Content, Pieces
from modelpack.store.registry.sessions import Sessions

SMALLEST = 64 << 20
"""Bytes from which an upload is made in pieces: below, sending it again costs less than the round trips."""

_WHOLE_ONLY = (".amazonaws.com", ".pkg.dev", "gcr.io", "ghcr.io")
"""Registries that are known to refuse pieces of a useful size."""

_OFF = 416
_REFUSED = frozenset({400, 404, 405, 411, 413, 415, 501})


class LargeUploads:
    """Uploads in pieces into one repository. Learns whether the registry takes them."""

    def __init__(self, sessions: Sessions, journal: Journal, exists: Callable[[Descriptor], bool]) -> None:
        self._sessions = sessions
        self._journal = journal
        self._exists = exists
        self._possible = not sessions.client.origin.host.endswith(_WHOLE_ONLY)

    def push(self, content: Content, key: str) -> bool:
        """Send large content; False if it is not large, or this registry wants it whole.

        ``key`` names the content, so that the next run finds the session of this one; ``""`` if nothing does.

        Raises as :meth:`modelpack.store.Store.push`; the session is then kept.
        """
        if content.size < SMALLEST or not self._possible:
            return False
        key = f"{self._sessions.base} {key}" if key else ""
        try:
            self._push(content, key)
        except RegistryError as error:
            if error.method != "PATCH" or error.status not in _REFUSED or content.position:
                raise
            self._possible = False
            self._journal.forget(key)
            return False
        return True

    def _push(self, content: Content, key: str) -> None:
        location = self._find(content, key)
        resumed = content.position > 0
        location = self._send(content, key, location)
        try:
            self._finish(location, content)
        except RegistryError:
            # What the registry had was perhaps of a file that has changed since: then all of it once more.
            self._journal.forget(key)
            if not resumed:
                raise
            content.seek(0)
            self._finish(self._send(content, key, self._sessions.begin()), content)
        self._journal.forget(key)

    def _find(self, content: Content, key: str) -> str:
        """The session of an earlier run, as far as it got, or a new one."""
        noted = self._journal.find(key)
        return (self._resume(noted, content) if noted else "") or self._sessions.begin()

    def _resume(self, location: str, content: Content) -> str:
        """Go to where a session stands; ``""`` if it has ended."""
        try:
            offset, location = self._sessions.offset(location)
        except (NotFound, RegistryError):
            return ""
        if offset > content.size:
            return ""
        content.seek(offset)
        return location

    def _send(self, content: Content, key: str, location: str) -> str:
        pieces, attempt = Pieces(), 1
        while content.position < content.size:
            self._journal.note(key, location)
            piece = content.piece(pieces.size)
            begun = time.monotonic()
            last = content.position + piece.size - 1
            try:
                location = self._sessions.patch(location, {"Content-Range": f"{content.position}-{last}"}, piece)
            except BaseException as error:
                piece.revoke()
                lost = isinstance(error, Unavailable | NotFound) or (
                    isinstance(error, RegistryError) and error.status == _OFF
                )
                refused = isinstance(error, NotFound) and not content.position
                if not lost or refused or piece.failed or attempt >= self._sessions.client.retries:
                    raise
                self._sessions.client.pause(attempt, "upload", str(error))
                attempt += 1
                location = self._again(location, content)
                continue
            content.arrived(piece)
            pieces.took(piece.size, time.monotonic() - begun)
            attempt = 1
        return location

    def _again(self, location: str, content: Content) -> str:
        """Where the session goes on, or a new one if it was lost."""
        found = self._resume(location, content)
        if not found:
            content.seek(0)
        return found or self._sessions.begin()

    def _finish(self, location: str, content: Content) -> None:
        client = self._sessions.client
        for attempt in range(1, client.retries + 1):
            try:
                self._sessions.finish(location, content.digest)
            except Unavailable as error:
                if attempt == client.retries:
                    raise
                client.pause(attempt, str(content.digest), str(error))
            except NotFound:
                # The answer to an earlier attempt was lost, and the session has ended well.
                if attempt == 1 or not self._exists(Descriptor("", content.digest, content.size)):
                    raise
                return
            else:
                return

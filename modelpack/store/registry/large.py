"""Large uploads in pieces: what broke off, or a process that died, is taken up at the offset that the registry reports.

distribution-spec 1.1, "Pushing a blob in chunks". The session is noted in a journal, so that the next process finds it; what the
registry has of it is hashed again from the local content, not believed. Registries differ in what a broken request leaves
behind: all bytes that arrived, the whole pieces before it (crane's), or no session at all (CNCF distribution 2.8).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from modelpack.errors import AccessDenied, NotFound, RegistryError, StoreError, Unavailable, UnsupportedFormat
from modelpack.oci import Descriptor, Digest
from modelpack.store.registry.journal import Journal, Note
from modelpack.store.registry.pieces import Content, Piece, Pieces
from modelpack.store.registry.sessions import Sessions

SMALLEST = 8 << 20
"""Bytes from which an upload is made in pieces: below, sending it again costs less than the round trips."""

MAX_LOST = 1
"""Sessions of one upload that may get lost before it is sent whole."""

_WHOLE_ONLY = (".amazonaws.com", ".pkg.dev", "gcr.io", "ghcr.io")
"""Registries that are known to refuse pieces of a useful size."""

_TOO_LARGE = 413
_OFF = 416
_REFUSED = frozenset({400, 405, 411, _TOO_LARGE, 415, _OFF, 501})


class LargeUploads:
    """Uploads in pieces into one repository. Learns whether the registry takes them."""

    def __init__(self, sessions: Sessions, journal: Journal, exists: Callable[[Descriptor], bool]) -> None:
        self._sessions = sessions
        self._journal = journal
        self._exists = exists
        self._possible = not sessions.client.origin.host.endswith(_WHOLE_ONLY)
        self._confirms = True

    def push(self, content: Content, key: str) -> bool:
        """Send large content; False if it is not large, or this registry wants it whole.

        ``key`` names the content, so that the next run finds the session of this one; ``""`` if nothing does.

        Raises as :meth:`modelpack.store.Store.push`; the session is then kept.
        """
        if content.size < SMALLEST or not self._possible:
            return False
        note = self._journal.open(f"{self._sessions.base} {key}" if key else "")
        with closing(note), closing(content):
            try:
                if self._confirms:
                    content.believe()
                upload = _Upload(self._sessions, content, note, self._exists)
                upload.run()
                self._confirms &= upload.confirmed
            except _Refused:
                content.revoke()
                note.forget()
                self._possible = False
                return False
            except BaseException:
                content.revoke()
                raise
        return True


class _Refused(Exception):
    """The registry wants the content whole."""


class _Upload:
    def __init__(self, sessions: Sessions, content: Content, note: Note, exists: Callable[[Descriptor], bool]) -> None:
        self._sessions = sessions
        self._content = content
        self._note = note
        self._exists = exists
        self._pieces = Pieces()
        self._location = ""
        self._resumed = False
        self._lost = 0
        self._attempt = 1
        self._highest = 0
        self.confirmed = True
        """Whether the registry said which digest it found, wherever that was asked."""

    def run(self) -> None:
        """Send what is missing, and name it."""
        if not (self._note.location and self._resume(self._note.location)):
            self._begin()
        finished = False
        while not finished:
            if self._content.position < self._content.size:
                self._step()
            else:
                finished = self._finish()
        self._note.forget()

    def _step(self) -> None:
        piece = self._content.piece(self._pieces.size)
        try:
            self._send(piece)
        except (Unavailable, NotFound, RegistryError) as error:
            if piece.failed:
                raise
            self._recover(error)

    def _send(self, piece: Piece) -> None:
        position, begun = self._content.position, time.monotonic()
        headers = {"Content-Range": f"{position}-{position + piece.size - 1}"}
        self._location = self._sessions.patch(self._location, headers, piece)
        self._content.arrived(piece)
        self._note.keep(self._location)
        self._pieces.took(piece.size, time.monotonic() - begun)
        self._progress()

    def _recover(self, error: StoreError) -> None:
        """Make ready for another attempt where one is worth it. Raises the error if not."""
        status = error.status if isinstance(error, RegistryError) else 0
        if status == _TOO_LARGE and self._pieces.too_large():
            return
        if not self._content.position and not self._resumed and (isinstance(error, NotFound) or status in _REFUSED):
            raise _Refused from error
        if status not in (0, _OFF):
            self._replace(error)
            return
        if self._attempt >= self._sessions.client.retries:
            raise error
        self._sessions.client.pause(self._attempt, "upload", str(error))
        self._attempt += 1
        before = self._content.position
        # A registry that finds our offset wrong and names the same one cannot be followed.
        if not self._resume(self._location) or (status == _OFF and self._content.position == before):
            self._replace(error)
        self._progress()

    def _progress(self) -> None:
        """The budget starts anew when more has arrived than ever before."""
        if self._content.position > self._highest:
            self._highest, self._attempt = self._content.position, 1

    def _resume(self, location: str) -> bool:
        """Go to where a session stands; False if it has ended."""
        try:
            offset, location = self._sessions.offset(location)
        except (NotFound, AccessDenied, RegistryError, UnsupportedFormat):
            return False
        if offset > self._content.size:
            return False
        self._content.seek(offset)
        self._location = location
        self._note.keep(location)
        self._resumed = True
        return True

    def _replace(self, error: StoreError) -> None:
        """Go on with a new session if it is the session's fault, which a fresh one's refusal of content is not.

        Where sessions keep getting lost (replicas that do not share them, say), none is any good.
        """
        if not self._resumed and isinstance(error, RegistryError) and error.status != _OFF:
            raise error
        self._lost += 1
        if self._lost > MAX_LOST:
            raise _Refused from error
        self._begin()

    def _begin(self) -> None:
        self._content.seek(0)
        self._location = self._sessions.begin()
        self._note.keep(self._location)
        self._resumed, self._highest = False, 0

    def _finish(self) -> bool:
        """Whether it has its name now; if not, all of it goes out once more.

        The registry had perhaps bytes of a file that has changed since.
        """
        digest = self._content.digest
        try:
            said = self._name(digest)
        except (NotFound, RegistryError) as error:
            # The answer to an earlier attempt was perhaps lost, and the session has ended well.
            if not self._exists(Descriptor("", digest, self._content.size)):
                if not self._resumed:  # else it is perhaps what an earlier run left there
                    self._verify()
                self._replace(error)
                return False
            return True
        self.confirmed = said == str(digest)
        if not self.confirmed:
            self._verify()
        return True

    def _verify(self) -> None:
        """The registry did not confirm what was believed: see whose fault it is. Raises DigestMismatch, SizeMismatch."""
        if self._content.believed:
            self._content.verify()

    def _name(self, digest: Digest) -> str:
        client = self._sessions.client
        attempt = 1
        while True:
            try:
                return self._sessions.finish(self._location, digest)
            except Unavailable as error:
                if attempt >= client.retries:
                    raise
                client.pause(attempt, str(digest), str(error))
                attempt += 1

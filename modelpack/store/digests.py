"""A cache of digests of local files, so that an unchanged checkpoint need not be read again to be known.

A file is the same if its path, inode, size, modification and change time are. Clocks of file systems are coarse: a file that
was changed again within one tick would look unchanged. So what changed shortly before it was hashed is not entered, as git
does with its index ("racy git").
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import InvalidDigest
from modelpack.oci import Digest

WORTH_KNOWING = 64 << 10
"""Bytes of the smallest files that are entered."""

SETTLED = 2.0
"""Seconds without a change before a file can be entered: the coarsest clock among common file systems (FAT)."""

_FAILURES = (sqlite3.Error, OSError, InvalidDigest)
_MAX_AGE = 180 * 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,
    digest TEXT NOT NULL, used REAL NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file is the one that was hashed. Times are in ns, ``taken`` in s since the epoch."""

    path: bytes
    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    taken: float

    @classmethod
    def of(cls, path: Path) -> FileState | None:
        """Take it before the file is read; None if there is no such file."""
        taken = time.time()
        try:
            status = path.stat()
        except OSError:
            return None
        name = os.fsencode(os.path.realpath(path))
        return cls(name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, taken)

    @property
    def settled(self) -> bool:
        """Whether a later change would show in the times."""
        changed = max(self.mtime, self.ctime) / 1e9
        return changed + SETTLED < self.taken

    @property
    def key(self) -> tuple[int, int, int, int, int]:
        """All that must be the same."""
        return self.device, self.inode, self.size, self.mtime, self.ctime


class DigestCache:
    """Digests by file, in an SQLite database. Processes and threads may share it; a damaged one is begun anew.

    A cache is an aid: whatever goes wrong with it, the file is read instead.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def is_worth(self, size: int) -> bool:
        """Whether knowing a file of this size is cheaper than reading it."""
        return size >= WORTH_KNOWING

    def get(self, state: FileState) -> Digest | None:
        """The digest of a file that is in the same state as when it was entered."""
        with suppress(*_FAILURES), self._database() as database:
            query = "SELECT device, inode, size, mtime, ctime, digest FROM digests WHERE path = ?"
            row = database.execute(query, (state.path,)).fetchone()
            if row is not None and tuple(row[:5]) == state.key:
                database.execute("UPDATE digests SET used = ? WHERE path = ?", (time.time(), state.path))
                return Digest.parse(str(row[5]))
        return None

    def put(self, before: FileState, digest: Digest) -> None:
        """Enter a file that was read from ``before`` on: not if it has changed since, or so recently that one cannot tell."""
        with suppress(*_FAILURES), self._database() as database:
            after = FileState.of(Path(os.fsdecode(before.path)))
            if not before.settled or after is None or after.key != before.key:
                return
            now = time.time()
            row = (before.path, *before.key, str(digest), now)
            database.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            database.execute("DELETE FROM digests WHERE used < ?", (now - _MAX_AGE,))

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The database within one transaction."""
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                database = self._connect()
            except sqlite3.OperationalError:  # busy, or not to be written: not damaged
                raise
            except sqlite3.DatabaseError:
                self._path.unlink(missing_ok=True)
                database = self._connect()
            try:
                with database:
                    yield database
            finally:
                database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=5.0)
        try:
            database.execute("PRAGMA synchronous = OFF")  # an aid need not survive a power failure
            database.execute(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

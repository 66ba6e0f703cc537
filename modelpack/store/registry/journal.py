"""Upload sessions that outlive their process."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_WEEK = 7 * 86400.0
_LONGEST = 64 << 10


class Note(Protocol):
    """The session of one upload, for as long as this process is at it."""

    @property
    def location(self) -> str:
        """Where an earlier process left it; ``""`` if there is none."""
        ...

    def keep(self, location: str) -> None:
        """Where it is now."""
        ...

    def forget(self) -> None:
        """It has ended."""
        ...

    def close(self) -> None:
        """Leave it to the next process."""
        ...


class Journal(Protocol):
    """Where upload sessions are noted, by a key that says what is uploaded to where."""

    def open(self, key: str) -> Note:
        """The note under a key. Of two that ask at the same time, only one gets it: a session serves one sender."""
        ...


@dataclass(frozen=True, slots=True)
class NoNote:
    """The session lives as long as the process."""

    location: str = ""

    def keep(self, location: str) -> None:
        """Nothing is kept."""

    def forget(self) -> None:
        """Nothing is there."""

    def close(self) -> None:
        """Nothing is held."""


class NoJournal:
    """Nothing is noted."""

    def open(self, _: str) -> NoNote:
        """A note that nobody will find."""
        return NoNote()


@dataclass(frozen=True, slots=True)
class FolderJournal:
    """A small file for each session, readable only by its user: locations may hold secrets.

    It is an aid: its failures are silent, and an empty key is not kept. A session older than a week is not found.
    """

    folder: Path

    def open(self, key: str) -> Note:
        """The note under a key, locked."""
        if key:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                return _FileNote(self.folder / hashlib.sha256(key.encode()).hexdigest(), key)
        return NoNote()


class _FileNote:
    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.location = self._read()
        except BaseException:
            os.close(self._file)
            raise

    def keep(self, location: str) -> None:
        # In place, for the lock is on this file; what a crash leaves half written is not understood, and so ignored.
        written = json.dumps({"key": self._key, "location": location}).encode()
        with suppress(OSError):
            os.pwrite(self._file, written, 0)
            os.ftruncate(self._file, len(written))

    def forget(self) -> None:
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        os.close(self._file)

    def _read(self) -> str:
        if time.time() - os.fstat(self._file).st_mtime < _WEEK:
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                noted = json.loads(os.pread(self._file, _LONGEST, 0))
                return str(noted["location"]) if noted["key"] == self._key else ""
        return ""

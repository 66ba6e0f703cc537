"""Upload sessions that outlive their process."""

from __future__ import annotations

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


class Journal(Protocol):
    """Where upload sessions are noted, by a key that says what is uploaded to where."""

    def find(self, key: str) -> str:
        """The location of a session, or ``""``."""
        ...

    def note(self, key: str, location: str) -> None:
        """Keep it, in the place of an earlier one."""
        ...

    def forget(self, key: str) -> None:
        """The session has ended."""
        ...


class NoJournal:
    """Sessions live as long as the process."""

    def find(self, _: str) -> str:
        """Nothing is known."""
        return ""

    def note(self, _: str, location: str) -> None:
        """Nothing is kept."""

    def forget(self, _: str) -> None:
        """Nothing is there."""


@dataclass(frozen=True, slots=True)
class FolderJournal:
    """A small file for each session, readable only by its user: locations may hold secrets.

    It is an aid: its failures are silent, and an empty key is not kept.
    """

    folder: Path

    def find(self, key: str) -> str:
        """The location of a session of the last week, or ``""``."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            path = self._path(key)
            if time.time() - path.stat().st_mtime < _WEEK:
                noted = json.loads(path.read_bytes()[:_LONGEST])
                return str(noted["location"]) if noted["key"] == key else ""
        return ""

    def note(self, key: str, location: str) -> None:
        """Write it whole or not at all."""
        if not key:
            return
        path = self._path(key)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"key": key, "location": location}, file)
            temporary.replace(path)

    def forget(self, key: str) -> None:
        """Remove it."""
        with suppress(OSError):
            self._path(key).unlink()

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(key.encode()).hexdigest()

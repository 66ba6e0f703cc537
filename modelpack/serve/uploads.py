"""Upload sessions: files on their way into the layout, each under an identifier that nobody can guess."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modelpack.serve.http import Refusal
from modelpack.store import Incoming, LayoutStore

MAX_UPLOADS = 256
"""Sessions at a time: each holds a file open."""

IDLE = 3600.0
"""Seconds after which a session that nobody used is forgotten."""

_PATIENCE = 10.0
"""Seconds that a request waits for an earlier one of its session, whose connection may have broken just now."""


@dataclass(slots=True)
class Upload:
    """One session."""

    repository: str
    incoming: Incoming
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)


class Uploads:
    """All sessions of a server. They end with it."""

    def __init__(self, layout: LayoutStore) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}

    def start(self, repository: str) -> str:
        """Begin a session. Raises Refusal (429)."""
        self.expire()
        with self._lock:
            if len(self._open) >= MAX_UPLOADS:
                raise Refusal(429, "TOOMANYREQUESTS", "too many uploads at a time", {"Retry-After": "10"})
            identifier = secrets.token_urlsafe(24)
            self._open[identifier] = Upload(repository, self._layout.incoming(), time.monotonic())
        return identifier

    @contextmanager
    def use(self, repository: str, identifier: str) -> Iterator[Incoming]:
        """Have a session alone. Raises Refusal (404, 409)."""
        upload = self._open.get(identifier)
        if upload is None or upload.repository != repository:
            raise unknown()
        if not upload.lock.acquire(timeout=_PATIENCE):
            raise Refusal(409, "BLOB_UPLOAD_INVALID", "another request is writing to this upload")
        try:
            if identifier not in self._open:
                raise unknown()
            yield upload.incoming
        finally:
            upload.used = time.monotonic()
            upload.lock.release()

    def end(self, identifier: str) -> None:
        """Forget a session, and what was not committed; the caller has it alone."""
        with self._lock:
            upload = self._open.pop(identifier)
        upload.incoming.close()

    def expire(self, idle: float = IDLE) -> None:
        """End sessions that nobody used for some seconds."""
        now = time.monotonic()
        for identifier, upload in tuple(self._open.items()):
            if now - upload.used >= idle and upload.lock.acquire(blocking=False):
                try:
                    if identifier in self._open:
                        self.end(identifier)
                finally:
                    upload.lock.release()

    def close(self) -> None:
        """End all sessions; their connections have been ended."""
        for identifier, upload in tuple(self._open.items()):
            with upload.lock:
                if identifier in self._open:
                    self.end(identifier)


def unknown() -> Refusal:
    """There is no such session."""
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", "the upload is unknown, or was given up")

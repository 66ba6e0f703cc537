"""Keep-alive connections over :mod:`http.client`, whose ``readinto`` receives straight into our buffers.

A pool hands a connection to one thread at a time. Measured beside urllib3, requests, httpx and aiohttp, this is the fastest
for large blobs and, above all, for thousands of small ones.
"""

from __future__ import annotations

import base64
import http.client
import select
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from modelpack.store.http.options import HttpOptions
from modelpack.store.sources import CHUNK

TRANSPORT_ERRORS = (OSError, http.client.HTTPException)
"""What :mod:`http.client` and :mod:`ssl` raise; mapped to our own errors by the client."""

MAX_IDLE = 64
MAX_IDLE_SECONDS = 55.0
"""Load balancers drop idle connections after 60 seconds or more, often without a word."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a connection, and a credential, belongs to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute URL. Raises ValueError for others than http and https."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http or https URL")
        return cls(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))

    def __str__(self) -> str:
        """``scheme://host:port``, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class _Connection(http.client.HTTPConnection):
    """A connection that remembers whether it has served before, and separates the two time-outs."""

    served = 0
    released = 0.0
    read_timeout = 60.0
    absolute = ""
    """What goes before the path in a request line: the origin when a proxy forwards plain HTTP, else nothing."""
    proxy_headers: dict[str, str]

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.read_timeout)


class _TLSConnection(http.client.HTTPSConnection, _Connection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.read_timeout)


Connection: TypeAlias = _Connection


class Pool:
    """Connections by origin. Thread-safe."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[Connection]] = {}
        self._context: ssl.SSLContext | None = None

    def acquire(self, origin: Origin) -> Connection:
        """An idle connection that is still alive, or a new one (connected at its first request)."""
        with self._lock:
            idle = self._idle.get(origin, [])
            while idle:
                connection = idle.pop()
                if time.monotonic() - connection.released < MAX_IDLE_SECONDS and not _readable(connection):
                    return connection
                connection.close()
        return self._new(origin)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Give a connection back whose response was read to its end."""
        connection.released = time.monotonic()
        connection.served += 1
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < MAX_IDLE:
                idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _new(self, origin: Origin) -> Connection:
        proxy = self._options.proxies.for_origin(origin.scheme, origin.host)
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        host, port = (target.hostname or "", target.port or 3128) if target else (origin.host, origin.port)
        connection = self._create(origin, host, port)
        connection.read_timeout, connection.proxy_headers = self._options.read_timeout, {}
        if target:
            login = f"{unquote(target.username)}:{unquote(target.password or '')}" if target.username else ""
            headers = {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
            if origin.scheme == "https":
                connection.set_tunnel(origin.host, origin.port, headers)
            else:
                connection.absolute, connection.proxy_headers = str(origin), headers
        return connection

    def _create(self, origin: Origin, host: str, port: int) -> Connection:
        timeout = self._options.connect_timeout
        if origin.scheme == "http":
            return _Connection(host, port, timeout=timeout, blocksize=CHUNK)
        with self._lock:
            self._context = self._context or self._options.tls.context()
        return _TLSConnection(host, port, timeout=timeout, blocksize=CHUNK, context=self._context)


def _readable(connection: Connection) -> bool:
    """An idle connection with something to read was closed by the other side (or speaks out of turn)."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))

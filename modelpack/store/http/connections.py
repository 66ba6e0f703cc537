"""Keep-alive connections over :mod:`http.client`, whose ``readinto`` receives straight into our buffers.

A pool hands a connection to one thread at a time. Measured beside urllib3, requests, httpx and aiohttp, this is the fastest
for large blobs and, above all, for thousands of small ones.
"""

from __future__ import annotations

import base64
import functools
import http.client
import io
import re
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from modelpack.errors import InputError
from modelpack.store.http.options import HttpOptions, parse_address
from modelpack.store.sources import CHUNK

TRANSPORT_ERRORS = (OSError, http.client.HTTPException)
"""What :mod:`http.client` and :mod:`ssl` raise; mapped to our own errors by the transport."""

MAX_IDLE = 64
MAX_IDLE_SECONDS = 55.0
"""Load balancers drop idle connections after 60 seconds or more, often without a word."""

MAX_HEADERS = 100
MAX_HEADER = 65536
"""Headers of one response, and bytes of one of them: what http.client allows."""

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_PLACE = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?=/)")
_LENGTH = re.compile(r"[0-9]{1,19}")
_NAME = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_MAX_NAME = 253


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a connection, and a credential, belongs to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute URL. Raises ValueError for others than http and https, and for impossible hosts."""
        place = _PLACE.match(url)
        return cls._of(place[0] if place else url)

    @classmethod
    @functools.lru_cache(maxsize=64)
    def _of(cls, url: str) -> Origin:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            raise ValueError("not an http or https URL")
        if parse_address(host) is None and (len(host) > _MAX_NAME or not _NAME.fullmatch(host)):
            raise ValueError("not a host name")
        return cls(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80))

    def __str__(self) -> str:
        """``scheme://host:port``, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class _Watched(io.RawIOBase):
    """A socket's bytes as long as they come fast enough.

    A time-out of the socket only bounds the silence between two bytes, and one call to read a line or to fill a buffer may
    wait for thousands of them: a server that sends one now and then would hold us for years. Only the time spent waiting
    counts, from the first byte of an answer on.
    """

    def __init__(self, raw: io.RawIOBase, receive: Callable[[Any, int], int], minimum_rate: int, window: float) -> None:
        self._raw = raw
        self._receive = receive
        self._minimum = minimum_rate * window
        self._window = window
        self._received, self._waited = 0, 0.0
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        begun = time.monotonic()
        length = self._receive(buffer, len(buffer))
        if self._received:
            self._waited += time.monotonic() - begun
        self._received += length or 0
        self.ended = length == 0
        if length and self._waited > self._window:
            if self._received < self._minimum:
                raise TimeoutError(f"fewer than {self._minimum:.0f} bytes came in {self._waited:.0f} seconds")
            self._received, self._waited = length, 0.0
        return length

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Buffered(io.BufferedReader):
    """Hands over what arrived before a connection broke, and only then the error: it need not come again.

    Bytes of a body go straight into the caller's buffer, after those that came along with the headers.
    """

    def __init__(self, raw: _Watched) -> None:
        super().__init__(raw)
        self._watched = raw
        self._empty = False
        self._error: OSError | None = None

    def readline(self, size: int | None = -1, /) -> bytes:
        self._empty = False
        return super().readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        self._empty = False
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        filled = 0
        while filled < len(view) and self._error is None:
            try:
                length = self._watched.readinto(view[filled:]) if self._empty else self._rest(view[filled:])
            except OSError as error:
                self._error = error
                break
            filled += length or 0
            if not length:
                break
        if self._error is not None and not filled:
            raise self._error
        return filled

    def _rest(self, view: memoryview) -> int:
        """What is buffered. A request as long as the buffer empties it."""
        self._empty = len(view) >= io.DEFAULT_BUFFER_SIZE
        return self.readinto1(view[: io.DEFAULT_BUFFER_SIZE])


class Head(dict[str, str]):
    """Headers of a response: names in lower case, repeated ones joined (RFC 9110, 5.3)."""

    @classmethod
    def read(cls, stream: io.BufferedReader) -> Head:
        """Up to the empty line. :mod:`email`, which http.client uses for it, takes a third of the time of a small answer.

        Raises HTTPException for what is no header, and for more than ``MAX_HEADERS`` or too long ones.
        """
        head, name = cls(), ""
        for _ in range(MAX_HEADERS + 1):
            line = stream.readline(MAX_HEADER + 1)
            if len(line) > MAX_HEADER:
                raise http.client.LineTooLong("header line")
            if line in (b"\r\n", b"\n") or not line.endswith(b"\n"):  # the end, be it that of the connection
                return head
            name = head.add(line.decode("latin-1"), name)
        raise http.client.HTTPException("too many headers")

    def add(self, line: str, last: str) -> str:
        """Take a line, which may go on with the header before (RFC 9112, 5.2). The name of the header."""
        if line[0] in " \t" and last:
            self[last] = f"{self[last]} {line.strip()}"
            return last
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if not colon or not name or not _TOKEN.issuperset(name):
            raise http.client.HTTPException("no header")
        if name in self and (name, value) != ("content-length", self[name]):
            value = f"{self[name]}, {value}"
        self[name] = value
        return name


class _Answer(http.client.HTTPResponse):
    """A response whose bytes are watched from the status line on."""

    def __init__(self, options: HttpOptions, sock: Any, **keywords: Any) -> None:
        super().__init__(sock, **keywords)
        raw = self.fp.detach()  # http.client makes a BufferedReader
        self._watched = _Watched(raw, sock.recv_into, options.minimum_rate, options.read_timeout)
        self.fp = _Buffered(self._watched)

    def begin(self) -> None:
        """Read status and headers, as http.client does, with :class:`Head` instead of :mod:`email`."""
        version, status, reason = self._status_line()
        while status == http.HTTPStatus.CONTINUE:
            Head.read(self.fp)
            version, status, reason = self._status_line()
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version == "HTTP/1.0" else 11
        head = Head.read(self.fp)
        if self._watched.ended:  # what came before would be taken for the whole head
            raise http.client.RemoteDisconnected("the connection was closed in the middle of the headers")
        self.headers = self.msg = head  # type: ignore[assignment]  # all that is asked of it is a mapping
        self.chunked = head.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.will_close = self._closes(head)
        self.length = self._promised(head)
        if not self.chunked and self.length is None:
            self.will_close = True

    def _status_line(self) -> tuple[str, int, str]:
        version, status, reason = self._read_status()  # type: ignore[attr-defined]  # of http.client
        if version != "HTTP/1.0" and not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        return version, status, reason

    def _closes(self, head: Head) -> bool:
        connection = head.get("connection", "").lower()
        return "close" in connection if self.version == 11 else "keep-alive" not in connection

    def _promised(self, head: Head) -> int | None:
        """Bytes of the body; None if only its end tells."""
        if self.status in (http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED) or self._method == "HEAD":  # type: ignore[attr-defined]
            return 0
        length = head.get("content-length", "")
        return int(length) if not self.chunked and _LENGTH.fullmatch(length) else None


class _Connection(http.client.HTTPConnection):
    """A connection that remembers whether it has served before, and separates the two time-outs."""

    served = 0
    released = 0.0
    read_timeout = 60.0
    proxy = ""
    """``host:port`` of the proxy, for messages."""
    absolute = ""
    """What goes before the path in a request line: the origin when a proxy forwards plain HTTP, else nothing."""
    proxy_headers: dict[str, str]

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.read_timeout)


class _TLSConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS; the handshake belongs to the time for connecting."""


Connection: TypeAlias = _Connection


class Pool:
    """Connections by origin. Thread-safe."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._idle: list[tuple[Origin, Connection]] = []
        self._closed = False
        self._context: ssl.SSLContext | None = None

    def acquire(self, origin: Origin) -> Connection:
        """An idle connection that is still alive, or a new one (connected at its first request)."""
        while (connection := self._take(origin)) is not None:
            if time.monotonic() - connection.released < MAX_IDLE_SECONDS and not _readable(connection):
                return connection
            connection.close()
        return self._new(origin)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Give a connection back whose response was read to its end."""
        connection.released = time.monotonic()
        connection.served += 1
        surplus: Connection | None = connection
        with self._lock:
            if not self._closed:
                self._idle.append((origin, connection))
                surplus = self._idle.pop(0)[1] if len(self._idle) > MAX_IDLE else None
        if surplus is not None:
            surplus.close()

    def forget(self, origin: Origin, released: float) -> None:
        """Close what has been idle at least since then: a connection of that age was found dead."""
        with self._lock:
            stale = [entry for entry in self._idle if entry[0] == origin and entry[1].released <= released]
            self._idle = [entry for entry in self._idle if entry not in stale]
        for _, connection in stale:
            connection.close()

    def close(self) -> None:
        """Close what is idle; what comes back later, from a thread that was given up, is not kept either."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for _, connection in idle:
            connection.close()

    def reopen(self) -> None:
        """Keep connections again."""
        self._closed = False

    def _take(self, origin: Origin) -> Connection | None:
        """The one that was used last, out of the pool."""
        with self._lock:
            for number in reversed(range(len(self._idle))):
                if self._idle[number][0] == origin:
                    return self._idle.pop(number)[1]
        return None

    def _new(self, origin: Origin) -> Connection:
        proxy = self._options.proxies.for_origin(origin.scheme, origin.host, origin.port)
        if not proxy:
            return self._create(origin, origin.host, origin.port)
        target, headers = _parse_proxy(proxy)
        connection = self._create(origin, target.host, target.port)
        connection.proxy = f"{target.host}:{target.port}"
        if origin.scheme == "https":
            connection.set_tunnel(origin.host, origin.port, headers)
        else:
            connection.absolute, connection.proxy_headers = str(origin), headers
        return connection

    def _create(self, origin: Origin, host: str, port: int) -> Connection:
        timeout = self._options.connect_timeout
        connection: Connection
        if origin.scheme == "http":
            connection = _Connection(host, port, timeout=timeout, blocksize=CHUNK)
        else:
            with self._lock:
                self._context = self._context or self._options.tls.context()
            connection = _TLSConnection(host, port, timeout=timeout, blocksize=CHUNK, context=self._context)
        connection.read_timeout, connection.proxy_headers = self._options.read_timeout, {}
        connection.response_class = functools.partial(_Answer, self._options)  # type: ignore[assignment]  # a factory does
        return connection


def _parse_proxy(text: str) -> tuple[Origin, dict[str, str]]:
    """A proxy's URL, as ``HTTP_PROXY`` holds it, to its place and the headers that open it."""
    url = text if "://" in text else f"http://{text}"
    try:
        origin = Origin.of(url)
    except ValueError:
        origin = None
    if origin is None or origin.scheme != "http":
        raise InputError(
            "the proxy's URL cannot be used",
            hint="http://[user:password@]host:port is expected in HTTP_PROXY, HTTPS_PROXY",
        )
    parts = urlsplit(url)
    if not parts.username:
        return origin, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return origin, {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _readable(connection: Connection) -> bool:
    """An idle connection with something to read was closed by the other side (or speaks out of turn)."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))

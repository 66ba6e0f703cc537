"""One request and its answer: no retries, no redirects, no credentials; every failure mapped to our own errors."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable
from urllib.parse import quote, urlsplit

from modelpack.errors import AccessDenied, StoreError, Unavailable
from modelpack.store.hashing import ring
from modelpack.store.http.connections import TRANSPORT_ERRORS, Connection, Origin, Pool
from modelpack.store.http.options import HttpOptions
from modelpack.store.http.response import Response, describe
from modelpack.store.sources import Stream

SENT_AT_ONCE = 1 << 20
"""Bytes read and sent together: a quarter of that costs the other side a third more time (measured)."""

SENT_BY_KERNEL = 4 << 20
"""Bytes of a file that go out in one call: progress is told, and Ctrl-C noticed, between two."""

_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_HUNG_UP = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)


class Body(Protocol):
    """What a request sends: it may have to be sent again."""

    @property
    def size(self) -> int | None:
        """Bytes; they must be known by the time it is sent."""
        ...

    def open(self) -> Stream:
        """Start from the front."""
        ...


@runtime_checkable
class FromFile(Protocol):
    """A stream whose bytes nobody here needs to see: the kernel can move them from a file into the connection."""

    @property
    def file(self) -> io.FileIO | None:
        """The open file, at the position of the stream; None if the stream has to be read after all."""
        ...

    @property
    def left(self) -> int:
        """Bytes to the end of the stream."""
        ...

    def passed(self, length: int) -> None:
        """So many went out, 0 if the file has ended too early. The position moves with them."""
        ...


class Transport:
    """Exchanges over pooled connections. Thread-safe."""

    def __init__(self, options: HttpOptions) -> None:
        self.options = options
        self._pool = Pool(options)

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None, *, replay: bool = True
    ) -> Response:
        """Send a request to an absolute http or https URL.

        A keep-alive connection that turns out dead is replaced by a fresh one, unless ``replay`` forbids it: the server
        may have seen the first half of the body.

        Raises Unavailable (with the cause), AccessDenied (by a proxy), InputError (unusable TLS files or proxy), StoreError
        (the body cannot be read), and what the body raises.
        """
        origin = Origin.of(url)
        while True:
            # Before the connection: the body may come from another registry, and that takes its time.
            stream = body.open() if body is not None else None
            try:
                connection = self._pool.acquire(origin)
                reused = connection.served > 0
                try:
                    return self._converse(connection, origin, method, url, headers, body, stream)
                except BaseException as error:
                    connection.close()
                    if not isinstance(error, TRANSPORT_ERRORS):
                        raise
                    if reused:
                        self._pool.forget(origin, connection.released)
                    if not (reused and replay) or isinstance(error, TimeoutError):
                        raise _failure(origin, connection.proxy, error) from error
            finally:
                if stream is not None:
                    stream.close()

    def close(self) -> None:
        """Close idle connections, and keep none from now on."""
        self._pool.close()

    def reopen(self) -> None:
        """Keep connections again."""
        self._pool.reopen()

    def _converse(
        self,
        connection: Connection,
        origin: Origin,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None,
        stream: Stream | None,
    ) -> Response:
        _send_head(connection, method, url, {**self._headers, **headers}, body)
        sent = body is None or stream is None or self._send_body(connection, stream, body.size or 1)
        raw = connection.getresponse()
        if not sent and raw.status < 400:
            raw.close()
            raise ConnectionAbortedError("the server stopped reading")
        return Response(raw, url, self._returner(origin, connection, usable=sent), self.options.throttle)

    def _send_body(self, connection: Connection, stream: Stream, size: int) -> bool:
        """Whether the server took it all. It may answer before it has everything, and then that says more than the pipe."""
        throttle = self.options.throttle
        if isinstance(stream, FromFile) and not throttle and not isinstance(connection.sock, ssl.SSLSocket):
            file = stream.file
            if file is not None:
                return _send_file(connection, file, stream)
        buffers = ring(throttle.piece if throttle else min(size, SENT_AT_ONCE), size)
        while length := _read(stream, buffer := next(buffers)):
            if throttle:
                throttle.take(length)
            try:
                connection.sock.sendall(buffer[:length])
            except _HUNG_UP:
                return False
        return True

    def _returner(self, origin: Origin, connection: Connection, *, usable: bool) -> Callable[[bool], None]:
        return lambda keep: self._pool.release(origin, connection) if keep and usable else connection.close()

    @property
    def _headers(self) -> dict[str, str]:
        return {"User-Agent": self.options.user_agent, "Accept-Encoding": "identity"}


def _send_head(connection: Connection, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> None:
    parts = urlsplit(url)
    # Servers send locations with blanks and bytes in them that http.client refuses.
    target = quote(
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), _URL_CHARACTERS, "latin-1", "replace"
    )
    connection.putrequest(method, connection.absolute + target, skip_accept_encoding=True)
    for name, value in {**connection.proxy_headers, **headers}.items():
        connection.putheader(name, value)
    if body is not None or method in _WITH_BODY:
        connection.putheader("Content-Length", str(body.size if body else 0))
    connection.endheaders()


def _send_file(connection: Connection, file: io.FileIO, stream: FromFile) -> bool:
    while stream.left:
        try:
            sent = connection.sock.sendfile(file, file.tell(), min(stream.left, SENT_BY_KERNEL))
        except _HUNG_UP:
            return False
        except OSError as error:
            if error.errno == errno.EIO:
                raise _unreadable(error) from error
            raise
        stream.passed(sent)
    return True


def _read(stream: Stream, buffer: memoryview) -> int:
    try:
        return stream.readinto(buffer) or 0
    except OSError as error:  # of a disk, say: not the connection's fault
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> StoreError:
    return StoreError(f"cannot read what is to be sent: {error.strerror or type(error).__name__}")


def _failure(origin: Origin, proxy: str, error: BaseException) -> AccessDenied | Unavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            f"cannot verify the certificate of {origin}: {error.verify_message}",
            hint="give its authority with --ca-file",
        )
    if isinstance(error, ssl.SSLError):
        return Unavailable(
            f"no TLS with {origin}: {error.reason or 'handshake failed'}",
            hint="is it a plain-HTTP registry? --plain-http",
        )
    if proxy:
        return _proxy_failure(origin, proxy, error)
    if isinstance(error, socket.gaierror):
        return Unavailable(f"cannot find the host {origin.host}", hint="check the name and the network")
    if isinstance(error, ConnectionRefusedError):
        return Unavailable(f"{origin} refuses connections", hint="does a registry run there? check host and port")
    if isinstance(error, http.client.BadStatusLine) and origin.scheme == "http" and not isinstance(error, OSError):
        return Unavailable(f"{origin} does not speak HTTP", hint="is it an HTTPS registry? leave out --plain-http")
    return Unavailable(f"no answer from {origin}: {describe(error)}")


def _proxy_failure(origin: Origin, proxy: str, error: BaseException) -> AccessDenied | Unavailable:
    hint = "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    # http.client has no other way to say it.
    tunnel = str(error).removeprefix("Tunnel connection failed: ")
    if tunnel == str(error):
        return Unavailable(f"no answer from the proxy {proxy}, on the way to {origin}: {describe(error)}", hint=hint)
    kind = AccessDenied if tunnel[:3] in ("401", "403", "407") else Unavailable
    return kind(f"the proxy {proxy} answered {tunnel[:3]} when asked for {origin}", hint=hint)

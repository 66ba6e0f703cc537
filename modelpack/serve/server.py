"""The server's life: bind, listen, answer each connection in a thread, stop."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelpack.errors import InputError
from modelpack.serve.http import Connection
from modelpack.serve.registry import Registry
from modelpack.store import LayoutStore

MAX_CONNECTIONS = 512
"""Clients at a time; who comes then is turned away at once."""

SILENCE = 60.0
"""Seconds without a byte after which a connection ends."""

_TIDY = 60.0


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The listening socket and its connections."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], registry: Registry, tls: ssl.SSLContext | None, log: Callable[[str], None]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.registry = registry
        self.tls = tls
        self.log = log
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._tidied = time.monotonic()
        super().__init__(address, Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a client a thread, if there is one left."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one client, then free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, here in the client's own thread, and serve."""
        request.settimeout(SILENCE)
        connection = self.tls.wrap_socket(request, server_side=True) if self.tls else request
        with self._lock:
            self._sockets.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._sockets.discard(connection)
            if connection is not request:
                connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # socketserver's signature
        """A handshake that fails, or a client that vanishes, is nobody's error."""
        self.log(f"{client_address[0]} connection ended early")

    def service_actions(self) -> None:
        """Forget abandoned uploads now and then; called several times a second."""
        if time.monotonic() - self._tidied > _TIDY:
            self._tidied = time.monotonic()
            self.registry.uploads.expire()

    def hang_up(self) -> None:
        """End all connections."""
        with self._lock:
            for each in self._sockets:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it ended by itself


class Server:
    """An OCI registry (distribution-spec 1.1, with referrers, ranges and deletion) over a layout.

    It is one domain of trust: all repositories share one pool of blobs, whoever may read one may read all, and deleting a
    manifest by digest deletes it everywhere. ``credentials`` are user names with their passwords; without them everybody who
    reaches the port may do everything, or read everything if it is ``read_only``. Passwords need TLS on any real network.

    ``tls`` is a certificate chain and its key (PEM files); ``log`` is called with one line for each request, from many
    threads. The port is bound at once; 0 takes a free one. Raises InputError (address in use, no usable certificate).
    """

    def __init__(
        self,
        layout: LayoutStore,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        read_only: bool = False,
        tls: tuple[Path, Path] | None = None,
        credentials: Mapping[str, str] | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._registry = Registry(layout, read_only=read_only, credentials=credentials)
        context = _context(*tls) if tls else None
        try:
            self._listener = Listener((host, port), self._registry, context, log)
        except (OSError, OverflowError) as error:
            raise InputError(f"cannot listen on {host} port {port}: {error}", hint="choose another port") from error
        self._thread: threading.Thread | None = None
        self._serving = False

    @property
    def host(self) -> str:
        """``host:port``, as references have it."""
        host, port = self._listener.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._listener.tls else 'http'}://{self.host}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._serving = True
        self._thread = threading.Thread(target=self.serve_forever, name="modelpack-serve", daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """Serve in this thread until :meth:`stop` is called in another, or an exception (Ctrl-C) ends it."""
        self._serving = True
        self._listener.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Stop listening, end all connections and uploads. Stopping twice is allowed."""
        if self._serving:  # else nothing would answer the request to shut down
            self._listener.shutdown()
            self._serving = False
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._listener.server_close()
        self._listener.hang_up()
        self._registry.uploads.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop."""
        self.stop()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot use the certificate {certificate} with the key {key}: {error}", hint="two PEM files are expected"
        ) from error
    return context

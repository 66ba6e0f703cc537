"""``/metrics``, ``/healthz`` and ``/readyz`` over HTTP while a program runs: for Prometheus and for a kubelet's probes.

It answers GET and HEAD, few clients at a time, none of them for longer than some seconds, and reads nothing but a request's head.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from modelpack_cli.telemetry.metrics import Metrics

_AT_ONCE = 16
_PATIENCE = 10.0
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{0,253})):([0-9]{1,5})")


@contextmanager
def listening(address: str, metrics: Metrics) -> Iterator[str]:
    """Serve for as long as the block lasts; where, as ``host:port`` (port 0 takes a free one). Raises InputError."""
    server = _server(address, metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        host, port = server.server_address[:2]
        yield f"[{host!s}]:{port}" if server.address_family == socket.AF_INET6 else f"{host!s}:{port}"
    finally:
        server.shutdown()
        server.server_close()


def _server(address: str, metrics: Metrics) -> _Server:
    from modelpack import InputError

    found = _ADDRESS.fullmatch(address)
    if not found or int(found[3]) > 65535:
        raise InputError(
            f"--metrics-listen takes HOST:PORT, not {address[:80]!r}", hint="0.0.0.0:9090, [::]:9090 or :9090"
        )
    try:
        return _Server((found[1] or found[2] or "0.0.0.0", int(found[3])), metrics)  # noqa: S104  # what ":9090" means
    except OSError as error:
        raise InputError(f"nothing can listen on {address}: {error.strerror}") from None


class _Server(ThreadingHTTPServer):
    """Drops who comes when there are too many, and who takes too long."""

    daemon_threads = True
    request_queue_size = 64
    block_on_close = False

    def __init__(self, address: tuple[str, int], metrics: Metrics) -> None:
        self.metrics = metrics
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without asking the name service who we are, as the base class does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread, if there is one left."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer; whatever the client does, it is over after some seconds."""
        limit = threading.Timer(_PATIENCE, _hang_up, (request,))
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nobody's trouble."""


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer, no more."""

    timeout = 5.0
    server_version = "modelpack"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer with a text."""
        path = self.path.partition("?")[0]
        ready = self.server.metrics.ready
        if path == "/metrics":
            self._answer(200, self.server.metrics.text(), _TEXT)
        elif path == "/healthz":
            self._answer(200, "ok\n")
        elif path == "/readyz":
            self._answer(200 if ready else 503, "ready\n" if ready else "nothing is staged yet\n")
        else:
            self._answer(404, "there is /metrics, /healthz and /readyz\n")

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the base class has it
        """A probe every second is no news."""


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)

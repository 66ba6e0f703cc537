"""A forward proxy: ``CONNECT`` for HTTPS, whole URLs for HTTP. It counts, and asks for a password if told to."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade"}


class Proxy(ThreadingHTTPServer):
    """Use it as a context manager. ``requests`` holds (method, target) of what passed; ``refused`` counts the 407s.

    ``received`` counts the bytes of answers' bodies over plain HTTP.
    """

    daemon_threads = False

    def __init__(self, username: str = "", password: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        login = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.expected = f"Basic {login}" if username else ""
        self.requests: list[tuple[str, str]] = []
        self.refused = 0
        self.received = 0
        self.closing = threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.proxy_url = f"http://{username}:{password}@{self.host}" if username else f"http://{self.host}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop, and break what is open."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients and registries may leave when they like."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Stay silent."""

    def do_CONNECT(self) -> None:
        if not self._admitted():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as upstream:
            self.send_response(200)
            self.end_headers()
            self._relay(self.connection, upstream)

    def _forward(self) -> None:
        if not self._admitted():
            return
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        upstream = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
        upstream.request(self.command, f"{url.path}?{url.query}".rstrip("?"), body, headers)
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP_BY_HOP:
                self.send_header(key, value)
        self.end_headers()
        while data := answer.read(64 << 10):
            self.server.received += len(data)
            self.wfile.write(data)
        upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815  # the names are http.server's

    def _admitted(self) -> bool:
        if self.headers.get("Proxy-Authorization", "") == self.server.expected or not self.server.expected:
            self.server.requests.append((self.command, self.path))
            return True
        self.server.refused += 1
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _relay(self, left: socket.socket, right: socket.socket) -> None:
        while not self.server.closing.is_set():
            for source in select.select([left, right], [], [], 0.05)[0]:
                data = source.recv(64 << 10)
                if not data:
                    return
                (right if source is left else left).sendall(data)

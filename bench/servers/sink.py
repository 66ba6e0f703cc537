"""A registry that accepts every upload and keeps nothing: ``python sink.py PORT [CERTIFICATE KEY]``.

It shows what a client can send when the server costs next to nothing. Every blob is missing, every push succeeds; only
manifests are kept (clients ask for them after a push), and ``GET /received`` says how many bytes of blobs came. It is a
program of its own and imports nothing of the project.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs

_PIECE = 256 * 1024


class Sink(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 4096  # one packet an answer
    received = 0
    manifests: ClassVar[dict[str, bytes]] = {}
    _lock = threading.Lock()

    def do_HEAD(self) -> None:
        """Manifests are here, blobs are not."""
        self.do_GET()

    def do_GET(self) -> None:
        """The ping, the count, a manifest."""
        if self.path == "/received":
            self._answer(200, body=str(Sink.received).encode())
        elif manifest := Sink.manifests.get(self.path):
            kind = json.loads(manifest).get("mediaType", "application/vnd.oci.image.manifest.v1+json")
            self._answer(200, manifest, Content_Type=kind, Docker_Content_Digest=_digest(manifest))
        else:
            self._answer(200 if self.path == "/v2/" else 404)

    def do_POST(self) -> None:
        """Begin an upload, or take it whole."""
        self._swallow()
        path, _, query = self.path.partition("?")
        if "digest=" in query:
            self._answer(201, Location=path)
        else:
            self._answer(202, Location=f"{path.rstrip('/')}/{uuid.uuid4()}")

    def do_PATCH(self) -> None:
        """Take a part of an upload."""
        size = self._swallow()
        self._answer(202, Location=self.path, Range=f"0-{max(size - 1, 0)}")

    def do_PUT(self) -> None:
        """Take the rest of an upload, or a manifest."""
        if "/manifests/" in self.path:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for name in (self.path, f"{self.path.rpartition('/')[0]}/{_digest(body)}"):
                Sink.manifests[name] = body
            self._answer(201, Location=self.path, Docker_Content_Digest=_digest(body))
        else:
            self._swallow()
            path, _, query = self.path.partition("?")
            # As all registries do that hash what they take, which this one does not.
            self._answer(201, Location=path, Docker_Content_Digest=parse_qs(query).get("digest", [""])[0])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

    def _swallow(self) -> int:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            size = 0
            while chunk := int(self.rfile.readline().split(b";")[0], 16):
                size += self._skip(chunk)
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = self._skip(int(self.headers.get("Content-Length", 0)))
        with Sink._lock:
            Sink.received += size
        return size

    def _skip(self, size: int) -> int:
        buffer = memoryview(bytearray(min(size, _PIECE)))
        left = size
        while left:
            got = self.rfile.readinto1(buffer[: min(left, _PIECE)])
            if not got:
                raise ConnectionError("the client went away")
            left -= got
        return size

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def main(port: str, *certificate: str) -> None:
    """Serve until killed."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that go away are no news."""

    server = Server(("127.0.0.1", int(port)), Sink)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake belongs to the connection's own thread: else one silent client stops all the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

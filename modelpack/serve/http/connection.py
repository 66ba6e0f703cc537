"""One client's connection: HTTP/1.1 with keep-alive around the registry."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from modelpack.errors import ModelPackError
from modelpack.serve.http.body import RequestBody
from modelpack.serve.http.messages import Refusal, Reply, Request, Slice
from modelpack.store import CHUNK

if TYPE_CHECKING:
    from modelpack.serve.server import Listener

_MAX_PARAMETERS = 20
_LINGER = 2.0


class Connection(BaseHTTPRequestHandler):
    """Reads requests, has them answered, writes replies. Silence for a minute ends it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = CHUNK
    server: Listener

    def handle(self) -> None:
        """Answer until the client leaves, stays silent, or its connection breaks."""
        try:
            super().handle()
        except (OSError, ModelPackError):  # a blob that cannot be read on must not look complete
            self.close_connection = True

    def finish(self) -> None:
        """Send what is left, if anybody is still there."""
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """Let the client wait until its body is wanted: a refusal spares it the transfer."""
        return True

    def respond(self) -> None:
        """Answer one request."""
        try:
            body = RequestBody(self.rfile, self.headers, self._proceed)
        except Refusal as refusal:
            self.close_connection = True
            self._write(refusal.reply())
            return
        reply = self.server.registry.answer(self._request(body))
        waiting = self._expects() and not body.asked and not body.done
        unread = waiting or not body.drain()
        self.close_connection = self.close_connection or unread
        self._write(reply)
        if unread:
            self._linger()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815  # http.server's names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what http.server could not read, as the registry refuses."""
        self.close_connection = True
        self.request_version = self.protocol_version  # http.server does not know it yet
        self._write(Refusal(code, "UNSUPPORTED", message or "").reply())

    def version_string(self) -> str:
        """What the Server header says."""
        return "modelpack"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Hand a line to whoever wants it."""
        line = (format % args).encode("unicode_escape").decode()  # no control characters for a terminal
        self.server.log(f"{self.client_address[0]} {line}")

    def _request(self, body: RequestBody) -> Request:
        url = urlsplit(self.path)
        query: dict[str, str] = {}
        for key, value in parse_qsl(url.query, keep_blank_values=True)[:_MAX_PARAMETERS]:
            query.setdefault(key, value)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, unquote(url.path), query, headers, body)

    def _expects(self) -> bool:
        return self.headers.get("Expect", "").lower() == "100-continue"

    def _proceed(self) -> None:
        if self._expects():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()

    def _linger(self) -> None:
        """Give the client a moment to read the reply: closing on unread bytes would take it away (RFC 9112, 9.6)."""
        self.wfile.flush()
        end = time.monotonic() + _LINGER
        buffer = memoryview(bytearray(CHUNK))
        with suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv_into(buffer):
                    return

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(reply.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if isinstance(reply.body, Slice):
            with reply.body.file:
                if self.command != "HEAD":
                    self._send_slice(reply.body)
        elif self.command != "HEAD":
            self.wfile.write(reply.body)

    def _send_slice(self, part: Slice) -> None:
        self.wfile.flush()
        if isinstance(self.connection, ssl.SSLSocket):
            sent = self._copy(part)
        else:
            sent = self.connection.sendfile(part.file, part.offset, part.length) if part.length else 0
        if sent < part.length:  # the file became shorter: the client must not wait for the rest
            self.close_connection = True

    def _copy(self, part: Slice) -> int:
        buffer = memoryview(bytearray(CHUNK))
        part.file.seek(part.offset)
        left = part.length
        while left and (length := part.file.readinto(buffer[:left])):
            self.connection.sendall(buffer[:length])
            left -= length
        return part.length - left

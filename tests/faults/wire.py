"""A threaded HTTP/1.1 server that sends exactly what a reply says, and stops at once when told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from urllib.parse import parse_qsl, urlsplit

from tests.faults.messages import Reply, Request

RST = struct.pack("ii", 1, 0)
"""SO_LINGER on, for zero seconds: close() sends a reset."""

Respond = Callable[[Request, "Incoming"], Reply]


class HangUp(Exception):
    """Break this connection now."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Incoming:
    """The body of a request that has not been read yet."""

    def __init__(self, stream: BufferedIOBase, headers: dict[str, str]) -> None:
        self._stream = stream
        self._length = int(headers.get("content-length", "0"))
        self._chunked = "chunked" in headers.get("transfer-encoding", "")
        self._body: bytes | None = None

    def read(self) -> bytes:
        """All of it."""
        if self._body is None:
            self._body = b"".join(self._chunks()) if self._chunked else self._stream.read(self._length)
        return self._body

    @property
    def received(self) -> bytes:
        """What was read so far."""
        return self._body or b""

    def discard(self, length: int) -> None:
        """Read this many bytes, or all if there are fewer, and forget them; the rest can't be read any more."""
        self._body = b""
        if not self._chunked:
            length = min(length, self._length)
        while length > 0 and (data := self._stream.read(min(length, 64 << 10))):
            length -= len(data)

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self._stream.readline().partition(b";")[0], 16):
            yield self._stream.read(length)
            self._stream.readline()
        while self._stream.readline().strip():
            pass


class Wire(ThreadingHTTPServer):
    """The listening end. ``errors`` keeps what went wrong in ``respond``, which is a mistake in a test or here."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.closing = threading.Event()
        self.errors: list[BaseException] = []
        self.connections = self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._tls = tls
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Break all connections, wait for the threads, free the port."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept; the TLS handshake is left to the connection's thread."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget a connection that is done."""
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    @contextlib.contextmanager
    def in_progress(self) -> Iterator[None]:
        """Count a request while it is being answered."""
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: the handler keeps what matters, and a client that leaves is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    server: Wire

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Stay silent."""

    def _exchange(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        url = urlsplit(self.path)
        request = Request(self.command, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers, b"")
        try:
            with self.server.in_progress():
                reply = self.server.respond(request, Incoming(self.rfile, headers))
                self._send(reply)
                self._end(reply)
        except HangUp as hang_up:
            self._break(reset=hang_up.reset)
        except OSError:
            self.close_connection = True  # the client left
        except BaseException as error:
            self.server.errors.append(error)
            raise

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815  # the names are http.server's

    def _send(self, reply: Reply) -> None:
        if reply.raw is not None:
            self._write(reply.raw, reply.pause)
            return
        body = reply.body
        headers = {key.lower() for key in reply.headers}
        head = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}\r\n"]
        head += [f"{key}: {value}\r\n" for key, value in reply.headers.items()]
        if isinstance(body, bytes):
            if not headers & {"content-length", "transfer-encoding"} and reply.status not in (204, 304):
                head.append(f"Content-Length: {len(body)}\r\n")
            body = [body[start : start + reply.slice] for start in range(0, len(body), reply.slice)]
        self.connection.sendall("".join([*head, "\r\n"]).encode("latin-1"))
        if self.command != "HEAD":
            self._write(body, reply.pause)

    def _write(self, parts: Iterable[bytes], pause: float) -> None:
        for number, part in enumerate(parts):
            if pause and number and self.server.closing.wait(pause):
                raise HangUp(reset=True)
            self.connection.sendall(part)

    def _end(self, reply: Reply) -> None:
        if reply.ending == "stall":
            self.server.closing.wait()
        if reply.ending != "keep":
            self._break(reset=reply.ending == "reset")

    def _break(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            # close() alone would wait for the file objects; shutdown() would send a FIN, so take the descriptor away.
            socket.close(self.connection.detach())

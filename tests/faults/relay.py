"""A TCP relay before a server: it counts bytes, and can forget connections that were idle, as a NAT does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

_BUFFER = 256 << 10
"""Bytes of its sockets' buffers: what it has counted is soon where it should be."""


class Relay:
    """Use it as a context manager; clients go to ``host``. ``sent`` and ``received`` are bytes from and to clients.

    With ``forget`` (seconds), what a client says after that long a silence goes nowhere: no answer, no reset.
    """

    def __init__(self, target: str, *, forget: float = 0.0) -> None:
        self.target = target
        self.sent = self.received = self.forgotten = 0
        self._forget = forget
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def moved(self) -> int:
        """Bytes in both directions."""
        return self.sent + self.received

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop, and break what is open."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break what is open."""
        for end in tuple(self._open):
            _break(end)

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        host, _, port = self.target.rpartition(":")
        with client, contextlib.suppress(OSError), socket.create_connection((host, int(port)), 10) as server:
            self._open |= {client, server}
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            connection = _Connection(self._forget)
            back = threading.Thread(target=self._pump, args=(server, client, connection, "received"), daemon=True)
            back.start()
            self._pump(client, server, connection, "sent")
            back.join()
        self._open -= {client}

    def _pump(self, source: socket.socket, target: socket.socket, connection: _Connection, counter: str) -> None:
        buffer = memoryview(bytearray(64 << 10))
        with contextlib.suppress(OSError):
            while length := source.recv_into(buffer):
                if connection.passes():
                    target.sendall(buffer[:length])
                    with self._lock:
                        setattr(self, counter, getattr(self, counter) + length)
                else:
                    self.forgotten += 1
            if connection.passes():
                target.shutdown(socket.SHUT_WR)
            return
        # One end was reset: so is the other.
        _break(source)
        _break(target)


class _Connection:
    def __init__(self, forget: float) -> None:
        self._forget = forget
        self._last = time.monotonic()
        self._gone = False

    def passes(self) -> bool:
        now = time.monotonic()
        self._gone = self._gone or 0 < self._forget < now - self._last
        self._last = now
        return not self._gone


def _break(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)

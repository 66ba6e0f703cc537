"""Connections passed on, and the bytes counted, whichever way they go."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_PIECE = 256 * 1024


class Counter:
    """Stands before a server on loopback for as long as a ``with`` block lasts; ``moved`` is what has passed since."""

    def __init__(self, host: str) -> None:
        address, _, port = host.rpartition(":")
        self._target = (address, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.moved = 0

    def __enter__(self) -> Self:
        """Begin to accept."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Accept no more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for end in (client, server):  # what waits here has not been sent yet
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        buffer = memoryview(bytearray(_PIECE))
        with contextlib.suppress(OSError):
            while length := source.recv_into(buffer):
                with self._lock:
                    self.moved += length
                target.sendall(buffer[:length])
        for end in (source, target):  # the other direction ends with this one
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

"""A long way in front of a server: ``python relay.py PORT TARGET_PORT RTT_MS RATE_MB``.

Each direction of each connection is a TCP stream over a path with this round-trip time, whose window grows as in slow start
(it begins at ten segments and gains what is acknowledged) up to RATE x RTT. What limits a connection is therefore its own
window, never the sum over connections: as between two well-connected hosts far apart. Bytes wait half a round trip; a new
connection waits one more for its handshake. An idle connection keeps its window. Nothing is lost.

It needs neither root nor a kernel with ``netem`` (which many virtual machines' kernels lack), and imports nothing of the
project.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections import deque

_FIRST_WINDOW = 10 * 1460
_PIECE = 256 * 1024


class Stream:
    """One direction of a connection."""

    def __init__(self, rtt: float, rate: float) -> None:
        self._rtt = rtt
        self._largest = max(int(rate * rtt), _FIRST_WINDOW)
        self._window = min(_FIRST_WINDOW, self._largest)
        self._flying = 0
        self._acknowledged = asyncio.Event()
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._arrived = asyncio.Event()

    async def run(self, source: socket.socket, target: socket.socket, *, wait: float) -> None:
        """Carry bytes until the source ends, then end the target. The first bytes wait ``wait`` seconds longer."""
        receiver = asyncio.create_task(self._deliver(target))
        try:
            await asyncio.sleep(wait)
            await self._take(source)
            await receiver
        finally:
            receiver.cancel()

    async def _take(self, source: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            while (room := self._window - self._flying) <= 0:
                self._acknowledged.clear()
                await self._acknowledged.wait()
            try:
                data = await loop.sock_recv(source, min(room, _PIECE))
            except ConnectionError:
                data = b""
            now = loop.time()
            self._flying += len(data)
            self._pieces.append((now + self._rtt / 2, data))
            self._arrived.set()

    async def _deliver(self, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._pieces:
                self._arrived.clear()
                await self._arrived.wait()
            when, data = self._pieces.popleft()
            if (delay := when - loop.time()) > 0:
                await asyncio.sleep(delay)
            if not data:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(target, data)
            loop.call_later(self._rtt / 2, self._acknowledge, len(data))

    def _acknowledge(self, size: int) -> None:
        self._flying -= size
        self._window = min(self._window + size, self._largest)
        self._acknowledged.set()


class Relay:
    """Connections to one target."""

    def __init__(self, target: int, rtt: float, rate: float) -> None:
        self._target = target
        self._rtt = rtt
        self._rate = rate

    async def serve(self, port: int) -> None:
        """Take connections until killed."""
        loop = asyncio.get_running_loop()
        connections: set[asyncio.Task[None]] = set()
        with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
            listener.setblocking(False)
            while True:
                client, _ = await loop.sock_accept(listener)
                task = asyncio.create_task(self._connection(client))
                connections.add(task)
                task.add_done_callback(connections.discard)

    async def _connection(self, client: socket.socket) -> None:
        with client, socket.socket() as server, contextlib.suppress(OSError):
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", self._target))
            up, down = Stream(self._rtt, self._rate), Stream(self._rtt, self._rate)
            await asyncio.gather(up.run(client, server, wait=self._rtt), down.run(server, client, wait=0))


if __name__ == "__main__":
    PORT, TARGET, RTT, RATE = sys.argv[1:]
    asyncio.run(Relay(int(TARGET), float(RTT) / 1000, float(RATE) * 1e6).serve(int(PORT)))

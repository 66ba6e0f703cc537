"""A plain HTTP client for the tests of the server."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from modelpack.oci import Digest
from modelpack.serve import Server


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.body)
        return document

    @property
    def code(self) -> str:
        """The code of an error."""
        errors = self.json["errors"]
        assert isinstance(errors, list)
        return str(errors[0]["code"])


class Client:
    """One connection that is kept alive."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.host.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=20)
        self.address = (host, int(port))

    def __call__(self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str) -> Answer:
        """Send a request; ``content_type="…"`` is the header Content-Type."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = body is not None and not isinstance(body, bytes)
        self._connection.request(method, path, body, named, encode_chunked=chunked)
        response = self._connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())

    def push(self, data: bytes, repository: str = "ml/x") -> Digest:
        """Store a blob."""
        digest = Digest.of(data)
        answer = self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        assert answer.status == 201, answer
        return digest

    def put(self, raw: bytes, media_type: str, reference: str, repository: str = "ml/x") -> Answer:
        """Store a manifest."""
        return self("PUT", f"/v2/{repository}/manifests/{reference}", raw, content_type=media_type)

    def close(self) -> None:
        self._connection.close()


def raw(client: Client, data: bytes, *, end: bool = True) -> bytes:
    """What the server says to some bytes, until it closes the connection, which it may do before they are sent."""
    said = bytearray()
    with socket.create_connection(client.address, 20) as connection, suppress(ConnectionError):
        connection.sendall(data)
        if end:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            said += piece
    return bytes(said)

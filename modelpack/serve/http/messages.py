"""Requests and replies, free of sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from modelpack.store import CHUNK
from modelpack.store.layout import BlobFile


class Body(Protocol):
    """What a client sends after the headers."""

    @property
    def length(self) -> int | None:
        """Bytes in all; None if they come in chunks."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill (part of) the buffer; 0 at the end. Raises Refusal, ConnectionError, TimeoutError."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``query`` has the first value of each parameter; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body

    def read(self, limit: int) -> bytes:
        """The body whole, if it has at most ``limit`` bytes. Raises Refusal (413)."""
        too_long = Refusal(413, "SIZE_INVALID", f"at most {limit} bytes are allowed here")
        if (self.body.length or 0) > limit:
            raise too_long
        data, buffer = bytearray(), memoryview(bytearray(CHUNK))
        while length := self.body.readinto(buffer):
            data += buffer[:length]
            if len(data) > limit:
                raise too_long
        return bytes(data)


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a blob's file, to be sent by the kernel; whoever sends it closes it."""

    file: BlobFile
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Slice = b""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.length


class Refusal(Exception):  # the reply to something that cannot be done
    """An error as the distribution-spec words it ("Error Codes")."""

    def __init__(self, status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message or HTTPStatus(status).phrase.lower())
        self.status = status
        self.code = code
        self.headers = headers or {}

    def reply(self) -> Reply:
        """The reply that says so."""
        document = {"errors": [{"code": self.code, "message": str(self)}]}
        return Reply(self.status, {"Content-Type": "application/json", **self.headers}, json.dumps(document).encode())

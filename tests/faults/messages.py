"""What goes over the wire, as values: a request as it came, a reply as it is to be sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Ending = Literal["keep", "close", "reset", "stall"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case; ``query`` keeps the last value of each key."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, and how its delivery goes wrong.

    ``body`` is sent slice by slice, with ``pause`` seconds between slices; an iterable that is not ``bytes`` is only
    drawn as fast as it is sent. Content-Length is added to a ``bytes`` body unless ``headers`` has one or names a
    transfer coding. ``raw`` replaces everything: it is written as it is. After the body the connection is kept, closed,
    reset (RST, which throws away what the client has not read), or held open in silence.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    slice: int = 256 << 10
    pause: float = 0
    ending: Ending = "keep"
    raw: Iterable[bytes] | None = None


def error(status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in the error format of the distribution-spec."""
    body = json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}).encode()
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, body)

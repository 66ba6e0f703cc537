"""From a request to its reply: who may ask, and which endpoint answers."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelpack.errors import ModelPackError, NoSpace
from modelpack.serve.blobs import Blobs
from modelpack.serve.http import Refusal, Reply, Request
from modelpack.serve.manifests import Manifests
from modelpack.serve.names import is_repository
from modelpack.serve.uploads import Uploads
from modelpack.store import LayoutStore

_READING = frozenset({"GET", "HEAD"})
_API = {"Docker-Distribution-Api-Version": "registry/2.0"}


class Registry:
    """The endpoints of the distribution-spec 1.1 over a layout."""

    def __init__(self, layout: LayoutStore, *, read_only: bool, credentials: Mapping[str, str] | None) -> None:
        self.uploads = Uploads(layout)
        self._read_only = read_only
        self._credentials = credentials
        self._routes = _routes(Blobs(layout, self.uploads), Manifests(layout))

    def answer(self, request: Request) -> Reply:
        """The reply to a request. Raises ConnectionError and TimeoutError, which reading the body may raise."""
        try:
            self._admit(request)
            reply = self._route(request)
        except Refusal as refusal:
            reply = refusal.reply()
        except NoSpace:
            reply = Refusal(507, "UNAVAILABLE", "the registry's disk is full").reply()
        except ModelPackError:  # its message may name a path of this machine
            reply = Refusal(500, "UNKNOWN", "the registry's content is damaged").reply()
        return Reply(reply.status, {**_API, **reply.headers}, reply.body)

    def _admit(self, request: Request) -> None:
        if self._credentials is not None and not _knows(self._credentials, request.headers.get("authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="modelpack", charset="UTF-8"'}
            raise Refusal(401, "UNAUTHORIZED", "a user name and a password are required", challenge)
        if self._read_only and request.method not in _READING:
            raise Refusal(405, "UNSUPPORTED", "this registry is read-only", {"Allow": "GET, HEAD"})

    def _route(self, request: Request) -> Reply:
        allowed: set[str] = set()
        for route in self._routes:
            match = route.path.fullmatch(request.path)
            if match and request.method in route.methods:
                if match.groups() and not is_repository(match[1]):
                    raise Refusal(400, "NAME_INVALID", f"{match[1][:80]!r} is not a repository's name")
                return route.endpoint(request, *match.groups())
            allowed |= route.methods if match else set()
        if allowed:
            raise Refusal(405, "UNSUPPORTED", "not here", {"Allow": ", ".join(sorted(allowed))})
        raise Refusal(404, "UNSUPPORTED", "there is no such endpoint")


@dataclass(frozen=True, slots=True)
class _Route:
    methods: frozenset[str]
    path: re.Pattern[str]
    endpoint: Callable[..., Reply]


def _routes(blobs: Blobs, manifests: Manifests) -> tuple[_Route, ...]:
    name = r"/v2/([^?]{1,1000})"
    upload, manifest = rf"{name}/blobs/uploads/([^/]+)", rf"{name}/manifests/([^/]+)"
    table: tuple[tuple[str, str, Callable[..., Reply]], ...] = (
        ("GET HEAD", r"/v2/?", _alive),
        ("GET", r"/v2/_catalog", manifests.catalog),
        ("POST", rf"{name}/blobs/uploads/?", blobs.start),
        ("PATCH", upload, blobs.write),
        ("PUT", upload, blobs.finish),
        ("GET", upload, blobs.status),
        ("DELETE", upload, blobs.cancel),
        ("GET HEAD", rf"{name}/blobs/([^/]+)", blobs.get),
        ("GET HEAD", manifest, manifests.get),
        ("PUT", manifest, manifests.put),
        ("DELETE", manifest, manifests.delete),
        ("GET", rf"{name}/tags/list", manifests.tags),
        ("GET", rf"{name}/referrers/([^/]+)", manifests.referrers),
    )
    return tuple(_Route(frozenset(methods.split()), re.compile(path), endpoint) for methods, path, endpoint in table)


def _alive(_: Request, *__: Any) -> Reply:
    return Reply(200, {"Content-Type": "application/json"}, b"{}")


def _knows(credentials: Mapping[str, str], header: str) -> bool:
    """Check a Basic header (RFC 7617) in a time that does not tell how much of it was right."""
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    expected = credentials.get(user)
    same = hmac.compare_digest(password.encode(), (expected if expected is not None else password + "!").encode())
    return same and scheme.lower() == "basic"

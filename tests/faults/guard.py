"""Who may come in: nobody is asked, everybody gives a password, or everybody shows a token from ``/token``."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.messages import Reply, Request, error

Kind = Literal["none", "basic", "token"]


@dataclass(slots=True)
class Guard:
    """Checks credentials. ``scopes`` lists what was asked for at ``/token``, in order."""

    kind: Kind = "none"
    username: str = ""
    password: str = ""
    lifetime: int = 300
    tokens: set[str] = field(default_factory=set)
    scopes: list[str] = field(default_factory=list)

    def refusal(self, request: Request, url: str) -> Reply | None:
        """The 401 that this request gets, if it does."""
        given = request.headers.get("authorization", "")
        if self.kind == "none":
            return None
        if self.kind == "basic":
            return None if given == self._basic() else self.challenge(request, url)
        scheme, _, token = given.partition(" ")
        return None if scheme == "Bearer" and token in self.tokens else self.challenge(request, url)

    def challenge(self, request: Request, url: str) -> Reply:
        """A 401 that says how to get in."""
        if self.kind != "token":
            return error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": 'Basic realm="faults"'})
        name = request.path.removeprefix("/v2/").rsplit("/", 2)[0]
        for end in ("/blobs", "/manifests", "/tags", "/referrers"):
            name = name.removesuffix(end)
        scope = f',scope="repository:{name}:pull,push,delete"' if name else ""
        value = f'Bearer realm="{url}/token",service="faults"{scope}'
        return error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": value})

    def issue(self, request: Request) -> Reply:
        """What ``/token`` answers."""
        self.scopes.append(request.query.get("scope", ""))
        if self.username and request.headers.get("authorization") != self._basic():
            return error(401, "UNAUTHORIZED")
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        body = json.dumps({"token": token, "access_token": token, "expires_in": self.lifetime}).encode()
        return Reply(200, {"Content-Type": "application/json"}, body)

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

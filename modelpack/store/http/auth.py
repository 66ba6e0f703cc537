"""Answering 401: basic and bearer tokens (distribution's "Token Authentication Specification", RFC 7235, RFC 6750).

Around the token exchange stands what makes it safe to follow a registry's word: which realm may see a password, expiry, one
token per scope, and errors that say whether a token was refused or could not be fetched.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelpack.errors import AccessDenied
from modelpack.oci.fields import Fields
from modelpack.store.http.connections import Origin
from modelpack.store.http.credentials import Credential, Credentials
from modelpack.store.http.options import is_loopback, parse_address
from modelpack.store.http.transport import Transport

_DEFAULT_LIFE = 60.0
_MARGIN = 5.0
_SHORTEST_SECRET = 4
_PARAMETER = re.compile(r'([A-Za-z_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    expires: float


class Authenticator:
    """Authorization headers for one registry. Thread-safe: threads that need the same token wait for one exchange."""

    def __init__(self, origin: Origin, host: str, transport: Transport, credentials: Credentials) -> None:
        self._origin = origin
        self._host = host
        self._transport = transport
        self._credentials = credentials
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._used: Credential | None = None

    def header(self, scope: str) -> str:
        """The header to begin with; ``""`` if nothing is known yet or it is about to expire."""
        token = self._tokens.get(scope)
        return token.header if token and time.monotonic() < token.expires else ""

    def answer(self, challenge: str, scope: str, tried: str) -> str | None:
        """The header to try next, or None if there is nothing (better) to offer.

        Raises AccessDenied (the token server refuses), Unavailable (it does not answer), DocumentError (it talks nonsense),
        and what the credentials raise.
        """
        with self._lock:
            current = self.header(scope)
            if current and current != tried:
                return current
            scheme, parameters = parse_challenge(challenge)
            if scheme == "basic":
                token = self._basic()
            elif scheme == "bearer":
                token = self._bearer(parameters, scope)
            else:
                return None
            if token is None or token.header == tried:
                return None
            self._tokens[scope] = token
            return token.header

    def redact(self, text: str) -> str:
        """Text that a registry sent, without the secrets that it may have sent back."""
        secrets = [token.header.partition(" ")[2] for token in tuple(self._tokens.values())]
        if self._used is not None:
            secrets += [self._used.secret, self._used.identity_token]
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return text

    def _credential(self) -> Credential | None:
        self._used = self._credentials.get(self._host)
        return self._used

    def _basic(self) -> _Token | None:
        credential = self._credential()
        if credential is None or credential.identity_token:
            return None
        return _Token(f"Basic {encode_basic(credential)}", float("inf"))

    def _bearer(self, parameters: dict[str, str], scope: str) -> _Token:
        # Only a registry that wants tokens costs the time that its imports take.
        from modelpack.store.http.tokens import fetch_token

        realm = self._check_realm(parameters.get("realm", ""))
        begun = time.monotonic()
        wanted = scope or parameters.get("scope", "")
        answer = fetch_token(self._transport, realm, parameters.get("service", ""), wanted, self._credential())
        fields = Fields(answer, "token")
        token = fields.text("token", "") or fields.text("access_token", "")
        if not token or not token.isascii() or not token.isprintable():
            fields.fail("token", "a token is required")
        life = answer.get("expires_in")
        life = float(life) if isinstance(life, int | float) else _DEFAULT_LIFE
        return _Token(f"Bearer {token}", begun + max(life - _MARGIN, min(life / 2, _MARGIN)))

    def _check_realm(self, realm: str) -> str:
        """A registry names its token server; what it names must not be weaker than itself, nor a way into our network."""
        try:
            origin = Origin.of(realm)
        except ValueError:
            raise AccessDenied(f"{self._host} names no usable token server") from None
        if origin.scheme == "http" and self._origin.scheme == "https":
            raise AccessDenied(f"{self._host} wants the password sent over plain HTTP, to {origin.host}")
        if _inside(origin.host) and not _inside(self._origin.host):
            raise AccessDenied(f"{self._host} names a token server on a private address, {origin.host}")
        if urlsplit(realm).username is not None:
            raise AccessDenied(f"{self._host} names a token server with a password in its URL")
        return realm


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """``WWW-Authenticate`` to its scheme (lower case) and parameters. Of several challenges, bearer is preferred."""
    begin = re.search(r"\bbearer\s", header, re.IGNORECASE)
    scheme, _, rest = (header[begin.start() :] if begin else header).strip().partition(" ")
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(rest[:4096]):
        parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or bare)
    return scheme.lower(), parameters


def encode_basic(credential: Credential) -> str:
    """User and password as RFC 7617 writes them."""
    return base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()


def _inside(host: str) -> bool:
    """Whether a host is this machine or a private address. What a name leads to is its DNS's business."""
    address = parse_address(host)
    return is_loopback(host) or (address is not None and not address.is_global)

"""Answering 401: basic and bearer tokens (distribution's "Token Authentication Specification", RFC 7235, RFC 6750).

The token exchange is ``oras``'s; around it stands what it leaves out: which realm may see a password, time-outs, size limits,
expiry, one token per scope, and errors that say whether a token was refused or could not be fetched.
"""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelpack.errors import AccessDenied, DocumentError, Unavailable
from modelpack.oci import loads_object
from modelpack.oci.fields import Fields
from modelpack.store.http.connections import Origin
from modelpack.store.http.credentials import Credential, Credentials
from modelpack.store.http.options import HttpOptions, is_loopback, parse_address

if TYPE_CHECKING:
    import requests

MAX_TOKEN_BODY = 1 << 20
_DEFAULT_LIFE = 60.0
_MARGIN = 5.0
_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    expires: float


class Authenticator:
    """Authorization headers for one registry. Thread-safe: threads that need the same token wait for one exchange."""

    def __init__(self, origin: Origin, host: str, options: HttpOptions, credentials: Credentials) -> None:
        self._origin = origin
        self._host = host
        self._options = options
        self._credentials = credentials
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}

    def header(self, scope: str) -> str:
        """The header to begin with; ``""`` if nothing is known yet or it is about to expire."""
        token = self._tokens.get(scope)
        return token.header if token and time.monotonic() < token.expires else ""

    def answer(self, challenge: str, scope: str, tried: str) -> str | None:
        """The header to try next, or None if there is nothing (better) to offer.

        Raises AccessDenied (the token server refuses), Unavailable (it does not answer), DocumentError (it talks nonsense).
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

    def _basic(self) -> _Token | None:
        credential = self._credentials.get(self._host)
        if credential is None or credential.identity_token:
            return None
        return _Token(f"Basic {_basic(credential)}", float("inf"))

    def _bearer(self, parameters: dict[str, str], scope: str) -> _Token:
        realm = self._check_realm(parameters.get("realm", ""))
        begun = time.monotonic()
        answer = _Exchange(self._options, realm).run(
            service=parameters.get("service", ""),
            scope=scope or parameters.get("scope", ""),
            credential=self._credentials.get(self._host),
        )
        fields = Fields(answer, "token")
        token = fields.text("token", "") or fields.text("access_token", "")
        if not token or not token.isascii() or not token.isprintable():
            fields.fail("token", "a token is required")
        life = fields.integer("expires_in") if "expires_in" in fields.value else _DEFAULT_LIFE
        return _Token(f"Bearer {token}", begun + max(life - _MARGIN, min(life / 2, _MARGIN)))

    def _check_realm(self, realm: str) -> str:
        """A registry names its token server; what it names must not be weaker than itself, nor a way into our network."""
        try:
            origin = Origin.of(realm)
        except ValueError:
            raise AccessDenied(f"{self._host} names no usable token server") from None
        inside = is_loopback(origin.host) or _private(origin.host)
        if origin.scheme == "http" and self._origin.scheme == "https":
            raise AccessDenied(f"{self._host} wants the password sent over plain HTTP, to {origin.host}")
        if inside and not (is_loopback(self._origin.host) or _private(self._origin.host)):
            raise AccessDenied(f"{self._host} names a token server on a private address, {origin.host}")
        if urlsplit(realm).username:
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


class _Exchange:
    """One visit to a token server."""

    def __init__(self, options: HttpOptions, realm: str) -> None:
        self._options = options
        self._realm = realm
        self._place = str(Origin.of(realm))

    def run(self, *, service: str, scope: str, credential: Credential | None) -> dict[str, Any]:
        # Only a registry that wants tokens costs the time that these imports take.
        import requests
        from oras.auth.token import TokenAuth
        from oras.auth.utils import authHeader

        backend = TokenAuth()
        self._answer: dict[str, Any] | None = None
        with self._session() as session:
            backend.session, backend._tls_verify = session, session.verify  # noqa: SLF001  # as oras's own factory does
            try:
                if credential is not None and credential.identity_token:
                    self._refresh(session, service, scope, credential.identity_token)
                else:
                    if credential is not None:
                        backend._basic_auth = _basic(credential)  # noqa: SLF001
                    backend.request_token(authHeader({"realm": self._realm, "service": service, "scope": scope}))
            except (requests.RequestException, OSError) as error:
                raise Unavailable(f"no answer from the token server {self._place}: {type(error).__name__}") from None
        if self._answer is None:
            raise AccessDenied(f"the token server {self._place} gave no token")
        return self._answer

    def _refresh(self, session: requests.Session, service: str, scope: str, token: str) -> None:
        form = {"grant_type": "refresh_token", "service": service, "scope": scope, "refresh_token": token}
        session.post(self._realm, data=form, verify=session.verify)

    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter

        timeout = (self._options.connect_timeout, self._options.read_timeout)

        class Adapter(HTTPAdapter):
            def send(self, *args: Any, **kwargs: Any) -> requests.Response:
                return super().send(*args, **{**kwargs, "timeout": timeout, "stream": True})

        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        tls = self._options.tls
        session.verify = False if tls.insecure_skip_verify else str(tls.ca_file) if tls.ca_file else True
        if tls.certificate:
            session.cert = (str(tls.certificate), str(tls.key)) if tls.key else str(tls.certificate)
        origin = Origin.of(self._realm)
        proxy = self._options.proxies.for_origin(origin.scheme, origin.host)
        session.proxies = {origin.scheme: proxy} if proxy else {}
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter())
        session.hooks["response"] = [self._receive]
        return session

    def _receive(self, response: requests.Response, **_: Any) -> requests.Response:
        """Bound and check the answer before oras parses it."""
        body = response.raw.read(MAX_TOKEN_BODY + 1, decode_content=True)
        if response.status_code in (429, 500, 502, 503, 504):
            raise Unavailable(f"the token server {self._place} answered {response.status_code}")
        if response.status_code != 200:
            raise AccessDenied(
                f"the token server {self._place} answered {response.status_code}",
                hint="check user and password: modelpack login",
            )
        if len(body) > MAX_TOKEN_BODY:
            raise DocumentError("token", "", f"more than {MAX_TOKEN_BODY} bytes")
        self._answer = loads_object(body, "token")
        response.raw = io.BytesIO(body)
        return response


def _basic(credential: Credential) -> str:
    return base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()


def _private(host: str) -> bool:
    address = parse_address(host)
    return address is not None and not address.is_global

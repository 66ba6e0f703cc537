"""One visit to a token server. The exchange is ``oras``'s; its requests travel over our own connections.

So they have the same TLS settings, proxies, time-outs and limits as all others, and no redirect or cookie is followed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import requests
from oras.auth.token import TokenAuth
from oras.auth.utils import authHeader
from requests.adapters import BaseAdapter

from modelpack.errors import AccessDenied, DocumentError, Unavailable
from modelpack.oci import JSONObject, loads_object
from modelpack.store.http.auth import encode_basic
from modelpack.store.http.connections import Origin
from modelpack.store.sources import BytesSource

if TYPE_CHECKING:
    from modelpack.store.http.credentials import Credential
    from modelpack.store.http.transport import Transport

MAX_TOKEN_BODY = 64 << 10
_KEPT = frozenset({"accept", "authorization", "content-type"})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


def fetch_token(
    transport: Transport, realm: str, service: str, scope: str, credential: Credential | None
) -> JSONObject:
    """The token server's answer: ``token`` or ``access_token``, ``expires_in`` (seconds).

    Raises AccessDenied (it refuses), Unavailable (it does not answer), DocumentError.
    """
    adapter = _Adapter(transport, str(Origin.of(realm)))
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        try:
            if credential is not None and credential.identity_token:
                form = {"grant_type": "refresh_token", "service": service, "scope": scope}
                session.post(realm, data={**form, "refresh_token": credential.identity_token})
            else:
                _visit(session, realm, service, scope, credential)
        except requests.RequestException as error:
            raise Unavailable(f"cannot ask the token server {adapter.place}: {type(error).__name__}") from None
    return adapter.answer


def _visit(session: requests.Session, realm: str, service: str, scope: str, credential: Credential | None) -> None:
    backend = TokenAuth()
    backend.session, backend._tls_verify = session, True  # noqa: SLF001  # as oras's own factory does
    if credential is not None:
        backend._basic_auth = encode_basic(credential)  # noqa: SLF001
    # A list becomes one parameter for each scope, as the specification wants it.
    backend.request_token(authHeader({"realm": realm, "service": service, "scope": scope.split()}))


class _Adapter(BaseAdapter):
    """What takes the place of urllib3 under a session."""

    def __init__(self, transport: Transport, place: str) -> None:
        super().__init__()
        self._transport = transport
        self.place = place
        self.answer: JSONObject = {}

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = BytesSource(str(request.body).encode()) if request.body else None
        headers = {name: value for name, value in request.headers.items() if name.lower() in _KEPT}
        response = self._transport.exchange(str(request.method), str(request.url), headers, body)
        try:
            data = response.read(MAX_TOKEN_BODY + 1)
        finally:
            response.close()
        self._check(response.status, data)
        result = requests.Response()
        result.status_code, result.raw = response.status, io.BytesIO(data)
        return result

    def close(self) -> None:
        """Nothing: the connections belong to the transport."""

    def _check(self, status: int, data: bytes) -> None:
        if status in _BUSY:
            raise Unavailable(f"the token server {self.place} answered {status}")
        if status != 200:
            raise AccessDenied(
                f"the token server {self.place} answered {status}", hint="check user and password: modelpack login"
            )
        if len(data) > MAX_TOKEN_BODY:
            raise DocumentError("token", "", f"more than {MAX_TOKEN_BODY} bytes")
        self.answer = loads_object(data, "token")

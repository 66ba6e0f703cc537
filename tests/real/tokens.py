"""A token server as distribution's "Token Authentication Specification" wants it, with tokens that expire soon if asked."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

LEEWAY = 60
"""Seconds for which distribution 2.8 still takes a token after it expired."""
SERVICE, ISSUER = "tests", "modelpack-tests"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asked for: ``grant`` is ``"basic"``, ``"anonymous"``, ``"password"`` or ``"refresh_token"``."""

    method: str
    grant: str
    service: str
    scopes: tuple[str, ...]
    granted: bool


class TokenServer(ThreadingHTTPServer):
    """Hands out RS256 tokens to one user. Use it as a context manager; ``requests`` records what it was asked.

    ``lifetime`` is for how many seconds the registry takes a token; ``announced`` is what the client is told about it.
    ``refresh_token`` is taken too, in place of the password (``identitytoken`` in docker's config.json).
    """

    def __init__(
        self, *, username: str = "robot", password: str = "s3cret", lifetime: int = 300, announced: int | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.username = username
        self.password = password
        self.refresh_token = secrets.token_urlsafe(24)
        self.lifetime = lifetime
        self.announced = lifetime if announced is None else announced
        self.requests: list[TokenRequest] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._folder = tempfile.TemporaryDirectory(prefix="token-server-")
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self.server_address[1]}/token"

    def registry_config(self) -> dict[str, object]:
        """The ``auth`` section of distribution's configuration."""
        bundle = Path(self._folder.name) / "bundle.pem"
        bundle.write_bytes(_self_signed(self._key).public_bytes(serialization.Encoding.PEM))
        settings = {"realm": self.url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}
        return {"token": settings}

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._folder.cleanup()

    def answer(self, method: str, authorization: str, form: dict[str, list[str]]) -> tuple[int, dict[str, object]]:
        """Status and document for a request; ``form`` is its query or its body."""
        grant = self._grant(authorization, form)
        scopes = tuple(scope for value in form.get("scope", ()) for scope in value.split())
        self.requests.append(TokenRequest(method, grant, form.get("service", [""])[0], scopes, bool(grant)))
        if not grant:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]}
        token = self._sign(scopes if grant != "anonymous" else ())
        return 200, {"token": token, "access_token": token, "expires_in": self.announced}

    def _grant(self, authorization: str, form: dict[str, list[str]]) -> str:
        """How the client showed who it is; ``""`` if it could not."""
        basic = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        kind = form.get("grant_type", [""])[0]
        if kind == "password":
            right = form.get("username") == [self.username] and form.get("password") == [self.password]
            return kind if right else ""
        if kind == "refresh_token":
            return kind if form.get("refresh_token") == [self.refresh_token] else ""
        return "anonymous" if not authorization else "basic" if authorization == basic else ""

    def _sign(self, scopes: tuple[str, ...]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {"iss": ISSUER, "sub": self.username, "aud": SERVICE, "iat": now, "nbf": now - LEEWAY}
        claims |= {"exp": now + self.lifetime - LEEWAY, "jti": secrets.token_hex(8), "access": access}
        header = {"typ": "JWT", "alg": "RS256", "kid": _key_id(self._key)}
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Stay silent."""

    def do_GET(self) -> None:
        self._reply(parse_qs(urlsplit(self.path).query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._reply(parse_qs(body.decode()))

    def _reply(self, form: dict[str, list[str]]) -> None:
        status, document = self.server.answer(self.command, self.headers.get("Authorization", ""), form)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key_id(key: rsa.RSAPrivateKey) -> str:
    """libtrust's fingerprint, by which distribution 2.8 finds the key: 240 bits of SHA-256 in base32, groups of four."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
    return ":".join(text[start : start + 4] for start in range(0, len(text), 4))


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    return builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())

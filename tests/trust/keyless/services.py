"""Fulcio, Rekor (version 1 or 2) and a timestamp authority over HTTP on loopback, and tokens of an identity provider."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.trust.keyless.authority import ALICE, ISSUER, Instance, decode, pae
from tests.trust.keyless.certificates import SIGNATURE, Claims
from tests.trust.keyless.rekor import Document, as_answer, dsse_body, hashed_body

_SECRET = b"the identity provider's"
SINCE = "2024-01-01T00:00:00Z"


def token(identity: str = ALICE, *, expires: int = 300, audience: str = "sigstore", key: bytes = _SECRET) -> str:
    """A JWT as an identity provider gives it."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "sub": identity, "aud": audience, "iat": now - 1, "exp": now + expires}
    signed = ".".join(_url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_url(hmac.digest(key, signed.encode(), 'sha256'))}"


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Services:
    """The HTTP side of an instance. ``faults`` answer instead of the real thing, by path: a status and a body.

    ``stamp`` makes a timestamp (DER TimeStampResp) of a request. ``requests`` are the paths that were asked for.
    """

    instance: Instance
    version: int = 1
    stamp: Callable[[bytes], bytes] | None = None
    faults: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tamper: Callable[[Document], Document] = lambda entry: entry
    patience: threading.Event | None = None
    """If it is given, answers wait for it."""

    def __enter__(self) -> Self:
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = services.answer(self.path, body, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def trust_config(self) -> bytes:
        """Whom to trust and whom to ask, as one file."""

        def service(version: int) -> list[Document]:
            operator = "modelpack tests"
            return [{"url": self.url, "majorApiVersion": version, "validFor": {"start": SINCE}, "operator": operator}]

        signing: Document = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(1),
            "oidcUrls": [],
            "rekorTlogUrls": service(self.version),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [{**service(1)[0], "url": f"{self.url}/timestamp"}] if self.stamp else [],
            "tsaConfig": {"selector": "ANY"},
        }
        kind = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        return json.dumps({"mediaType": kind, "trustedRoot": self.instance.root(), "signingConfig": signing}).encode()

    def answer(self, path: str, body: bytes, authorization: str) -> tuple[int, bytes]:
        self.requests.append(path)
        if self.patience:
            self.patience.wait(30)
        if path in self.faults:
            return self.faults[path]
        match path:
            case "/api/v2/signingCert":
                return self._certify(json.loads(body), authorization)
            case "/api/v1/log/entries":
                return 201, json.dumps(as_answer(self.tamper(self._take(json.loads(body))))).encode()
            case "/api/v2/log/entries":
                return 201, json.dumps(self.tamper(self._take_v2(json.loads(body)))).encode()
            case "/timestamp" if self.stamp:
                return 200, self.stamp(body)
        return 404, b"{}"

    def _certify(self, request: Document, authorization: str) -> tuple[int, bytes]:
        scheme, _, bearer = authorization.partition(" ")
        signed, _, signature = bearer.rpartition(".")
        if scheme != "Bearer" or signature != _url(hmac.digest(_SECRET, signed.encode(), "sha256")):
            return 401, json.dumps({"code": 16, "message": f"error processing the identity token {bearer}"}).encode()
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        wanted = x509.load_pem_x509_csr(decode(request["certificateSigningRequest"]))
        assert wanted.is_signature_valid
        key = wanted.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        leaf = self.instance.fulcio.issue(key, Claims(claims["sub"], claims["iss"], _now() - timedelta(seconds=30)))
        chain = [leaf, self.instance.fulcio.intermediate, self.instance.fulcio.root]
        pems = [certificate.public_bytes(Encoding.PEM).decode() for certificate in chain]
        return 201, json.dumps({"signedCertificateEmbeddedSct": {"chain": {"certificates": pems}}}).encode()

    def _take(self, proposed: Document) -> Document:
        """As Rekor does it: nothing is logged that does not verify."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        certificate = x509.load_pem_x509_certificate(decode(content["verifiers"][0]))
        payload, signature = decode(envelope["payload"]), decode(envelope["signatures"][0]["sig"])
        _key(certificate).verify(signature, pae(payload, envelope["payloadType"]), SIGNATURE)
        return self.instance.rekor.append(dsse_body(payload, signature, certificate), _now())

    def _take_v2(self, proposed: Document) -> Document:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        request = proposed["hashedRekordRequestV002"]
        verifier = request["signature"]["verifier"]
        certificate = x509.load_der_x509_certificate(decode(verifier["x509Certificate"]["rawBytes"]))
        signature, digest = decode(request["signature"]["content"]), decode(request["digest"])
        assert len(digest) == hashlib.sha256().digest_size
        _key(certificate).verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        body = hashed_body(digest, signature, certificate)
        return self.instance.rekor.append(body, _now(), promise=False)


def _key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

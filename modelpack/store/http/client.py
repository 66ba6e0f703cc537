"""Requests to one registry: authenticated, retried, redirected, with every failure mapped to our own errors."""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from modelpack.errors import AccessDenied, ModelPackError, NotFound, RegistryError, Unavailable
from modelpack.store.http.auth import Authenticator
from modelpack.store.http.connections import TRANSPORT_ERRORS, Connection, Origin, Pool
from modelpack.store.http.options import HttpOptions
from modelpack.store.http.response import MAX_ERROR_BODY, Response, describe
from modelpack.store.progress import Event, Observer
from modelpack.store.sources import CHUNK, Stream

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


class Body(Protocol):
    """What a request sends: it may have to be sent again."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def open(self) -> Stream:
        """Start from the front."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``scope`` is the permission that a token needs (``repository:ml/minilm:pull``)."""

    method: str
    url: str
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    expect: frozenset[int] = frozenset({200})
    attempts: int | None = None

    @property
    def place(self) -> str:
        """The URL without its query, which may hold a signature."""
        return self.url.partition("?")[0]


class Client:
    """Thread-safe. Credentials go to the registry's own origin and to nobody else."""

    def __init__(self, origin: Origin, options: HttpOptions, authenticator: Authenticator, observe: Observer) -> None:
        self.origin = origin
        self._options = options
        self._authenticator = authenticator
        self._observe = observe
        self._pool = Pool(options)
        self._calm = _Calm()
        self._contacted = False

    def send(self, request: Request) -> Response:
        """The response, if its status is an expected one.

        Raises NotFound (404), AccessDenied (401, 403), RegistryError (other statuses), Unavailable (no answer, or a busy
        server, through all retries).
        """
        attempts = request.attempts or self._options.retries
        for attempt in range(1, attempts + 1):
            self._calm.wait()
            try:
                response = self._follow(request)
            except Unavailable as error:
                if attempt == attempts or not self._worth_retrying(error, attempt):
                    raise
                self.pause(attempt, request.place, str(error))
                continue
            self._contacted = True
            if response.status in request.expect:
                return response
            wait = _retry_after(response)
            if response.status == 429 or (wait is not None and response.status in _BUSY):
                self._calm.until(self._delay(attempt) if wait is None else wait, self._options.longest_wait)
            if response.status not in _BUSY or attempt == attempts:
                raise _failure(request, response)
            self.pause(attempt, request.place, f"the registry answered {response.status}", wait)
            response.drain()
        raise AssertionError("unreachable")

    def pause(self, attempt: int, place: str, reason: str, wait: float | None = None) -> None:
        """Wait before the next attempt, and say so."""
        delay = min(self._delay(attempt) if wait is None else wait, self._options.longest_wait)
        self._observe(Event("retry", place, note=f"{reason}; attempt {attempt + 1} in {delay:.1f} s"))
        time.sleep(delay)

    @property
    def retries(self) -> int:
        """Attempts that one request may take."""
        return self._options.retries

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _delay(self, attempt: int) -> float:
        # Jitter keeps a thousand pods that failed together from coming back together.
        return min(self._options.backoff * 2.0 ** (attempt - 1), self._options.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311

    def _worth_retrying(self, error: Unavailable, attempt: int) -> bool:
        """A host that never answered is more likely a typo than a hiccup."""
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return False
        first_contact = isinstance(cause, socket.gaierror | ConnectionRefusedError)
        return self._contacted or not first_contact or attempt < 2

    def _follow(self, request: Request) -> Response:
        """One attempt: with authentication, and over redirects."""
        response = self._authenticated(request)
        url = request.url
        for _ in range(MAX_REDIRECTS):
            if response.status not in _REDIRECTS or request.method not in ("GET", "HEAD"):
                return response
            target = urljoin(url, response.headers.get("location", ""))
            response.drain()
            url = self._check_redirect(url, target, request)
            headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
            # Another host must not see our token; the same host may need it.
            if Origin.of(url) == self.origin:
                response = self._authenticated(Request(request.method, url, request.scope, headers))
            else:
                response = self._exchange(request.method, url, headers, None)
        if response.status in _REDIRECTS:
            response.drain()
            raise RegistryError(
                f"more than {MAX_REDIRECTS} redirects from {request.place}",
                status=response.status, code="", method=request.method, url=request.place,
            )  # fmt: skip
        return response

    def _check_redirect(self, url: str, target: str, request: Request) -> str:
        try:
            origin = Origin.of(target)
        except ValueError:
            origin = None
        if origin is None or (origin.scheme == "http" and urlsplit(url).scheme == "https"):
            raise RegistryError(
                f"{request.place} redirects to a place that is not HTTPS",
                status=302, code="", method=request.method, url=request.place,
            )  # fmt: skip
        return target

    def _authenticated(self, request: Request) -> Response:
        """Send with the token we have; if that is not enough, get one and send again, once."""
        authorization = self._authenticator.header(request.scope)
        response = self._exchange(request.method, request.url, request.headers, request.body, authorization)
        if response.status != 401:
            return response
        challenge = response.headers.get("www-authenticate", "")
        renewed = self._authenticator.answer(challenge, request.scope, authorization)
        if renewed is None:
            return response
        response.drain()
        return self._exchange(request.method, request.url, request.headers, request.body, renewed)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, authorization: str = ""
    ) -> Response:
        """One request on one connection; a keep-alive connection that turns out dead is replaced by a fresh one."""
        origin = Origin.of(url)
        while True:
            connection = self._pool.acquire(origin)
            reused = connection.served > 0
            try:
                _write(connection, method, url, self._headers(headers, authorization), body)
                raw = connection.getresponse()
            except TRANSPORT_ERRORS as error:
                connection.close()
                if reused and not isinstance(error, TimeoutError):
                    continue
                raise _unavailable(origin, error) from error
            except BaseException:
                connection.close()
                raise
            return Response(
                raw, url, self._returner(origin, connection),
                minimum_rate=self._options.minimum_rate, window=self._options.read_timeout,
            )  # fmt: skip

    def _returner(self, origin: Origin, connection: Connection) -> Callable[[bool], None]:
        return lambda keep: self._pool.release(origin, connection) if keep else connection.close()

    def _headers(self, headers: Mapping[str, str], authorization: str) -> dict[str, str]:
        result = {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **headers}
        if authorization:
            result["Authorization"] = authorization
        return result


class _Calm:
    """When a registry says 429 to one worker, all of them hold back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deadline = 0.0

    def until(self, delay: float, longest: float) -> None:
        with self._lock:
            self._deadline = max(self._deadline, time.monotonic() + min(delay, longest))

    def wait(self) -> None:
        while (delay := self._deadline - time.monotonic()) > 0:
            time.sleep(delay)


def _write(connection: Connection, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> None:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(method, connection.absolute + target, skip_accept_encoding=True)
    for name, value in {**connection.proxy_headers, **headers}.items():
        connection.putheader(name, value)
    if body is not None or method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(body.size if body else 0))
    connection.endheaders()
    if body is not None:
        _send_body(connection, body)


def _send_body(connection: Connection, body: Body) -> None:
    stream = body.open()
    buffer = memoryview(bytearray(min(CHUNK, max(body.size, 1))))
    try:
        while length := stream.readinto(buffer):
            connection.sock.sendall(buffer[:length])
    except (BrokenPipeError, ConnectionResetError):
        # The server may have answered before it had everything, and closed: the answer says more than the broken pipe.
        return
    finally:
        stream.close()


def _failure(request: Request, response: Response) -> ModelPackError:
    code, message = _registry_error(response)
    where = f"{request.method} {request.place}"
    said = ": ".join(part for part in (code, message) if part)
    text = f"{where} answered {response.status}" + (f" ({said})" if said else "")
    if response.status == 404:
        return NotFound(text)
    if response.status in (401, 403):
        return AccessDenied(text, hint=f"log in with: modelpack login {urlsplit(request.url).netloc}")
    if response.status in _BUSY:
        return Unavailable(text, hint="the registry is overloaded or restarting; run again, finished work is kept")
    return RegistryError(text, status=response.status, code=code, method=request.method, url=request.place)


def _registry_error(response: Response) -> tuple[str, str]:
    """The first error of the distribution-spec's JSON, cut short and made printable; empty if there is none."""
    try:
        data = response.read(MAX_ERROR_BODY)
        response.close()
        error = json.loads(data)["errors"][0]
        code, message = str(error.get("code", "")), str(error.get("message", ""))
    except (Unavailable, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    return _printable(code, 64), _printable(message, 300)


def _printable(text: str, limit: int) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:limit]).strip()


def _unavailable(origin: Origin, error: BaseException) -> Unavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            f"cannot verify the certificate of {origin}: {error.verify_message}",
            hint="give its authority with --ca-file",
        )
    if isinstance(error, ssl.SSLError):
        return Unavailable(
            f"no TLS with {origin}: {error.reason or 'handshake failed'}",
            hint="is it a plain-HTTP registry? --plain-http",
        )
    if isinstance(error, socket.gaierror):
        return Unavailable(f"cannot find the host {origin.host}", hint="check the name and the network")
    return Unavailable(f"no answer from {origin}: {describe(error)}")


def _retry_after(response: Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None

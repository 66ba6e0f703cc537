"""Requests to one registry: authenticated, retried, redirected, with every failure mapped to our own errors."""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from modelpack.errors import AccessDenied, ModelPackError, NotFound, RegistryError, Unavailable
from modelpack.oci import MAX_DOCUMENT
from modelpack.store.http.auth import Authenticator
from modelpack.store.http.connections import Origin
from modelpack.store.http.response import MAX_ERROR_BODY, Response
from modelpack.store.http.transport import Body, Transport
from modelpack.store.progress import Event, Observer

Result = TypeVar("Result")

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``scope`` is the permission that a token needs (``repository:ml/minilm:pull``).

    One that is not ``repeatable`` goes out once: its failure is for the caller to judge.
    """

    method: str
    url: str
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    expect: frozenset[int] = frozenset({200})
    repeatable: bool = True

    @property
    def place(self) -> str:
        """The URL without its query, which may hold a signature."""
        return self.url.partition("?")[0]


class Client:
    """Thread-safe. Credentials, and ``headers`` for all requests, go to the registry's own origin and to nobody else."""

    def __init__(
        self,
        origin: Origin,
        transport: Transport,
        authenticator: Authenticator,
        observe: Observer,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.origin = origin
        self._headers = headers or {}
        self._options = transport.options
        self._transport = transport
        self._authenticator = authenticator
        self._observe = observe
        self._calm = _Calm()
        self._contacted = False
        self._counting = threading.Lock()
        self.requests = 0
        """Requests that were sent to the registry itself so far, with those that were sent again."""

    def send(self, request: Request) -> Response:
        """The response, if its status is an expected one.

        Raises NotFound (404), AccessDenied (401, 403), RegistryError (other statuses), Unavailable (no answer, or a busy
        server, through all retries).
        """
        return self._retry(request, lambda response: response)

    def fetch(self, request: Request, limit: int = MAX_DOCUMENT + 1) -> tuple[Response, bytes]:
        """A small answer whole, at most ``limit`` bytes of it; one that breaks off is asked for again. Raises as :meth:`send`."""

        def take(response: Response) -> tuple[Response, bytes]:
            try:
                return response, response.read(limit)
            finally:
                response.close()

        return self._retry(request, take)

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
        self._transport.close()

    def reopen(self) -> None:
        """Keep connections again, after :meth:`close`."""
        self._transport.reopen()

    def _retry(self, request: Request, take: Callable[[Response], Result]) -> Result:
        attempts = self.retries if request.repeatable else 1
        attempt = 1
        while True:
            self._calm.wait()
            wait = None
            try:
                response = self._follow(request)
                self._contacted = True
                if response.status in request.expect:
                    return take(response)
                wait = self._hold_back(response, attempt)
                error = self._failure(request, response)
            except Unavailable as failed:
                error = failed
            if not isinstance(error, Unavailable) or attempt >= attempts or not self._worth_retrying(error, attempt):
                raise error
            self.pause(attempt, request.place, str(error), wait)
            attempt += 1

    def _hold_back(self, response: Response, attempt: int) -> float | None:
        """The wait that a busy registry asks for, from all workers alike."""
        if response.status not in _BUSY:
            return None
        wait = _retry_after(response)
        if wait is None and response.status == 429:
            wait = self._delay(attempt)
        if wait is not None:
            self._calm.until(wait, self._options.longest_wait)
        return wait

    def _delay(self, attempt: int) -> float:
        # Jitter keeps a thousand pods that failed together from coming back together.
        longest = self._options.longest_wait
        return min(self._options.backoff * 2.0 ** min(attempt - 1, 30), longest) * random.uniform(0.5, 1.0)  # noqa: S311

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
            location = response.headers.get("location", "")
            response.drain()
            url = _redirected(url, location, request)
            # Another host must not see our token; the same host may need it.
            if Origin.of(url) == self.origin:
                response = self._authenticated(Request(request.method, url, request.scope, request.headers))
            else:
                response = self._transport.exchange(request.method, url, request.headers)
        if response.status in _REDIRECTS:
            response.drain()
            raise _redirect_error(request, response.status, f"more than {MAX_REDIRECTS} redirects from {request.place}")
        return response

    def _authenticated(self, request: Request) -> Response:
        """Send with the token we have; if that is not enough, get one and send again, once."""
        authorization = self._authenticator.header(request.scope)
        response = self._exchange(request, authorization)
        if response.status != 401:
            return response
        try:
            renewed = self._authenticator.answer(
                response.headers.get("www-authenticate", ""), request.scope, authorization
            )
        except ModelPackError:
            response.close()
            raise
        if renewed is None:
            return response
        response.drain()
        return self._exchange(request, renewed)

    def _exchange(self, request: Request, authorization: str) -> Response:
        headers = {**self._headers, **request.headers}
        if authorization:
            headers["Authorization"] = authorization
        with self._counting:
            self.requests += 1
        return self._transport.exchange(
            request.method, request.url, headers, request.body, replay=request.repeatable or request.body is None
        )

    def _failure(self, request: Request, response: Response) -> ModelPackError:
        # Before they are cut: half a secret would not be recognised.
        code, message = (self._authenticator.redact(text) for text in _registry_error(response))
        code, message = _printable(code, 64), _printable(message, 300)
        said = ": ".join(part for part in (code, message) if part)
        text = f"{request.method} {request.place} answered {response.status}" + (f" ({said})" if said else "")
        if response.status == 404:
            return NotFound(text)
        if response.status in (401, 403):
            return AccessDenied(text, hint=f"log in with: modelpack login {urlsplit(request.url).netloc}")
        if response.status == 407:
            return AccessDenied(
                text, hint="the proxy wants a user and password: HTTP_PROXY=http://user:password@host:port"
            )
        if response.status in _BUSY:
            return Unavailable(text, hint="the registry is overloaded or restarting; run again, finished work is kept")
        return RegistryError(text, status=response.status, code=code, method=request.method, url=request.place)


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


def _redirected(url: str, location: str, request: Request) -> str:
    """Where a redirect leads, if that is not from HTTPS to something less."""
    try:
        target = urljoin(url, location)
        scheme = Origin.of(target).scheme
    except ValueError:
        scheme = ""
    if not scheme or (scheme == "http" and urlsplit(url).scheme == "https"):
        raise _redirect_error(request, 302, f"{request.place} redirects to a place that is not HTTPS")
    return target


def _redirect_error(request: Request, status: int, text: str) -> RegistryError:
    return RegistryError(text, status=status, code="", method=request.method, url=request.place)


def _registry_error(response: Response) -> tuple[str, str]:
    """Code and message of the first error in the distribution-spec's JSON; empty if there is none."""
    try:
        data = response.read(MAX_ERROR_BODY)
        error = json.loads(data)["errors"][0]
        return str(error.get("code", "")), str(error.get("message", ""))
    except (Unavailable, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    finally:
        response.close()


def _printable(text: str, limit: int) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:limit]).strip()


def _retry_after(response: Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, LookupError, OverflowError, OSError):
        return None

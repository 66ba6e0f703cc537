"""A registry host: what its repositories share, and what is asked of it as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from modelpack.errors import DocumentError, InvalidReference, UnsupportedFormat
from modelpack.oci import loads_object
from modelpack.oci.fields import Fields
from modelpack.store.http import (
    Client,
    Credentials,
    HttpOptions,
    Origin,
    Request,
    Response,
    StaticCredentials,
    Transport,
    split_host,
)
from modelpack.store.http.auth import Authenticator
from modelpack.store.mirrors import Mirror, Mirrors, Relay
from modelpack.store.progress import Observer, ignore
from modelpack.store.registry.journal import Journal, NoJournal

MAX_PAGES = 10_000
MAX_LISTING = 256 << 20
"""Bytes of a listing, all its pages together."""

_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?', re.IGNORECASE)
_API_HOSTS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class Registry:
    """One host (``host[:port]``). Thread-safe; connections and tokens are shared by all that use it.

    ``mirrors`` are asked first for content that digests check. Raises InvalidReference for what is not a host, and what
    looking up its mirrors raises.
    """

    def __init__(
        self,
        host: str,
        options: HttpOptions | None = None,
        credentials: Credentials | None = None,
        observe: Observer = ignore,
        journal: Journal | None = None,
        mirrors: Mirrors | None = None,
    ) -> None:
        options = options or HttpOptions()
        credentials = credentials or StaticCredentials()
        self.host = host
        self.journal = journal or NoJournal()
        api_host = _API_HOSTS.get(host, host)
        try:
            split_host(api_host)
            self.url = f"{options.scheme(api_host)}://{api_host}"
            origin = Origin.of(self.url)
        except ValueError:
            raise InvalidReference(f"{host!r} is not a registry host", hint="host or host:port is expected") from None
        transport = Transport(options)
        authenticator = Authenticator(origin, host, transport, credentials)
        self.client = Client(origin, transport, authenticator, observe)
        others = [mirror for mirror in (mirrors or Mirrors()).of(host) if not _is_at(mirror, host, api_host)]
        self.relay = Relay(host, others, options, credentials, observe)

    def ping(self) -> None:
        """Check that a registry is there and takes our credentials. Raises AccessDenied, Unavailable, RegistryError."""
        self.client.send(Request("GET", f"{self.url}/v2/")).drain()

    def repositories(self) -> Iterator[str]:
        """Names of the repositories, as far as the registry lists them to us (``/v2/_catalog``)."""
        for page in self.pages("/v2/_catalog?n=1000", "registry:catalog:*"):
            yield from page.texts("repositories")

    def pages(self, path: str, scope: str) -> Iterator[Fields]:
        """The JSON objects of a paginated listing (distribution-spec, "Listing Tags"; RFC 5988)."""
        url = self.url + path
        left = MAX_LISTING
        for _ in range(MAX_PAGES):
            response, body = self.client.fetch(Request("GET", url, scope))
            yield Fields(loads_object(body, "listing"), "listing")
            left -= len(body)
            url, last = self.next_page(url, response), url
            if url in ("", last):
                return
            if left < 0:
                break
        raise DocumentError("listing", "", f"more than {MAX_PAGES} pages or {MAX_LISTING} bytes")

    def next_page(self, url: str, response: Response) -> str:
        """The URL of the page after this one, or ``""``."""
        link = _NEXT.search(response.headers.get("link", ""))
        return self.join(url, link[1]) if link else ""

    def join(self, base: str, location: str) -> str:
        """A location that the registry gave, as a URL. Raises UnsupportedFormat where it leads elsewhere."""
        try:
            url = urljoin(base, location)
            origin = Origin.of(url)
        except ValueError:
            raise UnsupportedFormat(f"{self.host} refers to something that is no URL") from None
        if origin != self.client.origin:
            raise UnsupportedFormat(f"{self.host} refers to another host where it may not: {origin}")
        return url

    def close(self) -> None:
        """Close idle connections."""
        self.client.close()
        self.relay.close()

    def reopen(self) -> None:
        """Keep connections again, after :meth:`close`."""
        self.client.reopen()
        self.relay.reopen()

    def __enter__(self) -> Self:
        """The registry itself."""
        self.reopen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""
        self.close()


def _is_at(mirror: Mirror, *hosts: str) -> bool:
    """Whether a mirror is the registry itself: a ``hosts.toml`` may name it as the last one to ask."""
    return mirror.url.partition("://")[2] in {f"{host}/v2" for host in hosts}

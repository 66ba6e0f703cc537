"""The mirrors of one registry while they are in use: who is asked, and who is not asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

from modelpack.errors import ModelPackError, NotFound
from modelpack.oci import Digest
from modelpack.store.http import Client, Credentials, HttpOptions, Origin, Transport
from modelpack.store.http.auth import Authenticator
from modelpack.store.mirrors.mirror import Mirror
from modelpack.store.progress import Event, Observer

Result = TypeVar("Result")

CONNECT_TIMEOUT = 5.0
"""Seconds: a mirror is near, and there is somebody else to ask."""


@dataclass(slots=True, eq=False)
class MirrorHost:
    """A mirror with its connections. Its tokens are for whatever it says that they are for, and so without a scope."""

    mirror: Mirror
    client: Client
    namespace: str
    usable: bool = True

    def url(self, path: str) -> str:
        """Where it has what is ``/v2/`` + ``path`` in the registry; ``ns`` tells a mirror of many registries which one."""
        return f"{self.mirror.url}/{path}" + (f"?ns={quote(self.namespace, safe='')}" if self.namespace else "")


class Relay:
    """Asks the mirrors of one registry. Thread-safe.

    One that fails is left alone from then on: to ask it again for each of a thousand blobs would cost more than it brings. One
    that has not got a blob is asked for the next. One that delivered something wrong is neither asked nor needed for that blob.
    """

    def __init__(
        self,
        registry: str,
        mirrors: Iterable[Mirror],
        options: HttpOptions,
        credentials: Credentials,
        observe: Observer,
    ) -> None:
        self._observe = observe
        self._lock = threading.Lock()
        self._hosts = tuple(_connect(mirror, registry, options, credentials, observe) for mirror in mirrors)
        self._served: dict[Digest, set[MirrorHost]] = {}
        self._lacking: dict[Digest, set[MirrorHost]] = {}
        self._settled: set[Digest] = set()

    def pulling(self, digest: Digest) -> list[MirrorHost]:
        """Who can be asked for content."""
        with self._lock:
            if digest in self._settled:
                return []
            lacking = self._lacking.get(digest, ())
            return [host for host in self._hosts if host.usable and host.mirror.pull and host not in lacking]

    def resolving(self) -> list[MirrorHost]:
        """Who can be asked for what a tag means."""
        return [host for host in self._hosts if host.usable and host.mirror.resolve]

    def ask(self, hosts: Iterable[MirrorHost], name: str, action: Callable[[MirrorHost], Result]) -> Result | None:
        """The first answer; None if nobody has one. What an action raises is that mirror's failure, NotFound excepted."""
        for host in hosts:
            try:
                return action(host)
            except NotFound:
                continue
            except ModelPackError as error:
                self.condemn(host, name, error)
        return None

    def condemn(self, host: MirrorHost, name: str, reason: object) -> None:
        """Ask it no more, and say so once. ``name`` is what it was asked for."""
        with self._lock:
            known, host.usable = not host.usable, False
        if not known:
            self._observe(Event("retry", name, note=f"the mirror {host.mirror.host} is not asked again: {reason}"))

    def serves(self, host: MirrorHost, digest: Digest) -> None:
        """Note whose bytes are being handed over."""
        with self._lock:
            self._served.setdefault(digest, set()).add(host)

    def lacks(self, host: MirrorHost, digest: Digest) -> None:
        """Note who has not got it, or not in parts: a large blob is asked for in many of them."""
        with self._lock:
            self._lacking.setdefault(digest, set()).add(host)

    def distrust(self, digest: Digest) -> bool:
        """What came was not what the digest says. Whether to ask again, because not all of it came from the registry."""
        with self._lock:
            hosts = self._served.pop(digest, set())
            if hosts:
                self._settled.add(digest)
        for host in hosts:
            self.condemn(host, str(digest), f"it delivered something else than {digest}")
        return bool(hosts)

    def close(self) -> None:
        """Close idle connections."""
        for host in self._hosts:
            host.client.close()

    def reopen(self) -> None:
        """Keep connections again."""
        for host in self._hosts:
            host.client.reopen()


def _connect(
    mirror: Mirror, registry: str, options: HttpOptions, credentials: Credentials, observe: Observer
) -> MirrorHost:
    # A client certificate says who we are to the registry; a mirror has its own, or none.
    tls = mirror.tls or replace(options.tls, certificate=None, key=None)
    timeout = min(options.connect_timeout, CONNECT_TIMEOUT)
    transport = Transport(replace(options, tls=tls, retries=1, connect_timeout=timeout))
    origin = Origin.of(mirror.url)
    authenticator = Authenticator(origin, mirror.host, transport, credentials)
    client = Client(origin, transport, authenticator, observe, dict(mirror.headers))
    return MirrorHost(mirror, client, "" if mirror.host == registry else registry)

"""One mirror, as a value."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from modelpack.errors import InputError
from modelpack.store.http import TLS, Origin, split_host
from modelpack.store.http.options import is_loopback


@dataclass(frozen=True, slots=True)
class Mirror:
    """A host that has the content of other registries too. ``url`` ends where the names of repositories begin.

    ``pull``: it is asked for content, which digests check; ``resolve``: it is believed about what a tag means. ``tls`` None:
    whom the registry's own options trust. ``headers`` go with every request to it.
    """

    url: str
    pull: bool = True
    resolve: bool = False
    tls: TLS | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """``https://mirror.example:5000`` or, in short, ``mirror.example:5000`` (plain HTTP only for loopback hosts), with a
        path if it has one. Raises InputError.
        """
        try:
            if "://" not in text:
                plain = is_loopback(split_host(text.partition("/")[0])[0])
                text = f"{'http' if plain else 'https'}://{text}"
            return cls(mirror_url(text))
        except ValueError as error:
            raise InputError(f"{_shown(text)} is no mirror: {error}", hint="https://host:port is expected") from None

    @property
    def host(self) -> str:
        """``host[:port]``."""
        return urlsplit(self.url).netloc


def mirror_url(text: str, *, override_path: bool = False) -> str:
    """The URL before which repositories stand: with ``/v2`` at its end unless the path is to be taken as it is, as containerd
    has it. Raises ValueError for what is no such URL, or holds a password.
    """
    parts = urlsplit(text)
    Origin.of(text)
    if parts.query or parts.fragment:
        raise ValueError("a query or fragment has no place in it")
    if parts.username is not None:
        raise ValueError("users and passwords belong to the credentials")
    path = posixpath.normpath(f"/{parts.path.strip('/')}").rstrip("/")
    if not override_path and not path.endswith("/v2"):
        path += "/v2"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _shown(text: str) -> str:
    """Without what may be a password."""
    return repr(text.rpartition("@")[2][:200])

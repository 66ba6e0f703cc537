"""From a reference to the store that it names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from modelpack.oci import Reference
from modelpack.store import (
    Credentials,
    DigestCache,
    HttpOptions,
    Journal,
    LayoutStore,
    Mirrors,
    Observer,
    Registry,
    RegistryStore,
    StaticCredentials,
    Store,
    ignore,
)


@dataclass(frozen=True, slots=True)
class Access:
    """How stores are reached: HTTP options, credentials, transfers at a time, a cache of the digests of local files
    (:class:`modelpack.store.DigestCache`), a journal of uploads so that another process can resume them
    (:class:`modelpack.store.FolderJournal`), who is told of the progress, and mirrors (:class:`modelpack.store.Mirrors`).

    The default is anonymous HTTPS (plain HTTP on loopback). ``Access(credentials=DockerConfig(path))`` uses what
    ``docker login`` and ``modelpack login`` left.
    """

    http: HttpOptions = field(default_factory=HttpOptions)
    credentials: Credentials = field(default_factory=StaticCredentials)
    jobs: int = 8
    digests: DigestCache | None = None
    journal: Journal | None = None
    observe: Observer = ignore
    mirrors: Mirrors | None = None

    def watched(self, observe: Observer) -> Self:
        """The same, with another observer."""
        return replace(self, observe=observe)

    def registry(self, host: str) -> Registry:
        """A registry host."""
        return Registry(host, self.http, self.credentials, self.observe, self.journal, self.mirrors)

    def open(self, reference: str | Reference, *, create: bool = False) -> Store:
        """The layout or repository that a reference names; ``create`` makes a layout that is not there yet.

        Raises InvalidReference, InputError. Nothing is sent before the store is used.
        """
        where = Reference.parse(reference) if isinstance(reference, str) else reference
        if where.layout:
            return LayoutStore(Path(where.layout), create=create)
        return RegistryStore(self.registry(where.registry), where.repository)

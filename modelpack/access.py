"""From a reference to the store that it names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from modelpack.errors import NotFound
from modelpack.oci import Descriptor, Reference
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


def resolve(store: Store, where: Reference) -> Descriptor:
    """What a reference names in its store, or an error in its own words instead of HTTP's. Raises NotFound and the store's."""
    try:
        return store.resolve(where.name)
    except NotFound as error:
        if where.layout:
            raise
        raise NotFound(
            f"there is no {where.name} in {where.place}", hint=f"modelpack ls {where.place} shows its tags"
        ) from error


def local_name(where: Reference) -> str:
    """What a local store is asked for: a digest says more than the name that stands before it."""
    return str(where.digest) if where.digest else where.local_name

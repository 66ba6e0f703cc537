"""What a store is: bytes named by descriptors, and names for some of them.

The public operations are final and check every byte; a backend implements the underscored ones and is never trusted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeAlias, final, runtime_checkable

from modelpack.errors import ContentError, DigestMismatch, SizeMismatch
from modelpack.oci import MAX_DOCUMENT, Descriptor, Index, Manifest, parse_document
from modelpack.store.sources import BytesSource, Count, HashingSource, Source, Stream, VerifiedSource, VerifyingReader


class Store(ABC):
    """One place that holds content: memory, an OCI layout, or one repository of a registry.

    Safe to use from several threads. Close it, or use it as a context manager.
    """

    @final
    def source(self, descriptor: Descriptor, count: Count | None = None) -> VerifiedSource:
        """Stored content, to be read or pushed elsewhere; its readers raise before the last byte of something wrong."""
        return VerifiedSource(_StoredSource(self, descriptor), descriptor, count)

    @final
    def open(self, descriptor: Descriptor, count: Count | None = None) -> VerifyingReader:
        """Read content as a stream. Raises NotFound, AccessDenied, RegistryError, Unavailable at once, and while reading
        DigestMismatch or SizeMismatch before the last byte of something wrong.
        """
        return self.source(descriptor, count).open()

    @final
    def read(self, descriptor: Descriptor, *, limit: int = MAX_DOCUMENT) -> bytes:
        """Read a small blob or a document whole. Raises as :meth:`open`, and SizeMismatch above ``limit`` bytes."""
        if descriptor.size > limit:
            raise SizeMismatch(f"{descriptor.digest} has {descriptor.size} bytes, more than the {limit} expected here")
        while True:
            try:
                with self.open(descriptor) as reader:
                    return reader.read(descriptor.size)
            except ContentError:
                if not self.distrust(descriptor):
                    raise

    @final
    def document(self, descriptor: Descriptor) -> Manifest | Index:
        """Read and parse a manifest or an index. Raises as :meth:`read`, and DocumentError."""
        return parse_document(self.read(descriptor), descriptor.media_type, descriptor.digest.algorithm)

    @final
    def push(self, descriptor: Descriptor, source: Source | VerifiedSource) -> None:
        """Store content whose descriptor is known. What does not match it never becomes visible.

        Raises DigestMismatch, SizeMismatch, NoSpace, AccessDenied, RegistryError, Unavailable.
        """
        verified = source if isinstance(source, VerifiedSource) else VerifiedSource(source, descriptor)
        if verified.descriptor.digest != descriptor.digest:
            raise DigestMismatch(f"{verified.descriptor.digest} was offered as {descriptor.digest}")
        self._push(descriptor, verified)

    @final
    def push_bytes(self, media_type: str, data: bytes) -> Descriptor:
        """Store a small blob or document."""
        descriptor = Descriptor.of(media_type, data)
        self.push(descriptor, BytesSource(data))
        return descriptor

    @final
    def ingest(self, media_type: str, source: Source, count: Count | None = None) -> Descriptor:
        """Store a blob whose digest is not known yet, reading it once, and say what it is. Raises as :meth:`push`."""
        hashing = HashingSource(source, count)
        self._ingest(hashing)
        return Descriptor(media_type, hashing.digest, hashing.length)

    @abstractmethod
    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the content is there, in full length."""

    @abstractmethod
    def resolve(self, name: str) -> Descriptor:
        """The manifest or index that a tag, or a digest as text, names. Raises NotFound."""

    @abstractmethod
    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Give a stored manifest or index a name; the name moves if it was taken."""

    def distrust(self, descriptor: Descriptor) -> bool:  # noqa: ARG002  # for stores that have several places to ask
        """Tell that content which came from here was not what its descriptor says. Whether it is worth asking again, because
        another place will answer. Who reads a stream asks this after a ContentError, having thrown away what came.
        """
        return False

    def close(self) -> None:  # noqa: B027  # most stores hold nothing open
        """Release connections."""

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""
        self.close()

    @abstractmethod
    def _open(self, descriptor: Descriptor, offset: int) -> Stream:
        """Unverified bytes from an offset."""

    @abstractmethod
    def _push(self, descriptor: Descriptor, source: VerifiedSource) -> None:
        """Store; reading the source raises if it is not what the descriptor says."""

    @abstractmethod
    def _ingest(self, source: HashingSource) -> None:
        """Store under ``source.digest``, which is known once a reader of it has reached the end."""


@dataclass(frozen=True, slots=True)
class _StoredSource:
    store: Store
    descriptor: Descriptor

    @property
    def size(self) -> int:
        return self.descriptor.size

    @property
    def ranged(self) -> bool:
        return isinstance(self.store, Parallel)

    def open(self, offset: int = 0) -> Stream:
        return self.store._open(self.descriptor, offset)  # noqa: SLF001  # the other half of Store.source

    def distrust(self) -> bool:
        return self.store.distrust(self.descriptor)

    def open_range(self, offset: int, length: int) -> Stream:
        assert isinstance(self.store, Parallel)  # noqa: S101  # the caller looked
        return self.store.open_range(self.descriptor, offset, length)


@runtime_checkable
class Ranged(Protocol):
    """A store that can read from the middle of a blob. What comes back is not verified: use it to look, not to load."""

    def read_at(self, descriptor: Descriptor, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A blob of a ranged store, as something that can be read anywhere: what readers of headers take. Not verified."""

    store: Ranged
    descriptor: Descriptor

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.descriptor.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from the middle; fewer only at the end."""
        length = max(0, min(length, self.size - offset))
        return self.store.read_at(self.descriptor, offset, length) if length else b""


@runtime_checkable
class Parallel(Protocol):
    """A store from which several parts of a blob can be streamed at once: one whose distance makes that worth while."""

    def open_range(self, descriptor: Descriptor, offset: int, length: int) -> Stream:
        """Unverified bytes of a part. Raises UnsupportedFormat if the store can only send the whole after all."""
        ...


@runtime_checkable
class Listing(Protocol):
    """A store that knows its names."""

    def tags(self) -> tuple[str, ...]:
        """All names, sorted."""
        ...


@runtime_checkable
class Deleting(Protocol):
    """A store that can forget."""

    def untag(self, name: str) -> None:
        """Remove a name. Raises NotFound."""
        ...

    def delete(self, descriptor: Descriptor) -> None:
        """Remove a manifest or index, with all its names. Raises NotFound."""
        ...


@runtime_checkable
class Referring(Protocol):
    """A store that knows what is attached to a manifest (distribution-spec, "Listing Referrers")."""

    def referrers(self, subject: Descriptor, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Descriptors of the manifests whose subject it is, of one artifact type or of all."""
        ...


Change: TypeAlias = "Callable[[Manifest | Index | None], Manifest | Index]"
"""Makes what a name shall name of what it names now (None: nothing). May be called several times."""


@runtime_checkable
class Rewriting(Protocol):
    """A store in which a name can move without losing what another writer put there at the same moment."""

    def rewrite(self, name: str, change: Change) -> None:
        """Let a name lead to what ``change`` makes of the document that it leads to now; nothing is written if that is the
        same. What the new document names must be stored. Raises what ``change`` raises, and Unavailable if other writers
        keep replacing it.
        """
        ...


@runtime_checkable
class Mounting(Protocol):
    """A store that can take a blob from a sibling repository of the same registry."""

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Whether it worked; if not, push the blob."""
        ...

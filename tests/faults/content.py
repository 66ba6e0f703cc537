"""What the registry holds, and which of the optional things it can do."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Features:
    """What a well-behaved registry may or may not do; the defaults are those of a complete one.

    ``location`` is how upload URLs look: a path, a whole URL, or a path whose query holds state that must come back.
    ``content_length`` refuses PATCH bodies in chunked transfer coding and without a Content-Range, as ECR does.
    ``page`` is the most entries in one answer of a list (0: no limit).
    """

    referrers: bool = True
    patch: bool = True
    ranges: bool = True
    delete: bool = True
    mount: bool = True
    single_post: bool = True
    content_length: bool = False
    minimum_chunk: int = 0
    location: Literal["path", "url", "query"] = "path"
    page: int = 0


@dataclass(slots=True)
class Repository:
    """The content of one repository, open to tests. Manifests are (media type, bytes) by digest."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)

    def add_blob(self, data: bytes) -> str:
        """Store a blob; its digest."""
        digest = sha256(data)
        self.blobs[digest] = data
        return digest

    def add_manifest(self, media_type: str, data: bytes, *tags: str) -> str:
        """Store a manifest or an index under its digest and these tags; its digest."""
        digest = sha256(data)
        self.manifests[digest] = (media_type, data)
        self.tags.update(dict.fromkeys(tags, digest))
        return digest

    def manifest(self, reference: str) -> tuple[str, str, bytes] | None:
        """Digest, media type and bytes of what a tag or a digest names."""
        digest = self.tags.get(reference, reference)
        found = self.manifests.get(digest)
        return found and (digest, *found)

    def start_upload(self) -> str:
        """Open an upload; its name."""
        name = str(uuid.uuid4())
        self.uploads[name] = bytearray()
        return name


def sha256(data: bytes) -> str:
    """The digest of some bytes, as text."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def matches(digest: str, data: bytes) -> bool:
    """Whether bytes have this digest (sha256 or sha512)."""
    algorithm, _, value = digest.partition(":")
    return algorithm in ("sha256", "sha512") and hashlib.new(algorithm, data).hexdigest() == value

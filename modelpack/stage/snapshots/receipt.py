"""The receipt of a snapshot: what was published, from where, and who vouched for it at that time.

It spares reading the bytes again. It never spares the verification of signatures, for it says what one policy found once.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import ModelPackError
from modelpack.oci import JSON, Digest, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.paths import safe_path
from modelpack.stage.cache import Cache, atomic_write
from modelpack.stage.cache.folders import is_trusted

_MAX_BYTES = 256 << 20
_MAX_FILES = 1_000_000
_MAX_SIGNERS = 1000
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was published: its place in the snapshot, its content, the layer it is from (empty: none), and its state."""

    path: str
    digest: Digest
    layer: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, root: Path, path: str, digest: Digest, layer: str) -> FileRecord:
        """Look at a file. Raises OSError."""
        status = (root / path).lstat()
        return cls(path, digest, layer, status.st_size, status.st_mtime_ns, status.st_ino)

    def matches(self, status: os.stat_result) -> bool:
        """Whether a file seems to be the same, without reading it: who writes to it leaves another time, or another owner."""
        same = (status.st_size, status.st_mtime_ns, status.st_ino) == (self.size, self.mtime_ns, self.inode)
        return same and stat.S_ISREG(status.st_mode) and is_trusted(status)


@dataclass(frozen=True, slots=True)
class Receipt:
    """All about one snapshot. ``policy`` is a fingerprint, ``variant`` says what of selection and layout is not as by default,
    ``created`` is RFC 3339 text, ``tool`` what made it. ``archives`` are the layers that were taken apart.
    """

    digest: Digest
    reference: str
    signers: tuple[str, ...]
    policy: str
    variant: str
    created: str
    tool: str
    files: tuple[FileRecord, ...]
    archives: tuple[Digest, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def opened(self, root: Path) -> dict[Digest, tuple[tuple[FileRecord, bool], ...]]:
        """The files of each archive, and whether they may be executed: of a snapshot at ``root`` that has all files at their own
        paths. Nothing of any other.
        """
        found: dict[str, list[tuple[FileRecord, bool]]] = {str(layer): [] for layer in self.archives}
        if self.variant:
            return {}
        try:
            for file in self.files:
                if file.layer in found:
                    found[file.layer].append((file, bool((root / file.path).lstat().st_mode & 0o100)))
        except OSError:
            return {}
        return {layer: tuple(found[str(layer)]) for layer in self.archives}

    @classmethod
    def load(cls, cache: Cache, key: str) -> Receipt | None:
        """The receipt of a snapshot; None if there is none that can be relied on, which means that it is made anew."""
        path = cache.receipt(key)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not is_trusted(status):
                    return None
                raw = file.read(_MAX_BYTES + 1)
            return cls._parse(Fields(loads_object(raw, "receipt", limit=_MAX_BYTES), "receipt"))
        except (OSError, ModelPackError):
            return None

    def save(self, cache: Cache, key: str) -> None:
        """Write it, all at once. Raises NoSpace, InputError."""
        atomic_write(cache, cache.receipt(key), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The document."""
        files: list[JSON] = [
            {
                "path": file.path,
                "digest": str(file.digest),
                "layer": file.layer,
                "size": file.size,
                "mtime_ns": file.mtime_ns,
                "inode": file.inode,
            }
            for file in self.files
        ]
        archives: list[JSON] = [str(layer) for layer in self.archives]
        return dumps(
            {
                "version": _VERSION,
                "digest": str(self.digest),
                "reference": self.reference,
                "signers": list(self.signers),
                "policy": self.policy,
                "variant": self.variant,
                "created": self.created,
                "tool": self.tool,
                "archives": archives,
                "files": files,
            }
        )

    @classmethod
    def _parse(cls, fields: Fields) -> Receipt:
        if fields.text("version") != _VERSION:
            fields.fail("version", "written by another version of modelpack")
        if len(fields.texts("signers")) > _MAX_SIGNERS:
            fields.fail("signers", "too many")
        return cls(
            digest=fields.digest("digest"),
            reference=fields.text("reference"),
            signers=fields.texts("signers"),
            policy=fields.text("policy"),
            variant=fields.text("variant"),
            created=fields.text("created"),
            tool=fields.text("tool"),
            files=tuple(_file(entry) for entry in fields.objects("files", limit=_MAX_FILES)),
            archives=tuple(map(Digest.parse, fields.texts("archives"))),
        )


def _file(fields: Fields) -> FileRecord:
    return FileRecord(
        path=str(safe_path(fields.text("path"))),
        digest=fields.digest("digest"),
        layer=fields.text("layer"),
        size=fields.integer("size"),
        mtime_ns=fields.integer("mtime_ns"),
        inode=fields.integer("inode"),
    )

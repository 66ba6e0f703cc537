"""The folders of one node cache, all in one volume: links and renames do not work between volumes.

::

    DIR/blobs/sha256/<hex>         content, hashed before it got this name, read-only
    DIR/snapshots/<key>/           a model's files, hard links to blobs; published by one rename
    DIR/receipts/<key>.json        what was published, by whom it is vouched for
    DIR/evidence/                  an OCI layout with manifests and signatures, without weights
    DIR/leases/  DIR/pins/         who uses which snapshot
    DIR/current, DIR/<name>        symbolic links to snapshots
    DIR/.modelpack/                work in progress, locks, previous targets of the names

A key is the hex of the manifest's digest; a selection or a layout other than the default adds ``-`` and 12 digits.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import InputError
from modelpack.oci import Digest
from modelpack.unpack.destination import os_errors

_KEY = re.compile(r"[0-9a-f]{64}(?:[0-9a-f]{64})?(?:-[0-9a-f]{12})?")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OTHERS_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Cache:
    """Where things are in one node cache."""

    root: Path

    @property
    def blobs(self) -> Path:
        """Content by algorithm and digest."""
        return self.root / "blobs"

    @property
    def snapshots(self) -> Path:
        """Published folders by key."""
        return self.root / "snapshots"

    @property
    def receipts(self) -> Path:
        """Receipts by key."""
        return self.root / "receipts"

    @property
    def evidence(self) -> Path:
        """An OCI layout: what was verified, to be verified again without a registry."""
        return self.root / "evidence"

    @property
    def leases(self) -> Path:
        """One file for each user of a snapshot, touched again and again."""
        return self.root / "leases"

    @property
    def pins(self) -> Path:
        """One file for each snapshot that stays."""
        return self.root / "pins"

    @property
    def private(self) -> Path:
        """What nobody else should look at."""
        return self.root / ".modelpack"

    @property
    def work(self) -> Path:
        """Unfinished work, by boot of the node and by key."""
        return self.private / "work"

    @property
    def previous(self) -> Path:
        """Links of the names' previous targets."""
        return self.private / "previous"

    def blob(self, digest: Digest) -> Path:
        """Where content is, or would be."""
        return self.blobs / digest.algorithm / digest.hex

    def snapshot(self, key: str) -> Path:
        """Where a snapshot is, or would be."""
        return self.snapshots / key

    def receipt(self, key: str) -> Path:
        """Where its receipt is, or would be."""
        return self.receipts / f"{key}.json"

    def temporary(self) -> Path:
        """A new name for a file or a link that will be renamed."""
        return self.private / "tmp" / secrets.token_hex(16)

    def prepare(self) -> None:
        """Make the folders that are not there. Raises InputError (not ours, not writable), NoSpace."""
        self.check()
        with os_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in self._folders():
                folder.mkdir(mode=0o755, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Whether only this user (or root) can have written what is in here; what is not there yet is fine.

        The volume itself may be anybody's: Kubernetes gives an emptyDir mode 0777. Raises InputError.
        """
        for folder in self._folders():
            check_own(folder)
        if self.evidence.exists() or self.evidence.is_symlink():
            check_own(self.evidence)

    def keys(self) -> tuple[str, ...]:
        """All published snapshots, sorted. Raises InputError."""
        with os_errors(self.snapshots):
            return tuple(sorted(item.name for item in children(self.snapshots) if is_key(item.name)))

    def _folders(self) -> tuple[Path, ...]:
        private = (self.private, self.work, self.previous, self.private / "tmp", self.private / "locks")
        content = (self.blobs, self.blobs / "sha256", self.blobs / "sha512", self.snapshots, self.receipts)
        return (*private, *content, self.leases, self.pins)


def check_own(folder: Path) -> None:
    """A real folder that only this user or root can write to, or nothing. Raises InputError."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder} cannot be used: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{folder} is not a folder", hint="use an empty folder as the cache")
    if not is_trusted(status):
        raise InputError(
            f"{folder} belongs to uid {status.st_uid} with mode {stat.S_IMODE(status.st_mode):o}, so others than uid"
            f" {os.geteuid()} can have written it",
            hint=f"run as uid {status.st_uid}, take the right to write from group and others, or use another folder",
        )


def is_trusted(status: os.stat_result) -> bool:
    """Whether only this user or root can write."""
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & _OTHERS_WRITE


def is_key(text: str) -> bool:
    """Whether this can be the name of a snapshot."""
    return _KEY.fullmatch(text) is not None


def key_of(digest: Digest, variant: str = "") -> str:
    """The key of a snapshot; ``variant`` says in any words what is not as by default."""
    return f"{digest.hex}-{hashlib.sha256(variant.encode()).hexdigest()[:12]}" if variant else digest.hex


def children(folder: Path) -> list[Path]:
    """What is in a folder; nothing if it is not there. Raises OSError."""
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def atomic_write(cache: Cache, path: Path, data: bytes) -> None:
    """Write a small file so that there is always the old one or the new one. Raises NoSpace, InputError."""
    temporary = cache.temporary()
    with os_errors(path):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def boot() -> str:
    """Which kernel this is, since when: two that are equal share locks and page cache. Empty if it does not say."""
    try:
        text = _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch(r"[0-9a-f-]{36}", text) else ""

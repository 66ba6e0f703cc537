"""Is a snapshot still what was published? Three depths: the receipt's word and the files' state, some bytes, all bytes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from modelpack.oci import Digest, new_hasher
from modelpack.stage.cache import Cache
from modelpack.stage.cache.folders import is_trusted
from modelpack.stage.snapshots.receipt import FileRecord, Receipt
from modelpack.store import CHUNK, each

SMALL = 1 << 20
"""Bytes up to which a file is always read when some are."""


class Depth(StrEnum):
    """What a hit reads."""

    RECEIPT = "receipt"
    """No file; size, modification time and inode of every file are compared."""

    SAMPLE = "sample"
    """Also all files up to 1 MiB, and one of the others, chosen at random."""

    FULL = "full"
    """Also all others."""


def damage(
    cache: Cache, key: str, receipt: Receipt, promised: Mapping[str, Digest], depth: Depth, *, jobs: int = 4
) -> str:
    """What is wrong with a snapshot, as a sentence; empty if nothing is. ``promised`` are digests by path in the snapshot,
    from the manifest that was verified: where the receipt says something else, it is not believed.
    """
    root = cache.snapshot(key)
    records = {file.path: file for file in receipt.files}
    for path, digest in promised.items():
        if path not in records or records[path].digest != digest:
            return f"the receipt does not have {path} as the manifest has it"
    try:
        found = dict(_walk(root))
        wrong = next((path for path in sorted({*found, *records}) if not _same(records.get(path), found.get(path))), "")
        if wrong:
            return f"{wrong} was changed, added or removed"
        read = _chosen(receipt.files, depth)
        good = each(lambda file: digest_of(root / file.path, file.digest) == file.digest, read, jobs)
        broken = next((file.path for file, sound in zip(read, good, strict=True) if not sound), "")
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return f"{broken} does not match its digest" if broken else ""


def digest_of(path: Path, like: Digest) -> Digest:
    """What a file holds, by the algorithm of another digest. Raises OSError, also for a link."""
    hasher = new_hasher(like.algorithm)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(CHUNK))
        while length := file.readinto(buffer):
            hasher.update(buffer[:length])
    return Digest(like.algorithm, hasher.hexdigest())


def _same(record: FileRecord | None, status: os.stat_result | None) -> bool:
    return record is not None and status is not None and record.matches(status)


def _chosen(files: tuple[FileRecord, ...], depth: Depth) -> list[FileRecord]:
    if depth is Depth.RECEIPT:
        return []
    if depth is Depth.FULL:
        return list(files)
    large = [file for file in files if file.size > SMALL]
    some = random.sample(large, min(1, len(large)))
    return [*(file for file in files if file.size <= SMALL), *some]


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder but folders; links are not followed. Raises OSError, also for folders of others."""
    folders = [""]
    for folder in folders:  # grows while it is walked
        if not is_trusted((root / folder).lstat()):
            raise PermissionError(0, "others can write to its folders")
        with os.scandir(root / folder) as items:
            for item in items:
                path = f"{folder}/{item.name}" if folder else item.name
                if item.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path, item.stat(follow_symlinks=False)

"""Files out of one layer into the staging folder, under numbers: no name from an artifact is used there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import ContentError, UnsupportedFormat
from modelpack.oci import Digest, new_hasher
from modelpack.paths import Claims
from modelpack.store import Count, Store
from modelpack.unpack.archive import TarReader, inflated
from modelpack.unpack.destination import os_errors
from modelpack.unpack.layers import LayerEntry, bounded_mtime


@dataclass(frozen=True, slots=True)
class Staged:
    """A complete file in the staging folder with its modification time and (the user's) exec bit set, and where it goes.

    ``digest`` is its content's, ``layer`` that of the layer it came from.
    """

    source: Path
    path: str
    digest: Digest
    layer: Digest


@dataclass(frozen=True, slots=True)
class Extraction:
    """An archive layer to take apart. ``wants`` is asked for every file in it; ``diff_id`` is its uncompressed digest."""

    entry: LayerEntry
    store: Store
    count: Count
    wants: Callable[[str], bool]
    claims: Claims
    diff_id: Digest | None = None

    def into(self, folder: Path) -> list[Staged]:
        """Write the wanted files. Only when this returns is the whole layer known to be what its digest says.

        Raises ContentError, UnsafePath, UnsupportedFormat, NoSpace, and whatever the store raises.
        """
        while True:
            # Names out of content that proves wrong are nobody's: they are taken for all layers only when it is known.
            claims = Claims()
            staged = self._attempt(folder, claims)
            if staged is not None:
                self.claims.include(claims)
                return staged
            with os_errors(folder):
                for file in folder.iterdir():
                    file.unlink()

    def _attempt(self, folder: Path, claims: Claims) -> list[Staged] | None:
        """None if it failed over content from a mirror that was perhaps wrong, and the next attempt gets it from elsewhere."""
        layer = self.entry.descriptor
        hasher = new_hasher(self.diff_id.algorithm) if self.diff_id else None
        with self.store.open(layer, self.count) as reader:
            try:
                data = inflated(reader, self.entry.codec, layer.size, f"layer {layer.digest}", hasher)
                staged = self._files(TarReader(data), folder, claims)
                if reader.position != layer.size:
                    raise ContentError(f"layer {layer.digest} has data behind its compressed end")
            except (ContentError, UnsupportedFormat):
                if not reader.complete and self.store.distrust(layer):
                    return None
                raise
        if hasher and self.diff_id and hasher.hexdigest() != self.diff_id.hex:
            raise ContentError(
                f"layer {layer.digest} does not expand to what the model's config says ({self.diff_id})",
                hint="the artifact contradicts itself; it must be packed again",
            )
        return staged

    def _files(self, archive: TarReader, folder: Path, claims: Claims) -> list[Staged]:
        staged: list[Staged] = []
        for member in archive:
            if member.folder:
                claims.folder(member.path)
                continue
            claims.file(member.path)
            if self.wants(str(member.path)):
                target = folder / str(len(staged))
                digest = write_file(target, archive.content())
                describe(target, executable=member.executable, mtime_ns=bounded_mtime(member.mtime_ns))
                staged.append(Staged(target, str(member.path), digest, self.entry.descriptor.digest))
        return staged


def write_file(target: Path, pieces: Iterator[memoryview]) -> Digest:
    """Write a new file and say what it is. Raises NoSpace, InputError, and whatever ``pieces`` raise."""
    hasher = new_hasher("sha256")
    with os_errors(target):
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            hasher.update(piece)
            left = piece
            while left:
                with os_errors(target):
                    left = left[os.write(handle, left) :]
    finally:
        os.close(handle)
    return Digest("sha256", hasher.hexdigest())


def describe(staged: Path, *, executable: bool, mtime_ns: int | None) -> None:
    """Note a file's two attributes on the file itself."""
    with os_errors(staged):
        staged.chmod(0o700 if executable else 0o600)
        if mtime_ns is not None:
            os.utime(staged, ns=(mtime_ns, mtime_ns))

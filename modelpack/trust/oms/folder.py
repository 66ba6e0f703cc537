"""Files on disk against a signed list of them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from modelpack.errors import BadSignature, InputError
from modelpack.store import CHUNK, Event, Observer, counter, each, ignore
from modelpack.trust.oms.statement import FileList

_MAX_FILES = 1_000_000
_MARKER = ".modelpack.json"
"""The record that ``pull`` leaves: nobody loads it, and signatures that others made do not know of it."""


def check_folder(
    folder: Path,
    listed: FileList,
    *,
    besides: Path | None = None,
    ignore_unsigned: bool = False,
    jobs: int = 4,
    observe: Observer = ignore,
) -> int:
    """Hash a model's files and compare them with a signed list; how many files were compared.

    ``besides`` is the signature's own file. Files that are not in the list are an error unless ``ignore_unsigned``.
    Raises BadSignature (what differs, at most ten of it), InputError (unreadable, or links where none are allowed).
    """
    ignored = {PurePosixPath(path) for path in (*listed.ignored, _MARKER)}
    if besides is not None and besides.resolve().is_relative_to(folder.resolve()):
        ignored.add(PurePosixPath(besides.resolve().relative_to(folder.resolve()).as_posix()))
    files = list(_files(folder, ignored, links=listed.links))
    if ignore_unsigned:
        known = {name if not listed.shard else name.rsplit(":", 2)[0] for name in listed.digests}
        files = [path for path in files if str(path) in known]
    pieces = [piece for path in files for piece in _pieces(folder, path, listed.shard)]
    observe(Event("plan", "", sum(end - start for _, _, start, end in pieces)))
    hashed = each(partial(_hash, folder, listed.algorithm, observe), pieces, jobs)
    found = {name: digest for (name, _, _, _), digest in zip(pieces, hashed, strict=True)}
    if differences := listed.differences(found):
        more = f", and {len(differences) - 10} more" if len(differences) > 10 else ""
        raise BadSignature(f"{folder} is not what was signed: {'; '.join(differences[:10])}{more}")
    return len(files)


def _files(folder: Path, ignored: set[PurePosixPath], *, links: bool) -> Iterator[PurePosixPath]:
    """All regular files but the ignored ones, relative, sorted. Raises InputError."""
    found: list[PurePosixPath] = []
    todo = [PurePosixPath()]
    while todo:
        inside = todo.pop()
        try:
            entries = list(os.scandir(folder / inside))
        except OSError as error:
            raise InputError(f"{folder / inside} cannot be read: {error.strerror}") from error
        for entry in entries:
            path = inside / entry.name
            if path in ignored:
                continue
            if entry.is_symlink() and not links:
                raise InputError(f"{folder / path} is a symbolic link, which the signature does not allow")
            if entry.is_dir(follow_symlinks=False):
                todo.append(path)
            elif stat.S_ISREG(entry.stat().st_mode):
                found.append(path)
            else:
                raise InputError(f"{folder / path} is not a regular file")
        if len(found) + len(todo) > _MAX_FILES:
            raise InputError(f"{folder} has more than {_MAX_FILES} files")
    yield from sorted(found)


def _pieces(folder: Path, path: PurePosixPath, shard: int) -> Iterator[tuple[str, PurePosixPath, int, int]]:
    """Name, file, start and end of what is hashed on its own."""
    size = (folder / path).stat().st_size
    if not shard:
        yield str(path), path, 0, size
        return
    for start in range(0, size, shard):
        end = min(start + shard, size)
        yield f"{path}:{start}:{end}", path, start, end


def _hash(folder: Path, algorithm: str, observe: Observer, piece: tuple[str, PurePosixPath, int, int]) -> bytes:
    name, path, start, end = piece
    count = counter(observe, name, end - start)
    hasher = hashlib.new(algorithm)
    buffer = memoryview(bytearray(min(CHUNK, max(end - start, 1))))
    observe(Event("begin", name, end - start))
    try:
        with (folder / path).open("rb", buffering=0) as file:
            file.seek(start)
            left = end - start
            while left and (length := file.readinto(buffer[: min(left, len(buffer))])):
                hasher.update(buffer[:length])
                count(length)
                left -= length
            # One that grew since it was listed is not what was signed either.
            if left or (not _is_shard(name, path) and file.read(1)):
                raise BadSignature(f"{folder / path} changed while it was read")
    except OSError as error:
        raise InputError(f"{folder / path} cannot be read: {error.strerror}") from error
    observe(Event("end", name, end - start))
    return hasher.digest()


def _is_shard(name: str, path: PurePosixPath) -> bool:
    return name != str(path)

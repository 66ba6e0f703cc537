"""Staging of models in memory, without a registry."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelpack.oci import Manifest
from modelpack.stage import Cache, Request, Staged, stage
from modelpack.store import Store
from modelpack.trust import Circumstances, InsecureAcceptAnything, Target, verify


def staged(root: Path, store: Store, manifest: Manifest, request: Request | None = None, **options: Any) -> Staged:
    """Stage what nobody signed."""
    target = Target(manifest.descriptor)
    verified = verify(store, target, InsecureAcceptAnything(), Circumstances(datetime.now(UTC)))
    return stage(Cache(root), verified, manifest, None, request or Request(), **options)


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_at_once(link: Path) -> dict[str, bytes]:
    """What a reader sees who opened the folder once, as a mount does: a swap of the name does not reach him."""
    folder = os.open(link, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return {name: _read(folder, name) for name in sorted(os.listdir(folder))}  # noqa: PTH208  # of a descriptor
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> bytes:
    handle = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(handle, 1 << 20)
    finally:
        os.close(handle)

"""What the system says of a volume and of this process's memory. All reading, no deciding."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from modelpack.errors import InputError

_ROOT = Path("/")
_UNLIMITED = 1 << 60
"""cgroup v1 writes nearly 2^63 for no limit."""


@dataclass(frozen=True, slots=True)
class Facts:
    """``free`` bytes and ``inodes`` (None: the file system has no fixed number), the volume's ``kind``, whether it is mounted
    ``read_only`` or not ``writable`` for ``uid``, its ``owner`` and ``mode``, and the ``memory`` limit in bytes (None: none).
    """

    path: str
    free: int
    inodes: int | None
    kind: str
    read_only: bool
    writable: bool
    uid: int
    owner: int
    mode: int
    memory: int | None

    @classmethod
    def of(cls, path: Path, system: Path = _ROOT) -> Facts:
        """Look at a folder, or at the nearest one above it that is there. Raises InputError."""
        while not path.exists() and path != path.parent:
            path = path.parent
        try:
            space, status = os.statvfs(path), path.stat()
            return cls(
                path=str(path),
                free=space.f_bavail * space.f_frsize,
                inodes=space.f_favail if space.f_files else None,
                kind=_kind(os.path.realpath(path), system),
                read_only=bool(space.f_flag & os.ST_RDONLY),
                writable=os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids),
                uid=os.geteuid(),
                owner=status.st_uid,
                mode=status.st_mode & 0o7777,
                memory=memory_limit(system),
            )
        except OSError as error:
            raise InputError(f"{path} cannot be looked at: {error.strerror}") from error


def memory_limit(system: Path = _ROOT) -> int | None:
    """The least memory limit of this process's control groups, version 1 or 2, in bytes; None if there is none."""
    limits = []
    for line in _text(system / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            base, name = system / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = system / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container the path may be that of the host, and the limit stands at the root of what is mounted.
        inside = [part for part in Path(group).parts if part not in ("/", "..")]
        limits += [_text(base.joinpath(*inside[:depth], name)).strip() for depth in range(len(inside) + 1)]
    found = [int(text) for text in limits if re.fullmatch(r"[0-9]{1,20}", text)]
    return min((limit for limit in found if limit < _UNLIMITED), default=None)


def _kind(path: str, system: Path) -> str:
    """The type of the file system that a path is on (proc_pid_mountinfo(5)); empty if that is not known."""
    best, kind = "", ""
    for line in _text(system / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and after:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
                best, kind = point, after.split(" ")[0]
    return kind


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""What facts forbid. Pure: facts in, an error or nothing out."""

from __future__ import annotations

from modelpack.errors import InputError, NoSpace
from modelpack.stage.preflight.facts import Facts

RESERVE = 16 << 20
"""Bytes that stay free for folders, receipts and links."""
_INODES = 64
_BORN = 1_735_689_600.0
_LATEST = 4_102_444_800.0
"""The years 2025, before which this did not exist, and 2100."""
_MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


def admit(facts: Facts, bytes_needed: int, files_needed: int) -> None:
    """Whether so much can be written there. Raises InputError, NoSpace."""
    check_writable(facts)
    if bytes_needed:
        check_memory(facts, bytes_needed)
        check_space(facts, bytes_needed, files_needed)


def check_writable(facts: Facts) -> None:
    """Raise InputError if nothing can be written."""
    if facts.read_only:
        raise InputError(
            f"{facts.path} is mounted read-only, and the model is not in it",
            hint="let one pod that may write stage it first, or remove readOnly from this volumeMount",
        )
    if not facts.writable:
        raise InputError(
            f"{facts.path} belongs to uid {facts.owner} (mode {facts.mode:o}), and uid {facts.uid} cannot write there",
            hint=f"chown {facts.uid} on the node (fsGroup does nothing for hostPath), or runAsUser: {facts.owner}",
        )


def check_memory(facts: Facts, needed: int) -> None:
    """Raise InputError if the volume is in memory that is charged to this container and would burst its limit."""
    if facts.kind in _MEMORY_FILE_SYSTEMS and facts.memory is not None and needed + RESERVE > facts.memory:
        raise InputError(
            f"{facts.path} is a {facts.kind}: {needed} bytes there count as memory, and the limit is {facts.memory}",
            hint="use an emptyDir without medium: Memory, or raise this container's memory limit above the model's size",
        )


def check_space(facts: Facts, needed: int, files: int) -> None:
    """Raise NoSpace if there is too little room."""
    if needed + RESERVE > facts.free:
        raise NoSpace(
            f"{needed} bytes are still to be written to {facts.path}, but only {facts.free} are free",
            hint="modelpack stage gc frees what is not used; or select fewer files, or use a larger volume",
        )
    if facts.inodes is not None and 3 * files + _INODES > facts.inodes:
        raise NoSpace(
            f"{files} files are still to be made in {facts.path}, but only {facts.inodes} inodes are free",
            hint="modelpack stage gc frees what is not used; or make the file system with more inodes",
        )


def check_clock(now: float) -> None:
    """Raise InputError for a time (seconds since 1970) that cannot be: validity of keys and leases depend on it."""
    if not _BORN < now < _LATEST:
        raise InputError(
            f"the clock of this node is wrong: it says {now:.0f} seconds after 1970",
            hint="set it (chrony, systemd-timesyncd) before anything that expires is verified",
        )

"""Whose roots are trusted: notation's folder of certificates, or some that were given."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from modelpack.errors import InputError
from modelpack.trust.x509 import Certificate, load_roots

MAX_FILES = 100
"""Certificate files in a named store."""

_MAX_FILE = 1 << 20
_KINDS = frozenset({"ca", "signingAuthority", "tsa"})
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]+", re.ASCII)


class Roots(Protocol):
    """Where trusted certificates come from."""

    def certificates(self, kind: str, name: str) -> tuple[Certificate, ...]:
        """Those of a named store; ``kind`` is ``ca``, ``signingAuthority`` or ``tsa``. Raises InputError."""
        ...


@dataclass(frozen=True, slots=True)
class TrustStore:
    """notation's trust store: ``folder/x509/{ca,signingAuthority,tsa}/NAME/*``, one certificate or several in each file.

    As there, everything in such a folder must be a file of certificates: nothing is passed over, whatever its name.
    """

    folder: Path

    def certificates(self, kind: str, name: str) -> tuple[Certificate, ...]:
        """Those of a named store, file by file. Raises InputError: none, links, folders, or what is no root."""
        if kind not in _KINDS or not _NAME.fullmatch(name):
            raise InputError(f"{kind[:40]!a}:{name[:80]!a} is no trust store")
        place = self.folder / "x509" / kind / name
        try:
            if place.is_symlink() or not place.is_dir():
                raise InputError(f"the trust store {kind}:{name} is not a folder: {place}")
            files = sorted(place.iterdir())
            if not 1 <= len(files) <= MAX_FILES:
                raise InputError(f"{len(files)} files are in {place}; 1 to {MAX_FILES} are allowed")
            return tuple(root for path in files for root in load_roots(_read(path), str(path)))
        except OSError as error:
            raise InputError(f"the trust store {kind}:{name} cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Given:
    """Roots that were given, by pairs of kind and name."""

    known: dict[tuple[str, str], tuple[Certificate, ...]] = field(repr=False, hash=False)

    def certificates(self, kind: str, name: str) -> tuple[Certificate, ...]:
        """Those that were given under this name; none if nothing was."""
        return self.known.get((kind, name), ())


def _read(path: Path) -> bytes:
    """A file, but never through a link: whoever may write into one place may not choose another."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{path} is a symbolic link, which a trust store may not hold") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{path} is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_MAX_FILE + 1)
    finally:
        os.close(descriptor)

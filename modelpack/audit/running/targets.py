"""What is to be audited, as people write it, and the repositories that this means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from modelpack.errors import AccessDenied, InputError, NotFound, RegistryError, UnsupportedFormat
from modelpack.oci import Reference
from modelpack.store import Registry, Store
from modelpack.trust import read_file

MAX_LIST = 64 << 20
"""Bytes of a list of targets."""

_NO_CATALOG = "give the repositories instead: as arguments, or in a file with --targets FILE"


class Kind(StrEnum):
    """What a target names."""

    REGISTRY = "registry"
    NAMESPACE = "namespace"
    REPOSITORY = "repository"
    EITHER = "either"
    """A namespace or a repository: the registry knows."""

    ARTIFACT = "artifact"
    LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class Target:
    """One target. ``reference`` is None for a registry; ``prefix`` is what repositories of a namespace begin with."""

    text: str
    kind: Kind
    host: str = ""
    prefix: str = ""
    reference: Reference | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """``host``, ``host/namespace/``, ``host/repository``, ``host/repository:tag``, ``…@digest``, ``oci:PATH``.

        Raises InvalidReference, InputError.
        """
        text = text.strip()
        if text.startswith("oci:"):
            where = Reference.parse(text)
            return cls(text, Kind.ARTIFACT if where.tag or where.digest else Kind.LAYOUT, reference=where)
        if "/" not in text.rstrip("/"):
            return cls(text, Kind.REGISTRY, host=_host(text.rstrip("/")))
        if text.endswith(("/", "/*")):
            host, _, prefix = text.rstrip("*").rstrip("/").partition("/")
            Reference.parse(f"{host}/{prefix}/x")
            return cls(text, Kind.NAMESPACE, host=host, prefix=f"{prefix}/")
        where = Reference.parse(text)
        if where.tag or where.digest:
            return cls(text, Kind.ARTIFACT, host=where.registry, reference=where)
        return cls(text, Kind.EITHER, host=where.registry, prefix=f"{where.repository}/", reference=where)


def _host(text: str) -> str:
    if not text or not (set(text) & {".", ":"} or text == "localhost"):
        raise InputError(
            f"{text[:80]!a} is not a registry, a repository or a layout",
            hint="host, host/namespace/, host/repository, host/repository:tag or oci:PATH",
        )
    return text


def read_targets(path: Path) -> list[str]:
    """The lines of a file; empty ones and those that begin with # are left out. Raises InputError."""
    raw = read_file(path, MAX_LIST)
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


class Places(Protocol):
    """Where stores come from: :class:`modelpack.Access` is one."""

    def registry(self, host: str) -> Registry:
        """A registry host."""
        ...

    def open(self, reference: str | Reference, *, create: bool = False) -> Store:
        """The layout or repository that a reference names."""
        ...


def repositories(registry: Registry, target: Target) -> Iterator[str]:
    """The repositories of a registry or a namespace, as the registry lists them. Raises UnsupportedFormat if it lists none, and
    its errors.
    """
    try:
        for name in registry.repositories():
            if name.startswith(target.prefix):
                yield name
    except (NotFound, RegistryError, UnsupportedFormat) as error:
        raise UnsupportedFormat(
            f"{registry.host} does not list its repositories ({error}); {_NO_CATALOG}", hint=_NO_CATALOG
        ) from None
    except AccessDenied as error:
        raise AccessDenied(f"{registry.host} does not list its repositories to you ({error}); {_NO_CATALOG}") from None


def unique(targets: Iterable[str]) -> tuple[Target, ...]:
    """All of them read, each once. Raises InputError."""
    found = tuple(dict.fromkeys(map(Target.parse, targets)))
    if not found:
        raise InputError("nothing to audit", hint="give a registry, a namespace, a repository, a reference or oci:PATH")
    return found

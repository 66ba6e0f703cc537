"""References: where a user says a model is.

``[host[:port]/]repository[:tag][@digest]`` as docker, skopeo and oras write it (distribution-spec, "Pulling manifests";
the defaults are docker's), and ``oci:PATH[:tag][@digest]`` for an OCI image layout, as skopeo writes it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Self

from modelpack.errors import InvalidDigest, InvalidReference
from modelpack.oci.digest import Digest

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]{{2,45}}\])(?::([0-9]{{1,5}}))?")
_REF_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:@+-]{0,511}")
_MAX_REPOSITORY = 255
_MAX_HOST = 253
_MAX_TEXT = 1024
_DOCKER_HUB = frozenset({DEFAULT_REGISTRY, "index.docker.io", "registry-1.docker.io"})


_ATTACHMENT = re.compile(r"(?:.*:)?(sha256|sha512)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?")


def is_attachment_name(name: str) -> bool:
    """Whether a tag is one that tools give to what is attached to another manifest, and no name of a model
    (distribution-spec, "Referrers Tag Schema"; cosign's ``.sig``, ``.att``, ``.sbom``).
    """
    return _ATTACHMENT.fullmatch(name) is not None


def attached_to(name: str) -> Digest | None:
    """The digest of the manifest that such a tag speaks of; None for other names."""
    found = _ATTACHMENT.fullmatch(name)
    try:
        return Digest(found[1], found[2]) if found else None
    except InvalidDigest:  # the tag for a long digest has only its beginning
        return None


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference. ``layout`` is a path, and then ``registry`` and ``repository`` are empty; or the other way round.

    ``tag`` and ``digest`` are what was written; where both stand, the digest decides and the tag is for people.
    """

    registry: str = ""
    repository: str = ""
    layout: str = ""
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference. Raises InvalidReference."""
        text = text.strip()
        scheme, colon, rest = text.partition("://")
        if colon and "/" not in scheme:
            raise InvalidReference(
                f"{scheme}://… is a URL, not a reference", hint=f"leave the scheme out: {_without_login(rest)}"
            )
        if text.startswith("oci:"):
            return cls._parse_layout(text)
        if len(text) > _MAX_TEXT:
            raise InvalidReference(f"a reference of {len(text)} characters", hint="host/repository:tag is expected")
        name, digest = _split_digest(text)
        registry, rest = _split_registry(name)
        repository, colon, tag = rest.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise InvalidReference(
                f"{tag!r} is not a tag",
                hint="a tag has up to 128 letters, digits, '.', '_' and '-', and begins with none of '.-'",
            )
        if not _REPOSITORY.fullmatch(repository) or len(repository) > _MAX_REPOSITORY:
            raise InvalidReference(f"{repository!r} is not a repository name", hint=_repository_hint(repository))
        return cls(registry=registry, repository=repository, tag=tag, digest=digest)

    @classmethod
    def _parse_layout(cls, text: str) -> Self:
        name, digest = _split_digest(text.removeprefix("oci:"))
        path, _, tag = name.partition(":")
        if not path or "\0" in path:
            raise InvalidReference(f"{text!r} names no folder", hint="write oci:PATH or oci:PATH:tag")
        if tag and not _REF_NAME.fullmatch(tag):
            raise InvalidReference(f"{tag!r} is not a name that a layout can hold")
        return cls(layout=path, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """What a store is asked for: the digest, else the tag, else ``latest`` (registries) or ``""`` (layouts: the only one)."""
        if self.digest is not None:
            return str(self.digest)
        return self.tag or ("" if self.layout else DEFAULT_TAG)

    @property
    def local_name(self) -> str:
        """The name under which a local store keeps a model of this reference: ``host/repository:tag``."""
        return str(replace(self, tag=self.tag or DEFAULT_TAG, digest=None))

    @property
    def place(self) -> str:
        """``host/repository``, or ``""`` for a layout: there is no registry that would be asked."""
        return f"{self.registry}/{self.repository}" if self.repository else ""

    def pinned(self, digest: Digest) -> Self:
        """The same place, with the digest that was found there."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        """The reference in full, defaults spelled out where they were given."""
        place = self.place or f"oci:{self.layout}"
        tag = f":{self.tag}" if self.tag else ""
        return f"{place}{tag}" + (f"@{self.digest}" if self.digest else "")


def _split_digest(text: str) -> tuple[str, Digest | None]:
    name, at, digest = text.rpartition("@")
    if not at:
        return text, None
    try:
        return name, Digest.parse(digest)
    except InvalidDigest as error:
        raise InvalidReference(str(error), hint="a pinned reference ends in @sha256:<64 hexadecimal digits>") from None


def _split_registry(name: str) -> tuple[str, str]:
    """Docker's rule: the first part is a host if it has a dot or a colon, or is ``localhost``."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = _check_host(first)
        if host not in _DOCKER_HUB:
            return host, rest
        name = rest
    return DEFAULT_REGISTRY, name if "/" in name else f"library/{name}"


def _check_host(host: str) -> str:
    match = _HOST.fullmatch(host)
    port = int(match[2] or 1) if match else 0
    if not match or not 0 < port < 1 << 16 or len(match[1]) > _MAX_HOST or not _is_host(match[1]):
        raise InvalidReference(f"{host!r} is not a registry host", hint="host or host:port is expected")
    return host.lower()


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def _without_login(rest: str) -> str:
    """A URL may hold a password, which is not repeated."""
    authority, slash, path = rest.partition("/")
    return authority.rpartition("@")[2] + slash + path


def _repository_hint(repository: str) -> str:
    if repository.removeprefix("library/") in ("", "."):
        return "write host/repository:tag, for example registry.example/ml/minilm:v1"
    if repository != repository.lower():
        return f"repository names are lower-case: {repository.lower()}"
    return "parts of lower-case letters and digits, joined by '/', '.', '_' or '-'"

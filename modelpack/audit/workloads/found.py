"""What manifests of a cluster refer to: values."""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.errors import InvalidReference
from modelpack.oci import JSONObject, Reference

SCHEMES = ("modelpack", "oci", "kit")
"""URLs of models in registries: ours, KServe's (``oci://``, ``oci+native://``, ``oci+fetch://``), KitOps'."""

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class FoundReference:
    """A model that a workload uses. ``file`` and ``document`` (from 1) say in which manifest, ``path`` where in it
    (``spec.containers[0].args[1]``), ``workload`` what it is (``Deployment ml/vllm``).
    """

    reference: Reference
    file: str
    document: int
    path: str
    workload: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether it says by digest what will run."""
        return self.reference.digest is not None

    @property
    def place(self) -> str:
        """``file#2 spec.containers[0].args[1]``."""
        return f"{self.file}#{self.document} {self.path}"

    def to_json(self) -> JSONObject:
        """For programs."""
        return {
            "reference": str(self.reference),
            "pinned": self.is_pinned,
            "file": self.file,
            "document": self.document,
            "path": self.path,
            "workload": self.workload,
        }


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that may name a model, and could not be read: a file, or a value that stands elsewhere. ``reason`` is a sentence
    without a stop; values are not repeated, since they may be secrets.
    """

    file: str
    document: int
    path: str
    reason: str

    @property
    def place(self) -> str:
        """``file#2 spec.containers[0].env[1]``, or the file alone."""
        where = f"{self.file}#{self.document}" if self.document else self.file
        return f"{where} {self.path}".strip()


def url_reference(text: str) -> Reference | None:
    """The model that a URL names (``modelpack://host/repository:tag``, ``oci+fetch://…``); None for all else."""
    scheme, mark, rest = text.strip().partition("://")
    known = scheme in SCHEMES or scheme.startswith("oci+")
    return plain_reference(rest) if mark and known else None


def plain_reference(text: str) -> Reference | None:
    """A reference whose host is written out, so that it can hardly be anything else; None for all else."""
    words = text.strip()
    host, slash, rest = words.partition("/")
    if not slash or not rest or not ("." in host.strip(".") or ":" in host or host == "localhost"):
        return None
    try:
        return Reference.parse(words)
    except InvalidReference:
        return None


def short_reference(text: str) -> Reference | None:
    """A reference that may lack its host (``ml/llama:v1``), where one is expected."""
    if "/" not in text.strip("/") or text.startswith(("/", ".", "-")):
        return None
    try:
        return Reference.parse(text)
    except InvalidReference:
        return None


def shown(text: object) -> str:
    """A name from a manifest, for messages."""
    return "".join(character for character in str(text)[:_SHOWN] if character.isprintable())

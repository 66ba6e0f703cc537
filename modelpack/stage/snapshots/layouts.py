"""How a snapshot arranges a model's files: what servers expect to find."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from modelpack.errors import InputError
from modelpack.oci import Digest

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = 40


class Form(StrEnum):
    """The kinds of arrangement."""

    FILES = "files"
    """Each file at its path in the model."""

    HF_CACHE = "hf-cache"
    """The cache of the Hugging Face Hub: the snapshot is what ``HF_HUB_CACHE`` names."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A form; ``repo`` (``org/name``) goes with ``hf-cache``. Raises InputError."""

    form: Form = Form.FILES
    repo: str = ""

    def __post_init__(self) -> None:
        """Refuse what the Hub's library would not look for."""
        if self.form is Form.HF_CACHE and (not _REPO.fullmatch(self.repo) or "--" in self.repo or ".." in self.repo):
            raise InputError(f"{self.repo[:80]!a} is not a repository of the Hub", hint="--hf-repo org/name")

    @property
    def variant(self) -> str:
        """What distinguishes it from the default; empty for that."""
        return "" if self.form is Form.FILES else f"{self.form}:{self.repo}"

    def path(self, digest: Digest, path: str) -> str:
        """Where a file of the model ``digest`` goes."""
        if self.form is Form.FILES:
            return path
        return f"{self._folder}/snapshots/{digest.hex[:_REVISION]}/{path}"

    def extras(self, digest: Digest) -> dict[str, bytes]:
        """Further files that belong to the form, by path. The Hub's revisions have 40 digits; ours begin the digest."""
        if self.form is Form.FILES:
            return {}
        return {f"{self._folder}/refs/main": digest.hex[:_REVISION].encode()}

    @property
    def _folder(self) -> str:
        return f"models--{self.repo.replace('/', '--')}"


FILES = Arrangement()

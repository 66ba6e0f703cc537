"""How a snapshot arranges a model's files: what servers expect to find."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from modelpack.errors import InputError
from modelpack.oci import Digest

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = 40
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_CONFIG = "config.pbtxt"
_MOST = 2**31 - 1


class Form(StrEnum):
    """The kinds of arrangement."""

    FILES = "files"
    """Each file at its path in the model."""

    HF_CACHE = "hf-cache"
    """The cache of the Hugging Face Hub: the snapshot is what ``HF_HUB_CACHE`` names."""

    TRITON = "triton"
    """A model repository of Triton's: ``<model>/config.pbtxt`` and ``<model>/<version>/…``."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A form; ``repo`` (``org/name``) goes with ``hf-cache``; ``model`` and ``version`` with ``triton``, where version 0 means
    that the model has its folders of versions itself. Raises InputError.
    """

    form: Form = Form.FILES
    repo: str = ""
    model: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        """Refuse what the Hub's library would not look for."""
        if self.form is Form.HF_CACHE and (not _REPO.fullmatch(self.repo) or "--" in self.repo or ".." in self.repo):
            raise InputError(f"{self.repo[:80]!a} is not a repository of the Hub", hint="--hf-repo org/name")
        if self.form is Form.TRITON and not _MODEL.fullmatch(self.model):
            raise InputError(f"{self.model[:80]!a} cannot be a model of Triton's", hint="--triton-model name")
        if not 0 <= self.version <= _MOST:
            raise InputError(f"{self.version} cannot be a version of a model of Triton's", hint="--triton-version 1")

    @property
    def variant(self) -> str:
        """What distinguishes it from the default; empty for that."""
        if self.form is Form.TRITON:
            return f"{self.form}:{self.model}:{self.version}"
        return "" if self.form is Form.FILES else f"{self.form}:{self.repo}"

    def path(self, digest: Digest, path: str) -> str:
        """Where a file of the model ``digest`` goes."""
        if self.form is Form.FILES:
            return path
        if self.form is Form.TRITON:
            inside = path if path == _CONFIG or not self.version else f"{self.version}/{path}"
            return f"{self.model}/{inside}"
        return f"{self._folder}/snapshots/{digest.hex[:_REVISION]}/{path}"

    def extras(self, digest: Digest, paths: Collection[str]) -> dict[str, bytes]:
        """Further files that belong to the form, by path; ``paths`` are those of the model. The Hub's revisions have 40 digits;
        ours begin the digest.
        """
        if self.form is Form.TRITON:
            return self._triton(paths)
        if self.form is Form.FILES:
            return {}
        return {f"{self._folder}/refs/main": digest.hex[:_REVISION].encode()}

    def _triton(self, paths: Collection[str]) -> dict[str, bytes]:
        """A configuration for a model without one, where there is no doubt: a single ONNX file. Triton completes the inputs and
        outputs from it; ``max_batch_size`` 0 says that no dimension is added for batches.
        """
        models = [path for path in paths if path.endswith(".onnx")]
        if not self.version or _CONFIG in paths or len(models) != 1 or "/" in models[0]:
            return {}
        values = {"name": self.model, "backend": "onnxruntime", "default_model_filename": models[0]}
        lines = [f"{key}: {_quoted(value)}\n" for key, value in values.items()]
        return {f"{self.model}/{_CONFIG}": "".join([*lines, "max_batch_size: 0\n"]).encode()}

    @property
    def _folder(self) -> str:
        return f"models--{self.repo.replace('/', '--')}"


def _quoted(text: str) -> str:
    """A string as protobuf's text format has it: bytes that could mean something there are escaped."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


FILES = Arrangement()

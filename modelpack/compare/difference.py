"""What is different between two models: values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelpack.oci import JSON, Digest, JSONObject


class How(StrEnum):
    """What happened on the way from the first model to the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"
    REPACKED = "repacked"
    """The same file in another layer: compressed, put into an archive, or of another kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value with a name, before and after; None where it is not said."""

    name: str
    before: JSON
    after: JSON

    @property
    def how(self) -> How:
        """Added, removed or changed."""
        return How.ADDED if self.before is None else How.REMOVED if self.after is None else How.CHANGED

    def to_json(self) -> JSONObject:
        """For programs; the side that says nothing is left out."""
        said: JSONObject = {"name": self.name, "how": str(self.how), "before": self.before, "after": self.after}
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FileState:
    """A file on one side: its own SHA-256 if that is known, else its archive's; bytes (None: not known), and its layer."""

    path: str
    digest: Digest | None
    size: int | None
    kind: str = ""
    layer: Digest | None = None

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {
            "path": self.path,
            "digest": str(self.digest) if self.digest else None,
            "size": self.size,
            "kind": self.kind or None,
            "layer": str(self.layer) if self.layer else None,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that is not as it was."""

    how: How
    before: FileState | None
    after: FileState | None

    @property
    def path(self) -> str:
        """What it is called now, or was called last."""
        state = self.after or self.before
        return state.path if state else ""

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {
            "path": self.path,
            "how": str(self.how),
            "before": self.before.to_json() if self.before else None,
            "after": self.after.to_json() if self.after else None,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TensorShape:
    """A tensor as a header says it: the file, the dtype (safetensors' name), the shape."""

    path: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """``BF16 [384, 1536]``."""
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"

    def to_json(self) -> JSONObject:
        """For programs."""
        return {"path": self.path, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A tensor that is new, gone, or of another dtype or shape. One that only moved to another shard is not changed."""

    name: str
    before: TensorShape | None
    after: TensorShape | None

    @property
    def how(self) -> How:
        """Added, removed or changed."""
        return How.ADDED if self.before is None else How.REMOVED if self.after is None else How.CHANGED

    def to_json(self) -> JSONObject:
        """For programs."""
        said: JSONObject = {
            "name": self.name,
            "how": str(self.how),
            "before": self.before.to_json() if self.before else None,
            "after": self.after.to_json() if self.after else None,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Tensors:
    """Tensors by their headers. ``weights`` are files of both sides that have the same tensors with other numbers in them.

    ``parameters`` are numbers in all tensors, before and after. ``unread`` are weight files whose header said nothing: what is
    in them is not compared.
    """

    changes: tuple[TensorChange, ...] = ()
    weights: tuple[str, ...] = ()
    parameters: tuple[int, int] = (0, 0)
    unread: tuple[str, ...] = ()

    def to_json(self) -> JSONObject:
        """For programs."""
        changes: list[JSON] = [change.to_json() for change in self.changes]
        return {
            "changes": changes,
            "weightsChanged": list(self.weights),
            "parameters": {"before": self.parameters[0], "after": self.parameters[1]},
            "notCompared": list(self.unread),
        }


@dataclass(frozen=True, slots=True)
class Transfer:
    """What an update from the first to the second moves: layers and bytes that the first has not, and those that it has.

    Each digest counts once, as in a store.
    """

    layers: int
    size: int
    shared_layers: int
    shared_size: int

    def to_json(self) -> JSONObject:
        """For programs."""
        return {
            "layers": self.layers,
            "bytes": self.size,
            "sharedLayers": self.shared_layers,
            "sharedBytes": self.shared_size,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that is different between two models, first to second.

    ``config`` are values of the configuration by their path in it, ``annotations`` those of the manifest. ``origins`` are base
    models and data sets, ``licenses`` SPDX expressions by whoever says them first, ``templates`` chat templates by SHA-256.
    ``signatures`` and ``documents`` are what is attached, with how many there are; ``looked_at`` says whether that was asked.
    ``notes`` are sentences about what could not be compared.
    """

    before: Digest
    after: Digest
    config: tuple[Change, ...] = ()
    annotations: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()
    tensors: Tensors = Tensors()
    licenses: tuple[Change, ...] = ()
    origins: tuple[Change, ...] = ()
    templates: tuple[Change, ...] = ()
    signatures: tuple[Change, ...] = ()
    documents: tuple[Change, ...] = ()
    transfer: Transfer = Transfer(0, 0, 0, 0)
    looked_at: bool = True
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether it is the same manifest, with the same signatures and documents as far as that was asked."""
        return self.before == self.after and not (self.signatures or self.documents)

    def to_json(self) -> JSONObject:
        """For programs."""
        lists: dict[str, JSON] = {
            name: [change.to_json() for change in getattr(self, name)]
            for name in ("config", "annotations", "files", "licenses", "origins", "templates")
        }
        attached: dict[str, JSON] = {
            name: [change.to_json() for change in getattr(self, name)] for name in ("signatures", "documents")
        }
        return {
            "same": self.same,
            "before": str(self.before),
            "after": str(self.after),
            **lists,
            "tensors": self.tensors.to_json(),
            **(attached if self.looked_at else {}),
            "transfer": self.transfer.to_json(),
            "notes": list(self.notes),
        }

"""``.modelpack.json``: what we wrote into a folder, so that a later run knows our files from the user's."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from modelpack.errors import InputError, ModelPackError
from modelpack.oci import JSON, Digest, JSONObject, Kind, dumps, loads_object
from modelpack.oci.fields import Fields
from modelpack.paths import MARKER, Claims, safe_path
from modelpack.unpack.destination.disk import os_errors
from modelpack.unpack.selection import EVERYTHING, Selection

_MAX_BYTES = 256 << 20
_MAX_FILES = 1_000_000
_VERSION = "1"

Part: TypeAlias = tuple[Digest, tuple[str, ...], tuple[str, ...]]
"""An archive layer, and the patterns (include, exclude) by which files were taken from it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A file as we left it: its content's digest, size and modification time, and the layer that it came from."""

    path: str
    digest: Digest
    layer: Digest
    size: int
    mtime_ns: int

    def is_unchanged(self, now: os.stat_result) -> bool:
        """Whether nobody seems to have touched the file."""
        return stat.S_ISREG(now.st_mode) and now.st_size == self.size and now.st_mtime_ns == self.mtime_ns


@dataclass(frozen=True, slots=True)
class Marker:
    """The record of one folder. ``archives`` says of which archive layers which part was taken."""

    reference: str = ""
    digest: Digest | None = None
    selection: Selection = EVERYTHING
    files: dict[str, Placed] = field(default_factory=dict)
    archives: frozenset[Part] = frozenset()

    @classmethod
    def load(cls, folder: Path) -> Marker | None:
        """Read the record of a folder; None if it has none. Raises InputError if it is damaged."""
        path = folder / MARKER
        with os_errors(path):
            if not os.path.lexists(path):
                return None
            if not stat.S_ISREG(path.lstat().st_mode) or path.lstat().st_size > _MAX_BYTES:
                raise _damaged(path, "not a plain file")
            raw = path.read_bytes()
        try:
            return cls._parse(Fields(loads_object(raw, "marker", limit=_MAX_BYTES), "marker"))
        except ModelPackError as error:
            raise _damaged(path, str(error)) from None

    def to_bytes(self) -> bytes:
        """The document."""
        archives: list[JSON] = [
            {"layer": str(layer), "include": list(include), "exclude": list(exclude)}
            for layer, include, exclude in sorted(self.archives)
        ]
        document: JSONObject = {
            "version": _VERSION,
            "reference": self.reference,
            "digest": str(self.digest),
            "selection": {
                "include": list(self.selection.include),
                "exclude": list(self.selection.exclude),
                "kinds": [str(kind) for kind in sorted(self.selection.kinds)],
            },
            "files": [_to_json(self.files[path]) for path in sorted(self.files)],
            "archives": archives,
        }
        return dumps(document) + b"\n"

    @classmethod
    def _parse(cls, fields: Fields) -> Marker:
        if fields.text("version") != _VERSION:
            fields.fail("version", "written by another version of modelpack")
        claims = Claims()
        files = [_placed(entry) for entry in fields.objects("files", limit=_MAX_FILES)]
        for file in files:
            claims.file(PurePosixPath(file.path))
        chosen = fields.object("selection")
        kinds = frozenset(kind for kind in Kind if kind in chosen.texts("kinds"))
        return cls(
            reference=fields.text("reference"),
            digest=fields.digest("digest"),
            selection=Selection(chosen.texts("include"), chosen.texts("exclude"), kinds),
            files={file.path: file for file in files},
            archives=frozenset(
                (entry.digest("layer"), entry.texts("include"), entry.texts("exclude"))
                for entry in fields.objects("archives", limit=_MAX_FILES)
            ),
        )


def _placed(fields: Fields) -> Placed:
    return Placed(
        path=str(safe_path(fields.text("path"))),
        digest=fields.digest("digest"),
        layer=fields.digest("layer"),
        size=fields.integer("size"),
        mtime_ns=fields.integer("mtime_ns"),
    )


def _to_json(file: Placed) -> JSONObject:
    return {
        "path": file.path,
        "digest": str(file.digest),
        "layer": str(file.layer),
        "size": file.size,
        "mtime_ns": file.mtime_ns,
    }


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is damaged: {reason}", hint="unpack to another folder, or remove this file and use force"
    )

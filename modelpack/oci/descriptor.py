"""Descriptors (OCI image-spec, descriptor.md): how one piece of content names another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from modelpack.oci.digest import Digest
from modelpack.oci.fields import Fields
from modelpack.oci.strictjson import JSONObject

_OURS = frozenset({"mediaType", "digest", "size", "annotations", "artifactType"})


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size (bytes) of a blob or manifest.

    ``extra`` holds members that this class has no field for (``platform``, ``urls``, ``data`` …), so that rewriting an
    index keeps them. They are never acted upon: in particular ``urls`` are not fetched and ``data`` is not believed.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str = ""
    extra: JSONObject = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Self:
        """The descriptor of some bytes."""
        return cls(media_type, Digest.of(data), len(data))

    @classmethod
    def from_json(cls, fields: Fields) -> Self:
        """Read a descriptor. Raises DocumentError."""
        return cls(
            media_type=fields.text("mediaType"),
            digest=fields.digest("digest"),
            size=fields.integer("size"),
            annotations=fields.mapping("annotations"),
            artifact_type=fields.text("artifactType", ""),
            extra={key: value for key, value in fields.value.items() if key not in _OURS},
        )

    def to_json(self) -> JSONObject:
        """The JSON object, members in the order of the Go struct (which other tools' bytes have)."""
        result: JSONObject = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if "urls" in self.extra:
            result["urls"] = self.extra["urls"]
        if self.annotations:
            result["annotations"] = {key: self.annotations[key] for key in sorted(self.annotations)}
        for key in self.extra:
            result.setdefault(key, self.extra[key])
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        return result

    def plain(self) -> Self:
        """Only media type, digest and size: what a ``subject`` carries."""
        return replace(self, annotations={}, artifact_type="", extra={})

    def annotated(self, **changes: str | None) -> Self:
        """A copy with annotations set, or removed where the value is None (pass names with ``**{…}``)."""
        merged = {**self.annotations, **changes}
        return replace(self, annotations={key: value for key, value in merged.items() if value is not None})

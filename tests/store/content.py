"""Content for the tests of stores: sources that behave and sources that do not."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from modelpack.errors import Unavailable
from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import BytesSource, Store, VerifiedSource

WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"


@dataclass(slots=True)
class Flaky:
    """Content whose first readers break off, each after some bytes."""

    data: bytes
    breaks: list[int]
    offsets: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self, offset: int = 0) -> BrokenStream:
        self.offsets.append(offset)
        left = self.breaks.pop(0) if self.breaks else None
        return BrokenStream(self.data[offset:], left)


class BrokenStream(io.BytesIO):
    """Ends with an error after some bytes."""

    def __init__(self, data: bytes, left: int | None) -> None:
        super().__init__(data)
        self._left = left

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if self._left == 0:
            raise Unavailable("the connection broke")
        length = super().readinto(buffer[: self._left] if self._left is not None else buffer)
        if self._left is not None:
            self._left -= length
        return length


def verified(data: bytes, promised: bytes | None = None) -> VerifiedSource:
    """Some bytes, offered as those or as other ones."""
    return VerifiedSource(BytesSource(data), Descriptor.of(WEIGHTS, data if promised is None else promised))


def push_model(
    store: Store, weights: bytes = b"weights", subject: Descriptor | None = None, kind: str = ""
) -> Manifest:
    """A small model, or something of a kind that is attached to one."""
    config = store.push_bytes(MODEL_CONFIG, b"{}")
    layer = store.push_bytes(WEIGHTS, weights)
    manifest = Manifest.build(artifact_type=kind or MODEL_MANIFEST, config=config, layers=(layer,), subject=subject)
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    return manifest

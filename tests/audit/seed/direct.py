"""The repositories of `modelpack serve`, written in its layout without HTTP: that is quicker, and gives the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelpack.access import Access
from modelpack.oci import Descriptor, Reference
from modelpack.store import LayoutStore, Store
from modelpack.store.base import Change


class Repository(LayoutStore):
    """A repository in a layout that is served."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path)
        self._name = name

    def resolve(self, name: str) -> Descriptor:
        return super().resolve(name if ":" in name else self._full(name))

    def tag(self, descriptor: Descriptor, name: str) -> None:
        super().tag(descriptor, self._full(name))

    def untag(self, name: str) -> None:
        super().untag(self._full(name))

    def rewrite(self, name: str, change: Change) -> None:
        super().rewrite(self._full(name), change)

    def _full(self, name: str) -> str:
        return f"{self._name}:{name}"


@dataclass(frozen=True)
class Direct(Access):
    """Leads to the layout instead of to the server before it."""

    path: Path = Path()

    def open(self, reference: str | Reference, *, create: bool = False) -> Store:
        where = Reference.parse(reference) if isinstance(reference, str) else reference
        return super().open(where, create=create) if where.layout else Repository(self.path, where.repository)

"""What will be packed, and into which layers: values only, made by :func:`modelpack.pack.plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelpack.oci import Codec, Kind, LayerType


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a model.

    ``path`` is its name inside the model: POSIX, relative, checked. ``file`` is where its bytes are, with all symbolic
    links resolved. ``size`` is in bytes, ``mode`` 0o755 if its owner may execute it, else 0o644. ``guessed`` says that
    nothing but its size suggested the kind.
    """

    path: str
    file: Path
    kind: Kind
    size: int
    mode: int = 0o644
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer: a file as it is (``raw``), or a tar archive of one file or more, sorted by path.

    ``path`` is the value of ``org.cncf.model.filepath``: the file's, or the kind's name for a bundle of files.
    """

    type: LayerType
    path: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of the files, without what an archive adds or compression removes."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Layout:
    """How files become layers.

    ``codecs`` says it for some kinds; the others are ``raw``, which every consumer reads. ``bundle`` puts the files of
    at most ``small`` bytes of each kind into one archive (``tar`` where ``codecs`` would have them raw), except weights,
    and except README and LICENSE, which registries show.
    """

    codecs: Mapping[Kind, Codec] = field(default_factory=dict, hash=False)
    bundle: bool = False
    small: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What :func:`modelpack.pack.execute` will do.

    ``entries`` are sorted by path, ``layers`` in their final order. ``overrides`` are what a Modelfile or Kitfile says about
    the model, by field of :class:`modelpack.oci.ModelConfig`. ``notes`` are lines about what was left out, and why.
    """

    name: str
    entries: tuple[Entry, ...]
    layers: tuple[PlannedLayer, ...]
    overrides: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

"""From files to layers: which go together, in which order, and what each layer's descriptor says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, count

from modelpack.errors import InputError
from modelpack.oci import Codec, JSONObject, Kind, LayerType, dumps, rfc3339
from modelpack.oci.mediatypes import FILE_METADATA, FILEPATH, MEDIATYPE_UNTESTED, TITLE
from modelpack.pack.plan import Entry, Layout, PlannedLayer
from modelpack.paths import parents

ORDER = (Kind.CONFIG, Kind.WEIGHT, Kind.CODE, Kind.DOC, Kind.DATASET)
"""As modctl orders them; data sets, which it leaves out, come last: whoever runs a model needs them least."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SHOWN_BY_REGISTRIES = ("readme", "license")  # Harbor reads README(.md) and LICENSE(.txt) out of doc layers of one file


def layers(entries: Iterable[Entry], layout: Layout) -> tuple[PlannedLayer, ...]:
    """Layers in their final order: by kind, then by path."""
    files = sorted(entries, key=lambda entry: entry.path)
    taken = set(chain.from_iterable((entry.path, *parents(entry.path)) for entry in files))
    return tuple(
        layer
        for kind in ORDER
        for layer in _of_kind(kind, [entry for entry in files if entry.kind == kind], layout, taken)
    )


def _of_kind(kind: Kind, entries: list[Entry], layout: Layout, taken: set[str]) -> Iterator[PlannedLayer]:
    codec = layout.codecs.get(kind, Codec.RAW)
    small = [entry for entry in entries if layout.bundle and _may_bundle(entry, layout)]
    bundled = frozenset(small if len(small) > 1 else ())
    single = [PlannedLayer(LayerType(kind, codec), entry.path, (entry,)) for entry in entries if entry not in bundled]
    if bundled:
        archive = LayerType(kind, Codec.TAR if codec == Codec.RAW else codec)
        single.append(PlannedLayer(archive, _free_name(kind, taken), tuple(small)))
    yield from sorted(single, key=lambda layer: layer.path)


def _may_bundle(entry: Entry, layout: Layout) -> bool:
    return (
        entry.size <= layout.small
        and entry.kind != Kind.WEIGHT
        and not entry.path.lower().startswith(_SHOWN_BY_REGISTRIES)
    )


def _free_name(kind: Kind, taken: set[str]) -> str:
    """The kind's name, as AIKit has it (``config``); with a number if a file or folder of the model is called so."""
    names = chain((kind.name.lower(),), (f"{kind.name.lower()}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def timestamp(created: datetime | None) -> datetime:
    """The time that all files get: ``created`` in UTC and whole seconds, or 1970. Raises InputError."""
    if created is None:
        return EPOCH
    if created.tzinfo is None:
        raise InputError("the time of creation needs a time zone")
    result = created.astimezone(UTC).replace(microsecond=0)
    if result < EPOCH:
        raise InputError("the time of creation must not be before 1970")
    return result


def describe(layer: PlannedLayer, moment: datetime) -> dict[str, str]:
    """What a layer's descriptor says about it (model-spec ``docs/annotations.md``).

    The file metadata are those of the one file; a bundle's are in its archive.
    """
    said = {FILEPATH: layer.path, TITLE: layer.path}
    if len(layer.entries) == 1:
        said[FILE_METADATA] = _metadata(layer.entries[0], moment)
    if any(entry.guessed for entry in layer.entries):
        said[MEDIATYPE_UNTESTED] = "true"
    return said


def _metadata(entry: Entry, moment: datetime) -> str:
    """As modctl writes it: base name, decimal mode, and a number for "regular file"."""
    members: JSONObject = {
        "name": entry.path.rpartition("/")[2],
        "mode": entry.mode,
        "uid": 0,
        "gid": 0,
        "size": entry.size,
        "mtime": rfc3339(moment),
        "typeflag": 0,
    }
    return dumps(members).decode()

"""What a manifest says it holds, without reading any of it.

Takes everything that writers are known to produce: model-spec types of today and of the ``cnai`` time, AIKit's bundles,
Docker's and KitOps' artifacts, and files that were pushed with a generic tool under a title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from modelpack.errors import DocumentError, ModelPackError, UnsafePath, UnsupportedFormat
from modelpack.oci import Codec, Descriptor, JSONObject, Kind, LayerType, Manifest, annotation, loads_object
from modelpack.oci.mediatypes import FILE_METADATA, FILEPATH, IMAGE_CONFIG, IMAGE_LAYER, OCI_EMPTY, TITLE
from modelpack.paths import Claims, safe_path

_WEIGHTS = frozenset(
    {".safetensors", ".gguf", ".ggml", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".tflite", ".pb"}
    | {".msgpack", ".npz", ".npy", ".pkl", ".engine"}
)
_DOCS = frozenset({".md", ".txt", ".rst", ".pdf", ".html"})
_DOC_NAMES = ("readme", "license", "notice")
_CODE = frozenset({".py", ".ipynb", ".sh", ".js", ".ts", ".c", ".cc", ".cpp", ".h", ".go", ".rs", ".java"})
_UNPACK = "io.deis.oras.content.unpack"
"""With "true", ``oras push`` says that a layer is a folder, as tar+gzip."""

_MAX_METADATA = 64 << 10
_LATEST = 4_102_444_800 * 10**9
"""The year 2100 in ns: later times are mistakes, and some file systems cannot hold them."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One layer. ``path`` is the file's place, for an archive what its annotation calls it (``""``: nothing usable).

    ``size`` is in bytes as stored. ``executable`` and ``mtime_ns`` (None: not said) come from the file metadata.
    ``single`` archives declare that they hold the one file ``path``.
    """

    path: str
    kind: Kind
    codec: Codec
    size: int
    descriptor: Descriptor
    executable: bool = False
    mtime_ns: int | None = None
    single: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the layer is a file as it is, rather than an archive."""
        return self.codec is Codec.RAW


def contents(manifest: Manifest) -> tuple[LayerEntry, ...]:
    """The layers of a model, in order. Raises UnsupportedFormat (not a model), DocumentError (a file without a name),
    UnsafePath (a bad name, or two files of one name).
    """
    if not manifest.is_model and not any(LayerType.parse(layer.media_type) for layer in manifest.layers):
        raise UnsupportedFormat(
            f"not a ModelPack artifact (its type is {manifest.artifact_type[:80]!r})",
            hint="an image or another kind of artifact cannot be unpacked as a model",
        )
    image = manifest.config.media_type == IMAGE_CONFIG
    entries = tuple(
        layer_entry(layer, index, image=image)
        for index, layer in enumerate(manifest.layers)
        if layer.media_type != OCI_EMPTY or _name(layer)
    )
    claims = Claims()
    for entry in entries:
        if entry.is_file:
            claims.file(PurePosixPath(entry.path))
    return entries


def bounded_mtime(nanoseconds: int | None) -> int | None:
    """A modification time that every file system can hold, or None."""
    return nanoseconds if nanoseconds is not None and 0 <= nanoseconds < _LATEST else None


def layer_entry(layer: Descriptor, index: int, *, image: bool = False) -> LayerEntry:
    """One layer by itself, of an image or not. Raises DocumentError, UnsafePath."""
    layer_type = LayerType.parse(layer.media_type) or _unknown(layer, image=image)
    metadata = _metadata(layer)
    mode = metadata.get("mode")
    path = _file_path(layer, index) if layer_type.codec is Codec.RAW else _label(layer)
    return LayerEntry(
        path=path,
        # KitOps files every weight shard but the first under weight.config: there the name knows better.
        kind=Kind.WEIGHT if layer_type.kind is Kind.CONFIG and _suffix(path) in _WEIGHTS else layer_type.kind,
        codec=layer_type.codec,
        size=layer.size,
        descriptor=layer,
        executable=isinstance(mode, int) and bool(mode & 0o100),
        mtime_ns=_mtime(metadata.get("mtime")),
        single=bool(path) and metadata.get("typeflag") == 0 and "files" not in metadata,
    )


def _unknown(layer: Descriptor, *, image: bool) -> LayerType:
    """A type of no specification: a file under its name, which also has to tell its kind; or an image's layer, an archive.

    Outside of images, ``oras push`` gives the type of an image's layer to any file.
    """
    codec = Codec.TAR_GZIP if layer.annotations.get(_UNPACK) == "true" else Codec.RAW
    if image and layer.media_type.startswith(IMAGE_LAYER):
        said = layer.media_type.removeprefix(IMAGE_LAYER)
        codec = Codec(said) if said in list(Codec) else codec
    name = _name(layer).rpartition("/")[2].lower()
    suffix = _suffix(name)
    if suffix in _WEIGHTS:
        return LayerType(Kind.WEIGHT, codec)
    if suffix in _DOCS or name.startswith(_DOC_NAMES):
        return LayerType(Kind.DOC, codec)
    return LayerType(Kind.CODE if suffix in _CODE else Kind.CONFIG, codec)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _name(layer: Descriptor) -> str:
    return annotation(layer.annotations, FILEPATH) or layer.annotations.get(TITLE) or ""


def _file_path(layer: Descriptor, index: int) -> str:
    name = _name(layer)
    if not name:
        raise DocumentError(
            "manifest",
            f"layers[{index}].annotations",
            f"no file name ({FILEPATH} or {TITLE}) for a layer of type {layer.media_type[:80]!r}",
        )
    return str(safe_path(name))


def _label(layer: Descriptor) -> str:
    """Archive members have their own names; the annotation is only a label, and ``.`` or ``./model/`` are common."""
    try:
        return str(safe_path(_name(layer).rstrip("/")))
    except UnsafePath:
        return ""


def _metadata(layer: Descriptor) -> JSONObject:
    """The file metadata; nothing if it is damaged, because no file depends on it."""
    text = annotation(layer.annotations, FILE_METADATA)
    try:
        return loads_object(text.encode(), "file metadata", limit=_MAX_METADATA) if text else {}
    except (ModelPackError, UnicodeEncodeError):
        return {}


def _mtime(text: object) -> int | None:
    """RFC 3339 text, with nanoseconds, to ns since 1970."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3])
        seconds = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
    return bounded_mtime(seconds * 10**9 + int((match[2] or "0").ljust(9, "0")))

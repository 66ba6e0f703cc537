"""One entry for all formats: what a file is, by its content first and by its name only then."""

from __future__ import annotations

from pathlib import PurePosixPath

from modelpack.errors import DocumentError
from modelpack.formats.gguf import MAGIC, read_gguf
from modelpack.formats.model import ModelFile
from modelpack.formats.onnx import is_onnx, read_onnx
from modelpack.formats.pytorch import is_pickle, read_archive, read_pickle
from modelpack.formats.safetensors import is_safetensors, read_safetensors
from modelpack.formats.source import CHUNK, ByteSource, Cursor, read_exactly
from modelpack.formats.zipfiles import ZIP_MAGIC

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

_FORMATS = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".pt": "pt",
    ".pth": "pt",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "pickle",
    ".dill": "pickle",
}


def read_header(source: ByteSource, name: str) -> ModelFile | None:
    """Read what a model file says about itself, without its weights; None if it is no model file that we know.

    ``name`` is the file's name, with or without folders. At first 64 KiB are read, then what more of the header there is.
    Raises DocumentError if a file of a known format, by content or by name, is malformed, and whatever the source raises.
    """
    document = name if name.isprintable() and len(name) <= 200 else repr(name[:200])
    named = _FORMATS.get(PurePosixPath(name).suffix.lower(), "")
    head = read_exactly(source, 0, min(CHUNK, source.size), document)
    cursor = Cursor(source, document, head)
    found = _read_by_content(cursor, head, named) or _read_by_name(cursor, head, named)
    if found is None or not named or found.format == named:
        return found
    warning = f"the name is that of a {named} file, the content that of a {found.format} file"
    return ModelFile(found.format, found.tensors, found.metadata, found.quantization, (*found.warnings, warning))


def _read_by_content(cursor: Cursor, head: bytes, named: str) -> ModelFile | None:
    if head.startswith(MAGIC):
        return read_gguf(cursor)
    if is_safetensors(head):
        return read_safetensors(cursor)
    if is_pickle(head):
        return read_pickle(head, named_pytorch=named == "pt")
    if head.startswith(ZIP_MAGIC):
        return _read_archive(cursor, named)
    return None


def _read_archive(cursor: Cursor, named: str) -> ModelFile | None:
    """A damaged archive matters only if it claims to be a model."""
    try:
        return read_archive(cursor)
    except DocumentError:
        if named:
            raise
        return None


def _read_by_name(cursor: Cursor, head: bytes, named: str) -> ModelFile | None:
    if not named:
        return None
    if head.startswith(_LFS_POINTER):
        raise DocumentError(
            cursor.document, "", "a Git LFS pointer instead of the file", hint="run `git lfs pull` to fetch the content"
        )
    if named == "safetensors":
        return read_safetensors(cursor)
    if named == "gguf":
        return read_gguf(cursor)
    if named == "onnx":
        if not is_onnx(head):
            cursor.fail("it does not begin as an ONNX model does")
        return read_onnx(cursor)
    return ModelFile(named, metadata={"container": "unknown"}, warnings=(_UNMARKED,))


_UNMARKED = "its name says pickle, but it has no mark: it may be of protocol 0 or 1, compressed, or something else"

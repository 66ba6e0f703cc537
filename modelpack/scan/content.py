"""What content is, by its first bytes, and who looks at it. Names are hints: a pickle is one whatever its name."""

from __future__ import annotations

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.formats.gguf import MAGIC as GGUF_MAGIC
from modelpack.formats.onnx import is_onnx
from modelpack.formats.pytorch import is_pickle
from modelpack.formats.safetensors import is_safetensors
from modelpack.formats.zipfiles import END_MAGIC, ZIP_MAGIC
from modelpack.scan.containers import (
    compression_of,
    is_tar,
    scan_appended_zip,
    scan_compressed,
    scan_tar,
    scan_zip,
)
from modelpack.scan.documents import (
    HDF5_MAGIC,
    program_kind,
    scan_gguf,
    scan_hdf5,
    scan_json,
    scan_keras,
    scan_onnx,
    scan_safetensors,
    scan_saved_model,
    scan_template,
)
from modelpack.scan.findings import Finding
from modelpack.scan.looking import Budget, Limits, Look, TooMuch
from modelpack.scan.pickles import NPY_MAGIC, scan_npy, scan_pickles

_HEAD = 64 << 10
_MAX_TEMPLATE = 4 << 20
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PICKLE_NAMES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".jit")
_SAFE_NAMES = {".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx"}
_TEXT_NAMES = (
    ".txt",
    ".md",
    ".json",
    ".jinja",
    ".yaml",
    ".yml",
    ".py",
    ".csv",
    ".tsv",
    ".html",
    ".rst",
    ".xml",
    ".svg",
)
_NOT_LOOKED_INTO = (".engine", ".plan", ".mlmodelc", ".tflite.enc")
_LIMITS = Limits()


def scan_file(source: ByteSource, path: str, *, limits: Limits = _LIMITS) -> tuple[Finding, ...]:
    """Look at one file, and at what is inside of it. Raises only what the source raises.

    ``path`` is the name under which it is reported, and a hint.
    """
    return tuple(look_at(source, path, limits).findings)


def look_at(source: ByteSource, path: str, limits: Limits = _LIMITS) -> Look:
    """The same; also tells what the file is."""
    look = Look(path, limits, scan_content, Budget.of(limits))
    scan_content(look, source, path)
    return look


def scan_content(look: Look, source: ByteSource, name: str) -> None:
    """Look at content. What is damaged or takes too much is a finding."""
    try:
        head = source.read_at(0, _HEAD)
        _scan(look, source, head, name.lower())
        if not head.startswith((ZIP_MAGIC, END_MAGIC)):
            scan_appended_zip(look, source)
        _check_name(look, name.lower())
    except TooMuch as error:
        look.report("SCAN-LIMIT", error.reason)
    except DocumentError as error:
        look.report("SCAN-BROKEN", f"{error.document}: {error.reason}")


def _scan(look: Look, source: ByteSource, head: bytes, name: str) -> None:
    code, what = program_kind(head, source.size, name)
    if code:
        look.format = "program"
        if not (look.torchscript and "code/" in name):  # told once for the archive
            look.report(code, what)
    elif head.startswith(_LFS_POINTER):
        look.format = "pointer"
        look.report("SCAN-POINTER", "a Git LFS pointer instead of the content")
    elif not (_scan_marked(look, source, head) or _scan_named(look, source, head, name)):
        _scan_unmarked(look, source, name)


def _scan_marked(look: Look, source: ByteSource, head: bytes) -> bool:
    """Content with a mark at its begin."""
    if head.startswith((ZIP_MAGIC, END_MAGIC)):
        scan_zip(look, source)
    elif head.startswith(GGUF_MAGIC):
        scan_gguf(look, source)
    elif head.startswith(NPY_MAGIC):
        scan_npy(look, source)
    elif head.startswith(HDF5_MAGIC):
        scan_hdf5(look, source)
    elif is_tar(head):
        scan_tar(look, source)
    elif is_pickle(head):
        scan_pickles(look, source, certain=True)
    else:
        codec = compression_of(head)
        return bool(codec) and scan_compressed(look, source, codec)
    return True


def _scan_named(look: Look, source: ByteSource, head: bytes, name: str) -> bool:
    """Content without a mark, where a name or a vague mark says what it is."""
    if name.endswith(".safetensors") or (is_safetensors(head) and not name.endswith(_TEXT_NAMES)):
        scan_safetensors(look, source)
    elif name.endswith(".onnx") and is_onnx(head):
        scan_onnx(look, source)
    elif name.endswith(".pb"):
        scan_saved_model(look, source)
    elif name.endswith(".json"):
        _scan_configuration(look, source, name)
    elif name.endswith((".jinja", ".jinja2", ".j2")):
        look.format = "template"
        scan_template(look, source.read_at(0, _MAX_TEMPLATE).decode("utf-8", "replace"), "")
    else:
        return False
    return True


def _scan_configuration(look: Look, source: ByteSource, name: str) -> None:
    in_keras = look.path.lower().endswith(".keras") and look.depth > 0
    if in_keras and name.rpartition("/")[2] == "config.json":
        scan_keras(look, source)
    else:
        scan_json(look, source, name)


def _scan_unmarked(look: Look, source: ByteSource, name: str) -> None:
    """Whatever is left is tried as a pickle: protocols 0 and 1 have no mark."""
    named = name.endswith(_PICKLE_NAMES)
    if scan_pickles(look, source, certain=named):
        return
    if name.endswith(_NOT_LOOKED_INTO) or (name.endswith((".h5", ".keras")) and source.size):
        look.report("SCAN-UNCHECKED", "not the content that the name promises, and nothing that can be looked into")


def _check_name(look: Look, name: str) -> None:
    """A format that is safe by design must not turn out to be another one."""
    expected = next((kind for ending, kind in _SAFE_NAMES.items() if name.endswith(ending)), "")
    if expected and look.format not in (expected, "pointer"):
        look.report(
            "SCAN-MISMATCH", f"the name is that of a {expected} file, the content is something else ({look.format})"
        )

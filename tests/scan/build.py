"""Builders of small files, good and bad. What is hostile is assembled here from opcodes and headers, and never committed."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

from modelpack.scan import Finding, Limits, scan_file
from modelpack.scan.sources import Data

BENIGN = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s."
"""``{"a": 1}``"""


def scan(data: bytes, name: str = "model.bin", limits: Limits | None = None) -> tuple[Finding, ...]:
    return scan_file(Data(data), name, limits=limits or Limits())


def codes(data: bytes, name: str = "model.bin", limits: Limits | None = None) -> set[str]:
    return {found.code for found in scan(data, name, limits)}


# pickles


def named(module: str | bytes, name: str | bytes) -> bytes:
    """GLOBAL."""
    return b"c" + b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in (module, name))


def word(text: str) -> bytes:
    """SHORT_BINUNICODE."""
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data


def stacked(module: str, name: str) -> bytes:
    """STACK_GLOBAL."""
    return word(module) + word(name) + b"\x93"


def called(what: bytes, *arguments: bytes, stop: bytes = b".") -> bytes:
    """A pickle that calls ``what``."""
    return what + b"(" + b"".join(arguments) + b"tR" + stop


EVIL = b"\x80\x04" + called(stacked("os", "system"), word("id"))


# archives


def zipped(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def torch_zip(pickle: bytes, **more: bytes) -> bytes:
    return zipped({"archive/data.pkl": pickle, "archive/data/0": bytes(64), "archive/version": b"3\n", **more})


def tarred(
    files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT, links: Mapping[str, tuple[bytes, str]] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, (kind, target) in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return buffer.getvalue()


# arrays


def npy(descr: str, content: bytes, *, version: int = 1, shape: str = "(1,)") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return (
        b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + content
    )


def wrapper(shape: bytes, dtype: str, *, alignment: bool = True) -> bytes:
    """The begin of what joblib pickles for an array, up to the BUILD after which its bytes stand."""
    kind = named("numpy", "dtype") + b"(" + word(dtype) + b"\x89\x88tR"
    members = word("shape") + shape + word("order") + word("C") + word("dtype") + kind
    if alignment:
        members += word("numpy_array_alignment_bytes") + b"K\x10"
    made = named("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81"
    return made + b"}(" + word("subclass") + named("numpy", "ndarray") + members + b"ub"


def legacy_torch(*pickles: bytes, raw: bytes = b"") -> bytes:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return magic + b"\x80\x02M\xe9\x03." + b"".join(pickles) + raw


# documents


def keras(config: object) -> bytes:
    return zipped(
        {"config.json": json.dumps(config).encode(), "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}
    )

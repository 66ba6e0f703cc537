"""Files of all formats with something unsafe in them: name of the file to bytes and the code that must be found."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import tarfile
import zipfile
import zlib

from tests.formats import build as made
from tests.formats.build import info, message, number, safetensors
from tests.scan.build import BENIGN, EVIL, keras, named, npy, tarred, torch_zip, zipped

SYSTEM, POLYGLOT, MISMATCH = "SCAN-PICKLE-SYSTEM", "SCAN-POLYGLOT", "SCAN-ZIP-MISMATCH"


def padded(header: object, data: bytes) -> bytes:
    """A safetensors file whose tensors begin at a multiple of 8."""
    text = json.dumps(header).encode()
    return safetensors(text + b" " * (-len(text) % 8), data)


GOOD = torch_zip(BENIGN)
BAD = torch_zip(EVIL)
WEIGHTS = padded({"a": info("U8", [8], 0, 8)}, bytes(8))
GGUF = made.gguf((made.pair("general.name", 8, made.text("x")),), (made.tensor("t", (32,), 0, 0),), bytes(128))


def onnx(*initializers: bytes, domain: str = "") -> bytes:
    opset = message(8, message(1, domain.encode()), number(2, 17))
    return number(1, 8) + opset + message(7, message(2, b"graph"), *initializers)


def external(location: str) -> bytes:
    entry = message(13, message(1, b"location"), message(2, location.encode()))
    return message(5, number(1, 4), number(2, 1), message(8, b"w"), entry, number(14, 1))


def patched(data: bytes, where: bytes, offset: int, packing: str, *values: int, last: bool = True) -> bytes:
    """Other numbers at an offset from the first or last place of some bytes."""
    found = (data.rindex if last else data.index)(where)
    changed = bytearray(data)
    struct.pack_into(packing, changed, found + offset, *values)
    return bytes(changed)


def hidden() -> bytes:
    """Bytes between the last file and the directory."""
    end = GOOD.rindex(b"PK\x05\x06")
    begin = struct.unpack_from("<L", GOOD, end + 16)[0]
    data = GOOD[:begin] + b"secret" * 10 + GOOD[begin:]
    return patched(data, b"PK\x05\x06", 16, "<L", begin + 60)


def renamed() -> bytes:
    """Another name in the local header than in the directory."""
    return GOOD.replace(b"archive/data.pkl", b"archive/evil.pkl", 1)


def wrapped(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data


def graph(*operators: str) -> bytes:
    nodes = (message(1, message(1, b"n"), message(2, name.encode())) for name in operators)
    return message(2, message(2, *nodes))


def template(text: str) -> bytes:
    return json.dumps({"chat_template": text}).encode()


LAMBDA = {
    "class_name": "Functional",
    "config": {"layers": [{"class_name": "Lambda", "module": "keras.layers", "config": {}}]},
}
FOREIGN = {"class_name": "Dense", "module": "keras.layers", "config": {"f": {"class_name": "system", "module": "os"}}}
UTILITY = {"class_name": "function", "module": "keras.utils", "config": "get_file"}
CUSTOM = {"class_name": "Mine", "module": None, "registered_name": "pkg>Mine"}

CONTAINERS: dict[str, tuple[str, bytes, str]] = {
    "torch": ("model.pt", BAD, SYSTEM),
    "torch under another name": ("weights.dat", BAD, SYSTEM),
    "deflated": ("model.pt", zipped({"a/data.pkl": EVIL}, zipfile.ZIP_DEFLATED), SYSTEM),
    "bzip2 in zip": ("model.pt", zipped({"a/data.pkl": EVIL}, zipfile.ZIP_BZIP2), SYSTEM),
    "lzma in zip": ("model.pt", zipped({"a/data.pkl": EVIL}, zipfile.ZIP_LZMA), "SCAN-UNCHECKED"),
    "zip in zip": ("model.zip", zipped({"inner.zip": BAD}), SYSTEM),
    "pickle among the storages": ("model.pt", torch_zip(BENIGN, **{"archive/data/1": EVIL}), SYSTEM),
    "other pickle in TorchScript": ("m.pt", torch_zip(BENIGN, **{"archive/constants.pkl": EVIL}), SYSTEM),
    "TorchScript": (
        "m.pt",
        torch_zip(b"\x80\x02" + named("__torch__.m", "M") + b")\x81.", **{"archive/constants.pkl": b"\x80\x02)."}),
        "SCAN-TORCHSCRIPT",
    ),
    "tar": ("model.tar", tarred({"pickle": EVIL, "storages": b"\x80\x02K\x00."}), SYSTEM),
    "tar, GNU long name": ("model.tar", tarred({"x" * 150 + "/pickle": EVIL}, tarfile.GNU_FORMAT), SYSTEM),
    "tar, pax long name": ("model.tar", tarred({"x" * 150 + "/pickle": EVIL}), SYSTEM),
    "tar.gz": ("model.tar.gz", gzip.compress(tarred({"pickle": EVIL}), mtime=0), SYSTEM),
    "gzip": ("model.pkl.gz", gzip.compress(EVIL, mtime=0), SYSTEM),
    "gzip in two parts": ("model.pkl.gz", gzip.compress(EVIL[:9], mtime=0) + gzip.compress(EVIL[9:], mtime=0), SYSTEM),
    "bzip2": ("model.joblib", bz2.compress(EVIL), SYSTEM),
    "xz": ("model.joblib", lzma.compress(EVIL), SYSTEM),
    "lzma": ("model.joblib", lzma.compress(EVIL, lzma.FORMAT_ALONE), SYSTEM),
    "zlib": ("model.joblib", zlib.compress(EVIL), SYSTEM),
    "zlib, fastest": ("model.joblib", zlib.compress(EVIL, 1), SYSTEM),
    "gzip in xz in bzip2": ("model", bz2.compress(lzma.compress(gzip.compress(EVIL, mtime=0))), SYSTEM),
    "array of objects": ("a.npy", npy("'|O'", EVIL), SYSTEM),
    "array of objects, version 2": ("a.npy", npy("'|O'", EVIL, version=2), SYSTEM),
    "array of structures with objects": ("a.npy", npy("[('a', '<f8'), ('b', '|O', (2,))]", EVIL), SYSTEM),
    "npz": ("a.npz", zipped({"a.npy": npy("'|O'", EVIL)}, zipfile.ZIP_DEFLATED), SYSTEM),
    "lz4": ("model.joblib", b"\x04\x22\x4d\x18" + bytes(20), "SCAN-UNCHECKED"),
    "zstd": ("model.pkl.zst", b"\x28\xb5\x2f\xfd" + bytes(20), "SCAN-UNCHECKED"),
    "7z": ("model.7z", b"7z\xbc\xaf\x27\x1c" + bytes(20), "SCAN-UNCHECKED"),
    "gzip, cut": ("model.pkl.gz", gzip.compress(bytes(100_000), mtime=0)[:-20], "SCAN-BROKEN"),
    "gzip, damaged": ("model.pkl.gz", gzip.compress(BENIGN)[:12] + b"\xff" * 30, "SCAN-BROKEN"),
    "gzip with a tail": ("model.pkl.gz", gzip.compress(BENIGN) + b"tail", POLYGLOT),
    "too deep": ("model", wrapped(EVIL, 9), "SCAN-LIMIT"),
    "array header of nonsense": ("a.npy", npy("[['", b""), "SCAN-BROKEN"),
    "array header without a type": ("a.npy", npy("0, 'x': 1", b"").replace(b"'descr'", b"'desce'"), "SCAN-BROKEN"),
    "array of the future": ("a.npy", b"\x93NUMPY\x09\x00" + bytes(60), "SCAN-BROKEN"),
}

POLYGLOTS: dict[str, tuple[str, bytes, str]] = {
    "bytes before a zip": ("model.pt", b"PK\x03\x04" + bytes(96) + GOOD, POLYGLOT),
    "bytes after a zip": ("model.pt", GOOD + b"tail", POLYGLOT),
    "zip after a zip": ("model.pt", GOOD + BAD, POLYGLOT),
    "zip after a pickle": ("model.pkl", BENIGN + BAD, POLYGLOT),
    "its content too": ("model.pkl", BENIGN + BAD, SYSTEM),
    "pickle before a zip": ("model.pkl", EVIL + GOOD, SYSTEM),
    "zip after safetensors": ("m.safetensors", WEIGHTS + BAD, POLYGLOT),
    "its content": ("m.safetensors", WEIGHTS + BAD, SYSTEM),
    "safetensors says so itself": ("m.safetensors", WEIGHTS + BAD, "SCAN-SAFETENSORS"),
    "zip after GGUF": ("m.gguf", GGUF + BAD, SYSTEM),
    "zip after ONNX": ("m.onnx", onnx() + BAD, SYSTEM),
    "TorchScript after text": ("notes.txt", b"hello" + torch_zip(b"N.", **{"archive/constants.pkl": EVIL}), SYSTEM),
    "bytes after a pickle": ("model.pkl", BENIGN + b"<html>", "SCAN-PICKLE-TRAILING"),
    "bytes after a tar": ("model.tar", tarred({"a": b"b"}) + b"#!/bin/sh\n", POLYGLOT),
    "another name before the file": ("model.pt", renamed(), MISMATCH),
    "another method before the file": ("model.pt", patched(GOOD, b"PK\x03\x04", 8, "<H", 8), MISMATCH),
    "another size before the file": ("model.pt", patched(GOOD, b"PK\x03\x04", 22, "<L", 3), MISMATCH),
    "another checksum before the file": ("model.pt", patched(GOOD, b"PK\x03\x04", 14, "<L", 1), MISMATCH),
    "another size in the directory": ("model.pt", patched(GOOD, b"PK\x01\x02", 24, "<L", 3), MISMATCH),
    "more comes out": (
        "model.zip",
        patched(zipped({"a": bytes(99)}, zipfile.ZIP_DEFLATED), b"PK\x01\x02", 24, "<L", 3),
        MISMATCH,
    ),
    "overlapping files": ("model.pt", patched(GOOD, b"PK\x01\x02", 42, "<L", 0), MISMATCH),
    "hidden bytes": ("model.pt", hidden(), "SCAN-ZIP-HIDDEN"),
    "encrypted": ("model.pt", patched(GOOD, b"PK\x01\x02", 8, "<H", 1), "SCAN-ENCRYPTED"),
    "no file there": ("model.pt", patched(GOOD, b"PK\x01\x02", 42, "<L", 1 << 30), "SCAN-BROKEN"),
    "file too long": ("model.pt", patched(GOOD, b"PK\x01\x02", 20, "<LL", 1 << 30, 1 << 30), "SCAN-BROKEN"),
    "no directory": ("model.pt", GOOD[:100], "SCAN-BROKEN"),
    "leads out": ("model.zip", zipped({"../../x": b"y"}), "SCAN-ARCHIVE-PATH"),
    "leads out of a tar": ("model.tar", tarred({"../x": b"y"}), "SCAN-ARCHIVE-PATH"),
    "link out of a tar": ("model.tar", tarred({}, links={"a": (tarfile.SYMTYPE, "/etc/passwd")}), "SCAN-ARCHIVE-PATH"),
    "hard link out of a tar": ("model.tar", tarred({}, links={"a": (tarfile.LNKTYPE, "../b")}), "SCAN-ARCHIVE-PATH"),
    "device in a tar": ("model.tar", tarred({}, links={"a": (tarfile.CHRTYPE, "")}), "SCAN-UNCHECKED"),
    "tar, cut": ("model.tar", tarred({"a": bytes(2000)})[:1024], "SCAN-BROKEN"),
    "pickle called safetensors": ("m.safetensors", EVIL, "SCAN-MISMATCH"),
    "zip called GGUF": ("m.gguf", BAD, "SCAN-MISMATCH"),
    "pickle called text": ("notes.txt", b"cos\nsystem\n(S'id'\ntR.", SYSTEM),
}

DOCUMENTS: dict[str, tuple[str, bytes, str]] = {
    "duplicate tensor": (
        "m.safetensors",
        safetensors(
            b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
            b"x",
        ),
        "SCAN-SAFETENSORS",
    ),
    "overlap": (
        "m.safetensors",
        safetensors({"a": info("U8", [2], 0, 2), "b": info("U8", [2], 1, 3)}, b"xyz"),
        "SCAN-SAFETENSORS",
    ),
    "hole": ("m.safetensors", safetensors({"a": info("U8", [1], 1, 2)}, b"xy"), "SCAN-SAFETENSORS"),
    "trailing": ("m.safetensors", WEIGHTS + b"x", "SCAN-SAFETENSORS"),
    "padding": (
        "m.safetensors",
        safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}\n', b"x"),
        "SCAN-SAFETENSORS",
    ),
    "huge header": ("m.safetensors", struct.pack("<Q", 1 << 63) + b"{}", "SCAN-SAFETENSORS"),
    "path as a tensor's name": (
        "m.safetensors",
        safetensors({"../../a": info("U8", [1], 0, 1)}, b"x"),
        "SCAN-TENSOR-NAME",
    ),
    "GGUF with too many tensors": ("m.gguf", made.gguf(counts=(1 << 40, 0)), "SCAN-GGUF"),
    "GGUF with overlaps": (
        "m.gguf",
        made.gguf((), (made.tensor("a", (32,), 0, 0), made.tensor("b", (32,), 0, 32)), bytes(256)),
        "SCAN-GGUF",
    ),
    "GGUF with a type that is none": ("m.gguf", made.gguf((made.pair("a", 99, b""),)), "SCAN-GGUF"),
    "GGUF template": (
        "m.gguf",
        made.gguf((made.pair("tokenizer.chat_template", 8, made.text("{{ ''.__class__ }}")),)),
        "SCAN-TEMPLATE-UNSAFE",
    ),
    "GGUF template by name": (
        "m.gguf",
        made.gguf((made.pair("tokenizer.chat_template.tool_use", 8, made.text("{{ lipsum() }}")),)),
        "SCAN-TEMPLATE-UNSAFE",
    ),
    "GGUF template of 2 MiB": (
        "m.gguf",
        made.gguf((made.pair("tokenizer.chat_template", 8, made.text("x" * (2 << 20))),)),
        "SCAN-TEMPLATE-SIZE",
    ),
    "ONNX reads /etc": ("m.onnx", onnx(external("/etc/passwd")), "SCAN-ONNX-EXTERNAL"),
    "ONNX reads above": ("m.onnx", onnx(external("a/../../b")), "SCAN-ONNX-EXTERNAL"),
    "ONNX with a backslash": ("m.onnx", onnx(external("..\\b")), "SCAN-ONNX-EXTERNAL"),
    "ONNX with a drive": ("m.onnx", onnx(external("C:b")), "SCAN-ONNX-EXTERNAL"),
    "ONNX with others' operators": ("m.onnx", onnx(domain="com.example"), "SCAN-ONNX-DOMAIN"),
    "ONNX, malformed": ("m.onnx", number(1, 8) + message(7) + b"\x3a\xff", "SCAN-ONNX"),
    "Keras Lambda": ("m.keras", keras(LAMBDA), "SCAN-KERAS-LAMBDA"),
    "Keras module": ("m.keras", keras(FOREIGN), "SCAN-KERAS-MODULE"),
    "Keras utility": ("m.keras", keras(UTILITY), "SCAN-KERAS-MODULE"),
    "Keras custom class": ("m.keras", keras(CUSTOM), "SCAN-KERAS-CUSTOM"),
    "Keras, no JSON": ("m.keras", zipped({"config.json": b"{"}), "SCAN-BROKEN"),
    "Keras that is no archive": ("m.keras", b"something else", "SCAN-UNCHECKED"),
    "HDF5 Lambda": ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(5 << 20) + b'{"class_name": "Lambda"}', "SCAN-KERAS-LAMBDA"),
    "HDF5 Lambda at a seam": (
        "m.h5",
        (b"\x89HDF\r\n\x1a\n" + bytes((4 << 20) - 20)) + b'"class_name":"Lambda"',
        "SCAN-KERAS-LAMBDA",
    ),
    "HDF5 module": ("m.h5", b"\x89HDF\r\n\x1a\n" + b'"module": "os"', "SCAN-KERAS-MODULE"),
    "HDF5 without its mark": ("m.h5", bytes(100), "SCAN-UNCHECKED"),
    "SavedModel WriteFile": ("saved_model.pb", graph("Const", "WriteFile"), "SCAN-SAVEDMODEL-OP"),
    "SavedModel ReadFile": ("saved_model.pb", graph("ReadFile"), "SCAN-SAVEDMODEL-OP"),
    "SavedModel PyFunc": ("saved_model.pb", graph("EagerPyFunc"), "SCAN-SAVEDMODEL-OP"),
    "auto_map": ("config.json", json.dumps({"auto_map": {"AutoModel": "modeling.Mine"}}).encode(), "SCAN-AUTO-MAP"),
    "auto_map of another repository": (
        "tokenizer_config.json",
        b'{"auto_map": {"AutoTokenizer": ["a/b--tok.T", null]}}',
        "SCAN-AUTO-MAP",
    ),
    "custom pipeline": ("config.json", b'{"custom_pipelines": {"x": {"impl": "x.X"}}}', "SCAN-AUTO-MAP"),
    "module type": ("modules.json", b'[{"idx": 0, "type": "custom_st.Transformer"}]', "SCAN-AUTO-MAP"),
    "configuration with a key twice": ("config.json", b'{"auto_map": {}, "auto_map": {}}', "SCAN-BROKEN"),
    "Python": ("modeling.py", b"import os\n", "SCAN-PYTHON"),
    "ELF": ("model.bin", b"\x7fELF\x02\x01\x01" + bytes(60), "SCAN-NATIVE"),
    "PE": ("model.bin", b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\x00\x00", "SCAN-NATIVE"),
    "Mach-O": ("model.bin", b"\xcf\xfa\xed\xfe" + bytes(60), "SCAN-NATIVE"),
    "universal Mach-O": ("model.bin", b"\xca\xfe\xba\xbe" + bytes(60), "SCAN-NATIVE"),
    "WebAssembly": ("model.bin", b"\x00asm\x01\x00\x00\x00", "SCAN-NATIVE"),
    "shell script": ("run", b"#!/bin/sh\nrm -rf /\n", "SCAN-SCRIPT"),
    "batch file": ("run.bat", b"del *.*\n", "SCAN-SCRIPT"),
    "program in an archive": ("model.zip", zipped({"lib.so": b"\x7fELF" + bytes(60)}), "SCAN-NATIVE"),
    "Git LFS pointer": ("model.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "SCAN-POINTER"),
    "TensorRT": ("model.engine", b"ftrt" + bytes(100), "SCAN-UNCHECKED"),
}

UNSAFE_TEMPLATES = {
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals of a function": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "cycler": "{{ cycler.__init__ }}",
    "only the function": "{% set f = lipsum %}",
    "joiner": "{{ joiner }}",
    "self": "{{ self._TemplateReference__context }}",
    "attr": "{{ ''|attr('x') }}",
    "attr with a computed name": "{{ ''|attr(['_']*2|join) }}",
    "map with an attribute": "{{ messages|map(attribute='__class__')|list }}",
    "map with attr": "{{ [x]|map('attr', 'y')|list }}",
    "map with a computed attribute": "{{ messages|map(attribute=x)|list }}",
    "selectattr": "{{ messages|selectattr('a.__b')|list }}",
    "subscript": "{{ x['__class__'] }}",
    "joined subscript": "{{ x['__cla' ~ 'ss__'] }}",
    "added subscript": "{{ x['_' + '_class'] }}",
    "filtered subscript": "{{ x['ssalc'|reverse] }}",
    "formatted subscript": "{{ x['%s%s' % (a, b)] }}",
    "text in a variable": "{% set a = '__globals__' %}{{ x[a] }}",
    "format string": "{{ '{0.__class__}'.format(x) }}",
    "format with a dot": "{{ '{0.a}'.format(x) }}",
    "format of a variable": "{{ a.format(x) }}",
    "format_map": "{{ a.format_map(x) }}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "from import": "{% from 'x' import y %}",
    "extends": "{% extends 'x' %}",
    "request": "{{ request.application }}",
    "config": "{{ config.items() }}",
    "url_for": "{{ url_for('x') }}",
    "underscore name": "{{ _x }}",
    "in a block of transformers": "{% generation %}{{ x.__class__ }}{% endgeneration %}",
    "in a macro": "{% macro m(a) %}{{ a.__class__ }}{% endmacro %}",
}

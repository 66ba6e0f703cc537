"""Files that are as they should be: name of the file to bytes. Made by the real writers where these are at hand."""

from __future__ import annotations

import argparse
import bz2
import collections
import datetime
import decimal
import fractions
import gzip
import io
import json
import lzma
import pathlib
import pickle
import struct
import tarfile
import types
import uuid
import wave
import zipfile
import zlib

from tests.formats import build as made
from tests.formats.build import info
from tests.scan.build import BENIGN, keras, legacy_torch, named, npy, tarred, torch_zip, word, wrapper, zipped
from tests.scan.hostile_files import GGUF, WEIGHTS, graph, onnx, padded, template

VALUES = {
    "plain": {
        "a": [1, -2, 1 << 70, 2.5, None, True, "text\n", b"bytes", (1,), {1}, frozenset({2}), bytearray(b"x"), 1j]
    },
    "nested": [[[[{"a": {"b": ("c",) * 20}}]]]],
    "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=2)),
    "counted": collections.Counter("abcabc"),
    "default": collections.defaultdict(list, {"a": [1]}),
    "queue": collections.deque([1, 2], maxlen=4),
    "times": [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 1), datetime.timedelta(1)],
    "numbers": [decimal.Decimal("1.5"), fractions.Fraction(1, 3), range(3), slice(1, 2, 3)],
    "names": [uuid.UUID(int=1), pathlib.PurePosixPath("a/b"), argparse.Namespace(lr=0.1), types.SimpleNamespace(a=1)],
    "many": list(range(3000)) + [str(number) for number in range(3000)],
    "long": "x" * 100_000,
    "shared": [text := "shared", text, text],
}
PICKLES = {
    f"{name}-{protocol}.pkl": pickle.dumps(value, protocol)
    for name, value in VALUES.items()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


def tensor(number: int, storage: str = "FloatStorage") -> bytes:
    """One tensor as ``torch.save`` writes it: its storage is a persistent id."""
    persistent = (
        b"(" + b"X\x07\x00\x00\x00storage" + named("torch", storage) + word(str(number)) + word("cpu") + b"K\x10tQ"
    )
    size = b"K\x00K\x04K\x04\x86K\x04K\x01\x86\x89" + named("collections", "OrderedDict") + b")R"
    return named("torch._utils", "_rebuild_tensor_v2") + b"(" + persistent + size + b"tR"


STATE_DICT = (
    b"\x80\x02"
    + named("collections", "OrderedDict")
    + b")R("
    + word("weight")
    + tensor(0)
    + word("bias")
    + named("torch._utils", "_rebuild_parameter")
    + tensor(1)
    + b"\x88"
    + named("collections", "OrderedDict")
    + b")R\x87R"
    + b"u}"
    + word("_metadata")
    + b"Nsb."
)
OPTIMIZER = (
    b"\x80\x02}("
    + word("state")
    + b"}K\x00}("
    + word("step")
    + tensor(0)
    + word("dtype")
    + named("torch", "float32")
    + word("best")
    + named("numpy.core.multiarray", "scalar")
    + named("numpy", "dtype")
    + b"(U\x02f8K\x00K\x01tRU\x08"
    + bytes(8)
    + b"\x86Rus"
    + word("param_groups")
    + b"]u."
)
TORCHSCRIPT = torch_zip(
    b"\x80\x02" + named("__torch__.torch.nn.___torch_mangle_3", "Linear") + b")\x81}(" + word("training") + b"\x89ub.",
    **{"archive/constants.pkl": b"\x80\x02).", "archive/code/__torch__.py": b"class Linear(Module):\n  pass\n"},
)


def saved_by_numpy(kind: str) -> bytes:
    """An archive of arrays as ``numpy.savez`` and ``savez_compressed`` write it."""
    arrays = {f"arr_{number}.npy": npy("'<f8'", bytes(80), shape="(10,)") for number in range(3)}
    return zipped(arrays, zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED)


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 40)
    return buffer.getvalue()


LLAMA_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}"
    "{% endif %}{{ bos_token }}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ '<|' + message['role'] + '|>\n' + message.content | trim }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
TOOLS_TEMPLATE = (
    "{%- macro show(tool) -%}{{ tool.function | tojson(indent=4) }}{%- endmacro -%}"
    "{%- set ns = namespace(last=messages|length - 1) -%}"
    "{%- for m in messages[::-1] -%}{%- if m.content is string and not m.content.startswith('<tool>') -%}"
    "{%- set ns.last = (messages|length - 1) - loop.index0 -%}{%- break -%}{%- endif -%}{%- endfor -%}"
    "{{- strftime_now('%d %b %Y') -}}{%- for tool in tools or [] -%}{{ show(tool) }}{%- endfor -%}"
    "{% generation %}{{ messages[ns.last + 0]['content'].split('</think>')[-1].lstrip('\\n') }}{% endgeneration %}"
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | join(' <__sep__> ') }}"
    "{{ '{}: {}'.format(a, b) }}{{ '%s' | format(c) }}{% do x.append(1) %}{% for config in configs %}{{ config.x }}{% endfor %}"
)

SEQUENTIAL = {
    "class_name": "Sequential",
    "module": "keras",
    "registered_name": None,
    "config": {
        "dtype": {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": "float32"},
            "registered_name": None,
        },
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "config": {"activation": "relu"},
                "registered_name": None,
            },
            {"module": "keras.src.layers.core.dense", "class_name": "Dense", "config": {}},
            {"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "function"},
        ],
    },
    "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {}}},
}

FILES: dict[str, bytes] = {
    **PICKLES,
    "state_dict.pt": torch_zip(STATE_DICT),
    "optimizer.pt": torch_zip(OPTIMIZER),
    "in a deflated zip.pt": zipped({"a/data.pkl": STATE_DICT}, zipfile.ZIP_DEFLATED),
    "old.pth": legacy_torch(
        b"\x80\x02}.", STATE_DICT, b"\x80\x02]q\x00X\x01\x00\x00\x000q\x01a.", raw=bytes(range(256)) * 4
    ),
    "two.pkl": BENIGN * 2,
    "array.joblib": b"\x80\x04\x95\x02"
    + bytes(7)
    + b"("
    + wrapper(b"K\x02K\x02\x86", "f8")
    + b"\x05xxxxx"
    + bytes(32)
    + b"t.",
    "texts.joblib": b"\x80\x04(" + wrapper(b"K\x02\x85", "U5") + b"\x00" + bytes(40) + b"t.",
    "objects.joblib": b"\x80\x04(" + wrapper(b"K\x02\x85", "O8") + BENIGN + b"t.",
    "compressed.joblib": zlib.compress(b"\x80\x04(" + wrapper(b"K\x20\x85", "i4") + b"\x00" + bytes(128) + b"t."),
    "model.pkl.gz": gzip.compress(BENIGN),
    "model.pkl.bz2": bz2.compress(BENIGN),
    "model.pkl.xz": lzma.compress(BENIGN),
    "model.pkl.lzma": lzma.compress(BENIGN, lzma.FORMAT_ALONE),
    "large.gz": gzip.compress(bytes(5 << 20)),
    "model.tar": tarred({"a": b"b", "long/" * 30 + "c": b"d"}),
    "gnu.tar": tarred(
        {"long/" * 30 + "c": b"d"}, tarfile.GNU_FORMAT, links={"l": (tarfile.SYMTYPE, "a"), "d": (tarfile.DIRTYPE, "")}
    ),
    "array.npy": npy("'<f8'", bytes(8)),
    "structure.npy": npy("[('a', '<f8'), ('b', '<i4', (2,))]", bytes(16)),
    "objects.npy": npy("'|O'", BENIGN, version=3),
    "plain.npz": saved_by_numpy("plain"),
    "compressed.npz": saved_by_numpy("compressed"),
    "empty.zip": zipped({}),
    "folder.zip": zipped({"folder/": b"", "folder/file": b"x"}),
    "model.safetensors": WEIGHTS,
    "unnamed weights": padded({"a": info("F32", [2], 0, 8)}, bytes(8)),
    "model.gguf": GGUF,
    "template.gguf": made.gguf((made.pair("tokenizer.chat_template", 8, made.text(LLAMA_TEMPLATE)),)),
    "model.onnx": onnx(),
    "model.keras": keras(SEQUENTIAL),
    "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(100) + json.dumps(SEQUENTIAL).encode(),
    "saved_model.pb": graph("Const", "MatMul", "SaveV2", "RestoreV2", "PyFunction", "StatefulPartitionedCall"),
    "config.json": b'{"architectures": ["BertModel"], "auto_map": {}}',
    "tokenizer_config.json": template(LLAMA_TEMPLATE),
    "chat_template.jinja": TOOLS_TEMPLATE.encode(),
    "modules.json": b'[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]',
    "tokenizer.json": b"not read",
    "vocab.txt": b"cat\nsat\nRomeo\n(in\n",
    "README.md": b"(This is about os.system)\nios\nsystem\n",
    "LICENSE": b"Copyright\nall rights\n",
    "sound.wav": sound(),
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "windows.txt": b"MZ is a magic number\n" + b"x" * 100,
    "zlib look-alike": b"x^2 + y^2\n",
    "lzma look-alike": b"\x5d\x00\x00" + bytes(40),
    "random.bin": struct.pack("<1000I", *((number * 2654435761) & 0xFFFFFFFF for number in range(1000))),
    "empty": b"",
}

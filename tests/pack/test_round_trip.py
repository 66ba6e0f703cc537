"""What was packed comes out as it was, whatever the layers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelpack.oci import Codec, Digest, Kind, ModelConfig
from modelpack.pack import Layout, execute
from modelpack.pack.planning import plan
from modelpack.store import MemoryStore
from modelpack.unpack import unpack
from tests.pack.folders import CONTENT, write

MORE = {
    "long/" + "n" * 200 + "/" + "m" * 200 + ".json": b"long",
    "模型/é ü.bin": b"unicode",
    "code": b"named as a bundle would be",
    "a'b\"c $(x).txt": b"shell",
}


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("bundle", [False, True])
def test_files_come_back(tmp_path: Path, codec: Codec, bundle: bool) -> None:
    source = write(tmp_path / "in", {**CONTENT, **MORE})
    layout = Layout(codecs=dict.fromkeys(Kind, codec), bundle=bundle)
    packed = execute(plan(source, layout=layout), MemoryStore(), ModelConfig(name="x"))
    unpack(packed.store, packed.manifest, tmp_path / "out", config=packed.config)
    names = {*CONTENT, *MORE}
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names} == {**CONTENT, **MORE}
    assert packed.files == {name: Digest.of((tmp_path / "out" / name).read_bytes()) for name in names}
    assert {name for name in names if os.access(tmp_path / "out" / name, os.X_OK)} == {"run.sh"}
    again = execute(plan(tmp_path / "out", layout=layout), MemoryStore(), ModelConfig(name="x"))
    assert again.digest == packed.digest

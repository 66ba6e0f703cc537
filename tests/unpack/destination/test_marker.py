from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import loads_object
from modelpack.paths import MARKER
from modelpack.unpack import Selection, unpack
from tests.unpack.models import put, simple


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"version":"2"}',
        b'{"version":"1","reference":"","digest":"sha256:0"}',
        b'{"version":"1","reference":"","digest":"sha256:' + b"0" * 64 + b'","files":[{"path":"../x"}]}',
        b'{"version":"1","reference":"","digest":"sha256:' + b"0" * 64 + b'","selection":{"include":[""]}}',
    ],
)
def test_a_damaged_record(text: bytes, tmp_path: Path) -> None:
    put(tmp_path / "m", {MARKER: text})
    with pytest.raises(InputError, match="is damaged"):
        unpack(*simple({"a": b"1"}), tmp_path / "m", force=True)


def test_a_record_that_is_no_file(tmp_path: Path) -> None:
    put(tmp_path, {"elsewhere": b"{}"})
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / MARKER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="not a plain file"):
        unpack(*simple({"a": b"1"}), tmp_path / "m")


def test_the_record_says_what_was_selected(tmp_path: Path) -> None:
    store, manifest = simple({"a": b"1"})
    unpack(store, manifest, tmp_path / "m", selection=Selection(include=("a",), exclude=("b",)))
    marker = loads_object((tmp_path / "m" / MARKER).read_bytes(), "marker")
    assert marker["selection"] == {"include": ["a"], "exclude": ["b"], "kinds": []}

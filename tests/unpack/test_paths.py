from __future__ import annotations

import contextlib
import re
import tarfile
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import UnsafePath
from modelpack.oci import Descriptor
from modelpack.store import MemoryStore
from modelpack.unpack import Claims, safe_path, unpack
from tests.unpack.models import archive, member, model, raw, tar

GOOD = [
    "config.json",
    "onnx/model.onnx",
    "a..b",
    "..a",
    "a..",
    "...",
    ".gitattributes",
    "with space.txt",
    " lead",
    "aux",
    "con.txt",
    "~",
    "~root/x",
    "-rf",
    "ab:c",
    "$HOME",
    "%2e%2e/x",
    "*",
    "模型/重み.bin",
    "é.txt",
    "e\u0301.txt",
    "😀.bin",
    "x" * 255,
    "/".join(["d"] * 64),
    ".modelpack.jsonl",
    "modelpack-partial",
]

HOSTILE = [
    "",
    ".",
    "./",
    "..",
    "../",
    "../x",
    "../../etc/passwd",
    "./../x",
    "././../x",
    "a/..",
    "a/../b",
    "a/../../b",
    "a/b/../../../c",
    "a/./b",
    "a//b",
    "a/",
    "a/.",
    ".//a",
    "/",
    "//",
    "/etc/passwd",
    "//server/share",
    "./" * 3 + "/etc/passwd",
    "C:",
    "c:x",
    "C:/x",
    "C:\\x",
    "z:../x",
    "..\\x",
    "a\\..\\b",
    "\\x",
    "\\\\server\\share",
    "a\\b",
    "a\0b",
    "\0",
    "a\nb",
    "a\rb",
    "a\tb",
    "\x1b[31mred",
    "a\x7f",
    "a\x85b",
    "a\x9bb",
    "\u202etxt.exe",
    "a\u2066b",
    "a\u200bb",
    "a\u200db",
    "\ufeffa",
    "a\u00adb",
    "a\u2028b",
    "a\u2029b",
    "a\u061cb",
    "a\U000e0041b",
    "x" * 256,
    "é" * 128,
    "d/" + "y" * 300,
    "a/" * 64 + "b",
    "/".join(["d" * 200] * 25),
    "x" * 5000,
    "./" * 4000 + "x",
    ".modelpack.json",
    ".MODELPACK.JSON",
    ".modelpack.json.",
    "./.modelpack.json",
    "sub/.modelpack.json",
    ".modelpack.json/x",
    ".x.modelpack-partial",
    ".x.modelpack-partial/blobs/x",
    "sub/.x.Modelpack-Partial/members/y",
    ".x.modelpack-lock",
]
SURROGATES = ["a\udcffb", "\udc2e\udc2e/x", "\ud800"]


@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay_as_they_are(name: str) -> None:
    assert str(safe_path(name)) == name


def test_a_leading_dot_is_dropped() -> None:
    assert safe_path("./a/b") == PurePosixPath("a/b")
    assert safe_path("././a") == PurePosixPath("a")


def test_there_are_enough_hostile_names() -> None:
    assert len(set(HOSTILE + SURROGATES)) >= 60


@pytest.mark.parametrize("name", HOSTILE + SURROGATES)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafePath) as caught:
        safe_path(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def check_refused(store: MemoryStore, layers: list[Descriptor], folder: Path) -> None:
    with pytest.raises(UnsafePath):
        unpack(store, model(store, *layers), folder / "a" / "b" / "model", jobs=1)
    left = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    # What was fetched before the refusal may wait in the staging folder, but under no name of the artifact's.
    staging = folder / "a" / "b" / ".model.modelpack-partial"
    assert all(path.is_relative_to(staging) for path in left)
    assert all(re.fullmatch(r"sha256-[0-9a-f]{64}|[0-9]+|record\.json", path.name) for path in left)
    assert not (folder / "a" / "b" / "model").exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_raw_layers_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    check_refused(store, [raw(store, "good.bin", b"good"), raw(store, name, b"evil")], tmp_path)


# The standard library cuts a name at NUL and at the end of a folder's slashes before it writes it.
@pytest.mark.parametrize("name", [name for name in [*HOSTILE, "a\udcffb", "\udcff/x"] if name.partition("\0")[0]])
def test_archive_members_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    data = tar([member("good.txt", b"good"), member(name.replace("\0", "\x01"), b"evil")])
    check_refused(store, [archive(store, data)], tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b", ".modelpack.json"])
def test_folders_in_archives_cannot_use_hostile_names(name: str, tmp_path: Path) -> None:
    store = MemoryStore()
    check_refused(store, [archive(store, tar([member(name, type_=tarfile.DIRTYPE)]))], tmp_path)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "./a"),
        ("README.md", "readme.MD"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
        ("\u212b", "\u00c5"),
        ("É", "e\u0301"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/b/c", "A/b"),
        ("dir/x", "DIR/y"),
        ("ﬁle", "file"),
        ("a", "a."),
        ("a ", "a"),
        ("d./x", "d/y"),
    ],
)
@pytest.mark.parametrize("codecs", ["raw raw", "raw tar", "tar raw", "tar tar", "one tar"])
def test_names_cannot_collide(first: str, second: str, codecs: str, tmp_path: Path) -> None:
    store = MemoryStore()
    if codecs == "one tar":
        layers = [archive(store, tar([member(first, b"1"), member(second, b"2")]))]
    else:
        layers = [
            raw(store, name, name.encode()) if codec == "raw" else archive(store, tar([member(name, name.encode())]))
            for name, codec in zip((first, second), codecs.split(), strict=True)
        ]
    check_refused(store, layers, tmp_path)


def test_the_same_folder_may_be_named_again() -> None:
    claims = Claims()
    claims.folder(PurePosixPath("a/b"))
    claims.folder(PurePosixPath("a/b"))
    claims.file(PurePosixPath("a/b/c"))
    with pytest.raises(UnsafePath, match="is a folder"):
        claims.file(PurePosixPath("a/b"))
    with pytest.raises(UnsafePath, match="for a file and a folder"):
        claims.folder(PurePosixPath("a/b/c"))


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.sampled_from("./\\a:é\u0301 \0\n\u202e") | st.characters(), max_size=20))
def test_what_is_accepted_stays_inside(name: str) -> None:
    with contextlib.suppress(UnsafePath):
        path = safe_path(name)
        assert path.parts
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert safe_path(str(path)) == path
        assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in str(path))
        Claims().file(path)

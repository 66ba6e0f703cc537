from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError, UnsafePath
from modelpack.pack.files import check_distinct, check_path
from modelpack.unpack.paths import Claims, safe_path


@pytest.mark.parametrize(
    "path", ["a", "a b/ç/模型.bin", "x" * 255, "a..b", "...", ".hidden", "aux", "/".join("a" * 64), "ab:c"]
)
def test_accepts(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\u202eb", "invisible"),
        ("a\udcffb", "not UTF-8"),
        ("a\\b", "backslash"),
        ("C:x", "drive letter"),
        ("", "clean"),
        ("/a", "clean"),
        ("a//b", "clean"),
        ("a/../b", "clean"),
        ("./a", "clean"),
        ("é" * 128, "too long"),
        ("/".join(["x" * 200] * 21), "too long"),
        ("/".join("a" * 65), "nested"),
        (".modelpack.json", "reserved"),
        ("a/.MODELPACK.json", "reserved"),
        (".x.modelpack-partial", "reserved"),
        (".x.modelpack-lock", "reserved"),
    ],
)
def test_refuses(path: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        check_path(path)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "A"],
        ["é", "e\u0301"],
        ["Dir/x", "dir/y"],
        ["a", "a/b"],
        ["a/b", "a"],
        ["a", "a"],
        ["name", "name."],
        ["straße", "STRASSE"],
    ],
)
def test_refuses_names_that_some_file_systems_take_for_one(paths: list[str]) -> None:
    with pytest.raises(InputError, match="the same name"):
        check_distinct(paths)


def test_accepts_distinct_names() -> None:
    check_distinct(["a", "b", "d/a", "d/b", "d/e/a"])


_TEXT = st.text(st.sampled_from("aA.é\u0301/\\ :\t\u200b1\x85\u017f") | st.characters(), min_size=1, max_size=12)


def _unpackable(paths: list[str]) -> bool:
    claims = Claims()
    try:
        for path in paths:
            claims.file(safe_path(path))
    except UnsafePath:
        return False
    return True


def _packable(paths: list[str]) -> bool:
    try:
        for path in paths:
            check_path(path)
        check_distinct(paths)
    except InputError:
        return False
    return True


@settings(deadline=None, max_examples=100)
@given(st.lists(_TEXT, min_size=1, max_size=3))
def test_what_goes_in_comes_out(paths: list[str]) -> None:
    """Both sides have the same rule; only a leading ``./``, which no walk produces, is dropped on the way out."""
    if not any(path.startswith("./") for path in paths):
        assert _packable(paths) == _unpackable(paths)

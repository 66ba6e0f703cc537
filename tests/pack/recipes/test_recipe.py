from __future__ import annotations

from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import Kind
from modelpack.pack.files import Classifier, Folder, IgnoreFile, Selection
from modelpack.pack.recipes import Recipe, gather, parse_kitfile, parse_modelfile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for path in (
        "config.json",
        "a.bin",
        "b.bin",
        "src/x.py",
        "src/deep/y.py",
        "src/data/z.csv",
        ".hidden/h.bin",
        ".env",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    (tmp_path / "secret").write_text("x")
    return folder


def _kinds(root: Path, recipe: Recipe, selection: Selection | None = None) -> dict[str, Kind]:
    gathered = gather(Folder.at(root), recipe, selection or Selection(), Classifier())
    return {found.path: kind for found, kind, _ in gathered}


def test_only_what_is_listed(root: Path) -> None:
    recipe = parse_modelfile("MODEL a.bin\nCONFIG config.json")
    assert _kinds(root, recipe) == {"a.bin": Kind.WEIGHT, "config.json": Kind.CONFIG}


def test_folders_become_files(root: Path) -> None:
    assert list(_kinds(root, parse_modelfile("CODE src"))) == ["src/data/z.csv", "src/deep/y.py", "src/x.py"]


def test_patterns(root: Path) -> None:
    assert list(_kinds(root, parse_modelfile("MODEL *.bin"))) == ["a.bin", "b.bin"]
    assert list(_kinds(root, parse_modelfile("CODE src/*/y.*"))) == ["src/deep/y.py"]
    assert list(_kinds(root, parse_modelfile("CODE */x.py"))) == ["src/x.py"]
    assert list(_kinds(root, parse_modelfile("CODE s[pqr]c/x.py"))) == ["src/x.py"]
    assert list(_kinds(root, parse_modelfile("CODE **/x.py"))) == ["src/x.py"]  # as Go: ** is *
    assert list(_kinds(root, parse_modelfile("CODE **/y.py"))) == []
    assert list(_kinds(root, parse_modelfile("MODEL nothing-*"))) == []
    assert list(_kinds(root, parse_modelfile("MODEL missing/*"))) == []
    assert list(_kinds(root, parse_modelfile("MODEL config.json/*"))) == []
    assert list(_kinds(root, parse_modelfile("CODE s*"))) == ["src/data/z.csv", "src/deep/y.py", "src/x.py"]


def test_hidden_files_only_by_name(root: Path) -> None:
    folder = Folder.at(root)
    assert [found.path for found, _, _ in gather(folder, parse_modelfile("MODEL .*"), Selection(), Classifier())] == []
    assert folder.skipped == [".env: hidden", ".hidden: hidden"]
    assert list(_kinds(root, parse_modelfile("CONFIG .env\nMODEL .hidden/h.bin"))) == [".env", ".hidden/h.bin"]
    assert list(_kinds(root, parse_modelfile("MODEL .hidden"))) == [".hidden/h.bin"]


def test_the_caller_may_exclude(root: Path) -> None:
    selection = Selection.of([], ["*.bin"], IgnoreFile())
    folder = Folder.at(root)
    recipe = parse_modelfile("MODEL a.bin\nCONFIG config.json")
    assert [found.path for found, _, _ in gather(folder, recipe, selection, Classifier())] == ["config.json"]
    assert folder.skipped == ["a.bin: excluded"]


def test_the_more_specific_wish_counts(root: Path) -> None:
    recipe = parse_modelfile("MODEL *.bin\nCODE src\nDOC src/deep\nDATASET src/data/z.csv\nCONFIG a.bin\nMODEL .")
    assert _kinds(root, recipe) == {
        "a.bin": Kind.CONFIG,
        "b.bin": Kind.WEIGHT,
        "config.json": Kind.WEIGHT,
        "src/data/z.csv": Kind.DATASET,
        "src/deep/y.py": Kind.DOC,
        "src/x.py": Kind.CODE,
    }


def test_refuses_two_equal_wishes(root: Path) -> None:
    with pytest.raises(
        InputError, match=r"'a.bin' is wanted as weight \(Modelfile line 1\) and code \(Modelfile line 2\)"
    ):
        _kinds(root, parse_modelfile("MODEL a*\nCODE *.bin"))
    assert len(_kinds(root, parse_modelfile("MODEL a*\nMODEL *.bin"))) == 2


def test_says_where_a_missing_file_is_wanted(root: Path) -> None:
    with pytest.raises(InputError, match="Modelfile line 2: cannot read 'missing'"):
        _kinds(root, parse_modelfile("MODEL a.bin\nMODEL missing"))


def test_links_must_stay_inside(root: Path) -> None:
    (root / "evil.bin").symlink_to("../secret")
    with pytest.raises(InputError, match=r"Modelfile line 1: 'evil.bin' is a link to") as caught:
        _kinds(root, parse_modelfile("MODEL *.bin"))
    assert caught.value.hint
    assert _kinds(root, parse_modelfile("MODEL a.bin"))


def test_a_pattern_does_not_list_folders_outside(root: Path) -> None:
    (root / "out").symlink_to("..")
    with pytest.raises(InputError, match="outside"):
        _kinds(root, parse_modelfile("MODEL out/*"))


def test_a_kitfile_model_folder_is_classified(root: Path) -> None:
    kinds = _kinds(root, parse_kitfile("model: {path: .}\ncode: [{path: src}]\ndatasets: [{path: src/data}]"))
    assert kinds == {
        "a.bin": Kind.WEIGHT,
        "b.bin": Kind.WEIGHT,
        "config.json": Kind.CONFIG,
        "src/data/z.csv": Kind.DATASET,
        "src/deep/y.py": Kind.CODE,
        "src/x.py": Kind.CODE,
    }


def test_a_kitfile_model_of_unknown_format_is_a_weight(root: Path) -> None:
    (root / "model.strange").write_text("x")
    gathered = list(gather(Folder.at(root), parse_kitfile("model: {path: model.strange}"), Selection(), Classifier()))
    assert [(kind, guessed) for _, kind, guessed in gathered] == [(Kind.WEIGHT, False)]

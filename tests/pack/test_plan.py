from __future__ import annotations

import io
from pathlib import Path

import pytest

from modelpack.errors import InputError
from modelpack.oci import Codec, Kind, LayerType
from modelpack.pack import Layout, planning
from modelpack.pack.planning import plan
from modelpack.store import FileSource
from tests.pack.folders import CONTENT, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "demo")


def test_one_raw_layer_per_file_in_order(root: Path) -> None:
    decided = plan(root)
    assert [(layer.type.kind, layer.path) for layer in decided.layers] == [
        (Kind.CONFIG, "config.json"),
        (Kind.CONFIG, "sub/empty.json"),
        (Kind.WEIGHT, "model-00001-of-00002.safetensors"),
        (Kind.WEIGHT, "model-00002-of-00002.safetensors"),
        (Kind.CODE, "run.sh"),
        (Kind.CODE, "strange.xyz"),
        (Kind.CODE, "sub/x & <y>.py"),
        (Kind.DOC, "LICENSE"),
        (Kind.DOC, "README.md"),
        (Kind.DATASET, "data/train.csv"),
    ]
    assert all(layer.type.codec == Codec.RAW and len(layer.entries) == 1 for layer in decided.layers)
    assert [entry.path for entry in decided.entries] == sorted(CONTENT)
    assert decided.size == sum(map(len, CONTENT.values())) == sum(layer.size for layer in decided.layers)
    assert [entry.path for entry in decided.entries if entry.guessed] == ["strange.xyz"]
    assert [entry.path for entry in decided.entries if entry.mode == 0o755] == ["run.sh"]
    assert (decided.name, decided.overrides, decided.notes) == ("demo", {}, ())


def test_codecs_by_kind(root: Path) -> None:
    layers = plan(root, layout=Layout(codecs={Kind.CODE: Codec.TAR_ZSTD, Kind.DOC: Codec.TAR})).layers
    assert {(str(layer.type.kind), str(layer.type.codec)) for layer in layers} == {
        ("weight.config", "raw"),
        ("weight", "raw"),
        ("code", "tar+zstd"),
        ("doc", "tar"),
        ("dataset", "raw"),
    }


def test_bundles_small_files(root: Path) -> None:
    write(root, {"NOTES.md": b"x", "a.md": b"x", "big.json": b"x" * 100, "code": b"a file called code"})
    layers = plan(root, layout=Layout(bundle=True, small=99, codecs={Kind.DOC: Codec.TAR_GZIP})).layers
    assert [(str(layer.type), layer.path, [entry.path for entry in layer.entries]) for layer in layers] == [
        (str(LayerType(Kind.CONFIG, Codec.RAW)), "big.json", ["big.json"]),
        (str(LayerType(Kind.CONFIG, Codec.TAR)), "config", ["config.json", "sub/empty.json"]),
        *(
            (str(LayerType(Kind.WEIGHT, Codec.RAW)), name, [name])
            for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
        ),
        (str(LayerType(Kind.CODE, Codec.TAR)), "code-2", ["code", "run.sh", "strange.xyz", "sub/x & <y>.py"]),
        (str(LayerType(Kind.DOC, Codec.TAR_GZIP)), "LICENSE", ["LICENSE"]),
        (str(LayerType(Kind.DOC, Codec.TAR_GZIP)), "README.md", ["README.md"]),
        (str(LayerType(Kind.DOC, Codec.TAR_GZIP)), "doc", ["NOTES.md", "a.md"]),
        (str(LayerType(Kind.DATASET, Codec.RAW)), "data/train.csv", ["data/train.csv"]),
    ]


def test_include_exclude_kinds_and_name(root: Path) -> None:
    write(root, {".hidden.json": b"{}", ".other": b"", ".modelpackignore": b"sub/\n"})
    decided = plan(
        root, include=[".hidden.json", "*.xyz", "*.sh"], exclude=["*.sh"], kinds={"*.xyz": Kind.WEIGHT}, name="given"
    )
    found = {entry.path: entry for entry in decided.entries}
    assert set(found) == {".hidden.json", "strange.xyz"}
    assert (found["strange.xyz"].kind, found["strange.xyz"].guessed) == (Kind.WEIGHT, False)
    assert (decided.name, decided.overrides) == ("given", {"name": "given"})
    assert decided.notes == (
        "left out run.sh: excluded",
        "left out sub: in .modelpackignore",
    )


def test_a_modelfile(root: Path, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text(
        "NAME m\nFORMAT safetensors\nMODEL *.safetensors\nDATASET data\nDOC strange.xyz"
    )
    decided = plan(root, modelfile=tmp_path / "Modelfile")
    assert [layer.path for layer in decided.layers] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "strange.xyz",
        "data/train.csv",
    ]
    assert not any(entry.guessed for entry in decided.entries)
    assert (decided.name, decided.overrides) == ("m", {"name": "m", "format": "safetensors"})


def test_a_kitfile(root: Path, tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text("package: {name: kit}\nmodel: {path: ., parameters: {a: 1}}\ncode: [{path: sub}]")
    decided = plan(root, kitfile=tmp_path / "Kitfile", name="mine")
    kinds = {entry.path: entry.kind for entry in decided.entries}
    assert set(kinds) == set(CONTENT)
    assert (kinds["sub/empty.json"], kinds["config.json"]) == (Kind.CODE, Kind.CONFIG)
    assert (decided.name, decided.overrides) == ("mine", {"name": "mine"})
    assert len(decided.notes) == 1
    (root / ".kitignore").write_text("*.sh")
    assert plan(root, kitfile=tmp_path / "Kitfile").notes[1].startswith(".kitignore is not read")


def test_not_both(root: Path) -> None:
    with pytest.raises(InputError, match="together"):
        plan(root, modelfile=root / "a", kitfile=root / "b")


def test_nothing_to_pack(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("x")
    with pytest.raises(InputError, match="nothing to pack") as caught:
        plan(tmp_path)
    assert "include" in caught.value.hint


def test_many_notes_are_cut(tmp_path: Path) -> None:
    write(tmp_path, {f".{number}": b"" for number in range(103)} | {"a": b""})
    assert len(plan(tmp_path).notes) == 101
    assert plan(tmp_path).notes[-1] == "left out 3 more"


def test_names_that_collide(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": b"", "A.json": b""})
    with pytest.raises(InputError, match="the same on some"):
        plan(tmp_path)


def test_a_modelfile_cannot_exceed_the_number_of_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Modelfile").write_text("MODEL *.safetensors")
    monkeypatch.setattr(planning, "MAX_FILES", 1)
    with pytest.raises(InputError, match="more than 1 files"):
        plan(root, modelfile=tmp_path / "Modelfile")


def test_a_snapshot_is_called_as_its_repository(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--my-model" / "snapshots" / "abc"
    write(snapshot, {"a.json": b""})
    assert plan(snapshot).name == "my-model"


def test_planning_reads_no_content(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((Path, "open"), (FileSource, "open"), (FileSource, "read_at"), (io, "FileIO")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("a file was opened"))
    assert plan(root).entries

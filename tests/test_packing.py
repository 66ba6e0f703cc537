"""Packing in two steps, into each kind of place, and always to the same digest."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack import HubAccess, Kind, LayoutStore
from modelpack.errors import DigestMismatch, DocumentError, InputError
from modelpack.oci import Codec
from modelpack.serve import Server
from tests.cli.models import FILES
from tests.cli.models import model as make_model
from tests.contract.sources import ROOT
from tests.pack.hub_server import COMMIT, FakeHub

GOLDEN = "sha256:c255c26c0c82b62f86f86ec7d5f9377129362454757ab1e3b2fd5352a1ca569f"
"""The model of tests/cli/models.py in a folder called ``tiny``. If this changes, everybody's models get new digests."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model(tmp_path / "tiny")


def test_the_golden_digest(folder: Path) -> None:
    assert str(modelpack.pack(folder).digest) == GOLDEN


@pytest.mark.parametrize("variant", [0, 1])
def test_nothing_around_a_folder_changes_its_digest(variant: int, tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
import modelpack
from tests.cli.models import model
folder = model(Path(sys.argv[1]) / "tiny")
for number, path in enumerate(sorted(folder.rglob("*"), reverse=sys.argv[2] == "77")):
    os.utime(path, (number, number * 10**6))
print(modelpack.pack(folder).digest)
print(modelpack.pack(folder, layout=modelpack.Layout(dict.fromkeys(modelpack.Kind, "tar+gzip"), bundle=True)).digest)
"""
    surroundings = (
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"},
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "COLUMNS": "20"},
    )[variant]
    umask = ("77", "02")[variant]
    env = {**os.environ, **surroundings, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), umask], env=env, capture_output=True, text=True, check=False
    )
    other = make_model(tmp_path / "here" / "tiny")
    bundles = modelpack.pack(other, layout=modelpack.Layout(dict.fromkeys(Kind, Codec.TAR_GZIP), bundle=True)).digest
    assert done.stdout.split() == [GOLDEN, str(bundles)], done.stderr


def test_prepare_says_where_values_come_from(folder: Path) -> None:
    prepared = modelpack.prepare(folder, version="1.2.0", licenses=["MIT"], family="bert")
    assert prepared.config.version == "1.2.0"
    assert (prepared.source_of("version"), prepared.source_of("licenses")) == ("given", "given")
    assert prepared.source_of("family") == "config.json model_type"
    assert (prepared.source_of("name"), prepared.source_of("vendor")) == ("folder name", "")
    assert prepared.notes == ("left out .hidden: hidden",)


def test_pack_of_a_prepared_plan(folder: Path) -> None:
    prepared = modelpack.prepare(folder)
    assert str(modelpack.pack(prepared).digest) == GOLDEN
    with pytest.raises(InputError, match="takes no further options"):
        modelpack.pack(prepared, name="other")


def test_into_each_kind_of_place(folder: Path, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    packed = modelpack.pack(folder, into=store)
    assert (str(packed.digest), packed.store, store.tags()) == (GOLDEN, store, ())
    with Server(LayoutStore(tmp_path / "registry")) as server:
        assert str(modelpack.pack(folder, into=f"{server.host}/ml/tiny").digest) == GOLDEN
        assert modelpack.list_names(f"{server.host}/ml/tiny") == ("latest",)
    modelpack.pack(folder, into=f"oci:{tmp_path}/air:v1")
    modelpack.pack(folder, into=f"oci:{tmp_path}/bare")
    assert LayoutStore(tmp_path / "air").tags() == ("v1",)
    assert (LayoutStore(tmp_path / "bare").tags(), str(LayoutStore(tmp_path / "bare").resolve("").digest)) == (
        (),
        GOLDEN,
    )
    with pytest.raises(InputError, match="only the finished model can have"):
        modelpack.pack(folder, into=f"oci:{tmp_path}/air@{GOLDEN}")


def test_options(folder: Path) -> None:
    packed = modelpack.pack(
        folder,
        exclude=["onnx/"],
        kinds={"tokenizer.json": "docs", "config.json": Kind.CODE},
        layout=modelpack.Layout({Kind.WEIGHT: Codec.TAR}),
        annotations={"org.example.run": "17"},
        created=datetime(2024, 1, 2, tzinfo=UTC),
        reasoning="true",
    )
    types = [layer.media_type.removeprefix("application/vnd.cncf.model.") for layer in packed.manifest.layers]
    assert sorted(types) == ["code.v1.raw", "doc.v1.raw", "doc.v1.raw", "weight.v1.tar"]
    assert packed.manifest.annotations == {"org.example.run": "17"}
    assert (packed.config.created_at, packed.config.reasoning) == ("2024-01-02T00:00:00Z", True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "no field 'colour'"),
        ({"kinds": {"*.md": "picture"}}, "'picture' is not a kind of file"),
        ({"modelfile": Path("Nowhere")}, "Nowhere"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises((InputError, modelpack.NotFound), match=message):
        modelpack.pack(folder, **options)


def test_a_modelfile_says_more_than_the_files_and_less_than_the_caller(folder: Path, tmp_path: Path) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("NAME from-file\nFAMILY other\nMODEL *.safetensors\nCONFIG *.json\n")
    prepared = modelpack.prepare(folder, modelfile=modelfile, family="mine")
    assert (prepared.config.name, prepared.config.family) == ("from-file", "mine")
    modelfile.write_text("FROM scratch\n")
    with pytest.raises(DocumentError):
        modelpack.prepare(folder, modelfile=modelfile)


def test_a_hub_snapshot(folder: Path, tmp_path: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in FILES}
    with FakeHub(files, token="hf_secret") as hub:
        access = HubAccess(tmp_path / "hub", "hf_secret", hub.endpoint)
        packed = modelpack.pack("hf://org/tiny@main", hub=access)
    assert (packed.config.source_url, packed.config.revision) == (f"{hub.endpoint}/org/tiny", COMMIT)
    assert (packed.config.name, set(packed.files)) == ("tiny", set(FILES))
    assert "hf_secret" not in repr(access)


def test_a_hub_snapshot_that_is_not_what_the_hub_says(folder: Path, tmp_path: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in FILES}
    with (
        FakeHub(files, lies={"model.safetensors": "0" * 64}) as hub,
        pytest.raises(DigestMismatch, match="org/tiny has"),
    ):
        modelpack.pack("hf://org/tiny", hub=HubAccess(tmp_path / "hub", endpoint=hub.endpoint))


def test_a_hub_needs_a_place() -> None:
    with pytest.raises(InputError, match="needs a place to download to"):
        modelpack.pack("hf://org/tiny")

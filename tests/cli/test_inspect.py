from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from modelpack import LayoutStore
from modelpack.oci import Descriptor, Index, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST, OCI_INDEX
from tests.cli.models import FILES, safetensors
from tests.cli.models import model as make_model
from tests.cli.program import Ran, modelpack
from tests.faults import FaultyRegistry

WEIGHT = "application/vnd.cncf.model.weight.v1.raw"


@pytest.fixture
def odd() -> LayoutStore:
    """A layout for artifacts that we would not make."""
    return LayoutStore("odd")


def put(store: LayoutStore, config: bytes, *layers: Descriptor, config_type: str = MODEL_CONFIG) -> Manifest:
    """A manifest with the name ``v1``."""
    described = store.push_bytes(config_type, config)
    kind = MODEL_MANIFEST if config_type == MODEL_CONFIG else config_type
    manifest = Manifest.build(artifact_type=kind, config=described, layers=layers)
    store.push_bytes(manifest.descriptor.media_type, manifest.raw)
    store.tag(manifest.descriptor, "v1")
    return manifest


def layer(store: LayoutStore, path: str, data: bytes) -> Descriptor:
    return store.push_bytes(WEIGHT, data).annotated(**{FILEPATH: path})


def test_inspect_here_then_there(packed: Ran, reference: str) -> None:
    here = modelpack("inspect", reference).done()
    assert here.err == "from the local store\n"
    assert here.lines[0] == ["tiny", packed.last]
    for line in (
        ["family", "bert"],
        ["licences", "Apache-2.0"],
        ["languages", "en,", "de"],
        ["size", "8.6", "kB", "in", "5", "layers"],
        ["model.safetensors", "weight", "raw", "8.3", "kB"],
        ["weight.config", "3", "103", "B"],
    ):
        assert line in here.lines
    modelpack("inspect", reference, "--remote").failed(5, "ml/tiny")
    modelpack("push", reference).done()
    there = modelpack("inspect", reference, "-r").done()
    assert (there.out, there.err) == (here.out, "from the registry\n")
    assert modelpack("inspect", reference, "-q").done().err == ""


def test_only_looking_makes_no_store(pushed: str, reference: str, tmp_path: Path) -> None:
    assert modelpack("inspect", reference).done().err == "from the registry\n"
    assert modelpack("ls").done().lines == [["NAME", "DIGEST", "SIZE"]]
    assert not (tmp_path / "store").exists()


def test_json(pushed: str, reference: str) -> None:
    ran = modelpack("inspect", reference, "-f", "json").done()
    told = ran.json
    assert (told["reference"], told["from"], told["digest"], told["problems"]) == (reference, "registry", pushed, [])
    assert sorted(entry["path"] for entry in told["layers"]) == FILES
    assert (told["model"]["param_size"], told["tensors"], ran.err) == ("4K", {}, "")


def test_by_digest(packed: Ran, registry: str) -> None:
    told = modelpack("inspect", f"{registry}/any/name@{packed.last}", "-f", "json").done().json
    assert (told["from"], told["digest"]) == ("local store", packed.last)


def test_a_layout(folder: Path) -> None:
    modelpack("pack", folder, "-t", "oci:air:v1").done()
    assert modelpack("inspect", "oci:air:v1").done().err == "from the layout\n"


def test_raw_documents(pushed: str, reference: str) -> None:
    manifest = modelpack("inspect", reference, "--raw", "manifest").done()
    assert f"sha256:{hashlib.sha256(manifest.out.encode()).hexdigest()}" == pushed
    config = modelpack("inspect", reference, "--raw", "config").done()
    expected = json.loads(manifest.out)["config"]["digest"]
    assert f"sha256:{hashlib.sha256(config.out.encode()).hexdigest()}" == expected
    assert modelpack("inspect", reference, "--raw", "weights").code == 2


def test_tensors(pushed: str, reference: str) -> None:
    ran = modelpack("inspect", reference, "--tensors").done()
    title = "model.safetensors: safetensors, 2 tensors, 4,040 parameters (F16 99 %, F32 1 %)"
    assert title in ran.out
    assert ["embeddings.weight", "F16", "100", "x", "40", "8.0", "kB"] in ran.lines
    told = modelpack("inspect", reference, "-t", "-f", "json").done().json["tensors"]["model.safetensors"]
    assert (told["format"], told["parameters"], told["dtypes"]) == ("safetensors", 4040, {"F16": 4000, "F32": 40})
    assert told["tensors"][1] == {"name": "norm.bias", "dtype": "F32", "shape": [40], "bytes": [8176, 8336]}


def test_tensors_cost_a_few_kilobytes(tmp_path: Path, faulty: FaultyRegistry) -> None:
    reference = f"{faulty.host}/ml/big:v1"
    modelpack("pack", make_model(tmp_path / "big", rows=50_000), "-t", reference, "--push").done()
    faulty.requests.clear()
    assert "F16 > 99 %, F32 < 1 %" in modelpack("inspect", reference, "-r", "--tensors").done().out
    reads = [request for request in faulty.find("GET", "/blobs/") if "range" in request.headers]
    ranges = [re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"]) for request in reads]
    assert ranges
    assert sum(int(found[2]) - int(found[1]) + 1 for found in ranges if found) < 70_000
    whole = {request.path for request in faulty.find("GET", "/blobs/")} - {request.path for request in reads}
    assert len(whole) == 1  # the configuration


def test_tensors_that_cannot_be_listed(folder: Path, reference: str) -> None:
    modelpack("pack", folder, "-t", reference, "--layer", "tar").done()
    assert "no tensors are listed" in modelpack("inspect", reference, "-t").done().err
    assert modelpack("inspect", reference, "-t", "-q").done().err == ""


def test_scalars_and_empty_tensors(odd: LayoutStore) -> None:
    data = safetensors({"one": ("F32", ()), "none": ("F16", (0, 3))})
    empty = safetensors({"none": ("F16", (0, 3))})
    put(odd, b"{}", layer(odd, "a.safetensors", data), layer(odd, "b.safetensors", empty), layer(odd, "c.bin", b"?"))
    ran = modelpack("inspect", "oci:odd:v1", "-t").done()
    assert ["one", "F32", "scalar", "4", "B"] in ran.lines
    assert "b.safetensors: safetensors, 1 tensors, 0 parameters\n" in ran.out
    assert "c.bin:" not in ran.out


def test_a_file_without_tensors(odd: LayoutStore) -> None:
    put(odd, b"{}", layer(odd, "a.safetensors", safetensors({})))
    ran = modelpack("inspect", "oci:odd:v1", "-t").done()
    assert ran.last == "a.safetensors: safetensors, 0 tensors, 0 parameters"


def test_a_damaged_header(odd: LayoutStore) -> None:
    put(odd, b"{}", layer(odd, "a.safetensors", b"\xff" * 64))
    modelpack("inspect", "oci:odd:v1").done()
    modelpack("inspect", "oci:odd:v1", "-t").failed(3, "error: a.safetensors: ")


def test_terminal_controls_are_shown_as_text(odd: LayoutStore) -> None:
    hostile = "\x1b]0;gone\x07\u202e\u009b2J"
    config = {"descriptor": {"name": hostile, "title": hostile, "authors": [hostile]}}
    weights = safetensors({hostile: ("F32", (1,))})
    put(odd, json.dumps(config).encode(), layer(odd, "a.safetensors", weights))
    table = modelpack("inspect", "oci:odd:v1", "-t").done()
    assert table.lines[0][0] == "\\x1b]0;gone\\x07\\u202e\\x9b2J"
    assert any(line[:2] == ["title", "\\x1b]0;gone\\x07\\u202e\\x9b2J"] for line in table.lines)
    told = modelpack("inspect", "oci:odd:v1", "-t", "-f", "json").done()
    assert told.json["model"]["title"] == hostile
    assert told.json["tensors"]["a.safetensors"]["tensors"][0]["name"] == hostile
    for ran in (table, told):
        assert all(character.isprintable() or character == "\n" for character in ran.out + ran.err)


def test_what_departs_from_the_specification_is_told(odd: LayoutStore) -> None:
    put(odd, b'{"descriptor": 7}', layer(odd, "a.safetensors", safetensors({})))
    ran = modelpack("inspect", "oci:odd:v1").done()
    assert "not as the specification says: " in ran.err
    assert ran.lines[0][0] == "oci:odd:v1"
    assert modelpack("inspect", "oci:odd:v1", "--raw", "config").done().out == '{"descriptor": 7}'


def test_other_configurations(odd: LayoutStore) -> None:
    manifest = put(odd, b"{}", layer(odd, "a.safetensors", safetensors({})), config_type="application/x.other")
    ran = modelpack("inspect", "oci:odd:v1", "-f", "json").done()
    assert (ran.json["digest"], ran.json["model"]) == (str(manifest.descriptor.digest), {})
    modelpack("inspect", "oci:odd:v1", "--raw", "config").failed(2, "is no model's: application/x.other")


def test_an_index_of_one_model(odd: LayoutStore) -> None:
    manifest = put(odd, b"{}", layer(odd, "a.safetensors", safetensors({})))
    image = odd.push_bytes("application/vnd.oci.image.manifest.v1+json", Manifest.build(
        artifact_type="application/x.image", config=manifest.config, layers=()
    ).raw)  # fmt: skip
    model = Descriptor(
        manifest.descriptor.media_type,
        manifest.descriptor.digest,
        manifest.descriptor.size,
        artifact_type=MODEL_MANIFEST,
    )
    for name, entries in (("one", (model,)), ("both", (model, image)), ("images", (image, image))):
        index = Index.build(entries)
        odd.tag(odd.push_bytes(OCI_INDEX, index.raw), name)
    for name in ("one", "both"):
        assert modelpack("inspect", f"oci:odd:{name}", "-f", "json").done().json["digest"] == str(model.digest)
        modelpack("pull", f"oci:odd:{name}", "-o", name, "-q").done()
    modelpack("inspect", "oci:odd:images").failed(2, "is an index of 2; choose one", "hint: by digest: sha256:")
    outer = Index.build((odd.resolve("one"),))
    odd.tag(odd.push_bytes(OCI_INDEX, outer.raw), "outer")
    modelpack("inspect", "oci:odd:outer").failed(2, "is an index of indexes")


def test_what_is_no_model(odd: LayoutStore) -> None:
    put(odd, b"{}", odd.push_bytes("application/x.layer", b"1"), config_type="application/x.image")
    modelpack("inspect", "oci:odd:v1").failed(2, "not a ModelPack artifact", "hint: ")


def test_references_that_lead_nowhere(registry: str) -> None:
    modelpack("inspect", f"{registry}/ml/none:v1").failed(5, "ml/none")
    modelpack("inspect", "oci:nowhere").failed(5, "nowhere")
    modelpack("inspect", "?").failed(2, "is not a repository name")

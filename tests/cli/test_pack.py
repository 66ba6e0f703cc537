from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from modelpack import LayoutStore, inspect
from modelpack.oci import Codec, Kind
from tests.cli.models import FILES
from tests.cli.program import Ran, modelpack
from tests.pack.hub_server import COMMIT, FakeHub


def test_pack_into_the_local_store(packed: Ran, reference: str, tmp_path: Path) -> None:
    digest = packed.out.strip()
    assert digest.startswith("sha256:")
    assert packed.err.splitlines() == ["note: left out .hidden: hidden", f"{reference}: 5 layers, 8.6 kB"]
    store = LayoutStore(tmp_path / "store", create=False)
    assert str(store.resolve(reference).digest) == digest


def test_quiet_leaves_the_digest_alone(folder: Path, reference: str) -> None:
    ran = modelpack("pack", folder, "-t", reference, "-q").done()
    assert (len(ran.out.splitlines()), ran.err) == (1, "")


def test_json(folder: Path, reference: str, packed: Ran) -> None:
    told = modelpack("pack", folder, "-t", reference, "--format", "json").done().json
    assert (told["reference"], told["digest"]) == (reference, packed.last)
    assert [file["path"] for file in told["files"]] == FILES
    assert told["files"][2] == {"path": "model.safetensors", "kind": "weight", "size": 8336, "guessed": False}
    assert told["size"] == sum(file["size"] for file in told["files"])
    assert told["model"]["licenses"] == {"value": ["Apache-2.0"], "from": "README.md front matter"}
    assert told["notes"] == ["left out .hidden: hidden"]


def test_dry_run_shows_and_stores_nothing(folder: Path, tmp_path: Path) -> None:
    ran = modelpack("pack", folder, "--dry-run", "--set", "version=1.2.0", "-k", "tokenizer.json=code").done()
    assert ran.lines[0] == ["FILE", "KIND", "AS", "SIZE"]
    assert ["model.safetensors", "weight", "raw", "8.3", "kB"] in ran.lines
    assert ["tokenizer.json", "code", "raw", "19", "B"] in ran.lines
    assert ["precision", "float16", "model.safetensors", "header"] in ran.lines
    assert ["version", "1.2.0", "given"] in ran.lines
    assert ran.last == "5 files, 8.6 kB, 5 layers"
    assert ran.err == "note: left out .hidden: hidden\n"
    assert not (tmp_path / "store").exists()


def test_dry_run_in_json(folder: Path) -> None:
    told = modelpack("pack", folder, "--dry-run", "-f", "json").done().json
    assert (told["reference"], told["digest"], told["model"]["name"]["value"]) == (None, None, "tiny")


def test_a_file_of_an_unknown_kind_is_marked(folder: Path) -> None:
    (folder / "strange.xyz").write_bytes(b"?")
    ran = modelpack("pack", folder, "--dry-run", "-q").done()
    assert ["strange.xyz", "code", "(guessed)", "raw", "1", "B"] in ran.lines


def test_push_at_once_leaves_nothing_here(pushed: str, reference: str, tmp_path: Path) -> None:
    assert not (tmp_path / "store").exists()
    assert modelpack("inspect", reference, "-f", "json").done().json["digest"] == pushed


def test_into_a_layout(folder: Path, pushed: str) -> None:
    assert modelpack("pack", folder, "-t", "oci:air:v1").done().last == pushed
    assert modelpack("ls", "oci:air").done().lines[1][0] == "v1"


def test_into_another_store(folder: Path, reference: str, tmp_path: Path) -> None:
    modelpack("pack", folder, "-t", reference, "--store", tmp_path / "other").done()
    assert not (tmp_path / "store").exists()
    assert modelpack("ls", "--store", tmp_path / "other").done().lines[1][0] == reference


def test_hard_links_into_the_store(folder: Path, reference: str) -> None:
    modelpack("pack", folder, "-t", reference, "--link").done()
    assert (folder / "model.safetensors").stat().st_nlink == 2


def test_set(folder: Path, reference: str) -> None:
    options = ["--set", "name=other", "--set", "doc-url=https://example.org", "--set", "reasoning=true"]
    modelpack("pack", folder, "-t", reference, *options, "--set", "licenses=MIT", "--set", "licenses=ISC").done()
    said = modelpack("inspect", reference, "-f", "json").done().json["model"]
    assert (said["name"], said["doc_url"], said["reasoning"]) == ("other", "https://example.org", True)
    assert said["licenses"] == ["MIT", "ISC"]


def test_annotations(folder: Path, reference: str) -> None:
    modelpack("pack", folder, "-t", reference, "-a", "org.example.run=17=b", "-a", "empty=").done()
    told = modelpack("inspect", reference, "-f", "json").done().json
    assert told["annotations"] == {"org.example.run": "17=b", "empty": ""}


def test_layers(folder: Path, reference: str) -> None:
    modelpack("pack", folder, "-t", reference, "--layer", "tar", "--layer", "config=tar+gzip", "--bundle").done()
    found, _ = inspect(reference, local=LayoutStore(os.environ["MODELPACK_STORE"]))
    codecs = {file.kind: file.codec for file in found.files}
    assert codecs == {Kind.WEIGHT: Codec.TAR, Kind.CONFIG: Codec.TAR_GZIP, Kind.DOC: Codec.TAR}
    assert len(found.files) == 3


def test_source_date_epoch(folder: Path, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = modelpack("pack", folder, "-t", reference).done().last
    assert modelpack("inspect", reference, "-f", "json").json["model"]["created_at"] == "2023-11-14T22:13:20Z"
    assert modelpack("pack", folder, "-t", reference).done().last == first
    for wrong in ("yesterday", "1" * 30):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        modelpack("pack", folder, "-t", reference).failed(2, "SOURCE_DATE_EPOCH", "not a number of seconds")


def test_a_modelfile(folder: Path, reference: str) -> None:
    Path("Modelfile").write_text("NAME from-file\nMODEL model.safetensors\nCONFIG config.json\n")
    told = modelpack("pack", folder, "--modelfile", "Modelfile", "-t", reference, "-f", "json").done().json
    assert [file["path"] for file in told["files"]] == ["config.json", "model.safetensors"]
    assert told["model"]["name"]["value"] == "from-file"


def test_a_kitfile(folder: Path) -> None:
    Path("Kitfile").write_text("manifestVersion: 1.0.0\nmodel:\n  name: kit\n  path: model.safetensors\n")
    told = modelpack("pack", folder, "--kitfile", "Kitfile", "--dry-run", "-f", "json").done().json
    assert [file["path"] for file in told["files"]] == ["model.safetensors"]


def test_exclude(folder: Path) -> None:
    told = modelpack("pack", folder, "-x", "onnx/", "-x", "*.md", "--dry-run", "-f", "json").done().json
    assert [file["path"] for file in told["files"]] == ["config.json", "model.safetensors", "tokenizer.json"]


def test_from_a_hub(tmp_path: Path, folder: Path, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: (folder / name).read_bytes() for name in FILES}
    with FakeHub(files, token="hf_secret") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        modelpack("pack", "hf://org/tiny", "-t", reference).failed(5, "pass a token")
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        modelpack("pack", "hf://org/tiny", "-t", reference).done()
    assert (tmp_path / "hf" / "hub" / "models--org--tiny").is_dir()
    said = modelpack("inspect", reference, "-f", "json").done().json["model"]
    assert (said["source_url"], said["revision"]) == (f"{hub.endpoint}/org/tiny", COMMIT)


def test_metadata_does_not_drive_the_terminal(folder: Path) -> None:
    options = ["--dry-run", "--set", "title=\x1b]0;gone\x07\u009b\u202e"]
    table, told = modelpack("pack", folder, *options).done(), modelpack("pack", folder, *options, "-f", "json").done()
    assert ["title", "\\x1b]0;gone\\x07\\x9b\\u202e", "given"] in table.lines
    assert told.json["model"]["title"]["value"] == "\x1b]0;gone\x07\u009b\u202e"
    for ran in (table, told):
        assert all(character.isprintable() or character == "\n" for character in ran.out + ran.err)


def test_names_that_could_drive_the_terminal(folder: Path) -> None:
    (folder / "a\x1b[31m.json").write_text("{}")
    modelpack("pack", folder, "--dry-run").failed(2, "error: file name 'a\\x1b[31m.json' holds control")


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ([], ["error: --tag is missing", "hint: or --dry-run"]),
        (["-t", "Bad/Name"], ["is not a repository name", "hint: repository names are lower-case"]),
        (["-t", "http://registry.example/a"], ["is a URL", "hint: leave the scheme out: registry.example/a"]),
        (["-t", f"a.example/b@sha256:{'0' * 64}"], ["only the finished model can have", "hint: give a tag"]),
        (["--dry-run", "-k", "*.md=picture"], ["'picture' is not a kind of file", "hint: kinds are: weight,"]),
        (["--dry-run", "-k", "*.md"], ["--kind takes NAME=VALUE, not '*.md'"]),
        (["--dry-run", "--set", "colour=red"], ["no metadata field 'colour'", "hint: fields are: architecture, "]),
        (["--dry-run", "--set", "source=red"], ["no metadata field 'source'"]),
        (["--dry-run", "--set", "raw=red"], ["no metadata field 'raw'"]),
        (["--dry-run", "--set", "=red"], ["--set takes NAME=VALUE"]),
        (["--dry-run", "--set", "name=a", "--set", "name=b"], ["name takes one value, not 2"]),
        (["--dry-run", "--layer", "zip"], ["'zip' is not a way to store a layer", "hint: there is: raw, tar, "]),
        (["--dry-run", "--layer", "picture=tar"], ["'picture' is not a kind of file"]),
        (["--dry-run", "-a", "nothing"], ["--annotation takes NAME=VALUE"]),
        (["--dry-run", "--modelfile", "a", "--kitfile", "b"], ["cannot be used together"]),
    ],
)
def test_wrong_options(folder: Path, options: list[str], texts: list[str]) -> None:
    modelpack("pack", folder, *options).failed(2, *texts)


def test_wrong_folders(tmp_path: Path) -> None:
    modelpack("pack", "nowhere", "--dry-run").failed(2, "nowhere")
    (tmp_path / "empty").mkdir()
    modelpack("pack", tmp_path / "empty", "--dry-run").failed(2, "nothing to pack", "hint: ")
    modelpack("pack", "hf://datasets/a/b", "--dry-run").failed(2, "is not a model")


def test_nothing_is_read_before_the_reference_is_known_to_be_good(folder: Path) -> None:
    modelpack("pack", "hf://org/tiny", "-t", "Bad").failed(2, "is not a repository name")


def test_push_to_a_dead_registry(folder: Path) -> None:
    ran = modelpack("pack", folder, "-t", "127.0.0.1:1/ml/tiny:v1", "--push", "--retries", "1")
    ran.failed(5, "error: http://127.0.0.1:1 refuses connections", "hint: does a registry run there?")


def test_a_broken_modelfile(folder: Path) -> None:
    Path("Modelfile").write_text("FROM scratch\n")
    modelpack("pack", folder, "--modelfile", "Modelfile", "--dry-run").failed(3, "Modelfile")


def test_json_has_no_other_lines(folder: Path, reference: str) -> None:
    ran = modelpack("pack", folder, "-t", reference, "-f", "json").done()
    assert json.loads(ran.out)
    assert ran.err == ""

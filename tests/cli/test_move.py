from __future__ import annotations

from pathlib import Path

from modelpack import LayoutStore
from tests.cli.models import FILES, content
from tests.cli.models import model as make_model
from tests.cli.program import Ran, modelpack
from tests.faults import FaultyRegistry, effects

VOUCHED = "the digests match; nobody vouched for the model (no signature was checked)"


def test_push(packed: Ran, reference: str) -> None:
    ran = modelpack("push", reference).done()
    assert (ran.out, ran.err) == (packed.out, f"{reference}: 9.2 kB moved\n")
    assert modelpack("push", reference).done().err == f"{reference}: 0 B moved, 9.2 kB were there already\n"
    assert modelpack("push", reference, "-q").done().err == ""


def test_push_elsewhere(packed: Ran, reference: str, registry: str) -> None:
    told = modelpack("push", reference, f"{registry}/other/name:v2", "-f", "json").done().json
    assert told == {
        "reference": f"{registry}/other/name:v2",
        "digest": packed.last,
        "sent": told["sent"],
        "mounted": 0,
        "existing": 0,
        "attachments": 0,
    }
    assert told["sent"] > 8312
    assert modelpack("ls", f"{registry}/other/name").done().out == "v2\n"


def test_push_by_digest(packed: Ran, reference: str, folder: Path, registry: str) -> None:
    (folder / "config.json").write_text("{}")
    modelpack("pack", folder, "-t", f"{registry}/ml/tiny:latest").done()
    assert modelpack("push", f"{registry}/ml/tiny@{packed.last}", f"{registry}/ml/tiny:old").done().out == packed.out


def test_push_of_what_is_not_there(packed: Ran, registry: str) -> None:
    ran = modelpack("push", f"{registry}/ml/none:v1")
    ran.failed(5, f"error: nothing is named '{registry}/ml/none:v1'", f"hint: it has {registry}/ml/tiny:v1")


def test_push_without_a_store(reference: str, tmp_path: Path) -> None:
    modelpack("push", reference).failed(5, f"error: there is no local store at {tmp_path}/store yet", "hint: pack and")
    assert not (tmp_path / "store").exists()


def test_pull_to_a_folder(pushed: str, reference: str, folder: Path) -> None:
    ran = modelpack("pull", reference, "-o", "out").done()
    out = Path.cwd() / "out"
    assert ran.out == f"{out}\n"
    assert ran.err.splitlines() == [f"{out} has 5 files ({pushed[:19]})", VOUCHED]
    assert content(out) == {name: (folder / name).read_bytes() for name in FILES}


def test_pull_twice(pushed: str, reference: str) -> None:
    modelpack("pull", reference, "-o", "out").done()
    before = Path("out/model.safetensors").stat()
    ran = modelpack("pull", reference, "-o", "out").done()
    assert (ran.last, f"out is up to date ({pushed[:19]})" in ran.err) == (str(Path.cwd() / "out"), True)
    assert Path("out/model.safetensors").stat() == before
    assert modelpack("pull", reference, "-o", "out", "-f", "json").done().json["unchanged"] is True


def test_pull_in_json(pushed: str, reference: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "-f", "json").done()
    expected = {
        "path": str(Path.cwd() / "out"),
        "digest": pushed,
        "verified": False,
        "files": FILES,
        "unchanged": False,
    }
    assert (ran.json, ran.err) == (expected, "")
    assert modelpack("pull", reference, "-o", "other", "-q").done().err == ""


def test_pull_of_a_newer_version(pushed: str, reference: str, folder: Path) -> None:
    modelpack("pull", reference, "-o", "out").done()
    make_model(folder, fill=b"\x3d")
    (folder / "tokenizer.json").unlink()
    newer = modelpack("pack", folder, "-t", reference, "--push").done().last
    assert newer != pushed
    told = modelpack("pull", reference, "-o", "out", "-f", "json").done().json
    assert (told["digest"], told["unchanged"]) == (newer, False)
    assert content(Path("out")) == content(folder)


def test_pull_some_files(pushed: str, reference: str) -> None:
    modelpack("pull", reference, "-o", "a", "-i", "*.safetensors", "-i", "onnx/**").done()
    assert set(content(Path("a"))) == {"model.safetensors", "onnx/config.json"}
    modelpack("pull", reference, "-o", "b", "-k", "docs", "-k", "config", "-x", "onnx/").done()
    assert set(content(Path("b"))) == {"README.md", "config.json", "tokenizer.json"}


def test_pull_of_nothing(pushed: str, reference: str) -> None:
    ran = modelpack("pull", reference, "-o", "out", "-i", "*.gguf")
    ran.failed(2, "no file matches '*.gguf'", "hint: there is: README.md, config.json, model.safetensors, ")
    modelpack("pull", reference, "-o", "out", "-k", "code").failed(2, "the model has no files of these kinds")
    assert not Path("out").exists()


def test_pull_of_an_unknown_kind(pushed: str, reference: str) -> None:
    modelpack("pull", reference, "-o", "out", "-k", "picture").failed(2, "'picture' is not a kind", "hint: kinds are")


def test_pull_into_somebody_elses_folder(pushed: str, reference: str) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    Path("mine/config.json").write_text("mine too")
    modelpack("pull", reference, "-o", "mine").failed(2, "mine is not empty and was not made by modelpack", "hint: ")
    modelpack("pull", reference, "-o", "mine", "--force").done()
    assert Path("mine/notes.txt").read_text() == "mine"
    assert set(content(Path("mine"))) == {*FILES, "notes.txt"}
    assert "bert" in Path("mine/config.json").read_text()


def test_pull_without_a_folder(pushed: str, reference: str, tmp_path: Path) -> None:
    ran = modelpack("pull", reference).done()
    assert (ran.last, ran.err) == (pushed, f"{reference}: 9.2 kB moved\n")
    assert str(LayoutStore(tmp_path / "store", create=False).resolve(reference).digest) == pushed
    assert modelpack("pull", reference, "-f", "json").done().json["sent"] == 0


def test_pull_by_digest_without_a_folder(pushed: str, reference: str, registry: str) -> None:
    pinned = f"{registry}/ml/tiny@{pushed}"
    modelpack("pull", pinned).done()
    assert modelpack("ls", "-f", "json").done().json[0]["name"] == pinned
    modelpack("prune", "--grace", "0").done()
    assert modelpack("inspect", pinned, "-f", "json").done().json["from"] == "local store"


def test_choosing_files_needs_a_folder(pushed: str, reference: str) -> None:
    for option in (["-i", "*"], ["-x", "*"], ["-k", "doc"], ["--force"]):
        modelpack("pull", reference, *option).failed(2, "go with --output DIR")


def test_pull_of_what_is_not_there(pushed: str, registry: str) -> None:
    ran = modelpack("pull", f"{registry}/ml/tiny:v9", "-o", "out")
    ran.failed(5, f"error: there is no v9 in {registry}/ml/tiny\n", f"hint: modelpack ls {registry}/ml/tiny shows")
    modelpack("pull", f"{registry}/ml/none:v1", "-o", "out").failed(5, "ml/none")
    modelpack("pull", "not a reference", "-o", "out").failed(2, "is not a repository name", "hint: ")
    modelpack("pull", "oci:nowhere:v1", "-o", "out").failed(5, "nowhere")
    modelpack("copy", f"{registry}/ml/tiny:v1", "oci:../air:v1").done()
    modelpack("pull", "oci:../air:v9", "-o", "out").failed(5, "error: nothing is named 'v9'\n", "hint: it has v1\n")
    modelpack("pull", "127.0.0.1:1/a/b:v1", "-o", "out", "--retries", "1").failed(5, "refuses connections")
    assert list(Path.cwd().iterdir()) == []


def test_copy_there_and_back(pushed: str, reference: str, registry: str) -> None:
    there = modelpack("copy", reference, "oci:air:v1").done()
    assert (there.last, there.err) == (pushed, "oci:air:v1: 9.2 kB moved\n")
    back = modelpack("copy", "oci:air:v1", f"{registry}/back/tiny:v1", "-f", "json").done().json
    assert (back["digest"], back["existing"] + back["mounted"] + back["sent"]) == (pushed, 9228)
    modelpack("pull", f"{registry}/back/tiny@{pushed}", "-o", "out", "-q").done()
    assert set(content(Path("out"))) == set(FILES)


def test_copy_keeps_the_name_out_of_a_layout_if_none_is_given(pushed: str, reference: str) -> None:
    modelpack("copy", reference, "oci:air", "-q").done()
    assert LayoutStore("air", create=False).tags() == ()
    assert modelpack("inspect", "oci:air", "-f", "json").done().json["digest"] == pushed


def test_copy_to_another_digest(pushed: str, reference: str) -> None:
    other = f"sha256:{'0' * 64}"
    ran = modelpack("copy", reference, f"oci:air@{other}")
    ran.failed(2, f"{pushed} cannot be stored as {other}", "hint: leave the digest out")


def test_copy_to_the_same_digest(pushed: str, reference: str, registry: str) -> None:
    modelpack("copy", reference, f"{registry}/other/tiny@{pushed}").done()
    told = modelpack("inspect", f"{registry}/other/tiny@{pushed}", "-r", "-f", "json").done().json
    assert told["digest"] == pushed


def test_damaged_content(folder: Path, faulty: FaultyRegistry) -> None:
    reference = f"{faulty.host}/ml/tiny:v1"
    modelpack("pack", folder, "-t", reference, "--push").done()
    faulty.on("GET", "/blobs/", effects.wrong_bytes(), times=None)
    modelpack("pull", reference, "-o", "out").failed(4, "error: ", "sha256:")
    assert not Path("out").exists()


def test_a_malformed_document(faulty: FaultyRegistry) -> None:
    faulty.repository("ml/tiny").add_manifest(
        "application/vnd.oci.image.manifest.v1+json", b'{"schemaVersion": 1}', "v1"
    )
    modelpack("pull", f"{faulty.host}/ml/tiny:v1", "-o", "out").failed(3, "manifest: schemaVersion: 2 is required")


def test_retries_are_told(folder: Path, faulty: FaultyRegistry) -> None:
    reference = f"{faulty.host}/ml/tiny:v1"
    modelpack("pack", folder, "-t", reference, "--push").done()
    faulty.on("GET", "/blobs/", effects.status(503, retry_after=0.01))
    assert "retry: " in modelpack("pull", reference, "-o", "out").done().err
    faulty.on("GET", "/blobs/", effects.status(503, retry_after=0.01))
    assert modelpack("pull", reference, "-o", "more", "-q").done().err == ""

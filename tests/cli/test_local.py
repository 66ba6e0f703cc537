from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from modelpack import LayoutStore
from tests.cli.program import Ran, modelpack
from tests.faults import FaultyRegistry, Features


def names() -> list[str]:
    return [model["name"] for model in modelpack("ls", "-f", "json").done().json]


def test_ls_of_the_local_store(packed: Ran, reference: str) -> None:
    ran = modelpack("ls").done()
    assert ran.lines == [["NAME", "DIGEST", "SIZE"], [reference, packed.last[:19], "9.2", "kB"]]
    told = modelpack("ls", "-f", "json").done().json
    assert told == [{"name": reference, "digest": packed.last, "size": 9228}]


def test_ls_of_a_layout(folder: Path) -> None:
    modelpack("pack", folder, "-t", "oci:air:v1").done()
    modelpack("copy", "oci:air:v1", "oci:air:v2").done()
    assert [line[0] for line in modelpack("ls", "oci:air").done().lines] == ["NAME", "v1", "v2"]
    assert [model["name"] for model in modelpack("ls", "oci:air", "-f", "json").done().json] == ["v1", "v2"]
    modelpack("ls", "oci:nowhere").failed(5, "nowhere")
    assert not Path("nowhere").exists()


def test_ls_of_a_repository(pushed: str, reference: str, registry: str) -> None:
    modelpack("tag", "-r", reference, "v2").done()
    assert modelpack("ls", f"{registry}/ml/tiny").done().out == "v1\nv2\n"
    assert modelpack("ls", f"{registry}/ml/tiny", "-f", "json").done().json == ["v1", "v2"]
    modelpack("ls", f"{registry}/ml/none").failed(5, "ml/none")


def test_ls_of_a_registry(pushed: str, registry: str, folder: Path) -> None:
    modelpack("pack", folder, "-t", f"{registry}/a/b:v1", "--push").done()
    assert modelpack("ls", registry).done().out == "a/b\nml/tiny\n"
    assert modelpack("ls", f"http://{registry}/", "-f", "json").code == 2
    assert modelpack("ls", registry, "-f", "json").done().json == ["a/b", "ml/tiny"]
    modelpack("ls", "minilm").failed(2, "'minilm' is not a registry host", "hint: a host has a dot or a port")


def test_ls_of_an_index(folder: Path) -> None:
    from modelpack.oci import Index
    from modelpack.oci.mediatypes import OCI_INDEX

    modelpack("pack", folder, "-t", "oci:air:v1").done()
    store = LayoutStore("air")
    model = store.resolve("v1")
    store.tag(store.push_bytes(OCI_INDEX, Index.build((model,)).raw), "all")
    assert modelpack("ls", "oci:air", "-f", "json").done().json[0]["size"] == model.size


def test_tag(packed: Ran, reference: str, registry: str) -> None:
    ran = modelpack("tag", reference, f"{registry}/ml/tiny").done()
    assert (ran.last, ran.err) == (packed.last, f"{registry}/ml/tiny is {reference}\n")
    assert names() == [f"{registry}/ml/tiny:latest", reference]
    by_digest = modelpack("tag", f"{registry}/ml/tiny@{packed.last}", "other.example/a:b", "-f", "json").done()
    assert by_digest.json["digest"] == packed.last
    assert modelpack("tag", reference, "other.example/a:c", "-q").done().err == ""
    assert "other.example/a:c" in names()


def test_tag_by_digest_means_that_digest(packed: Ran, folder: Path, registry: str) -> None:
    (folder / "config.json").write_text("{}")
    newer = modelpack("pack", folder, "-t", f"{registry}/ml/tiny:latest").done().last
    assert newer != packed.last
    assert modelpack("tag", f"{registry}/ml/tiny@{packed.last}", "a.example/old:v1").done().last == packed.last


def test_tag_of_nothing(packed: Ran, reference: str) -> None:
    modelpack("tag", "a.example/none:v1", "a.example/new:v1").failed(5, "nothing is named 'a.example/none:v1'")
    modelpack("tag", reference, "Bad").failed(2, "is not a repository name")


def test_tag_in_a_registry(pushed: str, reference: str, registry: str) -> None:
    assert modelpack("tag", "-r", reference, "v2").done().last == pushed
    modelpack("tag", "-r", reference, f"{registry}/ml/tiny:v3").done()
    assert modelpack("ls", f"{registry}/ml/tiny").done().out == "v1\nv2\nv3\n"
    modelpack("tag", "-r", reference, f"{registry}/other:v3").failed(2, "is not a tag in", "hint: copy ")
    modelpack("tag", "-r", reference, "no tag").failed(2, "'no tag' is not a tag")
    modelpack("tag", "-r", f"{registry}/ml/tiny:none", "v4").failed(5, "none")


def test_tag_in_a_layout(folder: Path) -> None:
    modelpack("pack", folder, "-t", "oci:air:v1").done()
    modelpack("tag", "oci:air:v1", "registry.example/a/b:v2").done()
    assert LayoutStore("air").tags() == ("registry.example/a/b:v2", "v1")


def test_rm(packed: Ran, reference: str, registry: str) -> None:
    modelpack("tag", reference, f"{registry}/x:y").done()
    ran = modelpack("rm", reference).done()
    assert (ran.out, ran.err) == ("", f"removed {reference}\n")
    assert names() == [f"{registry}/x:y"]
    modelpack("rm", reference).failed(5, f"nothing is named '{reference}'", f"hint: it has {registry}/x:y")
    assert modelpack("rm", f"{registry}/x:y", "-f", "json", "-q").done().json == {"removed": [f"{registry}/x:y"]}
    assert names() == []


def test_rm_of_a_digest_leaves_other_names(packed: Ran, reference: str, registry: str) -> None:
    pinned = f"{registry}/ml/tiny@{packed.last}"
    modelpack("rm", pinned).failed(5, "nothing is named")
    modelpack("push", reference).done()
    modelpack("pull", pinned).done()
    assert names() == [reference, pinned]
    modelpack("rm", pinned).done()
    assert names() == [reference]


def test_rm_in_a_registry(pushed: str, reference: str, registry: str) -> None:
    modelpack("tag", "-r", reference, "v2").done()
    modelpack("tag", "-r", reference, "v3").done()
    modelpack("rm", "-r", reference).done()
    assert modelpack("ls", f"{registry}/ml/tiny").done().out == "v2\nv3\n"
    modelpack("rm", "-r", reference).failed(5, "v1")
    modelpack("rm", "-r", f"{registry}/ml/tiny@{pushed}").done()
    modelpack("inspect", f"{registry}/ml/tiny:v2").failed(5)


def test_rm_in_a_registry_that_refuses(folder: Path) -> None:
    with FaultyRegistry(Features(delete=False)) as faulty:
        reference = f"{faulty.host}/ml/tiny:v1"
        modelpack("pack", folder, "-t", reference, "--push").done()
        modelpack("rm", "-r", reference).failed(2, "hint: ")


def test_rm_in_a_layout(folder: Path) -> None:
    modelpack("pack", folder, "-t", "oci:air:v1").done()
    modelpack("rm", "oci:air").failed(2, "oci:air says no name to remove")
    modelpack("rm", "oci:air:v1").done()
    assert LayoutStore("air").tags() == ()


def test_commands_that_need_a_store(reference: str) -> None:
    for command in (["tag", reference, "v2"], ["rm", reference], ["prune"]):
        modelpack(*command).failed(5, "there is no local store at", "hint: pack and pull make it")


@pytest.fixture
def forgotten(packed: Ran, reference: str) -> Path:
    """The store, with a model that has lost its name."""
    modelpack("rm", reference).done()
    return Path(os.environ["MODELPACK_STORE"])


def blobs(store: Path) -> int:
    return len(list((store / "blobs" / "sha256").iterdir()))


def test_prune_frees_what_rm_left(forgotten: Path) -> None:
    assert blobs(forgotten) == 7
    dry = modelpack("prune", "--dry-run", "--grace", "0").done()
    assert (len(dry.lines), dry.err) == (7, "7 files, 11.7 kB would be freed\n")
    assert blobs(forgotten) == 7
    told = modelpack("prune", "--grace", "0", "-f", "json").done().json
    assert (told["dryRun"], told["size"], len(told["removed"])) == (False, 11655, 7)
    assert blobs(forgotten) == 0
    assert modelpack("prune", "--grace", "0", "-q").done().err == ""


def test_prune_leaves_what_is_young(forgotten: Path) -> None:
    ran = modelpack("prune").done()
    young = "7 files, 11.7 kB are not needed either, but younger than 24 hours: --grace 0 frees them"
    assert (ran.out, ran.err.splitlines()) == ("", ["0 files, 0 B freed", young])
    assert modelpack("prune", "--dry-run").done().err.splitlines()[1] == young
    time.sleep(0.02)
    assert modelpack("prune", "--grace", "0.000001").done().err == "7 files, 11.7 kB freed\n"


def test_prune_keeps_what_has_a_name(packed: Ran, reference: str) -> None:
    assert modelpack("prune", "--grace", "0").done().err == "0 files, 0 B freed\n"
    modelpack("inspect", reference).done()

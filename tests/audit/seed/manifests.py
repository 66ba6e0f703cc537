"""Manifests, configurations and blobs that are not as they should be."""

from __future__ import annotations

from typing import Any

from modelpack.oci import Digest, Index, Manifest
from modelpack.oci.mediatypes import FILEPATH
from modelpack.store import BytesSource
from tests.audit.seed.kit import Kit, case

Document = dict[str, Any]


@case("schema-config", "MP001")
def schema(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["config"]["colour"] = "blue"

    kit.by_hand(name, change)


@case("schema-precision", "MP001")
def schema_type(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["config"]["paramSize"] = "about seven billion"

    kit.by_hand(name, change)


@case("too-few-diff-ids", "MP002")
def too_few(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["modelfs"]["diffIds"].pop()

    kit.by_hand(name, change)


@case("another-diff-id", "MP002")
def another(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["modelfs"]["diffIds"][0] = str(Digest.of(b"something else"))

    kit.by_hand(name, change)


@case("blob-lost", "MP003")
def lost(kit: Kit, name: str) -> None:
    """A file that says nothing about the model, so that nothing else is missing."""
    descriptor = kit.model(name, {"vocab.bin": b"only here, and soon not even here"})
    with kit.store(name) as store:
        manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    kit.lose(name, next(one.digest for one in manifest.layers if one.annotations.get(FILEPATH) == "vocab.bin"))


@case("member-lost", "MP005")
def member_lost(kit: Kit, name: str) -> None:
    kept, gone = (kit.packed(name, {"x.txt": tag.encode()}, tag=tag) for tag in ("a", "b"))
    both = Index.build((kept.plain(), gone.plain()))
    with kit.store(name) as store:
        store.push(both.descriptor, BytesSource(both.raw))
        store.tag(both.descriptor, "v1")
        store.untag("a")
        store.delete(gone)
    kit.describe(name, kept)
    kit.found[name] = both.descriptor
    kit.sign(name, both.descriptor)


@case("cnai", "MP006")
def cnai(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        manifest["artifactType"] = "application/vnd.cnai.model.manifest.v1+json"
        manifest["config"]["mediaType"] = "application/vnd.cnai.model.config.v1+json"
        for layer in manifest["layers"]:
            layer["mediaType"] = layer["mediaType"].replace("cncf", "cnai")
        config["modelfs"]["diff_ids"] = config["modelfs"].pop("diffIds")

    kit.by_hand(name, change)


@case("silent", "MP007")
def silent(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["descriptor"], config["config"] = {}, {}

    kit.by_hand(name, change)


@case("card-too-large", "MP009")
def unread(kit: Kit, name: str) -> None:
    """A configuration file that is too large to be read beside the model."""
    kit.model(name, {"tokenizer_config.json": b"{" + b" " * (1 << 20) + b"}"})


@case("claims-signature", "MP110")
def claims_signature(kit: Kit, name: str) -> None:
    kit.model(name, annotations={"org.cncf.ai.security.signing.framework": "notation"})


@case("claims-bom", "MP110")
def claims_bom(kit: Kit, name: str) -> None:
    kit.model(name, annotations={"org.cncf.ai.security.sbom.format": "spdx"})


def renamed(path: str) -> Any:
    """A change that gives the last layer another name."""

    def change(manifest: Document, config: Document) -> None:
        manifest["layers"][-1]["annotations"][FILEPATH] = path

    return change


@case("path-out", "MP111")
def path_out(kit: Kit, name: str) -> None:
    kit.by_hand(name, renamed("../outside.txt"), {"zzz.txt": b"x"})


@case("path-twice", "MP111")
def path_twice(kit: Kit, name: str) -> None:
    kit.by_hand(name, renamed("aaa.txt"), {"aaa.txt": b"y", "zzz.txt": b"x"})


@case("path-case", "MP111")
def path_case(kit: Kit, name: str) -> None:
    kit.by_hand(name, renamed("AAA.txt"), {"aaa.txt": b"y", "zzz.txt": b"x"})

"""Manifests, configurations and blobs that are not as they should be."""

from __future__ import annotations

from random import Random
from typing import Any

from modelpack.attest import PROVENANCE
from modelpack.oci import Codec, Descriptor, Digest, Index, Kind, Manifest
from modelpack.oci.mediatypes import FILEPATH
from modelpack.pack import Layout
from modelpack.store import BytesSource
from tests.audit.seed.kit import Kit, case
from tests.formats import build as made

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
    descriptor = kit.model(name, {"notes.txt": b"only here, and soon not even here"})
    with kit.store(name) as store:
        manifest = store.document(descriptor)
    assert isinstance(manifest, Manifest)
    kit.lose(name, next(one.digest for one in manifest.layers if one.annotations.get(FILEPATH) == "notes.txt"))


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
        config["config"].pop("capabilities", None)
        config["modelfs"]["diff_ids"] = config["modelfs"].pop("diffIds")

    kit.by_hand(name, change)


@case("docker-model", "MP006", "MP009", "MP020")
def docker_model(kit: Kit, name: str) -> None:
    """As Docker Model Runner packages weights: a configuration of its own, no artifact type, nothing else."""
    pairs = (made.pair("general.name", 8, made.text(name)),)
    raw = made.gguf(pairs, (made.tensor("t", (32,), 0, 0),), bytes(128))
    weights = Descriptor.of("application/vnd.docker.ai.gguf.v3", raw).annotated(**{FILEPATH: "model.gguf"})
    config = b'{"config":{"format":"gguf"},"rootfs":{"type":"rootfs","diff_ids":["%s"]}}' % str(weights.digest).encode()
    settings = Descriptor.of("application/vnd.docker.ai.model.config.v0.1+json", config)
    manifest = Manifest.build(artifact_type="", config=settings, layers=(weights,))
    descriptor = kit.put(name, manifest, raw, config, tag="v1")
    kit.sign(name, descriptor)
    kit.attest(name, descriptor, PROVENANCE, kit.provenance(name).predicate())


@case("silent", "MP007")
def silent(kit: Kit, name: str) -> None:
    def change(manifest: Document, config: Document) -> None:
        config["descriptor"], config["config"] = {}, {}

    kit.by_hand(name, change)


@case("closed-archive", "MP009")
def closed(kit: Kit, name: str) -> None:
    """A compressed archive that is too large to be read whole."""
    data = Random(name).randbytes(4_300_000)
    kit.model(name, {"words.csv": data}, layout=Layout({Kind.DATASET: Codec.TAR_GZIP}), kinds={"words.csv": "dataset"})


@case("not-a-manifest", "MP004")
def not_a_manifest(kit: Kit, name: str) -> None:
    """Something under a tag that only says that it is a manifest."""
    kit.junk(name, b'{"schemaVersion": 2, "layers": "many"}')


@case("claims-signature", "MP110")
def claims_signature(kit: Kit, name: str) -> None:
    kit.model(name, annotations={"org.cncf.ai.security.signing.framework": "notation"})


@case("claims-bom", "MP110")
def claims_bom(kit: Kit, name: str) -> None:
    kit.model(name, annotations={"org.cncf.ai.security.sbom.format": "spdx"})


def renamed(kit: Kit, name: str, path: str) -> None:
    """A model whose last file has another name. No bill of materials can be made of it."""

    def change(manifest: Document, config: Document) -> None:
        manifest["layers"][-1]["annotations"][FILEPATH] = path

    descriptor = kit.by_hand(name, change, {"aaa.txt": b"y", "zzz.txt": b"x"}, described=False)
    kit.attest(name, descriptor, PROVENANCE, kit.provenance(name).predicate())


@case("path-out", "MP009", "MP020", "MP111")
def path_out(kit: Kit, name: str) -> None:
    renamed(kit, name, "../outside.txt")


@case("path-twice", "MP009", "MP020", "MP111")
def path_twice(kit: Kit, name: str) -> None:
    renamed(kit, name, "aaa.txt")


@case("path-case", "MP009", "MP020", "MP111")
def path_case(kit: Kit, name: str) -> None:
    renamed(kit, name, "AAA.txt")

"""Models that nobody vouches for, or not as they should."""

from __future__ import annotations

from dataclasses import replace

from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import OCI_EMPTY
from modelpack.store import BytesSource, tag_of
from modelpack.trust import Target, sign
from modelpack.trust.cosign import SIGNATURE_LAYER
from tests.audit.seed.good import NOTARY, cosign_sign
from tests.audit.seed.kit import NOW, REVOKED, Kit, case
from tests.real.tools import run


@case("unsigned", "MP010")
def unsigned(kit: Kit, name: str) -> None:
    """Attestations are no signatures."""
    kit.describe(name, kit.packed(name))


@case("unsigned-copy", "MP010", "MP020", "MP030", live=True)
def copied(kit: Kit, name: str) -> None:
    """oras copies a good model to another registry without what is attached to it."""
    run("oras", "cp", "--from-plain-http", "--to-plain-http", f"{kit.place('good-plain')}:v1", f"{kit.place(name)}:v1")


@case("stranger", "MP011")
def stranger(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor, "stranger")
    kit.describe(name, descriptor)


@case("stranger-legacy", "MP011")
def stranger_legacy(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor, "stranger", "tag")
    kit.describe(name, descriptor)


@case("stranger-cosign", "MP011", live=True)
def stranger_cosign(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    folder = kit.folder / "stranger"
    folder.mkdir()
    run("cosign", "generate-key-pair", cwd=folder, env={"COSIGN_PASSWORD": "", "HOME": str(kit.folder)})
    cosign_sign(kit, name, folder)


@case("expired", "MP012")
def expired(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor, "former")
    kit.describe(name, descriptor)


@case("revoked-signer", "MP012")
def revoked(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    with kit.store(name) as store:
        chain = REVOKED.chain_pem
        sign(store, Target(descriptor), REVOKED.signer, now=NOW, reference="", formats=(NOTARY,), certificates=chain)


@case("moved-signature", "MP013")
def moved(kit: Kit, name: str) -> None:
    """cosign's tag of another model, under this one's name."""
    other = kit.packed(name, {"x.txt": b"another"}, tag="other")
    kit.sign(name, other, "release", "tag")
    kit.describe(name, other)
    kit.sign(name, other)
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    with kit.store(name) as store:
        store.tag(store.resolve(tag_of(other.digest, "sig")), tag_of(descriptor.digest, "sig"))


@case("moved-bundle", "MP013")
def moved_bundle(kit: Kit, name: str) -> None:
    """A bundle that was made for another model, attached to this one."""
    other = kit.packed(name, {"x.txt": b"another"}, tag="other")
    kit.sign(name, other)
    kit.describe(name, other)
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    with kit.store(name) as store:
        carriers = [store.document(one) for one in store.referrers(other)]
        bundle = next(
            one for one in carriers if "predicateType" in str(one.annotations) and "cosign/sign" in str(one.annotations)
        )
        assert isinstance(bundle, Manifest)
        raw = store.read(bundle.layers[0])
        attach_like(kit, name, descriptor, bundle, raw)


def attach_like(kit: Kit, name: str, descriptor: Descriptor, like: Manifest, raw: bytes) -> None:
    """Other bytes, attached as something else is."""
    layer = replace(like.layers[0], digest=Digest.of(raw), size=len(raw))
    manifest = Manifest.build(
        artifact_type=like.artifact_type,
        config=like.config,
        layers=(layer,),
        subject=descriptor.plain(),
        annotations=dict(like.annotations),
    )
    with kit.store(name) as store:
        store.push(layer, BytesSource(raw))
        store.push(manifest.descriptor, BytesSource(manifest.raw))


@case("legacy-only", "MP014")
def legacy(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor, "release", "tag")
    kit.describe(name, descriptor)


@case("files-only", "MP015")
def files_only(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor, "release", "oms")
    kit.describe(name, descriptor)


def bundle_of(kit: Kit, name: str, descriptor: Descriptor) -> tuple[Manifest, bytes]:
    """The carrier of the signature, and its bundle."""
    with kit.store(name) as store:
        carriers = [store.document(one) for one in store.referrers(descriptor)]
        found = next(one for one in carriers if "cosign/sign" in str(one.annotations))
        assert isinstance(found, Manifest)
        return found, store.read(found.layers[0])


@case("broken-beside-good", "MP016")
def broken(kit: Kit, name: str) -> None:
    descriptor = kit.model(name)
    carrier, raw = bundle_of(kit, name, descriptor)
    attach_like(kit, name, descriptor, carrier, raw[: len(raw) // 2])


@case("broken-alone", "MP010", "MP016")
def broken_alone(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    layer = Descriptor.of(SIGNATURE_LAYER, b"no payload").annotated(**{"dev.cosignproject.cosign/signature": "bm8="})
    config = Descriptor.of("application/vnd.oci.image.config.v1+json", b"{}")
    manifest = Manifest.build(artifact_type="", config=config, layers=(layer,))
    kit.put(name, manifest, b"{}", b"no payload", tag=tag_of(descriptor.digest, "sig"))


@case("too-much-attached", "MP017")
def too_much(kit: Kit, name: str) -> None:
    """Junk, two hundred times."""
    descriptor = kit.model(name)
    config = Descriptor.of(OCI_EMPTY, b"{}")
    with kit.store(name) as store:
        store.push(config, BytesSource(b"{}"))
        for number in range(201):
            manifest = Manifest.build(
                artifact_type="application/vnd.example.junk",
                config=config,
                layers=(config,),
                subject=descriptor.plain(),
                annotations={"number": str(number)},
            )
            store.push(manifest.descriptor, BytesSource(manifest.raw))

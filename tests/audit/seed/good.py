"""Models of which no rule speaks."""

from __future__ import annotations

import json
from dataclasses import replace

from modelpack.attest import CYCLONEDX, CYCLONEDX_BOM, Material, cyclonedx, inventory
from modelpack.oci import Index, loads_object
from modelpack.oci.mediatypes import OCI_MANIFEST
from modelpack.pack import Layout
from modelpack.store import BytesSource
from modelpack.trust import SignatureFormat, Target, sign
from tests.audit.seed.folders import COMMIT, card, config, weights
from tests.audit.seed.kit import NOW, TRUSTED, Kit, case
from tests.formats import build as made
from tests.real.tools import run

NOTARY = SignatureFormat.NOTARY
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
BASE = f"https://huggingface.co/acme/base/tree/{COMMIT}"


@case("good-plain")
def plain(kit: Kit, name: str) -> None:
    kit.model(name)


@case("good-licence-custom")
def custom_licence(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, "llama3.1")})


@case("good-licence-choice")
def licence_choice(kit: Kit, name: str) -> None:
    kit.model(name, licenses=["CC-BY-NC-4.0 OR MIT"], files={"README.md": card(name, "cc-by-nc-4.0 OR mit")})


@case("good-template")
def template(kit: Kit, name: str) -> None:
    kit.model(name, {"chat_template.jinja": TEMPLATE.encode(), "tokenizer_config.json": b'{"model_max_length": 8}'})


@case("good-gguf")
def gguf(kit: Kit, name: str) -> None:
    pairs = (made.pair("general.name", 8, made.text(name)), made.pair("general.architecture", 8, made.text("llama")))
    raw = made.gguf(pairs, (made.tensor("t", (32,), 0, 0),), bytes(128))
    kit.model(name, {"model.safetensors": None, "config.json": None, "model.gguf": raw})


@case("good-shards")
def shards(kit: Kit, name: str) -> None:
    first = weights(name + "1", {"a.weight": ("F16", (50, 20))})
    second = weights(name + "2", {"b.weight": ("F16", (50, 20))})
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"metadata": {"total_size": 4000}, "weight_map": {"a.weight": names[0], "b.weight": names[1]}}
    files = {"model.safetensors": None, names[0]: first, names[1]: second}
    kit.model(name, {**files, "model.safetensors.index.json": json.dumps(index).encode()})


@case("good-archives")
def archives(kit: Kit, name: str) -> None:
    kit.model(name, layout=Layout(bundle=True))


@case("good-base-pinned")
def base_pinned(kit: Kit, name: str) -> None:
    """The card says a name, the provenance says which content."""
    descriptor = kit.packed(name, {"README.md": card(name, more="base_model: acme/base\n")})
    kit.sign(name, descriptor)
    base = Material("https://huggingface.co/acme/base", "base-model", {"gitCommit": COMMIT})
    kit.describe(name, descriptor, provenance=kit.provenance(name, base))


@case("good-base-in-card")
def base_in_card(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, more=f"base_model: {BASE}\nbase_model_relation: finetune\n")})


@case("good-data-pinned")
def data_pinned(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, more=f"datasets: [hf://datasets/acme/words@{COMMIT}]\n")})


@case("good-spdx")
def spdx(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.sign(name, descriptor)
    kit.describe(name, descriptor, boms=("spdx",))


@case("good-both-formats")
def both_formats(kit: Kit, name: str) -> None:
    kit.sign(name, kit.model(name), "release", "bundle", "tag", "oms")


@case("good-two-signers")
def two_signers(kit: Kit, name: str) -> None:
    kit.sign(name, kit.model(name), "second")


@case("good-and-a-stranger")
def and_a_stranger(kit: Kit, name: str) -> None:
    kit.sign(name, kit.model(name), "stranger")


@case("good-notary")
def notary(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    with kit.store(name) as store:
        chain = TRUSTED.chain_pem
        sign(store, Target(descriptor), TRUSTED.signer, now=NOW, reference="", formats=(NOTARY,), certificates=chain)


@case("good-cosign", live=True)
def cosign(kit: Kit, name: str) -> None:
    """Signed by cosign 3, which writes a bundle."""
    descriptor = kit.packed(name)
    kit.describe(name, descriptor)
    cosign_sign(kit, name, kit.cosign)


def cosign_sign(kit: Kit, name: str, keys: object) -> None:
    """A signature by the real cosign."""
    env = {"COSIGN_PASSWORD": "", "HOME": str(kit.folder)}
    offline = ("--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "-y")
    run("cosign", "sign", "--key", f"{keys}/cosign.key", *offline, kit.at(name, kit.found[name]), env=env)


@case("good-oras", live=True)
def oras(kit: Kit, name: str) -> None:
    """The bill of materials attached by oras, and signed by us."""
    descriptor = kit.packed(name)
    kit.sign(name, descriptor)
    kit.describe(name, descriptor, boms=())
    with kit.store(name) as store:
        raw = cyclonedx(inventory(store, descriptor, reference=f"{kit.place(name)}:v1"), tool_version="1.0")
    (kit.folder / f"{name}.cdx.json").write_bytes(raw)
    file = f"{name}.cdx.json:{CYCLONEDX}"
    run("oras", "attach", "--plain-http", "--artifact-type", CYCLONEDX, f"{kit.place(name)}:v1", file, cwd=kit.folder)
    kit.attest(name, descriptor, CYCLONEDX_BOM, loads_object(raw, "bom"))


@case("good-claims")
def claims(kit: Kit, name: str) -> None:
    said = {
        "org.cncf.ai.interop.profile.version": "1.0.0",
        "org.cncf.ai.security.signing.framework": "sigstore",
        "org.cncf.ai.security.sbom.format": "cyclonedx",
        "org.cncf.ai.security.provenance.type": "slsa-v1.0",
        "org.cncf.ai.packaging.format": "modelpack",
    }
    kit.model(name, annotations=said)


@case("good-index")
def index(kit: Kit, name: str) -> None:
    """Two variants under one signed index; the variants are described, not signed."""
    variants = [kit.packed(name, {"x.txt": tag.encode()}, tag=tag) for tag in ("a", "b")]
    for variant in variants:
        kit.describe(name, variant)
    entries = tuple(replace(variant.plain(), media_type=OCI_MANIFEST) for variant in variants)
    both = Index.build(entries)
    with kit.store(name) as store:
        store.push(both.descriptor, BytesSource(both.raw))
        store.tag(both.descriptor, "v1")
        for tag in ("a", "b"):
            store.untag(tag)
    kit.found[name] = both.descriptor
    kit.sign(name, both.descriptor)


@case("good-many-tags")
def many_tags(kit: Kit, name: str) -> None:
    with kit.store(name) as store:
        descriptor = kit.model(name)
        for tag in ("latest", "v1.0", "stable"):
            store.tag(descriptor, tag)


@case("good-attested-by-another")
def attested_by_another(kit: Kit, name: str) -> None:
    descriptor = kit.packed(name, {"config.json": config(torch_dtype="float16")})
    kit.sign(name, descriptor)
    kit.describe(name, descriptor, signer="second")

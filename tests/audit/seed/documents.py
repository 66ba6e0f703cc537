"""Bills of materials, provenance and other statements that are missing, malformed or wrong; licences; descent."""

from __future__ import annotations

import json
from typing import Any

from modelpack.attest import (
    CYCLONEDX,
    CYCLONEDX_BOM,
    IN_TOTO,
    PROVENANCE,
    SVR,
    Material,
    cyclonedx,
    inventory,
    statement,
    verification_result,
)
from modelpack.oci import Descriptor, Digest
from tests.audit.seed.folders import COMMIT, card, config
from tests.audit.seed.good import TEMPLATE
from tests.audit.seed.kit import BUILT, Kit, case

BACKDOOR = "d" * 40
REVOKED = {"evil/*": "all of them", BACKDOOR: "a backdoor"}


def bare(kit: Kit, name: str, **options: Any) -> Descriptor:
    """A model that is signed, and of which nothing is said."""
    descriptor = kit.packed(name, **options)
    kit.sign(name, descriptor)
    return descriptor


def bom_of(kit: Kit, name: str, descriptor: Descriptor) -> dict[str, Any]:
    """A good bill of materials, to be changed."""
    with kit.store(name) as store:
        found = inventory(store, descriptor, reference=f"{kit.place(name)}:v1")
        document: dict[str, Any] = json.loads(cyclonedx(found, tool_version="1.0"))
    return document


@case("no-bom", "MP020")
def no_bom(kit: Kit, name: str) -> None:
    kit.describe(name, bare(kit, name), boms=())


@case("nothing-said", "MP020", "MP030")
def nothing(kit: Kit, name: str) -> None:
    bare(kit, name)


@case("invalid-bom", "MP021")
def invalid_bom(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, boms=())
    document = bom_of(kit, name, descriptor)
    document["version"] = 0
    kit.attest(name, descriptor, CYCLONEDX_BOM, document)


@case("bom-of-another-file", "MP022")
def wrong_hash(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, boms=())
    document = bom_of(kit, name, descriptor)
    for component in document["components"]:
        if component["name"] == "model.safetensors":
            component["hashes"][0]["content"] = "ab" * 32
    kit.attest(name, descriptor, CYCLONEDX_BOM, document)


@case("bom-of-another-model", "MP022")
def wrong_bom(kit: Kit, name: str) -> None:
    """The bill of a version before, plain, beside a good one that is signed."""
    descriptor = kit.model(name)
    document = bom_of(kit, name, descriptor)
    document["metadata"]["component"]["hashes"][0]["content"] = "cd" * 32
    kit.attach(name, descriptor, CYCLONEDX, json.dumps(document).encode())


@case("bom-unsigned", "MP023")
def unsigned_bom(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, boms=())
    kit.attach(name, descriptor, CYCLONEDX, json.dumps(bom_of(kit, name, descriptor)).encode())


@case("bom-by-a-stranger", "MP023", "MP036")
def bom_by_a_stranger(kit: Kit, name: str) -> None:
    kit.describe(name, bare(kit, name), signer="stranger")


@case("wrong-verdict", "MP024", "MP050")
def wrong_verdict(kit: Kit, name: str) -> None:
    """Somebody says that there is no pickle."""
    from tests.scan.hostile_files import GOOD

    descriptor = kit.model(name, files={"extra.pt": GOOD})
    kit.attest(name, descriptor, SVR, verification_result(["MODELPACK_NO_PICKLE"], created=BUILT))


@case("no-provenance", "MP030")
def no_provenance(kit: Kit, name: str) -> None:
    kit.describe(name, bare(kit, name), provenance=None)


@case("provenance-of-another", "MP031")
def other_subject(kit: Kit, name: str) -> None:
    """A plain statement about another build, beside a good one that is signed."""
    descriptor = kit.model(name)
    other = statement(PROVENANCE, kit.provenance(name).predicate(), Digest.of(b"another"))
    kit.attach(name, descriptor, IN_TOTO, other)


@case("builder", "MP032")
def builder(kit: Kit, name: str) -> None:
    kit.describe(name, bare(kit, name), provenance=kit.provenance(name, builder="https://laptop.example/me"))


@case("base-unpinned", "MP033")
def unpinned(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, more="base_model: acme/base\n")})


@case("data-unpinned", "MP033")
def data_unpinned(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, more="datasets: [acme/words]\n")})


@case("invalid-provenance", "MP034")
def invalid_provenance(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, provenance=None)
    predicate: Any = kit.provenance(name).predicate()
    del predicate["buildDefinition"]["externalParameters"]
    kit.attest(name, descriptor, PROVENANCE, predicate)


@case("impossible-times", "MP034", "MP035")
def impossible(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, provenance=None)
    predicate: Any = kit.provenance(name).predicate()
    times = predicate["runDetails"]["metadata"]
    times["startedOn"], times["finishedOn"] = times["finishedOn"], times["startedOn"]
    kit.attest(name, descriptor, PROVENANCE, predicate)


@case("another-base", "MP035")
def another_base(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name, files={"README.md": card(name, more=f"base_model: hf://acme/base@{COMMIT}\n")})
    other = Material("https://huggingface.co/acme/base", "base-model", {"gitCommit": "e" * 40})
    kit.describe(name, descriptor, provenance=kit.provenance(name, other))


@case("provenance-unsigned", "MP036")
def unsigned_provenance(kit: Kit, name: str) -> None:
    descriptor = bare(kit, name)
    kit.describe(name, descriptor, provenance=None)
    kit.attach(name, descriptor, IN_TOTO, kit.provenance(name).statement(descriptor.digest))


@case("no-licence", "MP040")
def no_licence(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": b"# A model\n"})


@case("licence-in-words", "MP040")
def licence_in_words(kit: Kit, name: str) -> None:
    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        config["descriptor"]["licenses"] = ["do what you like"]

    kit.by_hand(name, change, {"README.md": b"# A model\n"})


@case("licence-denied", "MP041")
def denied(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, "cc-by-nc-4.0")})


@case("licence-denied-in-part", "MP041")
def denied_in_part(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, "mit AND cc-by-nc-4.0")})


@case("licences-differ", "MP042")
def licences_differ(kit: Kit, name: str) -> None:
    kit.model(name, licenses=["MIT"])


@case("made-from-evil", "MP090")
def made_from_evil(kit: Kit, name: str) -> None:
    kit.model(name, {"README.md": card(name, more=f"base_model: hf://evil/one@{COMMIT}\n")})


@case("made-from-a-commit", "MP090")
def made_from_a_commit(kit: Kit, name: str) -> None:
    base = Material("https://huggingface.co/acme/other", "base-model", {"gitCommit": BACKDOOR})
    kit.describe(name, bare(kit, name), provenance=kit.provenance(name, base))


@case("made-from-that", "MP090")
def made_from_that(kit: Kit, name: str) -> None:
    """From what was made from it; and that by its digest."""
    middle = kit.found["made-from-a-commit"]
    base = Material(f"oci://{kit.at('made-from-a-commit', middle)}", "base-model", {"sha256": middle.digest.hex})
    kit.describe(name, bare(kit, name), provenance=kit.provenance(name, base))


@case("revoked", "MP091")
def revoked(kit: Kit, name: str) -> None:
    kit.model(name)


@case("template-of-its-own", "MP092")
def template(kit: Kit, name: str) -> None:
    files = {"chat_template.jinja": f"Be kind. {TEMPLATE}".encode(), "config.json": config(x=1)}
    base = kit.found["good-template"]
    descriptor = bare(kit, name, files=files)
    pinned = Material(f"oci://{kit.at('good-template', base)}", "base-model", {"sha256": base.digest.hex})
    kit.describe(name, descriptor, provenance=kit.provenance(name, pinned))

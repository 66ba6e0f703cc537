"""What happens between two audits."""

from __future__ import annotations

from modelpack.oci import Descriptor
from modelpack.store import LayoutStore
from tests.audit.seed.kit import Kit, case


def two(kit: Kit, name: str, first: tuple[str, ...], second: tuple[str, ...]) -> tuple[Descriptor, Descriptor]:
    """Two good models in one repository, under these tags."""
    made = []
    for tags in (first, second):
        descriptor = kit.model(name, {"x.txt": tags[0].encode()}, tag=tags[0])
        with kit.store(name) as store:
            for tag in tags[1:]:
                store.tag(descriptor, tag)
        made.append(descriptor)
    return made[0], made[1]


@case("later-moved")
def moved(kit: Kit, name: str) -> None:
    two(kit, name, ("old", "latest"), ("new",))


@case("later-moved-version")
def moved_version(kit: Kit, name: str) -> None:
    two(kit, name, ("old", "v1.0"), ("new",))


@case("later-untagged")
def untagged(kit: Kit, name: str) -> None:
    two(kit, name, ("v1",), ("v2",))


@case("later-fewer-tags")
def fewer_tags(kit: Kit, name: str) -> None:
    two(kit, name, ("v1", "stable"), ("v2",))


@case("later-gone")
def gone(kit: Kit, name: str) -> None:
    kit.found[name] = two(kit, name, ("v1",), ("v2",))[1]


@case("later-unsigned")
def unsigned(kit: Kit, name: str) -> None:
    kit.model(name)


CHANGED = {
    "later-moved": {"MP080"},
    "later-moved-version": {"MP081"},
    "later-untagged": {"MP083", "MP101"},
    "later-fewer-tags": {"MP083"},
    "later-gone": {"MP082", "MP083"},
    "later-unsigned": {"MP010", "MP084"},
}


def change(kit: Kit) -> None:
    """Tags move and vanish, a model and a signature are removed."""
    for name, tag in (("later-moved", "latest"), ("later-moved-version", "v1.0")):
        with kit.store(name) as store:
            store.tag(store.resolve("new"), tag)
    for name, tag in (("later-untagged", "v2"), ("later-fewer-tags", "stable")):
        with kit.store(name) as store:
            store.untag(tag)
    with kit.store("later-gone") as store:
        store.delete(kit.found["later-gone"])
    with kit.store("later-unsigned") as store:
        signature = next(one for one in store.referrers(kit.found["later-unsigned"]) if _is_signature(store, one))
        store.delete(signature)


def _is_signature(store: LayoutStore, carrier: Descriptor) -> bool:
    return "cosign/sign" in str(store.document(carrier).annotations)

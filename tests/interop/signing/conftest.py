"""Models, keys and tools that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import modelpack
from modelpack import PrivateKey
from tests.interop.signing.published import Cosign, Holder, Publish, Published, publish
from tests.real.registries import Registry

Signed = Callable[[Registry, str], Published]


@pytest.fixture(scope="session", name="publish")
def _publish(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """A function that puts a new model into a registry."""
    return lambda registry: publish(registry, tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Holder]:
    """A function from the kind of a key to somebody who has one; the same for the same name (``ecdsa-p256 stranger``)."""
    known: dict[str, Holder] = {}

    def holder(name: str) -> Holder:
        if name not in known:
            key = PrivateKey.generate(name.partition(" ")[0])
            known[name] = Holder(key, tmp_path_factory.mktemp("keys"))
        return known[name]

    return holder


@pytest.fixture(scope="session")
def owner(holder: Callable[[str], Holder]) -> Holder:
    """Whom everybody trusts here: a P-256 key."""
    return holder("ecdsa-p256")


@pytest.fixture(scope="session")
def stranger(holder: Callable[[str], Holder]) -> Holder:
    """Somebody else, with a key of the same kind."""
    return holder("ecdsa-p256 stranger")


@pytest.fixture(scope="session")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """cosign, with a home folder of its own."""
    return Cosign(tmp_path_factory.mktemp("cosign"))


@pytest.fixture(scope="session")
def signed(publish: Publish, owner: Holder) -> Signed:
    """A function that gives a model that the owner signed in one layout with ``team=ml``; not to be changed."""
    known: dict[tuple[str, str], Published] = {}

    def signed(registry: Registry, layout: str) -> Published:
        if (registry.host, layout) not in known:
            known[registry.host, layout] = made = publish(registry)
            modelpack.sign(made.reference, owner.key, formats=[layout], annotations={"team": "ml"})
        return known[registry.host, layout]

    return signed

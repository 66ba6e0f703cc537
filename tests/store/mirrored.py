"""A registry that has mirrors, as the tests use it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from modelpack.oci import Descriptor
from modelpack.store import (
    Credential,
    Mirror,
    Mirrors,
    Registry,
    RegistryStore,
    StaticCredentials,
)
from modelpack.store.parallel import THRESHOLD
from tests.faults import FaultyRegistry
from tests.store.clients import NAME, QUICK, Recorder, stored

LARGE = random.Random(11).randbytes(THRESHOLD + 12_345)
SMALL = b"weights" * 1000
BLOBS = "/blobs/"


def at(registry: FaultyRegistry, **fields: Any) -> Mirror:
    return replace(Mirror.parse(registry.url), **fields)


def connect(
    origin: FaultyRegistry,
    *mirrors: Mirror,
    observe: Recorder | None = None,
    logins: dict[str, Credential] | None = None,
    **options: Any,
) -> RegistryStore:
    """A repository of a registry that has mirrors."""
    credentials = StaticCredentials(logins or {})
    registry = Registry(
        origin.host, replace(QUICK, **options), credentials, observe or Recorder(), mirrors=Mirrors(mirrors)
    )
    return RegistryStore(registry, NAME)


def both(data: bytes, *registries: FaultyRegistry) -> Descriptor:
    """A blob that all of them hold."""
    descriptors = [stored(registry, data) for registry in registries]
    return descriptors[0]


def downloads(registry: FaultyRegistry, path: str = BLOBS) -> int:
    return registry.count("GET", path)

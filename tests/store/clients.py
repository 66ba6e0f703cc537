"""Our client as the tests use it: impatient, and observed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

from modelpack.oci import Descriptor, Digest
from modelpack.store import Credential, Event, HttpOptions, Registry, RegistryStore, StaticCredentials
from tests.faults import FaultyRegistry
from tests.store.content import WEIGHTS

NAME = "models/tiny"
QUICK = HttpOptions(backoff=0.01, longest_wait=0.4, connect_timeout=2, read_timeout=2, retries=4)


@dataclass(slots=True)
class Recorder:
    """An observer that keeps what it is told."""

    events: list[Event] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        with self.lock:
            self.events.append(event)

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]

    @property
    def notes(self) -> list[str]:
        return [event.note for event in self.events if event.action == "retry"]

    @property
    def passed(self) -> int:
        """The sum of the bytes that were said to have passed."""
        return sum(event.count for event in self.events)


def connect(
    faulty: FaultyRegistry,
    name: str = NAME,
    *,
    login: tuple[str, str] | None = None,
    observe: Recorder | None = None,
    **changes: Any,
) -> RegistryStore:
    """One repository of a registry on loopback; ``changes`` are HTTP options."""
    credentials = StaticCredentials({faulty.host: Credential(*login)} if login else {})
    options = replace(QUICK, **changes) if changes else QUICK
    return RegistryStore(Registry(faulty.host, options, credentials, observe or Recorder()), name)


def stored(faulty: FaultyRegistry, data: bytes, name: str = NAME) -> Descriptor:
    """A blob that the registry holds, and its descriptor."""
    return Descriptor(WEIGHTS, Digest.parse(faulty.repository(name).add_blob(data)), len(data))


def held(faulty: FaultyRegistry, descriptor: Descriptor, name: str = NAME) -> bytes | None:
    """What a registry holds for a blob's descriptor."""
    return faulty.repository(name).blobs.get(str(descriptor.digest))

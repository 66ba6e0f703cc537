"""Large uploads as one process after the other would make them, with small pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from modelpack.oci import Descriptor
from modelpack.store import (
    BytesSource,
    Credential,
    FileSource,
    FolderJournal,
    Registry,
    RegistryStore,
    Source,
    StaticCredentials,
    VerifiedSource,
)
from modelpack.store.registry import large, pieces
from modelpack.store.registry.pieces import Pieces
from tests.faults import Exchange, Fault, FaultyRegistry, Reply, error
from tests.store.clients import NAME, QUICK, Recorder, held
from tests.store.content import WEIGHTS

DATA = random.Random(9).randbytes(450_123)
PIECE = 100_000
SESSION = "/uploads/."
BLOB = Descriptor.of(WEIGHTS, DATA)
RANGES = ["0-99999", "100000-199999", "200000-299999", "300000-399999", "400000-450122"]


def use_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of ``PIECE`` bytes, from that size on."""
    monkeypatch.setattr(large, "SMALLEST", PIECE)
    monkeypatch.setattr(large, "Pieces", lambda: Pieces(PIECE, PIECE))
    monkeypatch.setattr(pieces, "MIN_PIECE", PIECE)


@dataclass(slots=True)
class Sender:
    """Sends to a registry as one process after the other would, and knows what was counted."""

    faulty: FaultyRegistry
    journal: FolderJournal | None = None
    observe: Recorder = field(default_factory=Recorder)
    counted: list[int] = field(default_factory=list)
    login: tuple[str, str] | None = None

    def store(self) -> RegistryStore:
        known = StaticCredentials({self.faulty.host: Credential(*self.login)} if self.login else {})
        options = replace(QUICK, read_timeout=0.5)
        return RegistryStore(Registry(self.faulty.host, options, known, self.observe, self.journal), NAME)

    def push(self, source: Source | bytes = DATA, promised: Descriptor = BLOB) -> None:
        content = BytesSource(source) if isinstance(source, bytes) else source
        with self.store() as store:
            store.push(promised, VerifiedSource(content, promised, self.counted.append))

    def ingest(self, source: Source) -> Descriptor:
        with self.store() as store:
            return store.ingest(WEIGHTS, source, self.counted.append)

    def arrived(self, descriptor: Descriptor = BLOB) -> bool:
        """Whether it is there, was counted once, and no session is left over."""
        good = held(self.faulty, descriptor) is not None and sum(self.counted) == descriptor.size
        self.counted.clear()
        return good

    @property
    def ranges(self) -> list[str]:
        return [request.headers["content-range"] for request in self.faulty.find("PATCH")]

    @property
    def methods(self) -> str:
        return " ".join(request.method for request in self.faulty.requests)


def cut(keep: int, status: int = 0) -> Fault:
    """A PATCH of which the session gets the first ``keep`` bytes before the connection breaks, as in distribution 3."""

    def fault(exchange: Exchange) -> Reply:
        body = exchange.incoming.read()[:keep]
        exchange.registry.answer(replace(exchange.request, body=body, headers={}))
        return Reply(raw=(), ending="reset") if not status else error(status, "UNAVAILABLE")

    return fault


def file(folder: Path, data: bytes = DATA) -> FileSource:
    path = folder / "weights"
    path.write_bytes(data)
    return FileSource.of(path)

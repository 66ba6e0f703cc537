"""All that a user says about mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelpack.store.mirrors.hosts import load_hosts
from modelpack.store.mirrors.mirror import Mirror


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Where content may come from besides the registry that a reference names. Digests still decide what is accepted.

    ``everywhere`` are asked first, whatever the registry; then those that containerd's ``hosts.toml`` in ``folder`` names for
    it (see :func:`modelpack.store.mirrors.load_hosts`).
    """

    everywhere: tuple[Mirror, ...] = ()
    folder: Path | None = None

    def of(self, registry: str) -> tuple[Mirror, ...]:
        """The mirrors of one registry (``host[:port]``), in the order in which to ask. Raises DocumentError, InputError."""
        return (*self.everywhere, *(load_hosts(self.folder, registry) if self.folder else ()))

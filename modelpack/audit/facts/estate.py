"""All artifacts of an audit together, as rules that look across them may ask. The state file answers; memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from modelpack.audit.facts.artifact import Ancestor, Artifact
from modelpack.audit.findings import Subject
from modelpack.oci import Digest


class Estate(Protocol):
    """What an audit has seen, now or (for what is gone) before."""

    def artifacts(self) -> Iterator[Artifact]:
        """Each artifact of this audit, one at a time, by place and digest."""
        ...

    def artifact(self, place: str, digest: Digest) -> Artifact | None:
        """One of them."""
        ...

    def known(self, digest: Digest) -> tuple[Subject, ...]:
        """Where a manifest is, in any repository that was seen."""
        ...

    def vanished(self) -> Iterator[tuple[Subject, str]]:
        """Tags and digests that an earlier audit saw in a place that was listed completely now, and that are gone; with what is
        gone: "tag" or "digest".
        """
        ...

    def duplicates(self) -> Iterator[tuple[Digest, tuple[tuple[Subject, str, Digest, int], ...]]]:
        """Files (by SHA-256 of their content) that are stored as different layers: subject, path, layer, bytes."""
        ...

    def derived(self, base: Digest | str) -> Iterator[tuple[Subject, tuple[Ancestor, ...]]]:
        """What was made from a manifest (digest), a Hub commit or a name, transitively, with the way that leads down to it."""
        ...

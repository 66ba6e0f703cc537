"""One file under examination: what it may cost, what was found in it, and how to look into what is inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from modelpack.errors import DocumentError
from modelpack.formats import ByteSource
from modelpack.scan.findings import Finding, finding


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: levels of nesting, files inside, bytes decompressed and searched, opcodes, findings."""

    depth: int = 6
    members: int = 100_000
    inflated: int = 4 << 30
    searched: int = 16 << 30
    opcodes: int = 20_000_000
    findings: int = 100


class TooMuch(DocumentError):
    """A limit is reached."""


@dataclass(slots=True)
class Budget:
    """What is left of the limits."""

    members: int
    inflated: int
    searched: int
    opcodes: int

    @classmethod
    def of(cls, limits: Limits) -> Budget:
        """All of it."""
        return cls(limits.members, limits.inflated, limits.searched, limits.opcodes)

    def spend(self, what: str, amount: int) -> None:
        """Take from one limit. Raises TooMuch."""
        left = getattr(self, what) - amount
        setattr(self, what, left)
        if left < 0:
            raise TooMuch("scan", "", f"the limit of what a scan may use is reached ({what})")


Scan = Callable[["Look", ByteSource, str], None]
"""Looks at content; the text is a file name, as a hint."""


@dataclass(slots=True)
class Look:
    """A file, or a file inside of a file: ``place`` says where (``""`` for the file itself).

    ``torchscript`` is whether it lies in a TorchScript archive, where names of the archive's own classes are fine.
    """

    path: str
    limits: Limits
    scan: Scan
    budget: Budget
    findings: list[Finding] = field(default_factory=list)
    place: str = ""
    depth: int = 0
    torchscript: bool = False
    format: str = "other"
    external: set[str] = field(default_factory=set)

    def report(self, code: str, message: str, at: str = "") -> None:
        """Note a finding, unless it is there already or there are too many."""
        place = ": ".join(part for part in (self.place, at) if part)
        found = finding(code, self.path, place, message)
        if found in self.findings or len(self.findings) > self.limits.findings:
            return
        if len(self.findings) == self.limits.findings:
            found = finding(
                "SCAN-LIMIT", self.path, "", f"more than {self.limits.findings} findings; only the first are told"
            )
        self.findings.append(found)

    def inside(self, source: ByteSource, name: str, *, torchscript: bool = False) -> str:
        """Look at content inside of this one; what it turned out to be."""
        place = f"{self.place}!{name}" if self.place else name
        if self.depth >= self.limits.depth:
            self.report("SCAN-LIMIT", f"nested deeper than {self.limits.depth} levels", place)
            return "other"
        self.budget.spend("members", 1)
        below = Look(self.path, self.limits, self.scan, self.budget, self.findings, place, self.depth + 1)
        below.torchscript = torchscript
        below.scan(below, source, name)
        return below.format

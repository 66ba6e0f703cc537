"""What a scan can say: one value for each finding, and the table of all codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from modelpack.scan.codes import TABLE


class Severity(StrEnum):
    """How bad a finding is. ``info`` alone leaves a model clean."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """3 for high, down to 0 for info."""
        return 3 - list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: what it means and what to do. ``unchecked`` says that something could not be looked at."""

    name: str
    severity: Severity
    explanation: str
    remedy: str
    unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    ``code`` is a key of :data:`CODES`, ``path`` the file in the model, ``place`` where in the file (``"archive/data.pkl: byte
    17"``, ``""`` for the whole), ``message`` one sentence without a full stop.
    """

    code: str
    severity: Severity
    path: str
    place: str
    message: str


CODES: Mapping[str, Code] = MappingProxyType(
    {
        name: Code(name, Severity(severity), explanation, remedy, unchecked)
        for name, severity, unchecked, explanation, remedy in TABLE
    }
)
"""All codes. They are part of the interface: a code keeps its meaning, new ones may come."""


def finding(code: str, path: str, place: str, message: str) -> Finding:
    """A finding with the severity of its code. Text from files is cut and made printable."""
    return Finding(code, CODES[code].severity, printable(path, 500), printable(place, 300), printable(message, 300))


def printable(text: str, limit: int) -> str:
    """Text of strangers, cut. What cannot be printed, or is no UTF-8, is escaped: reports are signed and shown on terminals."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)

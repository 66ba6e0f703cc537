"""The result of a scan: what was looked at, what was found, what could not be checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from modelpack.oci import JSON, JSONObject, dumps
from modelpack.scan.findings import CODES, Finding, Severity


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file that was looked at. ``format`` is what it turned out to be; ``sha256`` is hex, empty if not known."""

    path: str
    size: int
    format: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A scan. ``unchecked`` are those findings that say what could not be looked at; ``findings`` are all others."""

    files: tuple[Scanned, ...]
    findings: tuple[Finding, ...]
    unchecked: tuple[Finding, ...]

    @classmethod
    def of(cls, files: Iterable[Scanned], found: Iterable[Finding]) -> Self:
        """Sort files by path and findings by path, then severity, so that the same model gives the same report."""
        ordered = sorted(set(found), key=lambda f: (f.path, -f.severity.rank, f.code, f.place, f.message))
        return cls(
            tuple(sorted(files, key=lambda file: file.path)),
            tuple(found for found in ordered if not CODES[found.code].unchecked),
            tuple(found for found in ordered if CODES[found.code].unchecked),
        )

    @property
    def verdict(self) -> str:
        """``findings`` if there are any of severity low or worse, ``incomplete`` if something was not checked, or ``clean``."""
        if any(found.severity is not Severity.INFO for found in self.findings):
            return "findings"
        return "incomplete" if self.unchecked else "clean"

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of this severity or worse; those about what was not checked are not among them."""
        return tuple(found for found in self.findings if found.severity.rank >= severity.rank)

    def to_json(self, *, scanner: str, version: str) -> JSONObject:
        """The report as the predicate of a signed statement. ``scanner`` and ``version`` say who looked."""
        return {
            "scanner": {"name": scanner, "version": version},
            "verdict": self.verdict,
            "files": [_file(file) for file in self.files],
            "findings": [_finding(found) for found in self.findings],
            "unchecked": [_finding(found) for found in self.unchecked],
        }

    def to_bytes(self, *, scanner: str, version: str) -> bytes:
        """The same, as the bytes to be signed and stored: equal for equal reports."""
        return dumps(self.to_json(scanner=scanner, version=version))


def _file(file: Scanned) -> JSON:
    told: JSONObject = {"path": file.path, "size": file.size, "format": file.format}
    return told | {"sha256": file.sha256} if file.sha256 else told


def _finding(found: Finding) -> JSON:
    return {
        "code": found.code,
        "severity": str(found.severity),
        "path": found.path,
        "place": found.place,
        "message": found.message,
    }

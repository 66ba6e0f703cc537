"""What a policy says of one place: the values that rules read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from modelpack.audit.findings import Severity


def fits(text: str, pattern: str) -> bool:
    """Whether a name is what a pattern means, in which ``*`` stands for anything. Case counts."""
    return fnmatchcase(text, re.sub(r"[\[?]", r"[\g<0>]", pattern))


@dataclass(frozen=True, slots=True)
class Exemption:
    """Findings that are tolerated: for a reason, until a moment, of some rules, in places (patterns), maybe of one digest."""

    rules: tuple[str, ...]
    scope: str
    reason: str
    expires: datetime
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A model or data set that must not be used: ``what`` is a manifest's digest, a Hub commit, or a name (``*``: anything)."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class LicenseRules:
    """SPDX ids or expressions' parts, with ``*``. Empty ``allowed``: all that are not denied."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one scope. The defaults are those without a policy file.

    ``builders`` are allowed builder ids (patterns) of provenance, empty: any. ``formats`` are allowed weight formats, empty: any.
    ``max_age`` is how old a model may be. ``version_tags`` is a regular expression of tags that must not move.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    disabled: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = field(default_factory=dict, hash=False)
    licenses: LicenseRules = field(default_factory=LicenseRules)
    builders: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    max_age: timedelta | None = None
    version_tags: str = r"v?\d+(\.\d+){1,3}([-+._].*)?"
    revoked: tuple[Revocation, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    parameter_tolerance: float = 0.05

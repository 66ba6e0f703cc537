"""The audit policy: YAML (or JSON, which is YAML), described for editors by ``schemas/modelpack-audit-policy.schema.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from modelpack.audit.findings import Finding
from modelpack.audit.policy.exemptions import read_exemptions
from modelpack.audit.policy.judging import judge
from modelpack.audit.policy.revocations import read_revocations
from modelpack.audit.policy.scoped import Scoped, read_scopes
from modelpack.audit.policy.settings import Exemption, Revocation, Settings
from modelpack.oci.fields import Fields
from modelpack.trust.policy import PolicyFile
from modelpack.trust.policy.members import members
from modelpack.trust.policy.reading import read_fields
from modelpack.trust.userfiles import read_file

MAX_POLICY = 1 << 20
MAX_REVOCATIONS = 16 << 20
_MAX_FILES = 100


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """What an audit asks for, in each scope. One without anything is the default: every rule with its own severity.

    ``trust`` says who may sign (the file that ``modelpack verify --policy`` takes); without it nobody is trusted.
    """

    scopes: tuple[Scoped, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    revoked: tuple[Revocation, ...] = ()
    trust: PolicyFile | None = field(default=None, compare=False)
    name: str = "the audit policy"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file, and those that it names, which lie beside it. Raises InputError, DocumentError."""
        return cls.parse(
            read_file(path, MAX_POLICY),
            read=lambda name: read_file(path.parent / name, MAX_REVOCATIONS),
            trust=lambda name: PolicyFile.load(path.parent / name),
            name=str(path),
        )

    @classmethod
    def parse(
        cls,
        raw: bytes,
        *,
        read: Callable[[str], bytes],
        trust: Callable[[str], PolicyFile],
        name: str = "the audit policy",
    ) -> Self:
        """Read a policy; ``read`` gives the revocation lists that it names, ``trust`` the trust policy. Raises DocumentError and
        what these raise.
        """
        root = read_fields(raw, name, MAX_POLICY)
        members(root, "version", "trust", "scopes", "exemptions", "revoked", "revokedFrom")
        if root.integer("version") != 1:
            root.fail("version", "1 is required")
        files = root.texts("revokedFrom")
        if len(files) > _MAX_FILES:
            root.fail("revokedFrom", f"{len(files)} files are more than the {_MAX_FILES} allowed")
        lists = (read_fields(read(file), file, MAX_REVOCATIONS) for file in files)
        return cls(
            read_scopes(root),
            read_exemptions(root),
            tuple(dict.fromkeys([*read_revocations(root), *(one for fields in lists for one in _listed(fields))])),
            trust(root.text("trust")) if "trust" in root.value else None,
            name,
        )

    def settings_for(self, place: str, now: datetime) -> Settings:
        """The settings of a repository, a layout, or (``""``) of all together: each from the narrowest scope that gives it.

        Exemptions are all of the policy's; :func:`judge` looks at their scopes.
        """
        settings = Settings(now=now, revoked=self.revoked, exemptions=self.exemptions)
        fitting = [one for one in self.scopes if one.scope.covers(place)]
        for one in sorted(fitting, key=lambda one: one.scope.narrowness):
            settings = one.over(settings)
        return settings

    def apply(self, findings: Iterable[Finding], now: datetime) -> Iterator[Finding]:
        """Findings as the policy sees them: without those of disabled rules, with its severities, and exempt where it says so."""
        known: dict[str, Settings] = {}
        for finding in findings:
            place = finding.subject.place
            if place not in known:
                known.clear()  # findings come by place: one is enough, and memory stays flat
                known[place] = self.settings_for(place, now)
            if (judged := judge(finding, known[place])) is not None:
                yield judged


def _listed(fields: Fields) -> tuple[Revocation, ...]:
    members(fields, "version", "revoked")
    if fields.integer("version") != 1:
        fields.fail("version", "1 is required")
    return read_revocations(fields)

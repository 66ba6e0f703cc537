"""What a policy makes of a finding."""

from __future__ import annotations

from dataclasses import replace

from modelpack.audit.findings import Finding
from modelpack.audit.policy.settings import Exemption, Settings
from modelpack.errors import InputError
from modelpack.trust.policy.scopes import Scope


def judge(finding: Finding, settings: Settings) -> Finding | None:
    """A finding with the severity that the settings of its place give it, exempt where they say so; None if its rule is disabled.

    What could not be checked stays unchecked: an exemption tolerates that too, but only one that names the rule.
    """
    if finding.rule in settings.disabled:
        return None
    severity = settings.severities.get(finding.rule, finding.severity)
    reason = next((one.reason for one in settings.exemptions if applies(one, finding, settings)), "")
    return replace(finding, severity=severity, exempt=reason or finding.exempt)


def applies(exemption: Exemption, finding: Finding, settings: Settings) -> bool:
    """Whether an exemption is in force and means this finding."""
    digest = str(finding.subject.digest) if finding.subject.digest else ""
    return (
        finding.rule in exemption.rules
        and settings.now < exemption.expires
        and exemption.digest in ("", digest)
        and _covers(exemption.scope, finding.subject.place)
    )


def _covers(scope: str, place: str) -> bool:
    try:
        return Scope.parse(scope).covers(place)
    except InputError:  # made by a program, not read from a file: then it is a name
        return scope == place

"""Exemptions, as a policy file writes them: never without a reason, never for ever."""

from __future__ import annotations

from modelpack.audit.policy.names import rule_id, scope, sentence
from modelpack.audit.policy.settings import Exemption
from modelpack.oci.fields import Fields
from modelpack.trust.policy.members import members
from modelpack.trust.policy.moments import moment

_MOST = 10_000


def read_exemptions(root: Fields) -> tuple[Exemption, ...]:
    """The entries of ``exemptions``. Raises DocumentError."""
    return tuple(_exemption(fields) for fields in root.objects("exemptions", limit=_MOST))


def _exemption(fields: Fields) -> Exemption:
    members(fields, "rules", "scope", "digest", "reason", "expires")
    rules = fields.texts("rules")
    if not rules:
        fields.fail("rules", "at least one rule is required")
    expires = moment(fields, "expires")
    if expires is None:
        fields.fail("expires", "a date is required: nothing is tolerated for ever")
    return Exemption(
        tuple(rule_id(fields, f"rules[{index}]", name) for index, name in enumerate(rules)),
        str(scope(fields)),
        sentence(fields, "reason"),
        expires,
        str(fields.digest("digest")) if "digest" in fields.value else "",
    )

"""What an audit asks for: the policy file, and the settings of each scope."""

from modelpack.audit.policy.document import AuditPolicy
from modelpack.audit.policy.judging import judge
from modelpack.audit.policy.settings import Exemption, LicenseRules, Revocation, Settings

__all__ = ["AuditPolicy", "Exemption", "LicenseRules", "Revocation", "Settings", "judge"]

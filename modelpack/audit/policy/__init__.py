"""What an audit asks for: the policy file, and the settings of each scope."""

from modelpack.audit.policy.settings import Exemption, LicenseRules, Revocation, Settings

__all__ = ["Exemption", "LicenseRules", "Revocation", "Settings"]

"""Registries against rules: what is in there, who vouches for it, what derives from what, what changed."""

from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Finding, Severity, Subject
from modelpack.audit.policy import Settings
from modelpack.audit.rules import Hit, Rule

__all__ = ["Artifact", "Estate", "Finding", "Hit", "Rule", "Settings", "Severity", "Subject"]

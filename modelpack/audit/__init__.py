"""Registries against rules: what is in there, who vouches for it, what derives from what, what changed."""

from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Finding, Severity, Subject
from modelpack.audit.policy import AuditPolicy, Settings
from modelpack.audit.recall import ancestors, derived
from modelpack.audit.rules import Hit, Rule

__all__ = [
    "Artifact",
    "AuditPolicy",
    "Estate",
    "Finding",
    "Hit",
    "Rule",
    "Settings",
    "Severity",
    "Subject",
    "ancestors",
    "derived",
]

"""The rules of an audit, and how to write one's own."""

from modelpack.audit.rules.rule import ArtifactCheck, EstateRule, EstateWideCheck, Hit, Rule

__all__ = ["ArtifactCheck", "EstateRule", "EstateWideCheck", "Hit", "Rule"]

"""The rules themselves, by what they are about. Each module has a tuple ``RULES``."""

from modelpack.audit.rules.checks import (
    content,
    documents,
    drift,
    housekeeping,
    licences,
    lineage,
    manifests,
    signatures,
    weights,
)
from modelpack.audit.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *manifests.RULES,
    *signatures.RULES,
    *documents.RULES,
    *licences.RULES,
    *content.RULES,
    *weights.RULES,
    *drift.RULES,
    *lineage.RULES,
    *housekeeping.RULES,
)

__all__ = ["RULES"]

"""The rules of an audit, and how to write one's own.

::

    class MyRule:
        id, title, severity = "ACME1", "no owner", Severity.MEDIUM
        explanation, remedy = "Nobody to ask.", "Set the annotation com.acme.owner."

        def check(self, artifact, settings):
            if artifact.sort is Sort.MODEL and "com.acme.owner" not in artifact.annotations:
                yield Hit("the annotation com.acme.owner is missing")

    rules = default() + [MyRule()]
"""

from modelpack.audit.rules.pinning import PinnedWorkloads
from modelpack.audit.rules.rule import ArtifactCheck, EstateRule, EstateWideCheck, Hit, Rule
from modelpack.audit.rules.table import GROUP, default, installed, rule

__all__ = [
    "GROUP",
    "ArtifactCheck",
    "EstateRule",
    "EstateWideCheck",
    "Hit",
    "PinnedWorkloads",
    "Rule",
    "default",
    "installed",
    "rule",
]

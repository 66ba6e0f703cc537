"""acme_rules.py: what Acme asks of its models, besides what everybody should."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from modelpack.audit import Artifact, Estate, Hit, Settings, Severity
from modelpack.audit.facts import Sort


class NoOwner:
    id = "ACME001"
    title = "nobody owns it"
    severity = Severity.MEDIUM
    explanation = "Nobody can be asked about a model without an owner, and nobody will renew or remove it."
    remedy = "Pack it with `--annotation com.acme.owner=TEAM`."

    def check(self, artifact: Artifact, settings: Settings) -> Iterator[Hit]:
        if artifact.sort is Sort.MODEL and not artifact.annotations.get("com.acme.owner"):
            yield Hit("the annotation com.acme.owner is missing")


class TwoLicences:
    id = "ACME002"
    title = "the same weights under two licences"
    severity = Severity.HIGH
    explanation = "One of the two licences is wrong."
    remedy = "Ask whoever made the weights."

    def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:
        return ()

    def check_estate(self, estate: Estate, settings: Settings) -> Iterator[Hit]:
        seen = defaultdict(set)
        for artifact in estate.artifacts():
            for layer in artifact.layers:
                if layer.kind == "weight" and artifact.licenses:
                    seen[layer.digest].add((artifact.subject, artifact.licenses))
        for digest, found in sorted(seen.items()):
            if len({licenses for _, licenses in found}) > 1:
                for subject, licenses in sorted(found):
                    yield Hit(f"licensed under {', '.join(licenses)} here", str(digest), subject=subject)


RULES = [NoOwner(), TwoLicences()]

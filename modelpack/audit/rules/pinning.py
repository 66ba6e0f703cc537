"""What is wrong with how workloads name their models, as a rule among the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Severity, Subject
from modelpack.audit.rules.rule import Hit
from modelpack.audit.workloads import FoundReference, Workloads

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings


@dataclass(frozen=True, slots=True)
class PinnedWorkloads:
    """Each model that ``workloads`` name by a tag is a finding in its repository, and what could not be read is one that could
    not be checked, of the file.
    """

    workloads: Workloads = field(default_factory=Workloads)
    id: str = "MP130"
    title: str = "a workload names a model by tag only"
    severity: Severity = Severity.MEDIUM
    explanation: str = (
        "A manifest of a cluster names the model by a tag, and tags move: the pod that starts tomorrow may run other weights "
        "than the one that was tested, and what this audit says of the tag's model today says nothing of tomorrow's. "
        "Looked at with --from-manifests only."
    )
    remedy: str = "Write the digest too (host/repository:tag@sha256:…); `modelpack inspect REFERENCE` prints it."

    def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:  # noqa: ARG002  # it says nothing of one alone
        """Nothing."""
        return ()

    def check_estate(self, estate: Estate, settings: Settings) -> Iterator[Hit]:  # noqa: ARG002  # the manifests say it all
        """What is not pinned, and what could not be read."""
        for one in self.workloads.found:
            if not one.is_pinned:
                yield _loose(one)
        for unread in self.workloads.unread:
            yield Hit(unread.reason, unread.place, unchecked=True, subject=Subject(unread.file))


def _loose(one: FoundReference) -> Hit:
    where = one.reference
    place = where.place or f"oci:{where.layout}"
    by = f"the tag {where.tag}" if where.tag else "no version at all"
    workload = one.workload or "a workload"
    return Hit(f"{workload} names it by {by}", one.place, one.to_json(), subject=Subject(place, None, (where.name,)))

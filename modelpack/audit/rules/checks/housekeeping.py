"""What costs space and attention: stale, nameless, orphaned, stored twice; and the policy's own expiry dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Estate, Sort
from modelpack.audit.findings import Severity, Subject
from modelpack.audit.rules.rule import ArtifactCheck, EstateWideCheck, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings


def _stale(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    made = artifact.created or artifact.stated.created
    if artifact.sort is not Sort.MODEL or settings.max_age is None or made is None:
        return
    age = settings.now - made
    if age > settings.max_age:
        yield Hit(f"it is {age.days} days old, {settings.max_age.days} are allowed", data={"days": age.days})


def _untagged(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """Variants are found through their index."""
    concerned = artifact.sort in (Sort.MODEL, Sort.INDEX) and artifact.subject.digest is not None
    if concerned and not artifact.subject.tags and not artifact.listed_by:
        yield Hit("no tag leads to it")


def _orphan(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.orphan:
        yield Hit(f"it is about {artifact.refers_to or 'something'}, which is not there")


def _duplicates(estate: Estate, _: Settings) -> Iterator[Hit]:
    """Told where the second copy is, and where the first."""
    for _digest, copies in estate.duplicates():
        first, *others = copies
        for subject, path, layer, size in others:
            if layer == first[2]:
                continue
            message = f"its bytes ({size}) are stored in another layer too, of {first[0]} as {first[1][:200]}"
            yield Hit(message, path, {"bytes": size, "also": str(first[0])}, subject=subject)


def _expired(_: Estate, settings: Settings) -> Iterator[Hit]:
    for one in settings.exemptions:
        if one.expires <= settings.now:
            rules = ", ".join(one.rules)
            message = f"the exemption from {rules} ended on {one.expires.date()}: {one.reason}"
            yield Hit(message, f"{rules} {one.digest}".strip(), subject=Subject(one.scope))


RULES = (
    ArtifactCheck(
        "MP100",
        "stale",
        Severity.LOW,
        "The model is older than the policy's `maxAgeDays`. Nobody may remember what it is for, and what was found "
        "out about its base since is not in it.",
        "Renew it, remove it, or write an exemption that says why it stays.",
        _stale,
    ),
    ArtifactCheck(
        "MP101",
        "no tag",
        Severity.LOW,
        "Nothing but its digest leads to this manifest: a tag was moved or removed. Registries may collect it at any "
        "time, though somebody may have pinned it.",
        "Give it a name (`modelpack tag --remote`), or remove it.",
        _untagged,
    ),
    ArtifactCheck(
        "MP102",
        "attached to nothing",
        Severity.LOW,
        "A signature or document is about a manifest that is not in the repository. Clean-ups forget them, and so do "
        "copies of tags alone.",
        "Remove it (`modelpack rm --remote`), or copy the model that it is about here.",
        _orphan,
    ),
    EstateWideCheck(
        "MP103",
        "the same file in two packings",
        Severity.INFO,
        "The same bytes are stored as different layers (raw here, in an archive or compressed there), so that the "
        "registry keeps them twice and clients fetch them twice.",
        "Pack both in the same way; raw layers, the default of `modelpack pack`, are shared over all models.",
        _duplicates,
    ),
    EstateWideCheck(
        "MP120",
        "an exemption has ended",
        Severity.MEDIUM,
        "The audit policy tolerated findings until a date that has passed. They count again since; the exemption is "
        "only in the way.",
        "Remove the exemption from the policy, or give it a new date and a reason that still holds.",
        _expired,
    ),
)

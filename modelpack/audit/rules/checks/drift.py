"""What changed since the last audit: tags that moved, things that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, Estate, Sort
from modelpack.audit.findings import Severity
from modelpack.audit.rules.rule import ArtifactCheck, EstateCheck, EstateWideCheck, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings


def _moved(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    yield from _moves(artifact, settings, versions=False)


def _moved_version(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    yield from _moves(artifact, settings, versions=True)


def _moves(artifact: Artifact, settings: Settings, *, versions: bool) -> Iterator[Hit]:
    """Tags that are part of a scheme for attachments (``sha256-…``) move whenever something is attached."""
    if artifact.sort is Sort.ATTACHMENT or artifact.sort is Sort.OTHER:
        return
    for tag, before in artifact.before.moved_tags:
        if bool(re.fullmatch(settings.version_tags, tag)) is versions:
            yield Hit(f"the tag {tag} led to {before} at the last audit", tag, {"tag": tag, "before": str(before)})


def _lost(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for signer in artifact.before.lost_signatures:
        yield Hit(f"the signature by {signer[:200]} is gone", data={"signer": signer[:200]})


def _gone(kind: str) -> EstateCheck:
    def check(estate: Estate, _: Settings) -> Iterator[Hit]:
        for subject, what in estate.vanished():
            if what == kind:
                yield Hit(f"an earlier audit saw this {kind}, and it is gone", subject=subject)

    return check


RULES = (
    ArtifactCheck(
        "MP080",
        "a tag moved",
        Severity.INFO,
        "The tag leads to another manifest than at the last audit. That is what `latest` is for; whoever deploys by "
        "this tag has something new since.",
        "Nothing, if it was meant. Deploy by digest where it matters.",
        _moved,
    ),
    ArtifactCheck(
        "MP081",
        "a version's tag moved",
        Severity.HIGH,
        "A tag that looks like a version leads to another manifest than at the last audit. Versions are expected to "
        "stay: two machines with the same version run different models now, and this is how a model is exchanged "
        "unnoticed.",
        "Find out who pushed it. Give the new model a new version, and lead the tag back to the digest that the "
        "finding names: `modelpack tag --remote HOST/REPOSITORY@DIGEST VERSION`.",
        _moved_version,
    ),
    EstateWideCheck(
        "MP082",
        "a model is gone",
        Severity.MEDIUM,
        "A manifest that an earlier audit saw here is not there any more. Whoever pinned it by digest, in a "
        "deployment or as a base model, cannot fetch it again.",
        "If it was not removed on purpose, push it again from a copy; the digest is the same wherever it comes from.",
        _gone("digest"),
    ),
    EstateWideCheck(
        "MP083",
        "a tag is gone",
        Severity.LOW,
        "A tag that an earlier audit saw here is not there any more. What was deployed by it cannot be fetched by "
        "that name again.",
        "If it was not removed on purpose: `modelpack tag --remote HOST/REPOSITORY@DIGEST TAG`.",
        _gone("tag"),
    ),
    ArtifactCheck(
        "MP084",
        "a signature is gone",
        Severity.HIGH,
        "The last audit found a good signature of this very manifest by a trusted signer, and now it is not there. "
        "It was removed, lost by a clean-up, or its signer is not trusted any more.",
        "Find out who removed it; sign the model again, or copy the signature back: `modelpack copy` takes "
        "attachments along.",
        _lost,
    ),
)

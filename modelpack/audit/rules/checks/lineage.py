"""What models were made from, across the whole registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Ancestor, Artifact, Estate
from modelpack.audit.findings import Severity, Subject
from modelpack.audit.policy.settings import fits
from modelpack.audit.rules.rule import EstateWideCheck, Hit
from modelpack.errors import InvalidDigest
from modelpack.oci import Digest

if TYPE_CHECKING:
    from modelpack.audit.policy import Revocation, Settings

_SHOWN = 8
"""Steps of a way down that a message tells."""


def _descendants(estate: Estate, settings: Settings) -> Iterator[Hit]:
    names = tuple(_names_in(estate)) if any("*" in one.what for one in settings.revoked) else ()
    told: set[tuple[str, Subject]] = set()
    for revoked in settings.revoked:
        for base in _bases(revoked, names):
            for subject, way in estate.derived(base):
                if (revoked.what, subject) not in told:
                    told.add((revoked.what, subject))
                    yield _descendant(revoked, subject, way)


def _descendant(revoked: Revocation, subject: Subject, way: tuple[Ancestor, ...]) -> Hit:
    steps = [one.name or one.uri or str(one.digest) for one in way]
    through = f" (through {', '.join(step[:100] for step in steps[:_SHOWN])})" if len(steps) > 1 else ""
    message = f"it was made from {revoked.what[:200]}, which is revoked: {revoked.reason}{through}"
    return Hit(message, revoked.what[:200], {"revoked": revoked.what[:200], "way": [*steps[:_SHOWN]]}, subject=subject)


def _itself(estate: Estate, settings: Settings) -> Iterator[Hit]:
    for revoked in settings.revoked:
        digest = _digest(revoked.what)
        for subject in estate.known(digest) if digest else ():
            yield Hit(f"it is revoked: {revoked.reason}", data={"revoked": revoked.what}, subject=subject)


def _bases(revoked: Revocation, names: Iterable[str]) -> Iterator[Digest | str]:
    """What to ask for: a digest, a commit or a name; of a pattern each name that anybody says it was made from."""
    digest = _digest(revoked.what)
    if digest:
        yield digest
    elif "*" in revoked.what:
        pattern = revoked.what.lower()
        yield from (name for name in names if fits(name.lower(), pattern))
    else:
        yield revoked.what


def _names_in(estate: Estate) -> list[str]:
    return sorted({one.name for artifact in estate.artifacts() for one in artifact.ancestors if one.name})


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigest:
        return None


def _templates(estate: Estate, _: Settings) -> Iterator[Hit]:
    for artifact in estate.artifacts():
        for one in artifact.ancestors if artifact.templates else ():
            if one.role == "base-model" and one.digest and (base := _found(estate, one.digest)):
                yield from _template_changes(artifact, base)


def _found(estate: Estate, digest: Digest) -> Artifact | None:
    return next((found for where in estate.known(digest) if (found := estate.artifact(where.place, digest))), None)


def _template_changes(artifact: Artifact, base: Artifact) -> Iterator[Hit]:
    """By text and not by place: a template that moved from one file into another is the same."""
    known = set(base.templates.values())
    for place, digest in sorted(artifact.templates.items()) if known else ():
        if digest not in known:
            message = f"the chat template is not one of the base model's, {base.subject}"
            yield Hit(message, place, {"base": str(base.subject.digest), "sha256": digest}, subject=artifact.subject)


RULES = (
    EstateWideCheck(
        "MP090",
        "made from something that is revoked",
        Severity.CRITICAL,
        "The policy's revocation list names a base model or data set (by digest, commit or name), and this model was "
        "made from it, directly or through others, as its own files, its bill of materials or its provenance say. "
        "What was wrong with the base is usually still in what was made from it.",
        "Take it out of use. `modelpack lineage REFERENCE --derived` lists everything that was built on it.",
        _descendants,
    ),
    EstateWideCheck(
        "MP091",
        "revoked",
        Severity.CRITICAL,
        "The policy's revocation list names this very manifest, and it can still be pulled here. "
        "Deployments by digest go on to use it until somebody changes them.",
        "Remove its tags (`modelpack rm --remote`) and see who runs it.",
        _itself,
    ),
    EstateWideCheck(
        "MP092",
        "another chat template than the base model's",
        Severity.INFO,
        "The base model is in an audited registry, and has chat templates; this model has one of another text. "
        "Fine-tuned models often need that. But a template decides what the model is told, and is an easy place for "
        "a backdoor.",
        "Compare both: `modelpack diff BASE MODEL` names them; read the new one.",
        _templates,
    ),
)

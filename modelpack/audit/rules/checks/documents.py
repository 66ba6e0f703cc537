"""Bills of materials, provenance and other statements about a model: whether there are any, and whether they fit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Ancestor, Artifact, Document, Sort
from modelpack.audit.findings import Severity
from modelpack.audit.policy.settings import fits
from modelpack.audit.rules.rule import ArtifactCheck, Hit

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings

_LICENSES = ("XC25", "XC45")
"""Contradictions that the rules about licences tell."""

_OTHER_MANIFEST = ("XC20", "XC40", "XC60")
_SHOWN = 10
_MOST = 100


def _of(artifact: Artifact, *roles: str) -> list[Document]:
    return [one for one in artifact.documents if one.role in roles] if artifact.sort is Sort.MODEL else []


def _is_missing(artifact: Artifact, role: str, rule: str) -> bool:
    return artifact.sort is Sort.MODEL and not _of(artifact, role) and not artifact.is_unknown(rule)


def _no_bom(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if _is_missing(artifact, "sbom", "MP020"):
        yield Hit("no bill of materials is attached")


def _invalid_bom(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    yield from _invalid(_of(artifact, "sbom"))


def _wrong_bom(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for document in _of(artifact, "sbom"):
        yield from _about_another(document)
        yield from _contradictions(document, (*_OTHER_MANIFEST, *_LICENSES))


def _unsigned_bom(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    yield from _unsigned(_of(artifact, "sbom"), "the bill of materials")


def _other_statements(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    documents = _of(artifact, "scan", "vsa", "other")
    yield from _invalid(documents)
    for document in documents:
        yield from _about_another(document)
        yield from _contradictions(document, ())


def _no_provenance(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if _is_missing(artifact, "provenance", "MP030"):
        yield Hit("no provenance is attached")


def _other_subject(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for document in _of(artifact, "provenance"):
        yield from _about_another(document)


def _builder(artifact: Artifact, settings: Settings) -> Iterator[Hit]:
    for document in _of(artifact, "provenance") if settings.builders else []:
        if not any(fits(document.builder, pattern) for pattern in settings.builders):
            who = f"the builder {document.builder[:200]}" if document.builder else "a builder without a name"
            yield Hit(f"{who} is not allowed", str(document.manifest), {"builder": document.builder})


def _unpinned(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """One who pins it is enough: a card names a base model, the provenance says which content."""
    if artifact.sort is not Sort.MODEL:
        return
    pinned = {_known_as(one) for one in artifact.ancestors if one.pinned}
    loose = {_known_as(one): one for one in reversed(artifact.ancestors) if _known_as(one) not in pinned}
    for role, what in (("base-model", "base model"), ("dataset", "data set")):
        for source in sorted({one.source for one in loose.values() if one.role == role}):
            names = sorted({_name(one) for one in loose.values() if (one.role, one.source) == (role, source)})
            yield Hit(_loosely(what, names), source, {"names": [*names[:_MOST]]})


def _loosely(what: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"the {what} {names[0]} is named without a digest or commit"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}s are named without a digest or commit: {', '.join(names[:_SHOWN])}{more}"


def _name(one: Ancestor) -> str:
    return (one.name or one.uri)[:200]


def _known_as(one: Ancestor) -> tuple[str, str]:
    return one.role, (one.name or one.uri).lower()


def _invalid_provenance(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    yield from _invalid(_of(artifact, "provenance"))


def _wrong_provenance(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for document in _of(artifact, "provenance"):
        yield from _contradictions(document, _OTHER_MANIFEST)


def _unsigned_provenance(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    yield from _unsigned(_of(artifact, "provenance"), "the provenance")


def _invalid(documents: list[Document]) -> Iterator[Hit]:
    for document in documents:
        if document.problems:
            more = f" (and {len(document.problems) - 1} more)" if len(document.problems) > 1 else ""
            told = list(document.problems[:_SHOWN])
            yield Hit(f"{document.problems[0]}{more}", str(document.manifest), {"problems": [*told]})


def _about_another(document: Document) -> Iterator[Hit]:
    told = [one.message for one in document.contradictions if one.code in _OTHER_MANIFEST]
    if document.subject_matches is False or told:
        message = told[0] if told else "it is about another manifest"
        yield Hit(message, str(document.manifest), {"type": document.type})


def _contradictions(document: Document, besides: tuple[str, ...]) -> Iterator[Hit]:
    """Placed where it is in the document, and not by the document's digest: that is another one tomorrow, for the same matter."""
    for one in document.contradictions:
        if one.code not in besides:
            yield Hit(
                one.message, one.place, {"code": one.code, "type": document.type, "manifest": str(document.manifest)}
            )


def _unsigned(documents: list[Document], what: str) -> Iterator[Hit]:
    """Attached raw and in a signed statement, it is signed: one of several copies is enough."""
    if documents and not any(one.signed for one in documents):
        yield Hit(f"{what} is in no attestation by anybody who is trusted", str(documents[0].manifest))


RULES = (
    ArtifactCheck(
        "MP020",
        "no bill of materials",
        Severity.MEDIUM,
        "Nothing attached says which files, base models, data sets and licences are in the model. When one of them "
        "turns out to be bad, this model will not be found. The EU AI Act's annex XI and the Cyber Resilience Act "
        "ask for such a list.",
        "`modelpack attest REFERENCE --key FILE --sbom cyclonedx` makes one from the stored model, signs and "
        "attaches it.",
        _no_bom,
    ),
    ArtifactCheck(
        "MP021",
        "the bill of materials is invalid",
        Severity.MEDIUM,
        "It breaks the schema of its format, or rules that the schema does not know (references that lead nowhere, "
        "licence names that do not exist). Tools skip what they cannot read, often silently.",
        "Make a new one: `modelpack attest REFERENCE --key FILE --sbom cyclonedx`. `modelpack sbom REFERENCE` only "
        "prints it.",
        _invalid_bom,
    ),
    ArtifactCheck(
        "MP022",
        "the bill of materials does not fit the model",
        Severity.HIGH,
        "It lists other files, hashes, sizes or base models than the model has, or is about another manifest. It was "
        "made for an earlier version, or to deceive.",
        "Remove it and make a new one of this manifest: `modelpack attest REFERENCE --key FILE --sbom cyclonedx`.",
        _wrong_bom,
    ),
    ArtifactCheck(
        "MP023",
        "the bill of materials is not signed",
        Severity.LOW,
        "It is attached as it is, or attested by nobody who is trusted. Whoever can write to the registry can "
        "exchange it for another.",
        "`modelpack attest REFERENCE --key FILE --sbom cyclonedx`; if it is signed, name the signer in the trust "
        "policy.",
        _unsigned_bom,
    ),
    ArtifactCheck(
        "MP024",
        "a scan report or verdict does not fit the model",
        Severity.MEDIUM,
        "A scan report, a verification result or another statement is malformed, about another manifest, or says "
        "what the model itself contradicts. Whoever believes it believes in something else.",
        "Remove it and make a new one of this manifest, for instance `modelpack attest REFERENCE --key FILE --scan "
        "DIR`.",
        _other_statements,
    ),
    ArtifactCheck(
        "MP030",
        "no provenance",
        Severity.MEDIUM,
        "Nothing attached says who built the model, when, from which sources, base models and data sets. A signature "
        "alone says that somebody stands behind it, not what it was made from.",
        "`modelpack attest REFERENCE --key FILE --provenance prov.yaml`; in Python, `with modelpack.provenance() as "
        "run` records it while packing. In CI, prefer the platform's own attestation.",
        _no_provenance,
    ),
    ArtifactCheck(
        "MP031",
        "the provenance is about another manifest",
        Severity.HIGH,
        "The provenance that is attached describes how something else was built. Nothing is known about this model's "
        "origin, though it looks as if it were.",
        "Remove it; attest this manifest's own build.",
        _other_subject,
    ),
    ArtifactCheck(
        "MP032",
        "built by a builder that is not allowed",
        Severity.HIGH,
        "The policy names the builders whose provenance is accepted, and this is none of them. A build on somebody's "
        "laptop has no more protection than the laptop.",
        "Build it where it should be built, or add the builder to `builders` in the audit policy.",
        _builder,
    ),
    ArtifactCheck(
        "MP033",
        "a base model or data set without a digest",
        Severity.LOW,
        "It is named, but not pinned: names in a hub can lead to other content tomorrow. When a version of it is "
        "recalled, nobody can tell whether this model was made from that one.",
        "Name the commit or digest where the model was built: `run.uses('hf://org/name@COMMIT', role='base-model')`, "
        "or `resolvedDependencies` in prov.yaml.",
        _unpinned,
    ),
    ArtifactCheck(
        "MP034",
        "the provenance is invalid",
        Severity.MEDIUM,
        "It breaks the format of SLSA provenance or of in-toto statements, so that verifiers will not accept it, or "
        "will read only a part.",
        "Make it again with `modelpack attest REFERENCE --key FILE --provenance prov.yaml`.",
        _invalid_provenance,
    ),
    ArtifactCheck(
        "MP035",
        "the provenance contradicts the model",
        Severity.HIGH,
        "It names other base models, data sets, input files or documents than the model's own files, or times that "
        "cannot be. One of the two is wrong.",
        "Compare both (`modelpack lineage REFERENCE`), and attest again what is true.",
        _wrong_provenance,
    ),
    ArtifactCheck(
        "MP036",
        "the provenance is not signed",
        Severity.LOW,
        "It is attached as it is, or attested by nobody who is trusted: anybody who can write to the registry can "
        "have written it.",
        "`modelpack attest REFERENCE --key FILE --provenance prov.yaml`; if it is signed, name the signer in the "
        "trust policy.",
        _unsigned_provenance,
    ),
)

"""Manifest, configuration and blobs: whether they are what the specifications and their own descriptors say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelpack.audit.facts import Artifact, BlobProblem, BlobState, Problem, Sort, Stated
from modelpack.audit.findings import Severity
from modelpack.audit.rules.rule import ArtifactCheck, Hit
from modelpack.oci import LayerType
from modelpack.oci.mediatypes import MODEL_ARTIFACT_TYPES, MODEL_CONFIG_TYPES, MODEL_MANIFEST

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings

COUNTS = ("XC05", "XC06")
"""Contradictions between manifest and configuration: they are about sizes and digests, not about what the weights are."""

_INTEROP = "org.cncf.ai."
_SIGNING = {"sigstore": ("bundle", "tag"), "notation": ("jws", "cose")}
_BOMS = {"spdx": ("spdx",), "cyclonedx": ("cyclonedx",)}


def _schema(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.sort in (Sort.MODEL, Sort.INDEX):
        yield from _hits(artifact.format_problems)


def _sizes(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    told = [one for one in artifact.contradictions if one.code in COUNTS]
    yield from _hits((*artifact.size_problems, *told))


def _hits(problems: tuple[Problem, ...]) -> Iterator[Hit]:
    """Each once, whoever found it."""
    for place, message in dict.fromkeys((one.place, one.message) for one in problems):
        yield Hit(message, place)


def _blobs(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for blob in artifact.blobs:
        if blob.digest not in artifact.members:
            yield Hit(_told(blob), str(blob.digest), {"state": str(blob.state)})


_STATES = {
    BlobState.MISSING: "the blob is not there",
    BlobState.SIZE: "the blob has another size than the manifest says",
    BlobState.CORRUPT: "the blob's bytes are not those of its digest",
}


def _told(blob: BlobProblem) -> str:
    return f"{_STATES[blob.state]}: {blob.message}" if blob.message else _STATES[blob.state]


def _broken(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    if artifact.sort is Sort.BROKEN and artifact.subject.digest is not None:
        why = "; ".join(one.message for one in artifact.format_problems[:3])
        yield Hit(f"it cannot be read as a manifest{': ' if why else ''}{why}")


def _members(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for blob in artifact.blobs:
        if blob.digest in artifact.members:
            yield Hit("the index lists a manifest that is not there", str(blob.digest))


def _legacy(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """Docker and KitOps say only by the types of configuration and layers what it is."""
    if artifact.sort is not Sort.MODEL:
        return
    if artifact.artifact_type and artifact.artifact_type != MODEL_MANIFEST:
        yield Hit(f"the artifact is of the type {artifact.artifact_type[:100]}", "artifactType")
    old = sorted({layer.media_type for layer in artifact.layers if not _is_current(layer.media_type)})
    if old:
        more = f" and {len(old) - 1} more" if len(old) > 1 else ""
        yield Hit(f"layers are of the type {old[0][:100]}{more}", "layers")


def _is_current(media_type: str) -> bool:
    kind = LayerType.parse(media_type)
    return kind is not None and str(kind) == media_type


def _silent(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """What other tools write into theirs is not read."""
    ours = artifact.artifact_type in MODEL_ARTIFACT_TYPES | MODEL_CONFIG_TYPES
    if artifact.sort is Sort.MODEL and ours and artifact.stated == Stated() and not artifact.is_unknown("MP007"):
        yield Hit("the configuration says neither name, architecture, format nor anything else")


def _unchecked(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    for one in artifact.unchecked:
        yield Hit(
            f"{one.what} could not be checked: {one.reason}", one.what, {"rules": list(one.rules)}, unchecked=True
        )


def _claims(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    """The draft of a CNCF profile has annotations that point to evidence; they prove nothing by themselves."""
    for key, value in sorted(artifact.annotations.items()):
        claim = key.removeprefix(_INTEROP)
        if claim != key and not _has_evidence(artifact, claim, value):
            yield Hit(f"it says {claim} {value[:60]!a}, and nothing attached shows it", key)


def _has_evidence(artifact: Artifact, claim: str, value: str) -> bool:
    match claim:
        case "security.signing.framework":
            formats = _SIGNING.get(value, ())
            return artifact.is_unknown("MP010") or any(
                one.format in formats and one.status != "bad" for one in artifact.signatures
            )
        case "security.sbom.format":
            names = _BOMS.get(value, ("\0",))
            boms = (one.type.lower() for one in artifact.documents if one.role == "sbom")
            return artifact.is_unknown("MP020") or any(name in one for one in boms for name in names)
        case "security.provenance.type":
            return artifact.is_unknown("MP030") or any(one.role == "provenance" for one in artifact.documents)
        case "packaging.format":
            return value != "modelpack" or artifact.artifact_type in ("", MODEL_MANIFEST)
    return True


def _paths(artifact: Artifact, _: Settings) -> Iterator[Hit]:
    yield from _hits(artifact.path_problems)


RULES = (
    ArtifactCheck(
        "MP001",
        "not as the specification says",
        Severity.MEDIUM,
        "The manifest or the configuration breaks the schema of the ModelPack or the OCI specification. Strict "
        "clients refuse the model, lenient ones each read something else into it.",
        "Pack the model again with a current tool: `modelpack pack`, then `modelpack push`.",
        _schema,
    ),
    ArtifactCheck(
        "MP002",
        "sizes, digests or counts contradict each other",
        Severity.HIGH,
        "What the manifest says of the configuration and the layers, and what they are, differ. No honest writer "
        "produces that: the manifest was made by hand, cut, or put together from parts of others.",
        "Do not use it. Pack the model again, and find out who pushed this manifest.",
        _sizes,
    ),
    ArtifactCheck(
        "MP003",
        "content is missing or altered",
        Severity.CRITICAL,
        "A blob that the manifest names is gone, or is not what its digest says. The model cannot be pulled, or only "
        "by clients that do not check what they get.",
        "Push the model again from where it came from, or copy it from a mirror: `modelpack copy GOOD BAD`. If bytes "
        "were altered, look for who can write to the registry's storage.",
        _blobs,
    ),
    ArtifactCheck(
        "MP004",
        "the manifest cannot be read",
        Severity.HIGH,
        "What the tag leads to is no manifest of the OCI image specification, or is too large, too deep or not JSON. "
        "Nothing in it can be judged.",
        "Remove the tag, or push something readable under it.",
        _broken,
    ),
    ArtifactCheck(
        "MP005",
        "an index lists what is not there",
        Severity.HIGH,
        "Clients choose a variant of the model from the index. This choice leads nowhere: somebody removed the "
        "variant, or copied the index without it.",
        "Push the variant again, or an index without it.",
        _members,
    ),
    ArtifactCheck(
        "MP006",
        "an older or another tool's format",
        Severity.LOW,
        "The model is readable here, but its types are those of a predecessor of the ModelPack specification or of "
        "another tool. Registries and runtimes that know only the current ones treat it as an unknown artifact.",
        "Pull it and pack it again: `modelpack pull OLD -o DIR && modelpack pack DIR`.",
        _legacy,
    ),
    ArtifactCheck(
        "MP007",
        "the configuration says nothing",
        Severity.LOW,
        "The configuration is empty. What the model is can only be guessed from file names, and no claim in it can "
        "be compared with anything.",
        "Pack it again with at least `--name`, `--architecture` and `--format`; `modelpack pack` fills in what the "
        "files say.",
        _silent,
    ),
    ArtifactCheck(
        "MP009",
        "could not be checked",
        Severity.MEDIUM,
        "Something that rules need could not be read: the registry did not answer, a file is in a form that cannot "
        "be looked into, a part for it is not installed. The rules that needed it have said nothing, which does not "
        "mean that there is nothing to say.",
        "Remove the cause that the finding names and audit again.",
        _unchecked,
    ),
    ArtifactCheck(
        "MP110",
        "annotations claim what nothing shows",
        Severity.MEDIUM,
        "Annotations say that the model is signed, or has a bill of materials or provenance of some kind. They are "
        "pointers, not proof: anybody who can push can write them, and here nothing of that kind is attached.",
        "Attach what is claimed (`modelpack sign`, `modelpack attest`), or leave the annotation out.",
        _claims,
    ),
    ArtifactCheck(
        "MP111",
        "unsafe or colliding file names",
        Severity.HIGH,
        "A file's name leaves the folder into which the model is unpacked, stands twice, or differs from another "
        "only in case. Careless clients write outside of their folder, or one file over another.",
        "Do not unpack it with tools that follow such names. Pack the model again from clean files.",
        _paths,
    ),
)

"""Bills of materials, provenance, scan reports and other statements that are attached, plain or signed: what they are, whether
they keep their format, and whether they agree with the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote

from modelpack.attest import (
    CYCLONEDX,
    CYCLONEDX_BOM,
    PROVENANCE,
    SCAN,
    SPDX,
    SPDX_DOCUMENT,
    SVR,
    VSA,
    Contradiction,
    Inventory,
    Origin,
    crosscheck,
    origin,
    problems,
)
from modelpack.attest.crosscheck.claims import Claims
from modelpack.attest.crosscheck.cyclonedx import cyclonedx_claims
from modelpack.attest.crosscheck.spdx import spdx_claims
from modelpack.attest.validation import DocumentKind, identify, parse
from modelpack.attest.validation.walk import inner, items, texts
from modelpack.audit.facts import Ancestor, Document, Problem, SignatureFact, Unchecked
from modelpack.errors import ContentError, DocumentError, InvalidDigest, NotFound
from modelpack.oci import Descriptor, Digest, JSONObject, Manifest
from modelpack.store import Store, attachments
from modelpack.trust import IN_TOTO, MAX_CARRIERS, Evidence, Kind, Status

MAX_DOCUMENTS = 50
MAX_BYTES = 64 << 20
"""Documents of one artifact, and bytes of all of them together, that are read."""

MAX_ONE = 32 << 20
_SARIF = "application/sarif+json"
_TYPES = frozenset({CYCLONEDX, SPDX, IN_TOTO, _SARIF, "text/spdx+json", "application/json+cyclonedx"})
_OLD_PROVENANCE = "https://slsa.dev/provenance/v0.2"
_ROLES = {
    CYCLONEDX: "sbom",
    CYCLONEDX_BOM: "sbom",
    SPDX: "sbom",
    SPDX_DOCUMENT: "sbom",
    "https://spdx.dev/Document": "sbom",
    "text/spdx+json": "sbom",
    "application/json+cyclonedx": "sbom",
    PROVENANCE: "provenance",
    _OLD_PROVENANCE: "provenance",
    SCAN: "scan",
    _SARIF: "scan",
    VSA: "vsa",
    SVR: "vsa",
}
_OTHER_SUBJECT = frozenset({"XC20", "XC40", "XC60", "XC70", "XC80", "XC81", "XC83"})
_UNREADABLE = "XC19"
_SHOWN = 500
_MOST = 100
_RULES = (
    "MP020",
    "MP021",
    "MP022",
    "MP023",
    "MP024",
    "MP030",
    "MP031",
    "MP032",
    "MP033",
    "MP034",
    "MP035",
    "MP036",
    "MP042",
)


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it was found. ``raw`` is what is compared with the model; ``signed`` is whether an attestation that is
    verified brings it.
    """

    manifest: Digest
    type: str
    raw: bytes
    attested: bool = False
    signed: bool = False

    @property
    def role(self) -> str:
        """What it is for."""
        return _ROLES.get(self.type, "other")


def find(store: Store, subject: Descriptor, evidence: Evidence, unchecked: list[Unchecked]) -> list[Found]:
    """All documents that are attached. Raises the store's errors."""
    found = [
        Found(
            one.carrier.digest,
            one.predicate_type,
            one.statement.raw,
            attested=True,
            signed=one.status is Status.VERIFIED,
        )
        for one in evidence.signatures
        if one.kind is Kind.ATTESTATION and one.statement is not None
    ]
    found += _plain(store, subject, unchecked)
    chosen, left = [], MAX_BYTES
    for one in found[:MAX_DOCUMENTS]:
        left -= len(one.raw)
        if left >= 0:
            chosen.append(one)
    if len(chosen) < len(found):
        reason = f"more than {MAX_DOCUMENTS} documents, or {MAX_BYTES} bytes of them, are attached"
        unchecked.append(Unchecked(f"{len(found) - len(chosen)} documents", reason, _RULES))
    return chosen


def _plain(store: Store, subject: Descriptor, unchecked: list[Unchecked]) -> Iterator[Found]:
    """Documents as they are. What is listed and absent is noted."""
    for attachment in attachments(store, subject)[:MAX_CARRIERS]:
        carrier = attachment.descriptor
        try:
            document = store.document(carrier)
            wanted = [one for one in document.layers if _is_document(one)] if isinstance(document, Manifest) else []
            for layer in wanted[:MAX_DOCUMENTS]:
                yield Found(carrier.digest, layer.media_type, store.read(layer, limit=MAX_ONE))
        except (NotFound, ContentError, DocumentError) as error:
            unchecked.append(Unchecked(f"the attachment {carrier.digest}", str(error)[:_SHOWN], _RULES))


def _is_document(layer: Descriptor) -> bool:
    return layer.media_type in _TYPES


def described(
    found: Sequence[Found], subject: Digest, inventory: Inventory | None, manifest: Manifest | None
) -> tuple[Document, ...]:
    """The documents as facts. Without an inventory nothing is compared."""
    base: set[Contradiction] = set()
    common: list[Contradiction] = []
    if inventory and manifest:
        base = set(crosscheck(inventory, manifest))
        together = crosscheck(inventory, manifest, [one.raw for one in found if one.type != _SARIF])
        common = [one for one in together if one.code == "XC65"]
    made = [_described(one, subject, inventory, manifest, base, common) for one in found]
    signed = {one.content for one in made if one.signed} - {None}
    return tuple(replace(one, signed=one.signed or one.content in signed) for one in made)


def _described(
    one: Found,
    subject: Digest,
    inventory: Inventory | None,
    manifest: Manifest | None,
    base: set[Contradiction],
    common: list[Contradiction],
) -> Document:
    try:
        value = parse(one.raw)
    except DocumentError as error:
        return Document(one.manifest, one.type[:_SHOWN], one.role, one.signed, problems=(str(error)[:_SHOWN],))
    against: list[Contradiction] = []
    if inventory and manifest and one.type != _SARIF:
        against = [other for other in crosscheck(inventory, manifest, [one.raw]) if other not in base]
        against += common if one.role == "provenance" else []
    kind, predicate = _predicate(value)
    return Document(
        manifest=one.manifest,
        type=(kind if one.type == IN_TOTO and kind else one.type)[:_SHOWN],
        role=_ROLES.get(kind, one.role) if kind else one.role,
        signed=one.signed,
        subject_matches=_matches(value, subject, against),
        problems=()
        if one.type == _SARIF
        else tuple(str(problem)[:_SHOWN] for problem in _departures(one.raw, kind))[:20],
        contradictions=tuple(_problem(other) for other in against if other.code != _UNREADABLE)[:_MOST],
        builder=_builder(predicate)[:_SHOWN],
        licenses=_licenses(value)[:20],
        content=Digest.of(json.dumps(predicate, sort_keys=True).encode()),
    )


def _departures(raw: bytes, kind: str) -> Iterable[DocumentError]:
    """Statements of kinds that are not known here are not judged by the schemas of others."""
    return problems(raw) if not kind or kind in (PROVENANCE, VSA, SVR, CYCLONEDX_BOM, SPDX_DOCUMENT) else ()


def _predicate(value: JSONObject) -> tuple[str, JSONObject]:
    """The type and the predicate of a statement; "" and the whole for a plain document."""
    if identify(value) is not DocumentKind.STATEMENT:
        return "", value
    kind = value.get("predicateType")
    return kind if isinstance(kind, str) else "", inner(value, "predicate")


def _matches(value: JSONObject, subject: Digest, against: list[Contradiction]) -> bool | None:
    """Whether it says that it is about this manifest; None where it does not say what it is about."""
    if any(one.code in _OTHER_SUBJECT for one in against):
        return False
    if identify(value) is DocumentKind.STATEMENT:
        told = {
            digest for item in items(value, "subject") for digest in texts(inner(item, "digest").get(subject.algorithm))
        }
        return subject.hex in told
    claims = _claims(value)
    told = set(claims.subjects.values()) if claims else set()
    return subject.hex in told if told else None


def _claims(value: JSONObject) -> Claims | None:
    kind, predicate = _predicate(value)
    found = identify(predicate if kind else value)
    if found is DocumentKind.CYCLONEDX:
        return cyclonedx_claims(predicate)
    return spdx_claims(predicate) if found is DocumentKind.SPDX else None


def _licenses(value: JSONObject) -> tuple[str, ...]:
    claims = _claims(value)
    return (claims.license[:_SHOWN],) if claims and claims.license else ()


def _builder(predicate: JSONObject) -> str:
    """SLSA 1.x has it in ``runDetails``, 0.2 at the top."""
    for place in (("runDetails", "builder"), ("builder",)):
        name = inner(predicate, *place).get("id")
        if isinstance(name, str):
            return name
    return ""


def _problem(one: Contradiction) -> Problem:
    return Problem(one.code, one.place[:_SHOWN], one.message[:_SHOWN])


def rejudged(documents: Sequence[Document], signatures: Sequence[SignatureFact]) -> tuple[Document, ...]:
    """The same documents after their signatures were judged again."""
    verified = {one.manifest for one in signatures if one.kind == "attestation" and one.status == "verified"}
    signed = {one.content for one in documents if one.manifest in verified} - {None}
    return tuple(replace(one, signed=one.manifest in verified or one.content in signed) for one in documents)


def ancestors(found: Sequence[Found]) -> Iterator[Ancestor]:
    """Base models and data sets that provenance and bills of materials name."""
    for one in found:
        try:
            value = parse(one.raw)
        except DocumentError:
            continue
        kind, predicate = _predicate(value)
        if kind == PROVENANCE:
            dependencies = items(inner(predicate, "buildDefinition"), "resolvedDependencies")
            yield from (known for item in dependencies[:_MOST] if (known := _dependency(item)))
        elif identify(predicate) is DocumentKind.CYCLONEDX:
            component = inner(predicate, "metadata", "component")
            for item in items(inner(component, "pedigree"), "ancestors")[:_MOST]:
                yield _pedigree(item)


def _dependency(item: JSONObject) -> Ancestor | None:
    role, uri = item.get("name"), item.get("uri")
    if role not in ("base-model", "dataset") or not isinstance(uri, str):
        return None
    said = origin(uri, dataset=role == "dataset", source="provenance")
    digests = inner(item, "digest")
    commit = next(iter(texts(digests.get("gitCommit"))), "") or said.commit
    pinned = next((_digest(one) for one in texts(digests.get("sha256"))), None) or said.digest
    relation = inner(item, "annotations").get("relation")
    return _ancestor(str(role), said, commit, pinned, relation if isinstance(relation, str) else "", "provenance")


def _pedigree(item: JSONObject) -> Ancestor:
    words = [value for key in ("purl", "name") if isinstance(value := item.get(key), str)]
    said = origin(_address(words[0]) if words else "", source="bill of materials")
    name = item.get("name")
    version = item.get("version")
    commit = version if isinstance(version, str) and len(version) == 40 else said.commit
    pinned = _digest(version.removeprefix("sha256:")) if isinstance(version, str) else None
    named = replace(said, name=name) if isinstance(name, str) else said
    return _ancestor("base-model", named, commit, pinned or said.digest, "", "bill of materials")


def _address(purl: str) -> str:
    """A package URL of a model in the Hub or a registry as an address; other words as they are."""
    if purl.startswith("pkg:huggingface/"):
        return f"hf://{unquote(purl.removeprefix('pkg:huggingface/').partition('?')[0])}"
    name, _, query = purl.partition("?")
    place = parse_qs(query[:_SHOWN]).get("repository_url", [""])[0]
    if purl.startswith("pkg:oci/") and place:
        return f"oci://{place}@{unquote(name.rpartition('@')[2])}"
    return purl


def _ancestor(role: str, said: Origin, commit: str, pinned: Digest | None, relation: str, source: str) -> Ancestor:
    return Ancestor(
        role, said.name[:_SHOWN], said.uri[:_SHOWN], commit[:_SHOWN], pinned, relation[:_SHOWN], said.licenses, source
    )


def _digest(text: str) -> Digest | None:
    try:
        return Digest("sha256", text)
    except InvalidDigest:
        return None

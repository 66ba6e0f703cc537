"""From a manifest in a store to everything that rules may know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from modelpack.attest import Inventory, crosscheck
from modelpack.audit.collecting import content, documents, layers, scanning, signatures
from modelpack.audit.collecting.watching import Watched, is_there
from modelpack.audit.facts import Ancestor, Artifact, BlobProblem, BlobState, Layer, Problem, Sort, Unchecked
from modelpack.audit.findings import Subject
from modelpack.errors import ContentError, DocumentError, ModelPackError, NotFound, StoreError
from modelpack.oci import (
    Descriptor,
    Index,
    LayerType,
    Manifest,
    ModelConfig,
    config_problems,
    manifest_problems,
)
from modelpack.oci.mediatypes import CREATED, MODEL_CONFIG_TYPES
from modelpack.oci.reference import attached_to
from modelpack.trust import Policy, PolicyFile

MAX_MEMBERS = 200
"""Manifests of one index that are looked at."""

_MAX_CONFIG = 4 << 20
_SHOWN = 500
_BLOBS = ("MP003", "MP005")
_CONFIG = ("MP001", "MP002", "MP007", "MP040", "MP041", "MP042", "MP070", "MP071", "MP072", "MP073", "MP101")
_COUNTS = ("XC05", "XC06")
_SHARDS = "XC09"
_DOCKER_MODEL = "application/vnd.docker.ai.model."
_KITOPS = "application/vnd.kitops.modelkit."


@dataclass(frozen=True, slots=True)
class Collecting:
    """How: whom to trust, the time, requests at a time for one artifact."""

    trust: Policy | PolicyFile | None
    now: datetime
    jobs: int = 1


def collect(
    store: Watched, descriptor: Descriptor, place: str, how: Collecting, *, tags: Sequence[str] = ()
) -> Artifact:
    """One manifest or index. ``tags`` are those that lead to it: cosign's say what it is attached to.

    Raises AccessDenied, Unavailable, RegistryError where nothing at all could be found out; what is wrong with the content is in
    the result.
    """
    subject = Subject(place, descriptor.digest, tuple(sorted(tags)))
    bare = Artifact(subject, Sort.BROKEN, media_type=descriptor.media_type, size=descriptor.size)
    try:
        document = store.document(descriptor)
    except NotFound as error:
        return replace(bare, blobs=(BlobProblem(descriptor.digest, BlobState.MISSING, str(error)[:_SHOWN]),))
    except ContentError as error:
        problem = Problem("manifest", "manifest", str(error)[:_SHOWN])
        corrupt = BlobProblem(descriptor.digest, BlobState.CORRUPT, str(error)[:_SHOWN])
        return replace(bare, size_problems=(problem,), blobs=(corrupt,))
    except DocumentError as error:
        return replace(bare, format_problems=(Problem("manifest", error.path, error.reason[:_SHOWN]),))
    named = next((found for tag in tags if (found := attached_to(tag))), None)
    known = replace(
        bare,
        media_type=document.descriptor.media_type,
        size=document.descriptor.size,
        artifact_type=document.artifact_type[:_SHOWN],
        annotations={key[:_SHOWN]: value[:_SHOWN] for key, value in sorted(document.annotations.items())[:100]},
        refers_to=document.subject.digest if document.subject else named,
        created=content.time_of(document.annotations.get(CREATED, "")),
    )
    if known.refers_to is not None:
        return _attachment(store, document, known)
    if isinstance(document, Index):
        return _index(store, document, known, how)
    return _manifest(store, document, known, how)


def _attachment(store: Watched, document: Manifest | Index, known: Artifact) -> Artifact:
    """It is judged with what it is attached to; here it only counts whether that is there."""
    found = layers.layers(document) if isinstance(document, Manifest) else ()
    assert known.refers_to is not None  # noqa: S101  # the caller looked
    try:
        orphan = not is_there(store.inner, known.refers_to)
    except ModelPackError as error:
        missing = Unchecked("what it is attached to", str(error)[:_SHOWN], ("MP102",), passing=True)
        return replace(known, sort=Sort.ATTACHMENT, layers=found, unchecked=(missing,))
    return replace(known, sort=Sort.ATTACHMENT, layers=found, orphan=orphan)


def _index(store: Watched, document: Index, known: Artifact, how: Collecting) -> Artifact:
    unchecked: list[Unchecked] = []
    members = document.manifests[:MAX_MEMBERS]
    if len(document.manifests) > MAX_MEMBERS:
        reason = f"more than the {MAX_MEMBERS} of one index that are looked at"
        unchecked.append(Unchecked(f"{len(document.manifests) - MAX_MEMBERS} manifests", reason, _BLOBS))
    indexed = replace(known, sort=Sort.INDEX, members=tuple(one.digest for one in members))
    indexed = _present(store, members, indexed, how, unchecked)
    return _attached(store, document, indexed, how, None, unchecked)


def _manifest(store: Watched, manifest: Manifest, known: Artifact, how: Collecting) -> Artifact:
    unchecked: list[Unchecked] = []
    model = is_model(manifest)
    config, formats, sizes = _config(store, manifest, unchecked) if model else (ModelConfig(), [], [])
    if model:
        formats = [Problem("manifest", error.path, error.reason) for error in _schema(manifest)] + formats
    found = replace(
        known,
        sort=Sort.MODEL if model else Sort.OTHER,
        layers=layers.layers(manifest, config.diff_ids),
        config=Layer(manifest.config.digest, manifest.config.size, manifest.config.media_type[:_SHOWN]),
        stated=content.stated(config),
        format_problems=tuple(formats),
        size_problems=tuple(sizes),
        path_problems=tuple(layers.path_problems(manifest)) if model else (),
        created=content.time_of(config.created_at) or known.created,
    )
    inventory = None
    if model:
        inventory, found = _content(store, manifest, found, unchecked)
    found = _present(store, manifest.blobs, found, how, unchecked)  # last: what was read need not be asked for
    return _attached(store, manifest, found, how, inventory, unchecked)


def is_model(manifest: Manifest) -> bool:
    """Whether it is a model, in the form of the specification, its predecessor's, Docker's or KitOps'."""
    kinds = (manifest.artifact_type, manifest.config.media_type)
    return (
        manifest.is_model
        or any(kind.startswith((_DOCKER_MODEL, _KITOPS)) for kind in kinds)
        or any(LayerType.parse(layer.media_type) for layer in manifest.layers)
    )


def _schema(manifest: Manifest) -> tuple[DocumentError, ...]:
    """The ModelPack schema speaks of ModelPack's own manifests only."""
    return manifest_problems(manifest.raw) if manifest.is_model else ()


def _config(
    store: Watched, manifest: Manifest, unchecked: list[Unchecked]
) -> tuple[ModelConfig, list[Problem], list[Problem]]:
    """The configuration, where it departs from its schema, and whether its bytes are those that the manifest names."""
    if manifest.config.media_type not in MODEL_CONFIG_TYPES:
        return ModelConfig(), [], []
    try:
        raw = store.read(manifest.config, limit=_MAX_CONFIG)
    except StoreError as error:
        passing = not isinstance(error, NotFound)
        unchecked.append(Unchecked("the configuration", str(error)[:_SHOWN], _CONFIG, passing))
        return ModelConfig(), [], []
    except ContentError as error:
        unchecked.append(Unchecked("the configuration", str(error)[:_SHOWN], _CONFIG[2:]))
        return ModelConfig(), [], [Problem("config", "config", str(error)[:_SHOWN])]
    problems = [Problem("config", error.path, error.reason) for error in config_problems(raw)]
    try:
        return ModelConfig.parse(raw), problems, []
    except DocumentError as error:
        unchecked.append(Unchecked("the configuration", str(error)[:_SHOWN], _CONFIG[2:]))
        return ModelConfig(), problems or [Problem("config", error.path, error.reason)], []


def _present(
    store: Watched, blobs: Sequence[Descriptor], known: Artifact, how: Collecting, unchecked: list[Unchecked]
) -> Artifact:
    """With the blobs that are not there."""
    if len(blobs) > layers.MAX_BLOBS:
        reason = f"more than the {layers.MAX_BLOBS} of one manifest that are looked for"
        unchecked.append(Unchecked(f"{len(blobs) - layers.MAX_BLOBS} blobs", reason, _BLOBS))
    try:
        return replace(known, blobs=layers.blob_problems(store, blobs, how.jobs))
    except StoreError as error:
        unchecked.append(Unchecked("whether all blobs are there", str(error)[:_SHOWN], _BLOBS, passing=True))
        return known


def _content(
    store: Watched, manifest: Manifest, known: Artifact, unchecked: list[Unchecked]
) -> tuple[Inventory | None, Artifact]:
    """With what headers and small files say, and what the scanner finds."""
    entries = [entry for entry in layers.entries(manifest) if entry is not None]
    try:
        inventory = content.gather(store, manifest.descriptor, known.subject.place, unchecked)
        found, missed = scanning.scan(store, entries)
    except StoreError as error:
        rules = (*content.HEADERS, *content.FILES, *scanning.RULES)
        unchecked.append(Unchecked("the files", str(error)[:_SHOWN], rules, passing=True))
        return None, known
    unchecked += missed
    known = replace(known, findings=found)
    if inventory is None:
        return None, known
    against = crosscheck(inventory, manifest)
    licenses, source = content.licenses(inventory)
    return inventory, replace(
        known,
        weights=content.weights(inventory, entries),
        licenses=licenses,
        license_source=source,
        license_text=inventory.license_text,
        family=inventory.config_family[:_SHOWN],
        shard_problems=tuple(one[:_SHOWN] for one in inventory.shard_problems[:20]),
        templates={one.name[:_SHOWN]: one.digest.hex for one in inventory.chat_templates},
        ancestors=content.ancestors(inventory),
        size_problems=(*known.size_problems, *(_problem(one) for one in against if one.code in _COUNTS)),
        contradictions=tuple(_problem(one) for one in against if one.code not in (*_COUNTS, _SHARDS)),
    )


def _problem(one: object) -> Problem:
    code, place, message = (str(getattr(one, name)) for name in ("code", "place", "message"))
    return Problem(code, place[:_SHOWN], message[:_SHOWN])


def _attached(
    store: Watched,
    document: Manifest | Index,
    known: Artifact,
    how: Collecting,
    inventory: Inventory | None,
    unchecked: list[Unchecked],
) -> Artifact:
    """With what is attached: signatures, documents, and the ancestors that these name."""
    try:
        count = store.count_attached(document.descriptor)
        evidence = signatures.evidence(store, document, known.subject.place, how.trust, how.now, how.jobs)
        found = documents.find(store, document.descriptor, evidence, unchecked)
    except (StoreError, DocumentError, ContentError) as error:
        unchecked.append(signatures.unread(error))
        return replace(known, unchecked=tuple(unchecked))
    manifest = document if isinstance(document, Manifest) else None
    more = [one for one in documents.ancestors(found) if not _is_known(one, known.ancestors)]
    return replace(
        known,
        attachments=count,
        signatures=signatures.flattened(evidence.signatures),
        documents=documents.described(found, document.descriptor.digest, inventory, manifest),
        ancestors=(*known.ancestors, *dict.fromkeys(more)),
        unchecked=tuple(unchecked),
    )


def _is_known(one: Ancestor, known: Sequence[Ancestor]) -> bool:
    """Whether the same was said already, and as exactly."""
    return any(
        (one.role, one.name.lower(), one.commit, one.digest)
        == (other.role, other.name.lower(), other.commit, other.digest)
        for other in known
    )


def judge_again(store: Watched, known: Artifact, descriptor: Descriptor, how: Collecting) -> Artifact:
    """The same artifact with its signatures judged and its blobs looked for now: what time changes. Raises the store's errors."""
    document = store.document(descriptor)
    evidence = signatures.evidence(store, document, known.subject.place, how.trust, how.now, how.jobs)
    facts = signatures.flattened(evidence.signatures)
    again = replace(known, signatures=facts, documents=documents.rejudged(known.documents, facts))
    blobs = document.blobs if isinstance(document, Manifest) else document.manifests[:MAX_MEMBERS]
    return replace(again, blobs=layers.blob_problems(store, blobs, how.jobs))

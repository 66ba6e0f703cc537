"""One of two models that are compared: all that is looked at, without its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from modelpack.attest import Inventory, Origin, inventory
from modelpack.compare.values import leaves
from modelpack.errors import DocumentError
from modelpack.formats import ModelFile
from modelpack.oci import JSON, Descriptor, Digest, Kind, Manifest, Reference, loads_object
from modelpack.store import Attachment, Store, attachments, each
from modelpack.trust import MAX_CARRIERS, Circumstances, Identity, Policy, PolicyFile, Signature, Status, Target, gather
from modelpack.trust import Kind as SignatureKind
from modelpack.unpack import LayerEntry, contents, layer_header, model_config, model_manifest


@dataclass(frozen=True, slots=True)
class Attached:
    """What is attached: each signature in words, and the type of each other document."""

    signatures: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One model. ``heads`` are headers of raw weight files by path; ``unread`` files of which there is none."""

    descriptor: Descriptor
    manifest: Manifest
    config: Mapping[str, JSON]
    inventory: Inventory
    heads: Mapping[str, ModelFile]
    unread: tuple[str, ...]
    notes: tuple[str, ...]
    attached: Attached | None = None

    @property
    def layers(self) -> dict[Digest, int]:
        """Bytes of each layer."""
        return {layer.digest: layer.size for layer in self.manifest.layers}

    @property
    def origins(self) -> dict[str, JSON]:
        """Base models and data sets by role and name, with the version that is meant."""
        roles = (("base model", self.inventory.base_models), ("data set", self.inventory.datasets))
        return {f"{role} {one.name}": _version(one) for role, found in roles for one in found}

    @property
    def templates(self) -> dict[str, JSON]:
        """Chat templates by name."""
        return {template.name: str(template.digest) for template in self.inventory.chat_templates}


@dataclass(frozen=True, slots=True)
class Trusted:
    """Who may vouch, and when and where that is asked: the names of signers are told only of those."""

    identities: Sequence[Identity]
    circumstances: Circumstances

    @classmethod
    def at(cls, reference: str, policy: Policy | PolicyFile | None) -> Self:
        """Those whom a policy names for a place, now; without one nobody. Raises PolicyViolation (a file that does not speak
        of it), InvalidReference.
        """
        where = Reference.parse(reference)
        chosen = policy.for_reference(where) if isinstance(policy, PolicyFile) else policy
        return cls(chosen.identities if chosen else (), Circumstances(datetime.now(UTC), where.place))


def look(
    store: Store,
    descriptor: Descriptor,
    *,
    trusted: Trusted | None,
    known: Mapping[Digest, ModelFile] | None = None,
    jobs: int = 4,
) -> Side:
    """Look at a model. ``known`` are headers by digest of the file, which are not read again. With ``trusted``, what is
    attached is asked for as well. Raises as :func:`modelpack.attest.inventory` and :func:`modelpack.trust.gather`.
    """
    manifest = model_manifest(store, descriptor)
    entries = contents(manifest)
    heads, unread, notes = _heads(store, entries, known or {}, jobs)
    raw, _, _ = model_config(store, manifest)
    config, remarks = _config(raw)
    found = inventory(store, manifest.descriptor, headers=heads, jobs=jobs)
    attached = _attached(store, descriptor, trusted, jobs) if trusted else None
    return Side(descriptor, manifest, config, found, heads, unread, (*remarks, *notes), attached)


def by_digest(side: Side) -> dict[Digest, ModelFile]:
    """The headers by digest of the layer."""
    places = {entry.path: entry.descriptor.digest for entry in contents(side.manifest) if entry.is_file}
    return {places[path]: head for path, head in side.heads.items()}


def _heads(
    store: Store, entries: tuple[LayerEntry, ...], known: Mapping[Digest, ModelFile], jobs: int
) -> tuple[dict[str, ModelFile], tuple[str, ...], tuple[str, ...]]:
    weights = [entry for entry in entries if entry.kind is Kind.WEIGHT]

    def header(entry: LayerEntry) -> ModelFile | str | None:
        try:
            return known.get(entry.descriptor.digest) or layer_header(store, entry)
        except DocumentError as error:
            return str(error)

    raw = [entry for entry in weights if entry.is_file]
    found = dict(zip((entry.path for entry in raw), each(header, raw, jobs), strict=True))
    heads = {path: head for path, head in found.items() if isinstance(head, ModelFile)}
    notes = tuple(reason for reason in found.values() if isinstance(reason, str))
    unread = tuple(sorted(entry.path or str(entry.descriptor.digest) for entry in weights if entry.path not in heads))
    return heads, unread, notes


def _config(raw: bytes) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """Every value that the configuration says, but not the hashes of the files, which are compared as files."""
    if not raw:
        return {}, ()
    try:
        document = loads_object(raw, "configuration")
    except DocumentError as error:
        return {}, (str(error),)
    return {name: value for name, value in leaves(document).items() if name != "modelfs.diffIds"}, ()


def _version(origin: Origin) -> str:
    return " ".join(filter(None, (origin.version or "no version", origin.relation)))


def _attached(store: Store, descriptor: Descriptor, trusted: Trusted, jobs: int) -> Attached:
    evidence = gather(store, _target(store, descriptor), trusted.identities, trusted.circumstances, jobs=jobs)
    carriers = {one.carrier.digest for one in evidence.signatures}
    others = [one for one in attachments(store, descriptor)[:MAX_CARRIERS] if one.descriptor.digest not in carriers]
    return Attached(tuple(_signature(one) for one in evidence.signatures), tuple(map(_type, others)))


def _target(store: Store, descriptor: Descriptor) -> Target:
    """With the files' digests, if the manifest says them all."""
    document = store.document(descriptor)
    entries = contents(document) if isinstance(document, Manifest) else ()
    files = {entry.path: entry.descriptor.digest for entry in entries}
    return Target(descriptor, files if all(entry.is_file for entry in entries) else None)


def _signature(one: Signature) -> str:
    """What it says, and the verdict where there is one: without anybody to trust nothing is told but that it is there."""
    what = one.predicate_type if one.kind is SignatureKind.ATTESTATION else f"{one.kind} ({one.format})"
    verdict = str(one.status) if one.status in (Status.VERIFIED, Status.BAD) else ""
    return ", ".join(filter(None, (what, verdict, one.signer)))


def _type(attachment: Attachment) -> str:
    if attachment.tag:
        return f"cosign tag .{attachment.tag.rpartition('.')[2]}"
    return attachment.descriptor.artifact_type or attachment.descriptor.media_type

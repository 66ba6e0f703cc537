"""Documents about a model, attached and signed; and whether all that is said about it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelpack.access import Access
from modelpack.attest import (
    CYCLONEDX,
    CYCLONEDX_BOM,
    PROVENANCE,
    SCAN,
    SPDX,
    SPDX_DOCUMENT,
    Contradiction,
    Inventory,
    Provenance,
    attach_document,
    crosscheck,
    cyclonedx,
    inventory,
    problems,
    scan_predicate,
    spdx,
)
from modelpack.errors import BadSignature, ContentError, DocumentError, InputError, NotFound
from modelpack.inspection import model_manifest
from modelpack.oci import JSON, Descriptor, JSONObject, Manifest, Reference, loads_object
from modelpack.scan import scan_files
from modelpack.store import FileSource, LayoutStore, Store, attachments
from modelpack.trust import FileList, Kind, Signer, Target, Verified, attest, check_folder
from modelpack.trusting import resolve_in, store_of, target_of

SBOMS = ("cyclonedx", "spdx")
_DOCUMENTS = frozenset({CYCLONEDX, SPDX})
_MAX_SBOM = 32 << 20


@dataclass(frozen=True, slots=True)
class Attached:
    """A statement about a model that was signed and attached; ``document`` carries it as it is, as a plain document."""

    predicate_type: str
    statement: Descriptor
    document: Descriptor | None = None


def attest_model(
    reference: str,
    signer: Signer,
    *,
    sboms: Sequence[str] = (),
    provenance: Provenance | None = None,
    scanned: str | Path | None = None,
    predicates: Mapping[str, JSONObject] | None = None,
    timestamp: datetime | None = None,
    supplier: str = "",
    tag: bool = False,
    tool_version: str = "",
    local: LayoutStore | None = None,
    access: Access | None = None,
) -> tuple[Attached, ...]:
    """Make documents about a model, sign and attach them: bills of materials (``cyclonedx``, ``spdx``), provenance, a report of a
    scan of the files in the folder ``scanned``, which must be this model's, and other ``predicates`` by their types.

    Bills of materials are attached twice: signed (cosign, policies), and as they are (oras, Trivy, Harbor). ``timestamp`` (with a
    time zone) goes into them; without it two runs give the same. ``tag`` also writes cosign's older ``.att`` tag.

    Raises InputError, NotFound, DocumentError, and the registry's errors.
    """
    access = access or Access()
    where = Reference.parse(reference)
    unknown = [name for name in sboms if name not in SBOMS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no bill of materials that is made here", hint=f"one of {', '.join(SBOMS)}")
    with store_of(where, local, access) as store:
        target = target_of(store, resolve_in(store, where, local))
        now = datetime.now(UTC)

        def signed(predicate_type: str, predicate: JSONObject) -> Descriptor:
            return attest(store, target.descriptor, signer, predicate_type, predicate, now=now, tag=tag)

        report = _scan(Path(scanned), target, tool_version, now) if scanned is not None else None
        found = inventory(store, target.descriptor, reference=reference, jobs=access.jobs) if sboms else None
        attached = []
        for name in dict.fromkeys(sboms):
            assert found is not None  # noqa: S101  # there are some
            media_type, predicate_type, raw = _bill(name, found, tool_version, timestamp, supplier)
            document = attach_document(store, target.descriptor, media_type, raw)
            attached.append(Attached(predicate_type, signed(predicate_type, loads_object(raw, name)), document))
        others = dict(predicates or {})
        if provenance is not None:
            others[PROVENANCE] = provenance.predicate()
        if report is not None:
            others[SCAN] = report
        return (*attached, *(Attached(kind, signed(kind, predicate)) for kind, predicate in others.items()))


def _bill(
    name: str, found: Inventory, tool_version: str, timestamp: datetime | None, supplier: str
) -> tuple[str, str, bytes]:
    """Media type, predicate type and bytes."""
    write, media_type, predicate_type = {
        "cyclonedx": (cyclonedx, CYCLONEDX, CYCLONEDX_BOM),
        "spdx": (spdx, SPDX, SPDX_DOCUMENT),
    }[name]
    return media_type, predicate_type, write(found, tool_version=tool_version, timestamp=timestamp, supplier=supplier)


def _scan(folder: Path, target: Target, tool_version: str, now: datetime) -> JSONObject:
    """The report of a scan, if the files are the model's: a signed report about other files would be worth nothing."""
    if not target.files:
        raise InputError("the manifest does not list the model's files, so what was scanned cannot be compared with it")
    try:
        check_folder(folder, FileList.of_files(target.files), ignore_unsigned=True)
    except BadSignature as error:
        first = str(error).partition(": ")[2].partition(";")[0]
        raise InputError(
            f"{folder} does not hold this model's files: {first}", hint="pull the model, and scan that"
        ) from error
    # Exactly the model's files: a report on others, which lie beside them, would not be about the model.
    files = [(path, FileSource.of(folder / path)) for path in sorted(target.files)]
    report = scan_files(files, digests={path: digest.hex for path, digest in target.files.items()})
    return scan_predicate(report.to_json(scanner="modelpack", version=tool_version), finished=now)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was compared, and what does not agree. ``documents`` say for each number where it is from; ``problems`` are departures
    from a document's own format, ``contradictions`` what cannot be true together.
    """

    documents: tuple[str, ...]
    contradictions: tuple[Contradiction, ...]
    problems: tuple[str, ...]

    def to_json(self) -> JSONObject:
        """For programs."""
        found: list[JSON] = [
            {"code": one.code, "place": one.place, "message": one.message} for one in self.contradictions
        ]
        return {"compared": list(self.documents), "contradictions": found, "problems": list(self.problems)}


def agreement(verified: Verified, *, access: Access | None = None) -> Agreement:
    """Compare manifest, configuration, headers, attached documents and verified attestations of a model with each other.

    No weights are read. Raises UnsupportedFormat (no model), and the store's errors.
    """
    access = access or Access()
    with verified.store as store:
        manifest = model_manifest(store, verified.descriptor)
        found = inventory(store, manifest.descriptor, reference=verified.reference, jobs=access.jobs)
        documents = [*_plain(store, verified.descriptor)]
        documents += [
            (f"{one.predicate_type} in {one.carrier.digest}", one.statement.raw)
            for one in verified.evidence.verified(Kind.ATTESTATION)
            if one.statement is not None
        ]
        departures = tuple(
            f"document {number}: {problem}" for number, (_, raw) in enumerate(documents) for problem in problems(raw)
        )
        contradictions = crosscheck(found, manifest, [raw for _, raw in documents])
        return Agreement(tuple(name for name, _ in documents), contradictions, departures)


def _plain(store: Store, subject: Descriptor) -> list[tuple[str, bytes]]:
    """Bills of materials that are attached as they are. What is listed and absent says nothing."""
    found = []
    for attachment in attachments(store, subject, tags=False):
        try:
            carrier = store.document(attachment.descriptor)
            for layer in carrier.layers if isinstance(carrier, Manifest) else ():
                if layer.media_type in _DOCUMENTS:
                    name = f"{layer.media_type} in {attachment.descriptor.digest}"
                    found.append((name, store.read(layer, limit=_MAX_SBOM)))
        except (NotFound, ContentError, DocumentError):
            continue
    return found

"""What was found out about one manifest in one repository: values that can be kept as JSON, and that rules judge without I/O.

``""``, ``()`` and None mean: not said. What could not be found out is in ``unchecked``, never left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelpack.audit.findings import Subject
from modelpack.oci import Digest, JSONObject
from modelpack.trust import Cause


class Sort(StrEnum):
    """What kind of thing a manifest is."""

    MODEL = "model"
    """A CNCF ModelPack artifact, or another tool's that we read as one (KitOps, Docker's)."""

    INDEX = "index"
    ATTACHMENT = "attachment"
    """It says something about another manifest: it has a subject, or one of cosign's or the referrers' tags."""

    OTHER = "other"
    """A container image, or an artifact of another kind."""

    BROKEN = "broken"
    """It could not be read as a manifest."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as the manifest says it. ``path`` is the file's, or of an archive a label; ``codec`` "raw", "tar", "tar+gzip", …"""

    digest: Digest
    size: int
    media_type: str
    path: str = ""
    kind: str = ""
    codec: str = ""
    file_digest: Digest | None = None
    """The SHA-256 of the content before compression, where it is known (raw layer, diffId)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: ``code`` groups (a key of the module that found it), ``place`` says where, ``message`` what."""

    code: str
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that could not be found out. ``rules`` are those that would have needed it; ``passing``: the next audit tries
    again, because the registry may answer then.
    """

    what: str
    reason: str
    rules: tuple[str, ...] = ()
    passing: bool = False


class BlobState(StrEnum):
    """What a blob was when it was last looked at."""

    MISSING = "missing"
    SIZE = "size"
    """There, with another size than the descriptor says."""

    CORRUPT = "corrupt"
    """Hashed, and it is something else."""


@dataclass(frozen=True, slots=True)
class BlobProblem:
    """A blob that is not as its descriptor says."""

    digest: Digest
    state: BlobState
    message: str = ""


@dataclass(frozen=True, slots=True)
class SignatureFact:
    """One signature and its verdict (:class:`modelpack.trust.Signature`), flattened.

    ``kind`` is "signature", "model" or "attestation"; ``format`` "bundle", "tag", "jws", "cose"; ``status`` "verified",
    "untrusted", "unchecked", "bad". ``legacy`` is a format that new tools no longer write (cosign's tags).
    """

    manifest: Digest
    kind: str
    format: str
    status: str
    cause: Cause = Cause.NONE
    reason: str = ""
    signers: tuple[str, ...] = ()
    predicate_type: str = ""
    time: datetime | None = None
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A bill of materials, provenance, scan report or other statement about the model.

    ``type`` is the media type or predicate type; ``role`` "sbom", "provenance", "scan", "vsa" or "other". ``signed`` says
    whether a verified attestation carries this very content; ``problems`` are departures from its format, ``contradictions``
    codes of :mod:`modelpack.attest.crosscheck`. ``subject_matches`` is None where it does not say what it is about.
    """

    manifest: Digest
    type: str
    role: str
    signed: bool
    subject_matches: bool | None = None
    problems: tuple[str, ...] = ()
    contradictions: tuple[Problem, ...] = ()
    builder: str = ""
    licenses: tuple[str, ...] = ()
    content: Digest | None = None
    """Of what it says, however it is wrapped: a plain document and a signed statement of the same content have the same."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """What it says that it was made from. ``role`` is "base-model", "dataset", or "source" (the Hub's commit whose files these
    are); ``source`` who said so.
    """

    role: str
    name: str
    uri: str = ""
    commit: str = ""
    digest: Digest | None = None
    relation: str = ""
    licenses: tuple[str, ...] = ()
    source: str = ""

    @property
    def pinned(self) -> bool:
        """Whether it says exactly which content is meant."""
        return bool(self.commit or self.digest)


@dataclass(frozen=True, slots=True)
class Weights:
    """What headers of weight files say, all together. ``parameters`` counts numbers; ``dtypes`` how many of each."""

    formats: tuple[str, ...] = ()
    parameters: int = 0
    dtypes: Mapping[str, int] = field(default_factory=dict, hash=False)
    quantization: str = ""
    headers_read: int = 0
    headers_unread: int = 0
    counts: tuple[int, ...] = ()
    """What a claimed size may mean where a model holds variants: the parameters of each file, folder, format and of all."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the configuration says (model-spec ``config.md``)."""

    name: str = ""
    version: str = ""
    family: str = ""
    architecture: str = ""
    format: str = ""
    precision: str = ""
    quantization: str = ""
    param_size: str = ""
    licenses: tuple[str, ...] = ()
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier audits knew of the same subject. Empty on the first.

    ``moved_tags`` are tags that led elsewhere at the last audit, with that digest; ``lost_signatures`` signers whose verified
    signature has vanished; ``first_seen`` and ``last_seen`` are of this digest in this place.
    """

    moved_tags: tuple[tuple[str, Digest], ...] = ()
    lost_signatures: tuple[str, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """Everything that rules may know of one manifest.

    ``format_problems`` are departures of manifest and configuration from their schemas, ``size_problems`` from each other (sizes,
    digests, counts), ``path_problems`` unsafe, doubled or case-colliding file names. ``findings`` are those of
    :mod:`modelpack.scan`, by its codes, of what could be looked at by ranges. ``contradictions`` are those between
    configuration and weights (codes XC0x). ``attachments`` counts what is attached.
    """

    subject: Subject
    sort: Sort
    media_type: str = ""
    artifact_type: str = ""
    size: int = 0
    refers_to: Digest | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    layers: tuple[Layer, ...] = ()
    config: Layer | None = None
    """The blob of the configuration."""

    members: tuple[Digest, ...] = ()
    """Of an index: the manifests that it lists."""

    listed_by: tuple[Digest, ...] = ()
    """Indexes of the same place that list it: who vouches for such an index vouches for it."""

    stated: Stated = field(default_factory=Stated)
    weights: Weights = field(default_factory=Weights)
    licenses: tuple[str, ...] = ()
    """Of the model, by whoever says it first: configuration, card, LICENSE file."""

    license_source: str = ""
    family: str = ""
    """``config.json``'s ``model_type``."""

    format_problems: tuple[Problem, ...] = ()
    size_problems: tuple[Problem, ...] = ()
    path_problems: tuple[Problem, ...] = ()
    blobs: tuple[BlobProblem, ...] = ()
    signatures: tuple[SignatureFact, ...] = ()
    documents: tuple[Document, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    contradictions: tuple[Problem, ...] = ()
    findings: tuple[Problem, ...] = ()
    shard_problems: tuple[str, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Chat templates: the place (``path#key``) and the SHA-256 of the text, in hex."""

    attachments: int = 0
    orphan: bool = False
    """Of an attachment: what it speaks of is not in its place."""

    created: datetime | None = None
    unchecked: tuple[Unchecked, ...] = ()
    before: Before = field(default_factory=Before)
    extra: JSONObject = field(default_factory=dict, hash=False)
    """For rules of users' own collectors; empty otherwise."""

    def is_unknown(self, rule: str) -> bool:
        """Whether something is missing here that a rule needs before it may say that something is not there."""
        return any(rule in one.rules for one in self.unchecked)

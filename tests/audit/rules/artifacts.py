"""A model of which no rule says anything, and what is asked of rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from modelpack.audit.facts import (
    Ancestor,
    Artifact,
    Document,
    Layer,
    Problem,
    SignatureFact,
    Sort,
    Stated,
    Weights,
)
from modelpack.audit.findings import Subject
from modelpack.audit.policy import Settings
from modelpack.audit.rules import EstateRule, Hit, default
from modelpack.oci import Digest
from modelpack.oci.mediatypes import MODEL_MANIFEST

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PLACE = "registry.example/ml/minilm"


def digest(name: str) -> Digest:
    """The SHA-256 of a name."""
    return Digest.parse("sha256:" + sha256(name.encode()).hexdigest())


SIGNATURE = SignatureFact(digest("signature"), "signature", "bundle", "verified", signers=("release",))
BOM = Document(digest("bom"), "https://cyclonedx.org/bom", "sbom", signed=True, subject_matches=True)
PROVENANCE = Document(
    digest("provenance"),
    "https://slsa.dev/provenance/v1",
    "provenance",
    signed=True,
    subject_matches=True,
    builder="https://ci.example/builder",
)
LAYER = Layer(
    digest("weights"),
    100,
    "application/vnd.cncf.model.weight.v1.raw",
    "model.safetensors",
    "weight",
    "raw",
    digest("weights"),
)
STATED = Stated(
    name="minilm",
    family="bert",
    architecture="transformer",
    format="safetensors",
    precision="float16",
    param_size="22.7M",
    licenses=("Apache-2.0",),
)
BASE = Ancestor("base-model", "org/base", "https://huggingface.co/org/base", "0" * 40)


def clean(**changes: object) -> Artifact:
    """A good model, or one with other facts."""
    facts: dict[str, object] = {
        "subject": Subject(PLACE, digest("model"), ("v1",)),
        "sort": Sort.MODEL,
        "artifact_type": MODEL_MANIFEST,
        "layers": (LAYER,),
        "stated": STATED,
        "weights": Weights(("safetensors",), 22_700_000, {"F16": 22_700_000}, "", 1, 0, (22_700_000,)),
        "licenses": ("Apache-2.0",),
        "license_source": "configuration",
        "signatures": (SIGNATURE,),
        "documents": (BOM, PROVENANCE),
        "ancestors": (BASE,),
        "attachments": 3,
        "created": NOW,
    }
    return Artifact(**{**facts, **changes})  # type: ignore[arg-type]  # the facts' own names and types, by the callers


def problem(code: str, place: str = "somewhere", message: str = "something is wrong") -> Problem:
    """Something wrong."""
    return Problem(code, place, message)


@dataclass
class Listed:
    """An estate of a list."""

    all: tuple[Artifact, ...] = ()
    gone: tuple[tuple[Subject, str], ...] = ()
    twice: tuple[tuple[Digest, tuple[tuple[Subject, str, Digest, int], ...]], ...] = ()
    descent: Mapping[str, tuple[tuple[Subject, tuple[Ancestor, ...]], ...]] = field(default_factory=dict)

    def artifacts(self) -> Iterator[Artifact]:
        """All."""
        return iter(self.all)

    def artifact(self, place: str, digest: Digest) -> Artifact | None:
        """One."""
        return next((one for one in self.all if (one.subject.place, one.subject.digest) == (place, digest)), None)

    def known(self, digest: Digest) -> tuple[Subject, ...]:
        """Where."""
        return tuple(one.subject for one in self.all if one.subject.digest == digest)

    def vanished(self) -> Iterator[tuple[Subject, str]]:
        """Gone."""
        return iter(self.gone)

    def duplicates(self) -> Iterator[tuple[Digest, tuple[tuple[Subject, str, Digest, int], ...]]]:
        """Twice."""
        return iter(self.twice)

    def derived(self, base: Digest | str) -> Iterator[tuple[Subject, tuple[Ancestor, ...]]]:
        """Below."""
        return iter(self.descent.get(str(base), ()))


def fired(artifact: Artifact, settings: Settings | None = None) -> set[str]:
    """The ids of all rules that say something of one artifact."""
    return set(hits(artifact, settings))


def hits(artifact: Artifact, settings: Settings | None = None) -> dict[str, list[Hit]]:
    """What they say."""
    said: dict[str, list[Hit]] = defaultdict(list)
    for rule in default():
        for hit in rule.check(artifact, settings or Settings(now=NOW)):
            said[rule.id].append(hit)
    return dict(said)


def estate_hits(estate: Listed, settings: Settings | None = None) -> dict[str, list[Hit]]:
    """What rules say of all artifacts together."""
    said: dict[str, list[Hit]] = defaultdict(list)
    for rule in default():
        if isinstance(rule, EstateRule):
            for hit in rule.check_estate(estate, settings or Settings(now=NOW)):
                said[rule.id].append(hit)
    return dict(said)

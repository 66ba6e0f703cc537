"""The provenance predicate's values (SLSA 1.1, "Provenance")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelpack.attest.statement import PROVENANCE, statement
from modelpack.attest.values import instant
from modelpack.errors import InputError
from modelpack.oci import JSON, Digest, JSONObject

PACK = "https://modelpack.dev/buildtypes/pack/v1"
"""The build type of packing: files that are there become an artifact."""

LOCAL_BUILDER = "https://modelpack.dev/builders/local/v1"
"""Whoever ran the program, wherever: nobody else vouches for it."""

LEVEL = 1
"""The SLSA build level that provenance of a tool inside a job can reach, whoever signs it (see docs/sbom.md)."""


@dataclass(frozen=True, slots=True)
class Material:
    """Something that went in or came out (in-toto ResourceDescriptor).

    ``role`` is "source", "base-model", "dataset", "input-file" or a word of your own. ``digests`` are algorithm to hex
    (``sha256``, ``gitCommit``).
    """

    uri: str
    role: str = ""
    digests: Mapping[str, str] = field(default_factory=dict, hash=False)
    media_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def pinned(self) -> bool:
        """Whether it says exactly which content is meant."""
        return bool(self.digests)

    def to_json(self) -> JSONObject:
        """A ResourceDescriptor."""
        said: JSONObject = {
            "name": self.role,
            "uri": self.uri,
            "digest": dict(sorted(self.digests.items())),
            "mediaType": self.media_type,
            "annotations": dict(sorted(self.annotations.items())),
        }
        return {key: value for key, value in said.items() if value not in ("", {})}


@dataclass(frozen=True, slots=True)
class Provenance:
    """How something was made. ``parameters`` is what the user gave, all of it; ``internal`` what the tool or the CI added.

    ``started`` and ``finished`` are times with zone, or None.
    """

    build_type: str = PACK
    builder: str = LOCAL_BUILDER
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    parameters: JSONObject = field(default_factory=dict, hash=False)
    internal: JSONObject = field(default_factory=dict, hash=False)
    dependencies: tuple[Material, ...] = ()
    byproducts: tuple[Material, ...] = ()
    invocation: str = ""
    started: datetime | None = None
    finished: datetime | None = None

    def __post_init__(self) -> None:
        """Raise InputError for what the predicate does not allow."""
        for name, value in (("build type", self.build_type), ("builder", self.builder)):
            if ":" not in value:
                raise InputError(f"the {name} of a provenance must be a URI, not {value[:80]!r}")
        if self.started and self.finished and self.finished < self.started:
            raise InputError("a build cannot end before it began")

    def predicate(self) -> JSONObject:
        """The predicate, members in the order of the specification."""
        dependencies: list[JSON] = [item.to_json() for item in self.dependencies]
        byproducts: list[JSON] = [item.to_json() for item in self.byproducts]
        definition: JSONObject = {"buildType": self.build_type, "externalParameters": dict(self.parameters)}
        if self.internal:
            definition["internalParameters"] = dict(self.internal)
        if dependencies:
            definition["resolvedDependencies"] = dependencies
        builder: JSONObject = {"id": self.builder}
        if self.versions:
            builder["version"] = dict(sorted(self.versions.items()))
        details: JSONObject = {"builder": builder}
        if metadata := self._metadata():
            details["metadata"] = metadata
        if byproducts:
            details["byproducts"] = byproducts
        return {"buildDefinition": definition, "runDetails": details}

    def statement(self, subject: Digest, name: str = "") -> bytes:
        """The statement that the manifest of that digest was made so."""
        return statement(PROVENANCE, self.predicate(), subject, name)

    def _metadata(self) -> JSONObject:
        said: JSONObject = {"invocationId": self.invocation} if self.invocation else {}
        if self.started:
            said["startedOn"] = instant(self.started)
        if self.finished:
            said["finishedOn"] = instant(self.finished)
        return said

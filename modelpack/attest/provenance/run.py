"""Take down what a build does while it does it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from modelpack.attest.inventory import Origin, origin
from modelpack.attest.provenance.ci import CiFacts
from modelpack.attest.provenance.git import read_git
from modelpack.attest.provenance.model import LOCAL_BUILDER, PACK, Material, Provenance
from modelpack.errors import InputError
from modelpack.oci import JSON, Descriptor, Digest, JSONObject
from modelpack.oci.mediatypes import OCI_MANIFEST


def _now() -> datetime:
    return datetime.now(UTC)


class Run:
    """A build that is going on; leave it as a context manager, and ``provenance`` says how it went.

    After an exception there is no provenance: what did not come to its end made nothing.
    """

    def __init__(
        self,
        build_type: str = PACK,
        *,
        builder: str = LOCAL_BUILDER,
        parameters: Mapping[str, JSON] | None = None,
        versions: Mapping[str, str] | None = None,
        ci: CiFacts | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._build_type = build_type
        self._builder = (ci.builder if ci else "") or builder
        self._parameters: JSONObject = dict(parameters or {})
        self._internal: JSONObject = dict(ci.internal) if ci else {}
        self._invocation = ci.invocation if ci else ""
        self._versions = {"python": platform.python_version(), **(versions or {})}
        self._clock = clock
        self._dependencies: list[Material] = [ci.source] if ci and ci.source else []
        self._byproducts: list[Material] = []
        self._started: datetime | None = None
        self._result: Provenance | None = None

    def uses(self, written: str | Origin, *, role: str = "", relation: str = "", sha256: str = "") -> Material:
        """Note something that the build takes: ``registry.example/base/bert@sha256:…``, ``hf://datasets/org/name@<commit>``,
        a Hub name, or a URL (with its ``sha256``). Raises InputError where no place can be told.
        """
        found = material(written, role=role, relation=relation, sha256=sha256)
        self._dependencies.append(found)
        return found

    def source_code_from_git(self, folder: str | Path = ".") -> Material:
        """Note the commit of a working copy; a copy with changes is marked so. Raises InputError if it is none."""
        found = read_git(Path(folder)).material()
        self._dependencies.append(found)
        return found

    def parameter(self, name: str, value: JSON) -> None:
        """Note something that the user chose."""
        self._parameters[name] = value

    def made(self, name: str, document: Descriptor) -> None:
        """Note something that the build gave besides the model: a report, an SBOM."""
        digest = {document.digest.algorithm: document.digest.hex}
        self._byproducts.append(Material("", name, digest, document.media_type))

    @property
    def provenance(self) -> Provenance:
        """How it went. Raises InputError before the end, and after a failure."""
        if self._result is None:
            raise InputError("there is no provenance of a build that has not come to its end")
        return self._result

    def __enter__(self) -> Self:
        """Start the clock."""
        self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop it."""
        if kind is None:
            self._result = Provenance(
                self._build_type,
                self._builder,
                self._versions,
                self._parameters,
                self._internal,
                tuple(self._dependencies),
                tuple(self._byproducts),
                self._invocation,
                self._started,
                self._clock(),
            )


def provenance(
    build_type: str = PACK,
    *,
    builder: str = LOCAL_BUILDER,
    parameters: Mapping[str, JSON] | None = None,
    versions: Mapping[str, str] | None = None,
    ci: CiFacts | None = None,
    clock: Callable[[], datetime] = _now,
) -> Run:
    """Begin to take down a build::

    with provenance() as run:
        run.uses("registry.example/base/bert@sha256:…", role="base-model")
        packed = modelpack.pack("./model")
    statement = run.provenance.statement(packed.digest)
    """
    return Run(build_type, builder=builder, parameters=parameters, versions=versions, ci=ci, clock=clock)


def material(written: str | Origin, *, role: str = "", relation: str = "", sha256: str = "") -> Material:
    """A thing that goes into a build, from how people write it. Raises InputError where no place can be told."""
    found = written if isinstance(written, Origin) else origin(written, dataset=role == "dataset", relation=relation)
    if not found.uri:
        raise InputError(
            f"{found.name[:80]!r} names no place", hint="give a reference with its digest, a Hub name, or a URL"
        )
    digests = {"gitCommit": found.commit} if found.commit else {}
    if found.digest:
        digests[found.digest.algorithm] = found.digest.hex
    if sha256:
        digests["sha256"] = Digest("sha256", sha256.removeprefix("sha256:")).hex
    annotations = {"relation": found.relation} if found.relation else {}
    return Material(found.uri, role, digests, OCI_MANIFEST if found.digest else "", annotations)

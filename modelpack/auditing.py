"""Audit registries: what is in there, who vouches for it, what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from modelpack.access import Access
from modelpack.audit.auditing import FRESH, Audit, Options, Watch
from modelpack.audit.policy import AuditPolicy
from modelpack.audit.rules import Rule, default
from modelpack.trust import Policy, PolicyFile

__all__ = ["Audit", "audit"]


def audit(
    targets: str | Iterable[str],
    *,
    rules: Iterable[Rule] | None = None,
    policy: AuditPolicy | str | Path | None = None,
    trust: Policy | PolicyFile | None = None,
    state: str | Path | None = None,
    fresh: timedelta = FRESH,
    resume: bool = True,
    scrub: int = 0,
    watch: Watch | None = None,
    access: Access | None = None,
) -> Audit:
    """Ask rules of everything in registries, without downloading weights. Iterate over the result: findings come as they are
    made, first those of single artifacts, then those of all together; ``results()`` of it are what reports are made of.

    ``targets`` are registries (``host``, if it lists its repositories), namespaces (``host/ns/``), repositories, single
    references and OCI layouts (``oci:PATH``). ``rules`` are by default all that come along. ``policy`` is the audit policy,
    or its file; ``trust`` says who may sign, and goes before what the policy says: without either nobody is trusted.

    ``state`` is a file in which audits remember: the next one asks only what tags lead to, and sees what changed; without it
    nothing is remembered. Verdicts older than ``fresh`` are judged again. An audit of the same targets that was cut off less
    than a day ago is gone on with, unless ``resume`` is false. ``scrub`` are bytes that are hashed again, those first that
    were not for longest. ``watch`` is told the counts after each manifest.

    Raises InputError and InvalidReference (targets, policy), DocumentError (policy, state), Unavailable (another audit uses the
    state). What cannot be read in a registry is a finding with ``unchecked``, and not the end.
    """
    access = access or Access()
    if isinstance(policy, str | Path):
        policy = AuditPolicy.load(Path(policy))
    from modelpack import __version__

    options = Options(
        policy=policy,
        trust=trust,
        fresh=fresh,
        resume=resume,
        scrub=scrub,
        jobs=access.jobs,
        tool=f"modelpack {__version__}",
        watch=watch,
    )
    wanted = [targets] if isinstance(targets, str) else targets
    # What a mirror has says nothing of what is in the registry.
    places = replace(access, mirrors=None)
    return Audit(places, wanted, default() if rules is None else rules, Path(state) if state else None, options)

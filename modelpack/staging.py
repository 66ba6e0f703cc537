"""Stage: from a reference to files in a node cache that a server may open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from modelpack.access import Access, resolve
from modelpack.errors import InputError, NotFound
from modelpack.inspection import model_manifest, read_config
from modelpack.oci import Kind, Reference
from modelpack.oci.mediatypes import kind_named
from modelpack.stage import CURRENT, FILES, Arrangement, Cache, Depth, Form, Request, Staged
from modelpack.stage import stage as stage_snapshot
from modelpack.store import LayoutStore
from modelpack.trust import Policy, PolicyFile
from modelpack.trusting import verify_at
from modelpack.unpack import Selection


def stage(
    reference: str,
    cache: str | Path,
    *,
    policy: Policy | PolicyFile,
    name: str = CURRENT,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Iterable[str | Kind] = (),
    arrangement: Arrangement = FILES,
    depth: Depth = Depth.RECEIPT,
    lease: str = "",
    ttl: int = 3600,
    pin: bool = False,
    offline: bool = False,
    tool: str = "modelpack",
    access: Access | None = None,
) -> Staged:
    """Verify a model, find or make its snapshot in a node cache, and let ``name`` lead to it.

    The tag is resolved once, and what satisfies the ``policy`` is what is staged. Signatures are verified at every call, hits
    too; ``offline`` verifies those that were kept when the model was staged, and needs a digest. Raises as
    :func:`modelpack.pull`, NotFound (offline, and not there), NoSpace.
    """
    access = access or Access()
    where = Reference.parse(reference)
    folder = Cache(Path(cache).absolute())
    chosen = Selection(tuple(include), tuple(exclude), frozenset(map(kind_named, kinds)))
    request = Request(name, chosen, arrangement, depth, lease, ttl, pin, offline)
    if offline:
        folder.check()
    with _kept(folder, where) if offline else access.open(where) as store:
        descriptor = store.resolve(str(where.digest)) if offline else resolve(store, where)
        verified = verify_at(store, descriptor, where, policy, access)
        manifest = model_manifest(store, verified.descriptor)
        config = read_config(store, manifest)
        usable = config if len(config.diff_ids) == len(manifest.layers) else None
        return stage_snapshot(
            folder, verified, manifest, usable, request, tool=tool, jobs=access.jobs, observe=access.observe
        )


def arrangement(form: str, reference: str, repo: str = "") -> Arrangement:
    """How files are arranged, by name; ``repo`` (``org/name``) by default the end of the repository. Raises InputError."""
    try:
        chosen = Form(form)
    except ValueError:
        raise InputError(f"{form!r} is not a layout", hint=f"one of {', '.join(Form)}") from None
    if chosen is Form.FILES:
        return FILES
    return Arrangement(chosen, repo or "/".join(Reference.parse(reference).repository.split("/")[-2:]))


def _kept(cache: Cache, where: Reference) -> LayoutStore:
    if where.digest is None:
        raise InputError(
            "offline, a tag cannot be looked up", hint="name the digest: registry.example/ml/minilm@sha256:…"
        )
    try:
        return LayoutStore(cache.evidence, create=False)
    except NotFound:
        raise NotFound(f"nothing was staged in {cache.root} yet", hint="leave --offline out") from None

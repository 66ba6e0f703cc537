"""Stage: from a reference to files in a node cache that a server may open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelpack.access import Access, resolve
from modelpack.errors import InputError, ModelPackError, NotFound
from modelpack.inspection import model_manifest, read_config
from modelpack.oci import Digest, Kind, Reference
from modelpack.stage import (
    CURRENT,
    FILES,
    Arrangement,
    Cache,
    Depth,
    Form,
    Phase,
    Rank,
    Receipt,
    Request,
    Staged,
    target,
    untraced,
)
from modelpack.stage import deliver as deliver_files
from modelpack.stage import stage as stage_snapshot
from modelpack.store import LayoutStore
from modelpack.trust import Policy, PolicyFile, Verified, read_file
from modelpack.trusting import verify_at
from modelpack.unpack import Selection, Unpacked, contents

_MAX_VERSION = 2048


def stage(
    reference: str,
    cache: str | Path,
    *,
    policy: Policy | PolicyFile,
    name: str | None = CURRENT,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Iterable[str | Kind] = (),
    arrangement: Arrangement = FILES,
    depth: Depth = Depth.RECEIPT,
    lease: str = "",
    ttl: int = 3600,
    pin: bool = False,
    offline: bool = False,
    max_bytes: int | None = None,
    rank: Rank | None = None,
    tool: str = "modelpack",
    access: Access | None = None,
    phase: Phase = untraced,
) -> Staged:
    """Verify a model, find or make its snapshot in a node cache, and let ``name`` (unless that is None) lead to it.

    The tag is resolved once, and what satisfies the ``policy`` is what is staged. Signatures are verified at every call, hits
    too; ``offline`` verifies those that were kept when the model was staged, and needs a digest. With a ``rank`` the parts of
    other ranks are left out. ``phase`` is entered for ``resolve``, ``verify``, ``fetch`` and ``publish``. Raises as
    :func:`modelpack.pull`, NotFound (offline, and not there), NoSpace.
    """
    access = access or Access()
    where = Reference.parse(reference)
    folder = Cache(Path(cache).absolute())
    apart = rank.excluded if rank else ()
    chosen = Selection(tuple(include), (*exclude, *apart), frozenset(map(Kind.named, kinds)))
    request = Request(name, chosen, arrangement, depth, lease, ttl, pin, offline, max_bytes)
    if offline:
        folder.check()
    with _kept(folder, where) if offline else access.open(where) as store:
        with phase("resolve"):
            descriptor = store.resolve(str(where.digest)) if offline else resolve(store, where)
        with phase("verify"):
            verified = verify_at(store, descriptor, where, policy, access)
            manifest = model_manifest(store, verified.descriptor)
        if rank:
            rank.check(entry.path for entry in contents(manifest) if entry.is_file)
        config = read_config(store, manifest)
        usable = config if len(config.diff_ids) == len(manifest.layers) else None
        return stage_snapshot(
            folder,
            verified,
            manifest,
            usable,
            request,
            tool=tool,
            jobs=access.jobs,
            observe=access.observe,
            phase=phase,
        )


def deliver(
    reference: str,
    folder: str | Path,
    *,
    policy: Policy | PolicyFile,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Iterable[str | Kind] = (),
    access: Access | None = None,
) -> tuple[Unpacked, Verified]:
    """Verify a model and put its files directly under a folder, a mount point too; no cache, and nothing left beside them.

    For servers that are told where to look by somebody else, as KServe's. Raises as :func:`modelpack.pull`.
    """
    access = access or Access()
    where = Reference.parse(reference)
    chosen = Selection(tuple(include), tuple(exclude), frozenset(map(Kind.named, kinds)))
    with access.open(where) as store:
        verified = verify_at(store, resolve(store, where), where, policy, access)
        manifest = model_manifest(store, verified.descriptor)
        config = read_config(store, manifest)
        unpacked = deliver_files(
            store,
            manifest,
            Path(folder).absolute(),
            selection=chosen,
            reference=verified.reference,
            jobs=access.jobs,
            observe=access.observe,
            config=config if len(config.diff_ids) == len(manifest.layers) else None,
        )
        return unpacked, verified


def standing(reference: str, cache: str | Path, *, name: str = CURRENT, **options: Any) -> Staged | None:
    """What ``name`` leads to already: of the same repository, undamaged, and what the policy accepts by the signatures that
    were kept. None if it is not so. Asks no registry; ``options`` are those of :func:`stage`.
    """
    folder, where = Cache(Path(cache).absolute()), Reference.parse(reference)
    try:
        folder.check()
        key = target(folder, name)
        receipt = Receipt.load(folder, key) if key else None
        if receipt is None or not _same_place(Reference.parse(receipt.reference), where):
            return None
        pinned = str(replace(where, tag="", digest=receipt.digest))
        return stage(pinned, cache, name=name, **{**options, "offline": True})
    except ModelPackError:
        return None


def vouched(cache: Cache, key: str, *, policy: Policy | PolicyFile) -> Verified:
    """Verify a snapshot's signatures again, those that were kept, without a registry. Raises NotFound, and as verification."""
    receipt = Receipt.load(cache, key)
    if receipt is None:
        raise NotFound(f"{key} has no valid receipt in {cache.root}")
    where = Reference.parse(receipt.reference)
    store = _kept(cache, where.pinned(receipt.digest))
    return verify_at(store, store.resolve(str(receipt.digest)), where, policy, Access())


def completed(reference: str, file: Path) -> str:
    """A reference whose version stands in a small file, as a ConfigMap is mounted: a digest, a tag, or a whole reference to
    the same repository. Who may write the file chooses a version, never another model. Raises InputError, InvalidReference.
    """
    where = Reference.parse(reference)
    text = read_file(file, _MAX_VERSION).decode("utf-8", "replace").strip()
    if text.startswith(("sha256:", "sha512:")):
        return str(replace(where, tag="", digest=Digest.parse(text)))
    if text and not set(text) & set("/:@"):
        return str(Reference.parse(str(replace(where, tag=text, digest=None))))
    found = Reference.parse(text) if text else None
    if found is None or not _same_place(found, where):
        said = f"names {text[:200]!a}" if text else "is empty"
        raise InputError(
            f"{file} {said}, which is no version of {where.place or where}",
            hint="it holds a digest, a tag, or a reference",
        )
    return str(found)


def _same_place(one: Reference, other: Reference) -> bool:
    return (one.registry, one.repository, one.layout) == (other.registry, other.repository, other.layout)


def arrangement(form: str, reference: str, repo: str = "", *, model: str = "", version: int = 1) -> Arrangement:
    """How files are arranged, by name; ``repo`` (``org/name``) by default the end of the repository, ``model`` its last part.

    Raises InputError.
    """
    try:
        chosen = Form(form)
    except ValueError:
        raise InputError(f"{form!r} is not a layout", hint=f"one of {', '.join(Form)}") from None
    if chosen is Form.FILES:
        return FILES
    parts = Reference.parse(reference).repository.split("/")
    if chosen is Form.TRITON:
        return Arrangement(chosen, model=model or parts[-1], version=version)
    return Arrangement(chosen, repo or "/".join(parts[-2:]))


def _kept(cache: Cache, where: Reference) -> LayoutStore:
    if where.digest is None:
        raise InputError(
            "offline, a tag cannot be looked up", hint="name the digest: registry.example/ml/minilm@sha256:…"
        )
    try:
        return LayoutStore(cache.evidence, create=False)
    except NotFound:
        raise NotFound(f"nothing was staged in {cache.root} yet", hint="leave --offline out") from None

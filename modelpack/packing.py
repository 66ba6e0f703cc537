"""Packing in two steps: :func:`prepare` reads names and headers and decides, :func:`pack` carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelpack.access import Access
from modelpack.errors import InputError
from modelpack.oci import Kind, ModelConfig, Reference
from modelpack.pack import Layout, Packed, Plan, execute, plan
from modelpack.pack.hub import ENDPOINT, Snapshot, check_lfs, fetch_snapshot, parse_hub
from modelpack.pack.metadata import Inferred, apply_overrides, infer
from modelpack.store import MemoryStore, Store

if TYPE_CHECKING:
    from modelpack.attest import Run


@dataclass(frozen=True, slots=True)
class HubAccess:
    """Where Hub snapshots are kept (the layout of ``HF_HUB_CACHE``), and how the Hub is reached."""

    cache: Path
    token: str = field(default="", repr=False)
    endpoint: str = ENDPOINT


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, the configuration that goes with it, and how its values were found."""

    plan: Plan
    config: ModelConfig
    inferred: Inferred
    snapshot: Snapshot | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and what is doubtful about the files: sentences for people."""
        return (*self.plan.notes, *self.inferred.warnings)

    def source_of(self, field: str) -> str:
        """Where a value of the configuration comes from."""
        if getattr(self.config, field) != getattr(self.inferred.config, field):
            return "given"
        return self.inferred.sources.get(field, "")


def prepare(
    source: str | Path,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Mapping[str, str | Kind] | None = None,
    modelfile: Path | None = None,
    kitfile: Path | None = None,
    layout: Layout | None = None,
    follow_links: bool = False,
    hub: HubAccess | None = None,
    access: Access | None = None,
    **fields: str | Iterable[str],
) -> Prepared:
    """Decide what to pack, and what to say about it, reading only file names and headers.

    ``source`` is a folder, a snapshot in a Hugging Face cache, or ``hf://org/name@revision``, which is downloaded first.
    ``fields`` are those of :class:`ModelConfig` and replace what was found: ``name="minilm", licenses=["Apache-2.0"]``.
    See :func:`modelpack.pack.plan` for the others and for what is raised.
    """
    access = access or Access()
    snapshot = _snapshot(source, tuple(include), tuple(exclude), hub, access) if _on_hub(source) else None
    folder = snapshot.path if snapshot else Path(source)
    decided = plan(
        folder,
        include=tuple(include),
        exclude=tuple(exclude),
        modelfile=modelfile,
        kitfile=kitfile,
        layout=layout,
        kinds={glob: Kind.named(name) for glob, name in (kinds or {}).items()},
        follow_links=follow_links,
    )
    inferred = infer(decided.entries, folder.absolute())
    known = {"name": decided.name} if not inferred.config.name else {}
    given = {name: value if isinstance(value, str) else tuple(value) for name, value in fields.items()}
    config = apply_overrides(
        inferred.config, {**known, **(snapshot.overrides if snapshot else {}), **decided.overrides, **given}
    )
    return Prepared(decided, config, inferred, snapshot)


def pack(
    source: str | Path | Prepared,
    *,
    into: Store | str | None = None,
    created: datetime | None = None,
    annotations: Mapping[str, str] | None = None,
    provenance: Run | None = None,
    access: Access | None = None,
    **options: object,
) -> Packed:
    """Make a ModelPack artifact of a folder, a Hub snapshot (``hf://org/name@revision``) or a prepared plan.

    ``into`` is where it is stored: a store, a reference (a registry or a layout; the tag is set), or nothing: then files are
    only referred to, and :func:`modelpack.push` sends them from where they are. Each file is read once. The same files and
    options give the same digest on every machine; ``created`` (a time in UTC) becomes part of it. ``provenance`` is kept for
    :func:`modelpack.push`, which signs and attaches it.

    Other options are those of :func:`prepare`. Raises InputError, DocumentError, SizeMismatch (a file changed meanwhile),
    DigestMismatch (a Hub file is not what the Hub says), and the store's errors.
    """
    access = access or Access()
    prepared = source if isinstance(source, Prepared) else prepare(source, access=access, **options)  # type: ignore[arg-type]
    if isinstance(source, Prepared) and options:
        raise InputError("a prepared plan takes no further options")
    if isinstance(into, str):
        where = Reference.parse(into)
        if where.digest:
            raise InputError(f"{into} has a digest, which only the finished model can have", hint="give a tag")
        with access.open(where, create=True) as store:
            packed = _execute(prepared, store, created, annotations, access)
            if where.name:
                store.tag(packed.descriptor, where.name)
    else:
        packed = _execute(prepared, MemoryStore() if into is None else into, created, annotations, access)
    return replace(packed, provenance=provenance)


def _execute(
    prepared: Prepared, store: Store, created: datetime | None, annotations: Mapping[str, str] | None, access: Access
) -> Packed:
    packed = execute(
        prepared.plan,
        store,
        prepared.config,
        created=created,
        annotations=annotations,
        jobs=access.jobs,
        observe=access.observe,
        digests=access.digests,
    )
    if prepared.snapshot:
        check_lfs(packed, prepared.snapshot)
    return packed


def _on_hub(source: str | Path) -> bool:
    return isinstance(source, str) and source.startswith("hf://")


def _snapshot(
    source: str | Path, include: tuple[str, ...], exclude: tuple[str, ...], hub: HubAccess | None, access: Access
) -> Snapshot:
    if hub is None:
        raise InputError(f"{source} needs a place to download to", hint="pass hub=HubAccess(cache=…)")
    model = parse_hub(str(source))
    return fetch_snapshot(
        model.repo_id,
        model.revision,
        cache_dir=hub.cache,
        token=hub.token,
        endpoint=hub.endpoint or ENDPOINT,
        include=include,
        exclude=exclude,
        observe=access.observe,
    )

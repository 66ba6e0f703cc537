"""The verbs that most users need, over references and folders. Each is a few lines on the packages below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelpack.access import Access, local_name, resolve
from modelpack.errors import InputError, InvalidReference
from modelpack.inspection import model_manifest, read_config
from modelpack.oci import Descriptor, Digest, Index, Kind, Reference, is_attachment_name
from modelpack.store import (
    Copied,
    Credential,
    Deleting,
    DockerConfig,
    LayoutStore,
    Listing,
    Registry,
    StaticCredentials,
    Store,
)
from modelpack.store import (
    copy as copy_graph,
)
from modelpack.unpack import EVERYTHING, Selection, Unpacked
from modelpack.unpack import unpack as unpack_graph

if TYPE_CHECKING:  # what not every verb needs is loaded by those that do
    from modelpack.attest import Run
    from modelpack.pack import Packed
    from modelpack.trust import Policy, PolicyFile, Signer, Verified


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a store: its name, digest, and bytes of config and layers."""

    name: str
    digest: Digest
    size: int


def push(
    model: Packed | tuple[LayoutStore, str],
    reference: str,
    *,
    signer: Signer | None = None,
    provenance: Run | None = None,
    attachments: bool = True,
    access: Access | None = None,
) -> Copied:
    """Send a packed model, or one of a local store by its name, to a registry (or a layout).

    Content that is there is not sent again. Signatures and whatever else is attached to it follow, unless ``attachments`` is
    false. With a ``signer`` it is signed there; with ``provenance`` (a finished :func:`modelpack.provenance`, by
    default the one that it was packed with) that is signed and attached as well.

    Raises InputError (provenance without a signer), InvalidReference, NotFound, AccessDenied, RegistryError, Unavailable.
    """
    access = access or Access()
    where = Reference.parse(reference)
    packed = None if isinstance(model, tuple) else model
    provenance = provenance or _made_by(packed)
    if provenance is not None and signer is None:
        raise InputError("provenance that nobody signs proves nothing", hint="give a signer as well")
    if isinstance(model, tuple):
        source: Store = model[0]
        descriptor = source.resolve(local_name(Reference.parse(model[1])))
    else:
        source, descriptor = model.store, model.descriptor
    copied = _copy(source, descriptor, where, access, attachments=attachments)
    if signer is not None:
        from modelpack.trusting import sign

        files = packed.files if packed else None
        exactly = str(where.pinned(descriptor.digest))  # so that nobody moves the tag in between
        sign(exactly, signer, files=files, access=access)
        if provenance is not None:
            from modelpack.attesting import attest_model

            attest_model(exactly, signer, provenance=provenance.provenance, access=access)
    return copied


def _made_by(packed: Packed | None) -> Run | None:
    if packed is None or packed.provenance is None:
        return None
    from modelpack.attest import Run

    return packed.provenance if isinstance(packed.provenance, Run) else None


def copy(
    source: str,
    target: str,
    *,
    policy: Policy | PolicyFile | None = None,
    attachments: bool = True,
    access: Access | None = None,
) -> Copied:
    """Copy a model, or an index of models, between registries and layouts, byte for byte.

    The source is resolved once; what arrives has the same digest, and it is what satisfies the ``policy`` if there is one.
    Signatures and whatever else is attached follow, unless ``attachments`` is false. Raises as :func:`push` and :func:`verify`.
    """
    access = access or Access()
    where = Reference.parse(source)
    with access.open(where) as store:
        target_reference = Reference.parse(target)
        descriptor = resolve(store, where)
        if policy is not None:
            from modelpack.trusting import verify_at

            verify_at(store, descriptor, where, policy, access)
        return _copy(store, descriptor, target_reference, access, attachments=attachments)


def fetch(
    reference: str,
    into: LayoutStore,
    *,
    policy: Policy | PolicyFile | None = None,
    attachments: bool = True,
    access: Access | None = None,
) -> Copied:
    """Copy a model into a local store, under its full reference. Raises as :func:`copy`.

    What is fetched by digest alone is kept under ``host/repository@digest``.
    """
    access = access or Access()
    where = Reference.parse(reference)
    with access.open(where) as store:
        descriptor = resolve(store, where)
        if policy is not None:
            from modelpack.trusting import verify_at

            verify_at(store, descriptor, where, policy, access)
        names = (_kept_as(where),)
        return copy_graph(
            store, descriptor, into, names=names, attached=attachments, jobs=access.jobs, observe=access.observe
        )


def pull(
    reference: str,
    destination: str | Path,
    *,
    policy: Policy | PolicyFile,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Iterable[str | Kind] = (),
    force: bool = False,
    access: Access | None = None,
) -> Unpacked:
    """Verify a model and write its files, or some of them, into a folder.

    The tag is resolved once, and what satisfies the ``policy`` is what is unpacked; ``InsecureAcceptAnything()`` checks only
    that content matches its digest. The other arguments are those of :func:`unpack`; raises as that and :func:`verify`.
    """
    from modelpack.trusting import verify_at

    access = access or Access()
    where = Reference.parse(reference)
    with access.open(where) as store:
        verified = verify_at(store, resolve(store, where), where, policy, access)
        return unpack(verified, destination, include=include, exclude=exclude, kinds=kinds, force=force, access=access)


def unpack(
    verified: Verified,
    destination: str | Path,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    kinds: Iterable[str | Kind] = (),
    force: bool = False,
    access: Access | None = None,
) -> Unpacked:
    """Write a verified model's files, or some of them, into a folder; every byte is hashed before a file has its name.

    ``include`` and ``exclude`` are patterns as for packing (``*.safetensors``, ``onnx/``). A second call goes on where a
    first one was cut off; a newer version replaces an older one in one step. ``force`` allows a folder that holds other files.
    If the evidence has an OpenSSF Model Signing signature, it is written too, as ``model.sig``.

    Raises as :func:`push`, and DigestMismatch, SizeMismatch, UnsafePath, DocumentError, NoSpace, InputError.
    """
    from modelpack.trusting import model_signature

    access = access or Access()
    selection = Selection(tuple(include), tuple(exclude), frozenset(map(Kind.named, kinds)))
    with verified.store as store:
        manifest = model_manifest(store, verified.descriptor)
        config = read_config(store, manifest)
        return unpack_graph(
            store,
            manifest,
            Path(destination),
            selection=selection,
            reference=verified.reference,
            force=force,
            jobs=access.jobs,
            observe=access.observe,
            # Some tools leave the configuration empty, or list other things there: then there is nothing to compare.
            config=config if len(config.diff_ids) == len(manifest.layers) else None,
            # It covers all files: beside some of them it would not verify.
            besides=model_signature(verified, manifest) if selection == EVERYTHING else (),
        )


def list_models(store: LayoutStore) -> tuple[Listed, ...]:
    """The named models of a layout, by name."""
    found = []
    for name in store.tags():
        if is_attachment_name(name):
            continue
        descriptor = store.resolve(name)
        document = store.document(descriptor)
        sizes = (
            [entry.size for entry in document.manifests]
            if isinstance(document, Index)
            else [b.size for b in document.blobs]
        )
        found.append(Listed(name, descriptor.digest, sum(sizes)))
    return tuple(found)


def list_names(where: str, *, access: Access | None = None) -> tuple[str, ...]:
    """A repository's tags (``host/repository``), or a registry's repositories (``host``)."""
    access = access or Access()
    if "/" not in where.rstrip("/") and where:
        with access.registry(_host(where)) as registry:
            return tuple(sorted(registry.repositories()))
    with access.open(where) as store:
        assert isinstance(store, Listing)  # noqa: S101  # registries and layouts are
        return store.tags()


def tag(reference: str, name: str, *, local: LayoutStore | None = None, access: Access | None = None) -> Digest:
    """Give a model in a registry or layout one more tag; or one in a ``local`` store one more name, a whole reference.

    Raises as :func:`push`.
    """
    where = Reference.parse(reference)
    if local is not None and not where.layout:
        descriptor = local.resolve(local_name(where))
        local.tag(descriptor, Reference.parse(name).local_name)
        return descriptor.digest
    name = name if where.layout else _tag_of(where, name)
    with (access or Access()).open(where) as store:
        descriptor = resolve(store, where)
        store.tag(descriptor, name)
        return descriptor.digest


def remove(reference: str, *, local: LayoutStore | None = None, access: Access | None = None) -> None:
    """Remove a tag from a registry or layout; or, by digest, a manifest with all its tags. From a ``local`` store only names
    are removed.

    Raises NotFound, UnsupportedFormat (the registry does not allow it), AccessDenied.
    """
    where = Reference.parse(reference)
    if where.layout and not where.name:
        raise InputError(f"{reference} says no name to remove", hint="oci:PATH:tag or oci:PATH@digest")
    if local is not None and not where.layout:
        local.untag(_kept_as(where))
        return
    with (access or Access()).open(where) as store:
        assert isinstance(store, Deleting)  # noqa: S101  # registries and layouts are
        if where.digest:
            store.delete(store.resolve(str(where.digest)))
        else:
            store.untag(where.name)


def login(registry: str, username: str, secret: str, *, access: Access) -> str:
    """Check a credential with a registry, then keep it; says where. Raises AccessDenied, Unavailable, InputError."""
    host = _host(registry)
    credential = Credential(username, secret)
    with Registry(host, access.http, StaticCredentials({host: credential}), access.observe) as checked:
        checked.ping()
    return _docker_config(access).store(host, credential)


def logout(registry: str, *, access: Access) -> None:
    """Forget a registry's credential. Raises NotFound."""
    _docker_config(access).erase(_host(registry))


def _copy(source: Store, descriptor: Descriptor, where: Reference, access: Access, *, attachments: bool) -> Copied:
    if where.digest not in (None, descriptor.digest):
        raise InputError(
            f"{descriptor.digest} cannot be stored as {where.digest}", hint="leave the digest out, give a tag"
        )
    with access.open(where, create=True) as target:
        tag_name = where.tag or ("" if where.digest or where.layout else where.name)
        names = (tag_name,) if tag_name else ()
        return copy_graph(
            source, descriptor, target, names=names, attached=attachments, jobs=access.jobs, observe=access.observe
        )


def _kept_as(where: Reference) -> str:
    """The name that something fetched has in a local store."""
    return where.local_name if where.tag or not where.digest else str(where)


def _tag_of(where: Reference, name: str) -> str:
    """A tag for a model in a registry, from the tag alone or a whole reference to the same repository."""
    wanted = Reference.parse(name if "/" in name else f"{where.registry}/{where.repository}:{name}")
    if (wanted.registry, wanted.repository, wanted.digest) != (where.registry, where.repository, None):
        raise InputError(
            f"{name} is not a tag in {where.registry}/{where.repository}", hint="copy brings a model elsewhere"
        )
    return wanted.tag or wanted.name


def _host(text: str) -> str:
    """A registry's host, from what people type after ``login``."""
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    if not host or "/" in host:
        alone = host.partition("/")[0] or "registry.example or localhost:5000"
        raise InvalidReference(f"{host!r} is not a registry host", hint=f"give the host alone: {alone}")
    found = Reference.parse(f"{host}/a/b")
    if found.repository != "a/b":
        # In references a word without a dot is a part of Docker Hub; a password must not go there by mistake.
        raise InvalidReference(f"{host!r} is not a registry host", hint=f"a host has a dot or a port: {host}:443")
    return found.registry


def _docker_config(access: Access) -> DockerConfig:
    if not isinstance(access.credentials, DockerConfig):
        raise InputError(
            "credentials can only be kept in a docker config", hint="Access(credentials=DockerConfig(path))"
        )
    return access.credentials

"""Two models, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from modelpack.compare.difference import Change, Difference, FileState, Tensors
from modelpack.compare.files import compare_files, states, transfer
from modelpack.compare.sides import Side, Trusted, by_digest, look
from modelpack.compare.tensors import compare_tensors
from modelpack.compare.values import changes, counts
from modelpack.oci import JSON, Descriptor
from modelpack.store import Store


def compare(
    before: tuple[Store, Descriptor],
    after: tuple[Store, Descriptor],
    *,
    trusted: tuple[Trusted, Trusted] | None = None,
    jobs: int = 4,
) -> Difference:
    """What is different between two models, told without moving their weights: manifests, configurations, small files, and a
    few kilobytes of each weight file.

    With ``trusted`` (one for each, since a signature may be meant for one place), what is attached to them is compared too.
    Raises as :func:`modelpack.attest.inventory` for either.
    """
    first = look(*before, trusted=trusted[0] if trusted else None, jobs=jobs)
    second = look(*after, trusted=trusted[1] if trusted else None, known=by_digest(first), jobs=jobs)
    files = (states(first.inventory, first.layers), states(second.inventory, second.layers))
    return Difference(
        before=first.descriptor.digest,
        after=second.descriptor.digest,
        config=changes(first.config, second.config),
        annotations=changes(_annotations(first), _annotations(second)),
        files=compare_files(*files),
        tensors=_tensors(first, second, files),
        licenses=counts(first.inventory.licenses, second.inventory.licenses),
        origins=changes(first.origins, second.origins),
        templates=changes(first.templates, second.templates),
        signatures=_signatures(first, second),
        documents=_documents(first, second),
        transfer=transfer(first.manifest.blobs, second.manifest.blobs),
        looked_at=trusted is not None,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def _tensors(first: Side, second: Side, files: tuple[Mapping[str, FileState], Mapping[str, FileState]]) -> Tensors:
    """A weight file without a header matters only if it is not the same on both sides."""
    unread = {*first.unread, *second.unread}
    differs = (path for path in sorted(unread) if files[0].get(path) != files[1].get(path))
    return compare_tensors(first.heads, second.heads, files, tuple(differs))


def _annotations(side: Side) -> dict[str, JSON]:
    return dict(side.manifest.annotations)


def _signatures(first: Side, second: Side) -> tuple[Change, ...]:
    if not (first.attached and second.attached):
        return ()
    return counts(first.attached.signatures, second.attached.signatures)


def _documents(first: Side, second: Side) -> tuple[Change, ...]:
    if not (first.attached and second.attached):
        return ()
    return counts(first.attached.documents, second.attached.documents)
